"""Rows that go into the trash and come back: searches, counts and order are as they were."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pixyproxy.core.criteria import ImageCriteria
from pixyproxy.core.models import ImageDetail
from pixyproxy.core.trash import TrashedImage
from pixyproxy.data import tables
from pixyproxy.data.init import Database
from pixyproxy.data.repositories.curation import CurationRepository
from pixyproxy.data.repositories.images import ImageRepository
from pixyproxy.data.repositories.trash import TrashRepository
from pixyproxy.data.search import blocks as blocks_module
from pixyproxy.data.search.blocks import SearchBlocks
from pixyproxy.data.search.index import IdRange
from tests.support.rows import keep, make_image, raw

BLOCK_SIZE = 64
QUERIES = ("cat", '"red cat"', "ca*", "number 7", "dog", "cat -dog", '"a fox"')


class Archive:
    """Repositories with small blocks."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.blocks = SearchBlocks(database.open_context, block_size=BLOCK_SIZE)
        self.images = ImageRepository(database.open_context, block_size=BLOCK_SIZE)
        self.curation = CurationRepository(database.open_context, self.blocks)
        self.trash = TrashRepository(database.open_context, self.curation, self.blocks)

    async def delete(self, *images: ImageDetail) -> None:
        now = datetime.now(UTC)
        for image in images:
            async with self.database.open_context() as context:
                await context.begin_transaction()
                locked = await self.curation.lock_image(context, image.guid)
                assert locked is not None
                await self.curation.delete(
                    context, *locked, now, kept_until=now + timedelta(days=1)
                )
                await context.commit_transaction()

    async def restore(self, *images: ImageDetail) -> None:
        for image in images:
            async with self.database.open_context() as context:
                await context.begin_transaction()
                locked = await self.trash.lock_image(context, image.guid)
                assert locked is not None
                await self.trash.restore(context, *locked, datetime.now(UTC))
                await context.commit_transaction()
        self.images.look_anew()

    async def find(self, **criteria: Any) -> list[str]:
        async with self.database.open_context() as context:
            found = await self.images.find_images(
                context, ImageCriteria(**criteria), IdRange(), limit=1000
            )
        return [image.guid for _, image in found]

    async def told(self) -> dict[str, Any]:
        """All that faces tell of the archive but its images' times."""
        async with self.database.open_context() as context:
            stats = await self.blocks.get_stats(context)
            count = await self.images.count_images(context, ImageCriteria())
            tags = await self.curation.list_tags(context, prefix="", first=100)
            listed = await self.images.list_images(context, page=2, size=100)
        return {
            "stats": stats,
            "count": count,
            "tags": tags,
            "all": await self.find(),
            "page": [image.guid for image in listed],
            "tagged": await self.find(tags=["pets"]),
            **{query: await self.find(query=query) for query in QUERIES},
        }


@pytest.fixture
def archive(database: Database) -> Archive:
    return Archive(database)


async def fill(archive: Archive) -> list[ImageDetail]:
    words = ("a red cat", "a cat and a dog", "a fox")
    images = [
        make_image(f"{words[number % 3]} number {number}", tags=("pets",) if number % 5 else ())
        for number in range(3 * BLOCK_SIZE)
    ]
    await keep(archive.database, *images)
    raw_tags = sum("pets" in image.tags for image in images)
    async with archive.database.open_context() as context:
        await archive.curation.add_tags(context, ["pets"])
        await archive.curation.count_tags(context, {"pets": raw_tags})
    return images


def chosen(images: Sequence[ImageDetail]) -> list[ImageDetail]:
    return [*images[5:30:3], *images[BLOCK_SIZE - 2 : BLOCK_SIZE + 2], images[-1]]


@pytest.mark.parametrize("when", ["before", "between", "after"])
async def test_restored_images_are_found_as_before(archive: Archive, when: str) -> None:
    """Blocks are made of them before they are deleted, while they are in the trash, or after."""
    images = await fill(archive)
    expected = await archive.told()
    moved = chosen(images)
    rest = [image.guid for image in images[::-1] if image not in moved]
    if when == "before":
        await add_blocks(archive)
        assert await archive.told() == expected
    await archive.delete(*moved)
    if when == "between":
        await add_blocks(archive)
    assert await archive.find() == rest
    fewer = await archive.told()
    assert set(fewer["cat"]) == set(expected["cat"]) - {image.guid for image in moved}
    assert fewer["count"].value == len(rest)
    assert sum(entry.image_count for entry in fewer["stats"]) == len(rest)
    await archive.restore(*moved)
    if when == "after":
        await add_blocks(archive)
    assert await archive.told() == expected


async def add_blocks(archive: Archive) -> None:
    while await archive.blocks.add_block(2 * BLOCK_SIZE):
        pass
    archive.images.look_anew()


@pytest.mark.parametrize("move", ["delete", "restore"])
async def test_no_block_is_made_of_images_that_move_meanwhile(
    archive: Archive, database_url: str, monkeypatch: pytest.MonkeyPatch, move: str
) -> None:
    images = await fill(archive)
    moved = images[7]
    await archive.delete(moved)
    expected = await archive.told()
    if move == "delete":
        await archive.restore(moved)
    real, do = archive.blocks.add_block, getattr(archive, move)
    make_block, to_thread = blocks_module._make_block, blocks_module.asyncio.to_thread

    async def move_first(function: Any, *arguments: Any) -> Any:
        if function is make_block:
            await do(moved)
        return await to_thread(function, *arguments)

    monkeypatch.setattr(blocks_module.asyncio, "to_thread", move_first)
    assert await real(BLOCK_SIZE)
    monkeypatch.undo()
    assert raw(database_url, "SELECT COUNT(*) FROM archive_blocks") == [(0,)]
    if move == "restore":
        await archive.delete(moved)
    await add_blocks(archive)
    assert await archive.told() == expected


async def test_a_row_comes_back_as_it_was(archive: Archive, database_url: str) -> None:
    image = make_image(
        "ein 🐈 in 春",
        parameters={"size": "auto", "seed": [1, {"a": None}]},
        revised_prompt="a cat",
        thumbhash="1QcSHQRnh493V4dIh4eXh1h4kJUI",
        has_content_credentials=True,
    )
    await keep(archive.database, make_image(), image, make_image())
    statement = "SELECT * FROM images WHERE prompt_words LIKE '%春%'"
    (before,) = raw(database_url, statement)
    await archive.delete(image)
    assert raw(database_url, statement) == []
    async with archive.database.open_context() as context:
        found = await archive.trash.get_image(context, image.guid)
        assert await archive.images.get_deleted(context, [image.guid]) == {image.guid}
        assert not await archive.images.add_images(context, [image])
    assert isinstance(found, TrashedImage)
    assert found.model_dump(exclude={"deleted_at", "kept_until"}) == image.model_dump()
    await archive.restore(image)
    (after,) = raw(database_url, statement)
    columns = list(tables.images.c.keys())
    differing = [columns[at] for at in range(len(columns)) if before[at] != after[at]]
    assert differing == ["updated_at"]
    assert raw(database_url, "SELECT COUNT(*) FROM trashed_images") == [(0,)]


async def test_an_image_whose_id_was_given_anew_comes_back_as_the_newest(
    archive: Archive, database_url: str
) -> None:
    images = [make_image("a cat", tags=("pets",)) for _ in range(2)]
    await keep(archive.database, *images)
    async with archive.database.open_context() as context:
        await archive.curation.add_tags(context, ["pets"])
    await archive.delete(images[0])
    raw(database_url, "UPDATE images SET id = 1")
    await archive.restore(images[0])
    assert await archive.find(query="cat") == [images[0].guid, images[1].guid]

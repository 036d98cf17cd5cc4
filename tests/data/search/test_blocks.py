"""Blocks: when they are made, by whom, and what they count."""

import asyncio
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from pixyproxy.core.criteria import ImageCriteria
from pixyproxy.core.exceptions import ConstraintViolationError
from pixyproxy.core.models import ContentType, ImageDetail
from pixyproxy.core.statistics import Count
from pixyproxy.data.init import Database
from pixyproxy.data.repositories.images import ImageRepository
from pixyproxy.data.search import blocks as blocks_module
from pixyproxy.data.search import index as search_index
from pixyproxy.data.search import reading
from pixyproxy.data.search.blocks import SearchBlocks
from pixyproxy.data.search.index import IdRange
from tests.support.databases import open_database
from tests.support.rows import keep, make_image, raw

BLOCK_SIZE = 64


def blocks_of(database: Database) -> SearchBlocks:
    return SearchBlocks(database.open_context, block_size=BLOCK_SIZE)


def repository_of(database: Database) -> ImageRepository:
    return ImageRepository(database.open_context, block_size=BLOCK_SIZE)


def count_blocks(database_url: str) -> int:
    count: int = raw(database_url, "SELECT COUNT(*) FROM archive_blocks")[0][0]
    return count


async def find(database: Database, **criteria: str) -> list[ImageDetail]:
    async with database.open_context() as context:
        found = await repository_of(database).find_images(
            context, ImageCriteria(**criteria), IdRange(), limit=100
        )
    return [image for _, image in found]


async def test_a_block_is_made_when_all_its_ids_are_settled(
    database: Database, database_url: str
) -> None:
    images = [make_image(f"cat number {number}") for number in range(2 * BLOCK_SIZE)]
    await keep(database, *images)
    blocks = blocks_of(database)
    assert not await blocks.add_block(BLOCK_SIZE - 2)
    assert count_blocks(database_url) == 0
    assert await blocks.add_block(BLOCK_SIZE - 1)
    assert not await blocks.add_block(2 * BLOCK_SIZE - 2)
    assert await blocks.add_block(2 * BLOCK_SIZE - 1)
    assert not await blocks.add_block(2 * BLOCK_SIZE)
    assert count_blocks(database_url) == 2
    for number in (0, BLOCK_SIZE - 2, BLOCK_SIZE - 1, BLOCK_SIZE, 2 * BLOCK_SIZE - 1):
        assert await find(database, query=f"cat {number}") == [images[number]]


async def test_of_several_that_make_a_block_one_succeeds(
    database: Database, database_url: str
) -> None:
    await keep(database, *(make_image(f"cat {number}") for number in range(BLOCK_SIZE)))
    others = [open_database(database_url, pool_size=1) for _ in range(3)]
    makers = map(blocks_of, [database, *others])
    made = await asyncio.gather(*(maker.add_block(BLOCK_SIZE) for maker in makers))
    for other in others:
        await other.aclose()
    assert any(made)
    assert count_blocks(database_url) == 1
    assert len(await find(database, query="cat")) == BLOCK_SIZE


async def test_no_block_is_made_of_rows_that_change_meanwhile(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await keep(database, *(make_image(f"cat {number}") for number in range(BLOCK_SIZE)))
    make_block = blocks_module._make_block

    def make_while_a_row_changes(*args):
        raw(database_url, "UPDATE images SET updated_at = '2030-01-01 00:00:00' WHERE id = 3")
        return make_block(*args)

    monkeypatch.setattr(blocks_module, "_make_block", make_while_a_row_changes)
    assert await blocks_of(database).add_block(BLOCK_SIZE)
    assert count_blocks(database_url) == 0
    monkeypatch.undo()
    assert await blocks_of(database).add_block(BLOCK_SIZE)
    assert count_blocks(database_url) == 1


async def test_an_interrupted_block_leaves_nothing(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await keep(database, *(make_image(f"cat {number}") for number in range(BLOCK_SIZE)))
    monkeypatch.setattr(blocks_module, "_INSERT_POSTINGS", sa.text("SELECT nonsense"))
    with pytest.raises(Exception, match="unavailable"):
        await blocks_of(database).add_block(BLOCK_SIZE)
    assert count_blocks(database_url) == 0
    monkeypatch.undo()
    assert await blocks_of(database).add_block(BLOCK_SIZE)
    assert len(await find(database, query="cat")) == BLOCK_SIZE


async def test_pages_and_totals_are_the_same_with_blocks(database: Database) -> None:
    images = [make_image(f"cat {number}") for number in range(3 * BLOCK_SIZE)]
    await keep(database, *images)
    newest_first = images[::-1]
    while await blocks_of(database).add_block(2 * BLOCK_SIZE + 5):
        pass
    repository = repository_of(database)
    async with database.open_context() as context:
        for page in range(1, 3 * BLOCK_SIZE // 7 + 3):
            found = await repository.list_images(context, page=page, size=7)
            assert found == newest_first[7 * (page - 1) : 7 * page]
        count = await repository.count_images(context, ImageCriteria())
    assert count == Count(value=3 * BLOCK_SIZE, is_estimate=False)


async def test_many_matches_are_estimated(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await keep(database, *(make_image(f"red cat {number}") for number in range(3 * BLOCK_SIZE)))
    while await blocks_of(database).add_block(3 * BLOCK_SIZE - 10):
        pass
    monkeypatch.setattr(search_index, "MAX_COUNTED", 100)
    async with database.open_context() as context:
        count = await repository_of(database).count_images(context, ImageCriteria(query="cat"))
        assert count == Count(value=3 * BLOCK_SIZE, is_estimate=True)
        count = await repository_of(database).count_images(context, ImageCriteria(query="cat 7"))
        assert count == Count(value=1, is_estimate=False)


async def test_a_search_that_looks_at_too_much_is_refused(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = [f"a b x b c word{number}" for number in range(2 * BLOCK_SIZE)]
    await keep(database, *map(make_image, prompts))
    while await blocks_of(database).add_block(2 * BLOCK_SIZE):
        pass
    assert await find(database, prompt='"a b c"') == []
    assert len(await find(database, prompt="word*")) == 2 * BLOCK_SIZE - 28
    monkeypatch.setattr(search_index, "MAX_ROWS_ASKED", 30)
    with pytest.raises(ConstraintViolationError, match="too many images"):
        await find(database, prompt='"a b c"')
    monkeypatch.setattr(reading, "MAX_POSTINGS", 30)
    with pytest.raises(ConstraintViolationError, match="longer prefix"):
        await find(database, prompt="word* nowhere")


async def test_stats_are_the_same_with_blocks(database: Database) -> None:
    day, next_day = datetime(2026, 11, 20, 23, 59, tzinfo=UTC), datetime(2026, 11, 21, tzinfo=UTC)
    await keep(
        database,
        *(
            make_image(
                created_at=next_day if number > BLOCK_SIZE else day,
                model="a" if number % 2 else "b",
                content_type=ContentType.PNG if number % 3 else ContentType.WEBP,
                byte_size=number,
            )
            for number in range(2 * BLOCK_SIZE)
        ),
    )
    blocks = blocks_of(database)

    async def stats() -> list[tuple[str, str, str, int, int]]:
        async with database.open_context() as context:
            return [
                (str(s.day), s.model, s.content_type, s.image_count, s.byte_size)
                for s in await blocks.get_stats(context)
            ]

    without = sorted(await stats())
    assert len(without) == 8
    assert sum(entry[3] for entry in without) == 2 * BLOCK_SIZE
    assert sum(entry[4] for entry in without) == sum(range(2 * BLOCK_SIZE))
    while await blocks.add_block(2 * BLOCK_SIZE):
        pass
    assert sorted(await stats()) == without

"""Reads of single images: which of them share a statement, and what each of them is told."""

import asyncio
from collections.abc import Sequence

import pytest

from pixyproxy.core.exceptions import DatabaseUnavailableError
from pixyproxy.core.guid import make_guid
from pixyproxy.core.models import ImageDetail
from pixyproxy.data.init import Database
from pixyproxy.service.serving.loader import ImageLoader
from tests.support.rows import keep, make_image, repository


class Source:
    """Images that are handed out batch by batch, when the test says so."""

    def __init__(self, *images: ImageDetail) -> None:
        self._images = {image.guid: image for image in images}
        self._answers: list[asyncio.Future[None]] = []
        self.batches: list[list[str]] = []

    async def load_many(self, guids: Sequence[str]) -> dict[str, ImageDetail]:
        answer = asyncio.get_running_loop().create_future()
        self.batches.append(list(guids))
        self._answers.append(answer)
        await answer
        return {guid: self._images[guid] for guid in guids if guid in self._images}

    def answer(self, number: int, error: Exception | None = None) -> None:
        if error is None:
            self._answers[number].set_result(None)
        else:
            self._answers[number].set_exception(error)


async def settle() -> None:
    """Let everything happen that waits for nothing outside."""
    for _ in range(10):
        await asyncio.sleep(0)


async def start(loader: ImageLoader, *guids: str) -> "list[asyncio.Task[ImageDetail | None]]":
    tasks = [asyncio.create_task(loader.load(guid)) for guid in guids]
    await settle()
    return tasks


async def test_a_read_alone_waits_for_nobody() -> None:
    image = make_image()
    source = Source(image)
    (task,) = await start(ImageLoader(source.load_many), image.guid)
    assert source.batches == [[image.guid]]
    source.answer(0)
    assert await task == image


async def test_reads_that_come_while_others_run_are_the_next_batch() -> None:
    images = [make_image() for _ in range(6)]
    source = Source(*images)
    loader = ImageLoader(source.load_many, max_running=2, max_batch=3)
    guids = [image.guid for image in images]
    tasks = await start(loader, *guids)
    assert source.batches == [[guids[0]], [guids[1]]]
    source.answer(1)
    await settle()
    assert source.batches[2:] == [guids[2:5]]
    source.answer(0)
    await settle()
    assert source.batches[3:] == [guids[5:]]
    source.answer(2)
    source.answer(3)
    assert await asyncio.gather(*tasks) == images


async def test_what_is_being_read_is_not_read_again() -> None:
    images = [make_image() for _ in range(2)]
    first, second = (image.guid for image in images)
    source = Source(*images)
    loader = ImageLoader(source.load_many, max_running=1)
    tasks = await start(loader, first, first, second, second, first)
    source.answer(0)
    await settle()
    source.answer(1)
    assert [image and image.guid for image in await asyncio.gather(*tasks)] == [
        first,
        first,
        second,
        second,
        first,
    ]
    assert source.batches == [[first], [second]]
    (again,) = await start(loader, first)
    assert source.batches[2:] == [[first]]
    source.answer(2)
    await again


async def test_what_is_not_there_is_none_beside_what_is() -> None:
    image, missing = make_image(), make_guid()
    source = Source(image)
    loader = ImageLoader(source.load_many, max_running=1)
    tasks = await start(loader, make_guid(), missing, image.guid)
    source.answer(0)
    await settle()
    assert source.batches[1:] == [[missing, image.guid]]
    source.answer(1)
    assert await asyncio.gather(*tasks) == [None, None, image]


async def test_a_failure_is_told_to_its_batch_alone() -> None:
    image = make_image()
    source = Source(image)
    loader = ImageLoader(source.load_many, max_running=2)
    fine, first, second, third = await start(
        loader, image.guid, *(guid := make_guid(), guid), make_guid()
    )
    source.answer(1, error := DatabaseUnavailableError())
    for task in (first, second):
        with pytest.raises(DatabaseUnavailableError) as caught:
            await task
        assert caught.value is error
    source.answer(0)
    await settle()
    source.answer(2)
    assert await fine == image
    assert await third is None


async def test_who_goes_away_harms_nobody() -> None:
    """Neither those in the same batch, nor those who asked for the same, nor the next batch."""
    image, other = make_image(), make_image()
    source = Source(image, other)
    loader = ImageLoader(source.load_many, max_running=1)
    leaver, stayer, waiting_leaver, waiting = await start(
        loader, image.guid, image.guid, other.guid, other.guid
    )
    for task in (leaver, waiting_leaver):
        task.cancel()
    await settle()
    assert leaver.cancelled()
    assert waiting_leaver.cancelled()
    source.answer(0)
    assert await stayer == image
    await settle()
    source.answer(1)
    assert await waiting == other


async def test_a_failure_that_nobody_waits_for_is_nobodys(
    caplog: pytest.LogCaptureFixture,
) -> None:
    source = Source()
    loader = ImageLoader(source.load_many)
    (task,) = await start(loader, make_guid())
    task.cancel()
    await settle()
    source.answer(0, DatabaseUnavailableError())
    await loader.aclose()
    assert not caplog.records


async def test_a_batch_that_is_cancelled_lets_its_readers_go() -> None:
    async def give_up(guids: Sequence[str]) -> dict[str, ImageDetail]:
        raise asyncio.CancelledError

    loader = ImageLoader(give_up)
    for _ in range(3):
        with pytest.raises(asyncio.CancelledError):
            await loader.load("same")


async def test_a_database_that_hangs_holds_up_nobody_for_long() -> None:
    image = make_image()
    source = Source(image)
    loader = ImageLoader(source.load_many, max_running=1, max_batch=1, patience_s=0.01)
    hanging, *others = await start(loader, make_guid(), image.guid, make_guid())
    async with asyncio.timeout(30):
        while len(source.batches) < 3:
            await asyncio.sleep(0)
    source.answer(1)
    source.answer(2)
    assert await asyncio.gather(*others) == [image, None]
    assert not hanging.done()
    source.answer(0)
    assert await hanging is None


async def test_closing_waits_for_all_and_leaves_no_task() -> None:
    before = asyncio.all_tasks()
    source = Source()
    loader = ImageLoader(source.load_many, max_running=1)
    tasks = await start(loader, make_guid(), make_guid())
    for task in tasks:
        task.cancel()
    closing = asyncio.create_task(loader.aclose())
    await settle()
    source.answer(0)
    await settle()
    assert not closing.done()
    source.answer(1)
    await closing
    await asyncio.gather(*tasks, return_exceptions=True)
    assert asyncio.all_tasks() == before


async def test_many_reads_at_once_from_the_database(database: Database) -> None:
    """Each gets its own, by far fewer statements than reads."""
    images = [make_image(f"number {number}") for number in range(250)]
    await keep(database, *images)
    sizes = []

    async def load_many(guids: Sequence[str]) -> dict[str, ImageDetail]:
        sizes.append(len(guids))
        async with database.open_context() as context:
            found = await repository.get_images(context, guids)
        return {image.guid: image for image in found}

    loader = ImageLoader(load_many)
    guids = [guid for image in images for guid in (image.guid, make_guid())]
    found = await asyncio.gather(*(loader.load(guid) for guid in guids))
    assert found[::2] == images
    assert set(found[1::2]) == {None}
    assert sorted(sizes) == [1, 1, 98, 100, 100, 100, 100]

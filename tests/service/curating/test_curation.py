"""Deletion where others come between, fail, or remember: nothing comes back, nothing stays."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from pixyproxy.bootstrap import Services, open_services
from pixyproxy.core.exceptions import DatabaseUnavailableError, ImageGoneError
from pixyproxy.core.models import ImageDetail
from pixyproxy.data.context import DatabaseContext
from pixyproxy.data.init import Database
from pixyproxy.data.repositories.curation import CurationRepository
from pixyproxy.data.repositories.images import ImageRepository
from pixyproxy.data.search.blocks import SearchBlocks
from pixyproxy.service.curating.housekeeping import Housekeeping
from pixyproxy.service.serving import originals as image_service
from pixyproxy.settings import Settings
from tests.conftest import MakeSettings
from tests.support.kept import Kept
from tests.support.rows import count_images, keep, make_image

BLOCK_SIZE = 64


@pytest.fixture
def settings(make_settings: MakeSettings, database_url: str) -> Settings:
    return make_settings(database_url=database_url)


@pytest.fixture
async def services(settings: Settings) -> AsyncIterator[Services]:
    async with open_services(settings) as services:
        yield services


@pytest.fixture
def kept(services: Services, settings: Settings) -> Kept:
    return Kept(services, settings.database_url, settings.images)


def make_old(kept: Kept) -> None:
    """Have tombstones look as if they were put there long ago."""
    kept.sql("UPDATE deleted_images SET deleted_at = '2020-01-01 00:00:00'")


async def test_settling_gives_no_deleted_image_a_row(kept: Kept) -> None:
    """A process that was thought dead had kept the image, and a user has deleted it."""
    image = await kept.draw()
    data = kept.path(image).read_bytes()
    await kept.services.curation.delete_image(image.guid)
    kept.path(image).write_bytes(data)
    kept.path(image, "json").write_text(image.model_dump_json())
    kept.set_running(image, lease_s=-1)
    await kept.services.engine.recovery.settle()
    assert kept.sql("SELECT COUNT(*) FROM images") == [(0,)]
    with pytest.raises(ImageGoneError):
        await kept.services.images.get_image(image.guid)
    make_old(kept)
    await kept.services.curation.finish_deletions()
    assert kept.files() == {}
    assert kept.sql("SELECT bytes_gone FROM deleted_images") == [(1,)]


async def test_a_row_that_is_written_again_while_it_is_deleted_stays_deleted(
    database: Database, database_url: str
) -> None:
    images = [make_image() for _ in range(2)]
    await keep(database, *images)
    curation = CurationRepository(database.open_context, SearchBlocks(database.open_context))
    repository = ImageRepository(database.open_context)
    under_way = asyncio.Event()

    async def write_again() -> None:
        async with database.open_context() as context:
            await under_way.wait()
            await context.begin_transaction()
            await repository.add_images(context, images)
            await context.commit_transaction()

    writing = asyncio.create_task(write_again())
    for image in images:
        async with database.open_context() as context:
            await context.begin_transaction()
            locked = await curation.lock_image(context, image.guid)
            assert locked is not None
            under_way.set()
            await curation.delete(context, *locked, image.created_at)
            await context.commit_transaction()
    await writing
    assert count_images(database_url) == 0


async def test_one_image_that_cannot_be_deleted_does_not_keep_the_next(
    kept: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    stuck, other = [await kept.draw() for _ in range(2)]
    data = kept.path(other).read_bytes()
    kept.path(stuck).unlink()
    kept.path(stuck).mkdir()  # a folder cannot be unlinked
    for image in (stuck, other):
        await kept.services.curation.delete_image(image.guid)
    kept.path(other).write_bytes(data)
    kept.sql("UPDATE deleted_images SET bytes_gone = 0")
    make_old(kept)
    await kept.services.curation.finish_deletions()
    assert not kept.path(other).exists()
    left = kept.sql("SELECT guid FROM deleted_images WHERE bytes_gone = 0")
    assert left == [(stuck.guid,)]
    assert f"bytes of {stuck.guid} cannot be deleted yet" in caplog.text


async def test_a_read_that_was_under_way_is_not_remembered(kept: Kept, database: Database) -> None:
    image = await kept.draw()
    has_read, may_answer = asyncio.Event(), asyncio.Event()

    class Late(ImageRepository):
        """Answers late."""

        async def get_images(
            self, context: DatabaseContext, guids: Sequence[str]
        ) -> list[ImageDetail]:
            found = await super().get_images(context, guids)
            has_read.set()
            await may_answer.wait()
            return found

    images = kept.services.images
    images._repository = Late(database.open_context)
    images.forget(image.guid)
    reading = asyncio.create_task(images.get_image(image.guid))
    await has_read.wait()
    await kept.services.curation.delete_image(image.guid)
    may_answer.set()
    assert await reading == image
    with pytest.raises(ImageGoneError):
        await images.get_image(image.guid)


async def test_bytes_that_another_process_deleted_are_gone(kept: Kept, settings: Settings) -> None:
    image = await kept.draw()
    async with open_services(settings) as others:
        await others.curation.delete_image(image.guid)
    remembered = await kept.services.images.get_image(image.guid)
    with pytest.raises(ImageGoneError):
        await kept.services.images.read_content(remembered)
    with pytest.raises(ImageGoneError):
        await kept.services.images.get_image(image.guid)


async def test_a_database_that_is_away_is_not_asked_for_each_read(
    kept: Kept, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = await kept.draw()
    asked = 0

    class Away(ImageRepository):
        """Gives no answer."""

        async def get_images(
            self, context: DatabaseContext, guids: Sequence[str]
        ) -> list[ImageDetail]:
            nonlocal asked
            asked += 1
            raise DatabaseUnavailableError

    monkeypatch.setattr(image_service, "TRUSTED_S", -1.0)
    monkeypatch.setattr(image_service, "_AWAY_S", 60.0)
    images = kept.services.images
    images._repository = Away(database.open_context)
    for _ in range(3):
        assert await images.get_image(image.guid) == image
    assert asked == 1


async def test_housekeeping_makes_blocks_of_what_is_settled(kept: Kept, database: Database) -> None:
    await keep(database, *(make_image(f"cat {number}") for number in range(BLOCK_SIZE)))
    housekeeping = Housekeeping(
        ImageRepository(database.open_context),
        SearchBlocks(database.open_context, block_size=BLOCK_SIZE),
        kept.services.curation,
        kept.services.trash,
        settled_s=0,
    )
    await housekeeping.tidy()
    assert kept.sql("SELECT COUNT(*) FROM archive_blocks") == [(1,)]
    patient = Housekeeping(
        ImageRepository(database.open_context),
        SearchBlocks(database.open_context, block_size=BLOCK_SIZE // 2),
        kept.services.curation,
        kept.services.trash,
        settled_s=60,
    )
    await patient.tidy()
    assert kept.sql("SELECT COUNT(*) FROM archive_blocks") == [(1,)]

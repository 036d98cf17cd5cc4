"""The trash where others come between: nothing is lost, nothing comes back, all files are known."""

from collections.abc import AsyncIterator

import pytest

from pixyproxy.bootstrap import Services, open_services
from pixyproxy.core.exceptions import ImageGoneError
from pixyproxy.core.models import ImageDetail
from pixyproxy.data.files.folder import FolderStore
from pixyproxy.service.checking.files import CheckProgress, Fault
from pixyproxy.settings import Settings
from tests.conftest import MakeSettings
from tests.support.kept import Kept


@pytest.fixture
def settings(make_settings: MakeSettings, database_url: str) -> Settings:
    return make_settings(database_url=database_url, trash_days=7)


@pytest.fixture
async def services(settings: Settings) -> AsyncIterator[Services]:
    async with open_services(settings) as services:
        yield services


@pytest.fixture
def kept(services: Services, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Kept:
    monkeypatch.setattr("pixyproxy.service.checking.files.PAUSE_S", 0.1)
    return Kept(services, settings.database_url, settings.images)


async def trashed(kept: Kept, prompt: str = "a fox") -> ImageDetail:
    image = await kept.draw(prompt)
    await kept.services.curation.delete_image(image.guid)
    return image


def make_old(kept: Kept) -> None:
    """Have the time of all that is in the trash be over."""
    kept.sql("UPDATE trashed_images SET kept_until = '2020-01-01 00:00:00'")


async def test_files_in_the_trash_are_known_and_checked(kept: Kept) -> None:
    there, whole, lost, spoilt, with_sidecar = (
        await kept.draw(),
        await trashed(kept),
        await trashed(kept),
        await trashed(kept),
        await trashed(kept),
    )
    before = kept.files()
    assert await kept.check(repair=True) == set()
    assert kept.files() == before
    kept.path(lost).unlink()
    kept.path(spoilt).write_bytes(kept.path(spoilt).read_bytes()[:-1] + b"x")
    kept.path(with_sidecar, "json").write_text(with_sidecar.model_dump_json())
    faults = {("missing-file", lost.guid, False), ("wrong-sha256", spoilt.guid, False)}
    left = ("sidecar-left", with_sidecar.guid)
    assert await kept.check() == {*faults, (*left, False)}
    assert await kept.check(repair=True) == {*faults, (*left, True)}
    assert kept.path(whole).exists()
    events = [event async for event in kept.services.files.run()]
    assert sum(event.count for event in events if isinstance(event, CheckProgress)) == 5
    for after, count in ((there.guid, 4), (lost.guid, 2), (with_sidecar.guid, 0)):
        events = [event async for event in kept.services.files.run(after=after)]
        assert sum(event.count for event in events if isinstance(event, CheckProgress)) == count


async def test_files_in_the_trash_move_with_the_others(kept: Kept, settings: Settings) -> None:
    there, deleted = await kept.draw(), await trashed(kept)
    target_folder = settings.images.with_name("elsewhere")
    source = FolderStore(kept.folder, min_free_mb=0)
    target = FolderStore(target_folder, min_free_mb=0)
    for store in (source, target):
        store.open()
    try:
        migration = kept.services.make_migration(source, target)
        assert not [event async for event in migration.run() if isinstance(event, Fault)]
    finally:
        for store in (source, target):
            store.close()
    for image in (there, deleted):
        copy = target_folder / kept.path(image).relative_to(kept.folder)
        assert copy.read_bytes() == kept.path(image).read_bytes()


async def test_settling_takes_nothing_out_of_the_trash(kept: Kept) -> None:
    """A process that was thought dead had kept the image, and a user has deleted it."""
    image = await trashed(kept)
    kept.path(image, "json").write_text(image.model_dump_json())
    kept.set_running(image, lease_s=-1)
    await kept.services.engine.recovery.settle()
    assert kept.sql("SELECT COUNT(*) FROM images") == [(0,)]
    with pytest.raises(ImageGoneError):
        await kept.services.images.get_image(image.guid)
    await kept.services.housekeeping.tidy()
    await kept.services.trash.restore_image(image.guid)
    found = await kept.services.images.get_image(image.guid)
    assert bytes(await kept.services.images.read_content(found)) == kept.path(image).read_bytes()


async def test_housekeeping_leaves_what_is_restored(kept: Kept) -> None:
    """It has listed the image as one whose time is over, and only then comes to it."""
    image = await trashed(kept)
    assert not await kept.services.trash._destroy(image.guid, only_expired=True)
    await kept.services.trash.restore_image(image.guid)
    assert not await kept.services.trash._destroy(image.guid, only_expired=True)
    assert await kept.services.images.get_image(image.guid)


async def test_bytes_that_cannot_be_deleted_are_deleted_later(
    kept: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    stuck, other = await trashed(kept), await trashed(kept)
    data = kept.path(stuck).read_bytes()
    kept.path(stuck).unlink()
    kept.path(stuck).mkdir()  # a folder cannot be unlinked
    make_old(kept)
    await kept.services.housekeeping.tidy()
    assert f"bytes of {stuck.guid} cannot be deleted yet" in caplog.text
    assert not kept.path(other).exists()
    assert kept.sql("SELECT COUNT(*) FROM trashed_images") == [(0,)]
    kept.path(stuck).rmdir()
    kept.path(stuck).write_bytes(data)
    kept.sql("UPDATE deleted_images SET deleted_at = '2020-01-01 00:00:00'")
    await kept.services.housekeeping.tidy()
    assert kept.files() == {}


async def test_very_many_are_purged_by_and_by(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pixyproxy.service.curating.trash.AT_ONCE", 2)
    images = [await trashed(kept, f"fox {number}") for number in range(5)]
    assert await kept.services.trash.empty() == len(images)
    assert len(kept.files()) == 3
    with pytest.raises(ImageGoneError):
        await kept.services.trash.restore_image(images[-1].guid)
    await kept.services.housekeeping.tidy()
    assert kept.files() == {}
    assert kept.sql("SELECT COUNT(*) FROM deleted_images WHERE bytes_gone") == [(5,)]

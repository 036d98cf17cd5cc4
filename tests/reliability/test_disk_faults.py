"""The image folder at its worst: full, read-only, moved away; seen through the faces.

Nothing is paid for that could not be kept; what is paid for is held until it can be.
"""

from tests.reliability.application import held_image, in_time
from tests.reliability.conftest import OpenApplication
from tests.reliability.faults import Disk


async def test_a_full_disk_under_the_images(
    open_application: OpenApplication, sqlite_url: str, small_disk: Disk
) -> None:
    async with open_application(sqlite_url, images=small_disk.folder / "images") as application:
        guid = await application.keep()
        small_disk.fill()
        for response in await in_time(application.draw(), application.draw()):
            assert response.status_code == 507
            assert response.json()["code"] == "storage-full"
        assert application.model.posts == 1
        await application.assert_served(guid)
        assert (await application.list()).status_code == 200
        small_disk.empty()
        await application.assert_recovers()


async def test_a_paid_image_waits_for_room(
    open_application: OpenApplication, sqlite_url: str, small_disk: Disk
) -> None:
    images = small_disk.folder / "images"
    async with open_application(sqlite_url, images=images, sync_wait_s=1) as application:
        guid = await application.keep()
        with held_image(application) as drawing:
            await application.model.requests_arrived(2)
        small_disk.fill()
        application.model.release()
        await application.assert_served(guid)
        response = await drawing
        assert response.status_code == 202
        assert application.count_rows() == 1
        small_disk.empty()
        await application.assert_succeeds(response.json()["guid"])
        assert application.count_rows() == application.model.posts == 2
        await application.assert_recovers()


async def test_a_folder_that_became_read_only(
    open_application: OpenApplication, sqlite_url: str, small_disk: Disk
) -> None:
    folder = small_disk.folder
    async with open_application(sqlite_url, images=folder, sync_wait_s=1) as application:
        guid = await application.keep()
        small_disk.remount("ro")
        (response,) = await in_time(application.draw())
        assert response.status_code == 503
        assert response.json()["code"] == "image-store-unavailable"
        assert application.model.posts == 1
        await application.assert_served(guid)
        small_disk.remount("rw")
        with held_image(application) as drawing:
            await application.model.requests_arrived(2)
        small_disk.remount("ro")
        application.model.release()
        response = await drawing
        assert response.status_code == 202
        assert application.count_rows() == 1
        small_disk.remount("rw")
        await application.assert_succeeds(response.json()["guid"])
        await application.assert_recovers()


async def test_a_folder_that_was_moved_away(
    open_application: OpenApplication, sqlite_url: str
) -> None:
    async with open_application(sqlite_url) as application:
        guid = await application.keep()
        away = application.folder.rename(application.folder.with_name("away"))
        responses = await in_time(
            application.draw(), application.client.get(f"/image/{guid}/content")
        )
        for response in responses:
            assert response.status_code == 503
            assert response.json()["code"] == "image-store-unavailable"
        assert application.model.posts == 1
        away.rename(application.folder)
        await application.assert_served(guid)
        await application.assert_recovers()

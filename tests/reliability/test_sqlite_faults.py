"""SQLite at its worst: a locked file, a full disk; seen through the faces."""

import asyncio

from tests.reliability.application import held_image, in_time
from tests.reliability.conftest import OpenApplication
from tests.reliability.faults import Disk, locked_by_another_process
from tests.support.model_server import after_release, image, png


async def test_a_locked_file(open_application: OpenApplication, sqlite_url: str) -> None:
    """Readers go on; nothing is paid for while no row can be written."""
    async with open_application(sqlite_url) as application:
        guid = await application.keep()
        with locked_by_another_process(sqlite_url):
            await application.assert_refuses(*[application.draw] * 10)
            assert application.model.posts == 1
            for call in (application.list, application.search):
                assert [item["guid"] for item in (await call()).json()] == [guid]
            assert (await application.look_up()).status_code == 404
            await application.assert_served(guid)
        await application.assert_recovers()


async def test_a_paid_image_waits_for_a_locked_file(
    open_application: OpenApplication, sqlite_url: str
) -> None:
    async with open_application(sqlite_url) as application:
        with held_image(application) as drawing:
            await application.model.requests_arrived(1)
        with locked_by_another_process(sqlite_url):
            application.model.release()
            await application.assert_refuses(application.draw)
            assert not drawing.done()
        assert (await asyncio.wait_for(drawing, 10)).status_code == 201
        assert application.count_rows() == application.model.posts == 1
        await application.assert_recovers()


async def test_a_full_disk_under_sqlite(
    open_application: OpenApplication, small_disk: Disk
) -> None:
    async with open_application(f"sqlite:///{small_disk.folder}/pixyproxy.db") as application:
        guid = await application.keep()
        small_disk.fill()
        (response,) = await in_time(application.draw())
        assert response.status_code == 507
        assert response.json()["code"] == "storage-full"
        assert application.model.posts == 1
        assert (await application.ready()).json()["checks"]["database"] == "storage-full"
        assert [item["guid"] for item in (await application.list()).json()] == [guid]
        await application.assert_served(guid)
        small_disk.empty()
        await application.assert_recovers()


async def test_a_paid_image_waits_for_room_under_sqlite(
    open_application: OpenApplication, small_disk: Disk
) -> None:
    async with open_application(f"sqlite:///{small_disk.folder}/pixyproxy.db") as application:
        application.model.answer_with(after_release(image(png())))
        drawing = asyncio.create_task(application.draw("a long prompt " * 2000))
        await application.model.requests_arrived(1)
        small_disk.fill()
        application.model.release()
        async with asyncio.timeout(10):
            while not list(application.folder.rglob("*.png")):
                await asyncio.sleep(0.01)
        assert (await application.list()).json() == []
        assert not drawing.done()
        small_disk.empty()
        assert (await asyncio.wait_for(drawing, 10)).status_code == 201
        assert application.count_rows() == application.model.posts == 1
        await application.assert_recovers()

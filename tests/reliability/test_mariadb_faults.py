"""MariaDB at its worst: gone, still, silent, exhausted, locked; seen through the faces.

Whatever happens: no row without its file, what can be read is served, the right error in time,
nothing paid for while it could not be kept, and recovery by itself.
"""

import asyncio
from contextlib import closing

import pytest
from sqlalchemy.engine import make_url

from tests.reliability.application import (
    POOL_SIZE,
    held_image,
    wait_until_no_connection,
    warm_up,
)
from tests.reliability.conftest import OpenApplication
from tests.reliability.faults import Proxy
from tests.support.mariadb import MariaDB
from tests.support.model_server import after_release, image, png
from tests.support.rows import open_raw, raw


async def test_a_database_that_is_down(
    open_application: OpenApplication, mariadb: MariaDB, fragile_url: str
) -> None:
    async with open_application(fragile_url) as application:
        guid = await application.keep()
        await warm_up(application)
        mariadb.kill()
        try:
            await application.assert_database_fault()
            await application.assert_served(guid)
        finally:
            await asyncio.to_thread(mariadb.start)
        await application.assert_recovers()
    await wait_until_no_connection(mariadb, fragile_url)


async def test_a_database_that_stands_still(
    open_application: OpenApplication, mariadb: MariaDB, fragile_url: str
) -> None:
    async with open_application(fragile_url) as application:
        guid = await application.keep()
        await warm_up(application)
        mariadb.pause()
        try:
            await application.assert_database_fault()
            await application.assert_served(guid)
        finally:
            mariadb.resume()
        await application.assert_recovers()
    await wait_until_no_connection(mariadb, fragile_url)


async def test_a_database_killed_under_load(
    open_application: OpenApplication, mariadb: MariaDB, fragile_url: str
) -> None:
    """Every image that was paid for is kept, and nobody sees another error than 503."""
    async with open_application(fragile_url) as application:
        await warm_up(application)
        stop = asyncio.Event()
        statuses: set[int] = set()
        kept: set[str] = set()

        async def read() -> None:
            while not stop.is_set():
                statuses.add((await application.list()).status_code)
                await asyncio.sleep(0)  # whoever waits for the connection is to have it first

        async def draw() -> None:
            while not stop.is_set():
                response = await application.draw()
                statuses.add(response.status_code)
                if response.status_code == 201:
                    kept.add(response.json()["guid"])

        async with asyncio.TaskGroup() as load:
            for _ in range(20):
                load.create_task(read())
            for _ in range(10):
                load.create_task(draw())
            await application.model.requests_arrived(20)
            mariadb.kill()
            async with asyncio.timeout(10):
                while 503 not in statuses:
                    await asyncio.sleep(0.01)
            await asyncio.to_thread(mariadb.start)
            await application.model.requests_arrived(application.model.posts + 5)
            stop.set()
        assert statuses == {200, 201, 503}
        async with asyncio.timeout(10):  # some were taken up though their callers were told 503
            while application.count_rows() < application.model.posts:
                await asyncio.sleep(0.02)
        rows = {guid for (guid,) in raw(fragile_url, "SELECT guid FROM images")}
        assert kept <= rows
        assert len(rows) == application.model.posts
        await application.assert_recovers()
    await wait_until_no_connection(mariadb, fragile_url)


@pytest.mark.parametrize("fault", ["kill", "pause"])
async def test_a_paid_image_waits_for_the_database(
    open_application: OpenApplication, mariadb: MariaDB, fragile_url: str, fault: str
) -> None:
    async with open_application(fragile_url) as application:
        with held_image(application) as drawing:
            await application.model.requests_arrived(1)
        getattr(mariadb, fault)()
        try:
            application.model.release()
            await application.assert_refuses(application.list)
            assert not drawing.done()
        finally:
            await asyncio.to_thread(mariadb.start if fault == "kill" else mariadb.resume)
        response = await asyncio.wait_for(drawing, 10)
        assert response.status_code == 201
        assert application.count_rows() == application.model.posts == 1
        await application.assert_served(response.json()["guid"])
        await application.assert_recovers()
    await wait_until_no_connection(mariadb, fragile_url)


@pytest.mark.parametrize("fault", ["silent", "accepts nothing"])
async def test_a_black_hole_before_the_database(
    open_application: OpenApplication, mariadb: MariaDB, fragile_url: str, fault: str
) -> None:
    """Connections of before stay dead; recovery must not try each of them in turn."""
    url = make_url(fragile_url)
    assert url.port is not None
    async with Proxy(url.port) as proxy:
        through_proxy = str(url.set(port=proxy.port))
        async with open_application(through_proxy, raw_url=fragile_url) as application:
            guid = await application.keep()
            await warm_up(application)
            if fault == "silent":
                proxy.fall_silent()
            else:
                await proxy.accept_nothing()
            await application.assert_database_fault()
            await application.assert_served(guid)
            if fault == "silent":
                proxy.speak_to_new()
            else:
                await proxy.accept()
            await application.assert_recovers()
    await wait_until_no_connection(mariadb, fragile_url)


async def test_one_lost_packet_does_not_stop_the_service(
    open_application: OpenApplication, mariadb: MariaDB, fragile_url: str
) -> None:
    """All idle connections die unseen, as behind a firewall that forgets: one request pays."""
    url = make_url(fragile_url)
    assert url.port is not None
    async with Proxy(url.port) as proxy:
        through_proxy = str(url.set(port=proxy.port))
        async with open_application(through_proxy, raw_url=fragile_url) as application:
            await warm_up(application)
            proxy.fall_silent()
            await application.assert_refuses(application.list)
            proxy.speak_to_new()
            for _ in range(2 * POOL_SIZE):
                assert (await application.list()).status_code == 200


async def test_an_exhausted_pool(
    open_application: OpenApplication, mariadb: MariaDB, fragile_url: str
) -> None:
    """A lock on the table holds all connections, and many more requests wait for one."""
    async with open_application(fragile_url) as application:
        guid = await application.keep()
        with closing(open_raw(fragile_url)) as other:
            other.cursor().execute("LOCK TABLES images WRITE, generations WRITE, attempts WRITE")
            await application.assert_refuses(*[application.look_up] * 10 * POOL_SIZE)
            await application.assert_database_fault()
            await application.assert_served(guid)
            other.cursor().execute("UNLOCK TABLES")
        await application.assert_recovers()
    await wait_until_no_connection(mariadb, fragile_url)


async def test_a_paid_image_waits_for_a_row_lock(
    open_application: OpenApplication, mariadb: MariaDB, fragile_url: str
) -> None:
    async with open_application(fragile_url) as application:
        await application.keep()
        with closing(open_raw(fragile_url)) as other:
            other.cursor().execute("BEGIN")
            other.cursor().execute("SELECT * FROM images WHERE id > 0 FOR UPDATE")
            drawing = asyncio.create_task(application.draw())
            waits = (
                "SELECT COUNT(*) > 0 FROM information_schema.innodb_trx"
                " WHERE trx_state = 'LOCK WAIT'"
            )
            for wanted in (1, 0, 1):  # it waits, gives up, and waits again
                async with asyncio.timeout(10):
                    while raw(fragile_url, waits) != [(wanted,)]:
                        await asyncio.sleep(0.15)  # the server looks anew after 0.1 s
            assert (await application.list()).status_code == 200
            other.cursor().execute("ROLLBACK")
        assert (await asyncio.wait_for(drawing, 10)).status_code == 201
        assert application.count_rows() == application.model.posts == 2
        await application.assert_recovers()


@pytest.mark.parametrize("path", ["/image", "/generation"])
@pytest.mark.parametrize("is_busy", [False, True])
async def test_a_generation_whose_commit_is_not_confirmed_is_not_drawn(
    open_application: OpenApplication,
    mariadb: MariaDB,
    fragile_url: str,
    path: str,
    *,
    is_busy: bool,
) -> None:
    """Its caller is told that nothing came of it: so nothing must."""
    url = make_url(fragile_url)
    assert url.port is not None
    async with Proxy(url.port) as proxy:
        through_proxy = str(url.set(port=proxy.port))
        async with open_application(
            through_proxy, raw_url=fragile_url, max_concurrent_generations=1
        ) as application:
            model = application.model
            await application.keep()
            model.answer_with(after_release(image(png())))
            if is_busy:
                other = await application.client.post("/generation", json={"prompt": "first"})
                assert other.status_code == 202
                await model.requests_arrived(2)
            proxy.fall_silent_after(b"COMMIT")
            answer = await application.client.post(path, json={"prompt": "a cat"})
            assert (answer.status_code, answer.json()["code"]) == (503, "database-unavailable")
            proxy.speak_to_new()
            model.release()

            async def is_failed() -> bool:
                found = await application.client.get("/generation", params={"status": "failed"})
                return found.status_code == 200 and bool(found.json())

            async with asyncio.timeout(20):
                while not await is_failed():
                    await asyncio.sleep(0.05)
            await application.assert_recovers()
    prompts = [entry.prompt for entry in model.ledger]
    assert prompts.count("a cat") == 2  # the one that was kept, and the one that shows recovery

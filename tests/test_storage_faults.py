"""Database and disk at their worst, seen through the application's faces.

Whatever happens: no row without its file, what can be read is served, the right error in time,
nothing paid for while it could not be kept, and recovery by itself.
"""

import asyncio
import hashlib
import os
import socket
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import httpx2
import pytest
from sqlalchemy.engine import make_url

from pixyproxy.core.guid import make_guid
from tests import programs
from tests.conftest import MakeSettings, open_client
from tests.data.rows import open_raw, raw
from tests.mariadb import MariaDB, free_port
from tests.model_server import ModelServer, after_release, image, png
from tests.programs import require_program

ERROR_WITHIN_S = 2
RECOVERY_WITHIN_S = 5
POOL_SIZE = 4


@pytest.fixture(scope="module")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariaDB]:
    """A server of these tests' own, which they may kill."""
    with MariaDB(tmp_path_factory.mktemp("mariadb")) as server:
        yield server


@pytest.fixture
def fragile_url(mariadb: MariaDB) -> str:
    """The URL of a new database on the server that may be killed."""
    name = f"d{uuid.uuid4().hex}"
    raw(f"{mariadb.url}/mysql", f"CREATE DATABASE {name}")
    return f"{mariadb.url}/{name}"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator["Disk"]:
    """A file system of 8 MB, which only root can mount."""
    mount = require_program("mount")
    folder = tmp_path / "disk"
    folder.mkdir()
    command = [mount, "-t", "tmpfs", "-o", "size=8m", "pixyproxy-test", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        programs.missing.add("the right to mount a small disk")
        if os.environ.get("CI") == "true":
            pytest.fail("only root can mount a small disk")
        pytest.skip("only root can mount a small disk")
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


class Disk:
    """A small file system that can be filled and made read-only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self) -> None:
        """Leave no byte free."""
        with suppress(OSError), (self.folder / "ballast").open("wb", buffering=0) as ballast:
            while True:
                ballast.write(bytes(4096))

    def empty(self) -> None:
        (self.folder / "ballast").unlink()

    def remount(self, option: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{option}", str(self.folder)], check=True)


class Service:
    """The application, its client, and what it should have kept."""

    def __init__(
        self, client: httpx2.AsyncClient, model: ModelServer, database_url: str, folder: Path
    ) -> None:
        self.client = client
        self.model = model
        self.database_url = database_url
        self.folder = folder

    async def draw(self, prompt: str = "a cat") -> httpx2.Response:
        return await self.client.post("/image", json={"prompt": prompt})

    async def keep(self) -> str:
        """Draw an image that must be kept; its GUID."""
        response = await self.draw()
        assert response.status_code == 201, response.text
        guid: str = response.json()["guid"]
        return guid

    async def list(self) -> httpx2.Response:
        return await self.client.get("/image")

    async def look_up(self) -> httpx2.Response:
        return await self.client.get(f"/image/{make_guid()}")

    async def search(self) -> httpx2.Response:
        return await self.client.get("/image/search", params={"query": "cat"})

    async def ready(self) -> httpx2.Response:
        return await self.client.get("/health/ready")

    async def query(self, text: str) -> httpx2.Response:
        return await self.client.post("/graphql", json={"query": text})

    async def assert_served(self, guid: str) -> None:
        response = await self.client.get(f"/image/{guid}/content")
        assert response.status_code == 200
        assert response.content == png()

    async def assert_refuses(self, *calls: Callable[[], Awaitable[httpx2.Response]]) -> None:
        """All calls, made at once, say in time that the database is unavailable."""
        for response in await in_time(*(call() for call in calls)):
            assert response.status_code == 503, response.text
            assert response.json()["code"] == "database-unavailable"

    async def assert_graphql_refuses(self) -> None:
        (response,) = await in_time(self.query("{ images { guid } }"))
        (error,) = response.json()["errors"]
        assert error["extensions"]["code"] == "database-unavailable"

    async def assert_database_fault(self) -> None:
        """Every face says so in time, and nothing is sent to the model."""
        posts = self.model.posts
        await self.assert_refuses(self.list, self.look_up, self.search, self.draw)
        await self.assert_graphql_refuses()
        (response,) = await in_time(self.ready())
        assert response.status_code == 503
        assert self.model.posts == posts

    async def assert_recovers(self) -> None:
        """Reading and drawing work again, soon and for all."""
        async with asyncio.timeout(RECOVERY_WITHIN_S):
            while (await self.list()).status_code != 200:
                await asyncio.sleep(0.02)
            while (await self.draw()).status_code != 201:
                await asyncio.sleep(0.02)
            for response in await asyncio.gather(*(self.look_up() for _ in range(3 * POOL_SIZE))):
                assert response.status_code == 404
            while (await self.ready()).status_code != 200:
                await asyncio.sleep(0.02)
        self.assert_whole()

    def assert_whole(self) -> None:
        """Each row has its file, and no half of a file lies about."""
        for guid, sha256 in raw(self.database_url, "SELECT guid, sha256 FROM images"):
            data = (self.folder / guid[:2] / guid[2:4] / f"{guid}.png").read_bytes()
            assert hashlib.sha256(data).hexdigest() == sha256
        assert not [path for path in self.folder.rglob(".*") if path.is_file()]

    def count_rows(self) -> int:
        count: int = raw(self.database_url, "SELECT COUNT(*) FROM images")[0][0]
        return count


async def in_time(*calls: Awaitable[httpx2.Response]) -> list[httpx2.Response]:
    """Make the calls at once; all must be answered within the time of the contract."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    responses = await asyncio.gather(*calls)
    assert loop.time() - began < ERROR_WITHIN_S
    return responses


OpenService = Callable[..., Any]


@pytest.fixture
def open_service(make_settings: MakeSettings, model_server: ModelServer) -> OpenService:
    """Return what opens the application, and looks at the end that it leaves no task."""

    @asynccontextmanager
    async def open_(
        database_url: str, raw_url: str | None = None, **values: Any
    ) -> AsyncIterator[Service]:
        model_server.answer_with(image(png()))
        settings = make_settings(
            database_url=database_url,
            database_pool_size=POOL_SIZE,
            openai_base_url=model_server.base_url,
            openai_api_key="sk-the-models-own-key",
            max_concurrent_generations=16,
            **values,
        )
        tasks = asyncio.all_tasks()
        async with open_client(settings) as client:
            service = Service(client, model_server, raw_url or database_url, settings.images)
            yield service
        left = asyncio.all_tasks() - tasks
        assert not [task for task in left if "Proxy" not in repr(task.get_coro())]

    return open_


@contextmanager
def held_image(service: Service) -> Iterator["asyncio.Task[httpx2.Response]"]:
    """An image that is being drawn, and paid for: the model answers when it is released."""
    service.model.answer_with(after_release(image(png())))
    task = asyncio.create_task(service.draw())
    yield task
    service.model.answer_with(image(png()))


async def wait_until_drawing(service: Service, posts: int) -> None:
    async with asyncio.timeout(10):
        while service.model.posts < posts:
            await asyncio.sleep(0.01)


async def wait_until_no_connection(mariadb: MariaDB, database_url: str) -> None:
    """Wait until the server has none of the application's connections any more."""
    name = make_url(database_url).database
    statement = f"SELECT COUNT(*) FROM information_schema.processlist WHERE db = '{name}'"
    async with asyncio.timeout(10):
        while raw(f"{mariadb.url}/mysql", statement) != [(0,)]:
            await asyncio.sleep(0.02)


async def warm_up(service: Service) -> None:
    """Have the pool open all its connections."""
    for response in await asyncio.gather(*(service.list() for _ in range(3 * POOL_SIZE))):
        assert response.status_code == 200


# MariaDB


async def test_a_database_that_is_down(
    open_service: OpenService, mariadb: MariaDB, fragile_url: str
) -> None:
    async with open_service(fragile_url) as service:
        guid = await service.keep()
        await warm_up(service)
        mariadb.kill()
        try:
            await service.assert_database_fault()
            await service.assert_served(guid)
        finally:
            await asyncio.to_thread(mariadb.start)
        await service.assert_recovers()
    await wait_until_no_connection(mariadb, fragile_url)


async def test_a_database_that_stands_still(
    open_service: OpenService, mariadb: MariaDB, fragile_url: str
) -> None:
    async with open_service(fragile_url) as service:
        guid = await service.keep()
        await warm_up(service)
        mariadb.pause()
        try:
            await service.assert_database_fault()
            await service.assert_served(guid)
        finally:
            mariadb.resume()
        await service.assert_recovers()
    await wait_until_no_connection(mariadb, fragile_url)


async def test_a_database_killed_under_load(
    open_service: OpenService, mariadb: MariaDB, fragile_url: str
) -> None:
    """Every image that was paid for is kept, and nobody sees another error than 503."""
    async with open_service(fragile_url) as service:
        await warm_up(service)
        stop = asyncio.Event()
        statuses: set[int] = set()
        kept: set[str] = set()

        async def read() -> None:
            while not stop.is_set():
                statuses.add((await service.list()).status_code)
                await asyncio.sleep(0)  # whoever waits for the connection is to have it first

        async def draw() -> None:
            while not stop.is_set():
                response = await service.draw()
                statuses.add(response.status_code)
                if response.status_code == 201:
                    kept.add(response.json()["guid"])

        async with asyncio.TaskGroup() as load:
            for _ in range(20):
                load.create_task(read())
            for _ in range(10):
                load.create_task(draw())
            await wait_until_drawing(service, 20)
            mariadb.kill()
            async with asyncio.timeout(10):
                while 503 not in statuses:
                    await asyncio.sleep(0.01)
            await asyncio.to_thread(mariadb.start)
            await wait_until_drawing(service, service.model.posts + 5)
            stop.set()
        assert statuses == {200, 201, 503}
        rows = {guid for (guid,) in raw(fragile_url, "SELECT guid FROM images")}
        assert kept <= rows
        assert len(rows) == service.model.posts
        await service.assert_recovers()
    await wait_until_no_connection(mariadb, fragile_url)


@pytest.mark.parametrize("fault", ["kill", "pause"])
async def test_a_paid_image_waits_for_the_database(
    open_service: OpenService, mariadb: MariaDB, fragile_url: str, fault: str
) -> None:
    async with open_service(fragile_url) as service:
        with held_image(service) as drawing:
            await service.model.requests_arrived(1)
        getattr(mariadb, fault)()
        try:
            service.model.release()
            await service.assert_refuses(service.list)
            assert not drawing.done()
        finally:
            await asyncio.to_thread(mariadb.start if fault == "kill" else mariadb.resume)
        response = await asyncio.wait_for(drawing, 10)
        assert response.status_code == 201
        assert service.count_rows() == service.model.posts == 1
        await service.assert_served(response.json()["guid"])
        await service.assert_recovers()
    await wait_until_no_connection(mariadb, fragile_url)


class Proxy:
    """A TCP proxy that can fall silent: nothing it gets is handed on, and nothing is closed."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._tasks: set[asyncio.Task[None]] = set()
        self._silent = False

    async def __aenter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        await self.accept()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.accept_nothing()
        self._listener.close()

    async def accept(self) -> None:
        """Serve new connections; those that fell silent stay so."""
        self._silent = False
        self._server = await asyncio.start_server(self._connected, sock=self._listener.dup())

    def fall_silent(self) -> None:
        self._silent = True

    async def accept_nothing(self) -> None:
        """Cut all connections; new ones reach the system, but nobody takes them up."""
        self._server.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def speak_to_new(self) -> None:
        self._silent = False

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self._target)
        try:
            async with asyncio.TaskGroup() as ways:
                ways.create_task(self._forward(reader, to_writer))
                ways.create_task(self._forward(to_reader, writer))
        except* ConnectionError:
            pass
        finally:
            self._tasks.discard(task)
            writer.transport.abort()
            to_writer.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        dead = self._silent
        while data := await reader.read(2**16):
            dead = dead or self._silent
            if not dead:
                writer.write(data)
                await writer.drain()
        writer.close()


@pytest.mark.parametrize("fault", ["silent", "accepts nothing"])
async def test_a_black_hole_before_the_database(
    open_service: OpenService, mariadb: MariaDB, fragile_url: str, fault: str
) -> None:
    """Connections of before stay dead; recovery must not try each of them in turn."""
    url = make_url(fragile_url)
    assert url.port is not None
    async with Proxy(url.port) as proxy:
        through_proxy = str(url.set(port=proxy.port))
        async with open_service(through_proxy, raw_url=fragile_url) as service:
            guid = await service.keep()
            await warm_up(service)
            if fault == "silent":
                proxy.fall_silent()
            else:
                await proxy.accept_nothing()
            await service.assert_database_fault()
            await service.assert_served(guid)
            if fault == "silent":
                proxy.speak_to_new()
            else:
                await proxy.accept()
            await service.assert_recovers()
    await wait_until_no_connection(mariadb, fragile_url)


async def test_one_lost_packet_does_not_stop_the_service(
    open_service: OpenService, mariadb: MariaDB, fragile_url: str
) -> None:
    """All idle connections die unseen, as behind a firewall that forgets: one request pays."""
    url = make_url(fragile_url)
    assert url.port is not None
    async with Proxy(url.port) as proxy:
        through_proxy = str(url.set(port=proxy.port))
        async with open_service(through_proxy, raw_url=fragile_url) as service:
            await warm_up(service)
            proxy.fall_silent()
            await service.assert_refuses(service.list)
            proxy.speak_to_new()
            for _ in range(2 * POOL_SIZE):
                assert (await service.list()).status_code == 200


async def test_an_exhausted_pool(
    open_service: OpenService, mariadb: MariaDB, fragile_url: str
) -> None:
    """A lock on the table holds all connections, and many more requests wait for one."""
    async with open_service(fragile_url) as service:
        guid = await service.keep()
        with closing(open_raw(fragile_url)) as other:
            other.cursor().execute("LOCK TABLES images WRITE")
            await service.assert_refuses(*[service.look_up] * 10 * POOL_SIZE)
            await service.assert_database_fault()
            await service.assert_served(guid)
            other.cursor().execute("UNLOCK TABLES")
        await service.assert_recovers()
    await wait_until_no_connection(mariadb, fragile_url)


async def test_a_paid_image_waits_for_a_row_lock(
    open_service: OpenService, mariadb: MariaDB, fragile_url: str
) -> None:
    async with open_service(fragile_url) as service:
        await service.keep()
        with closing(open_raw(fragile_url)) as other:
            other.cursor().execute("BEGIN")
            other.cursor().execute("SELECT * FROM images WHERE id > 0 FOR UPDATE")
            drawing = asyncio.create_task(service.draw())
            waits = (
                "SELECT COUNT(*) > 0 FROM information_schema.innodb_trx"
                " WHERE trx_state = 'LOCK WAIT'"
            )
            for wanted in (1, 0, 1):  # it waits, gives up, and waits again
                async with asyncio.timeout(10):
                    while raw(fragile_url, waits) != [(wanted,)]:
                        await asyncio.sleep(0.15)  # the server looks anew after 0.1 s
            assert (await service.list()).status_code == 200
            other.cursor().execute("ROLLBACK")
        assert (await asyncio.wait_for(drawing, 10)).status_code == 201
        assert service.count_rows() == service.model.posts == 2
        await service.assert_recovers()


# SQLite


LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.readline()
connection.execute("ROLLBACK")
connection.close()
"""


@contextmanager
def locked_by_another_process(database_url: str) -> Iterator[None]:
    path = str(make_url(database_url).database)
    with subprocess.Popen(
        [sys.executable, "-c", LOCK, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"locked\n"
        yield
        process.stdin.close()
    assert process.returncode == 0


async def test_a_locked_file(open_service: OpenService, sqlite_url: str) -> None:
    """Readers go on; nothing is paid for while no row can be written."""
    async with open_service(sqlite_url) as service:
        guid = await service.keep()
        with locked_by_another_process(sqlite_url):
            await service.assert_refuses(*[service.draw] * 10)
            assert service.model.posts == 1
            for call in (service.list, service.search):
                assert [item["guid"] for item in (await call()).json()] == [guid]
            assert (await service.look_up()).status_code == 404
            await service.assert_served(guid)
        await service.assert_recovers()


async def test_a_paid_image_waits_for_a_locked_file(
    open_service: OpenService, sqlite_url: str
) -> None:
    async with open_service(sqlite_url) as service:
        with held_image(service) as drawing:
            await service.model.requests_arrived(1)
        with locked_by_another_process(sqlite_url):
            service.model.release()
            await service.assert_refuses(service.draw)
            assert not drawing.done()
        assert (await asyncio.wait_for(drawing, 10)).status_code == 201
        assert service.count_rows() == service.model.posts == 1
        await service.assert_recovers()


async def test_a_full_disk_under_sqlite(open_service: OpenService, small_disk: Disk) -> None:
    async with open_service(f"sqlite:///{small_disk.folder}/pixyproxy.db") as service:
        guid = await service.keep()
        small_disk.fill()
        (response,) = await in_time(service.draw())
        assert response.status_code == 507
        assert response.json()["code"] == "storage-full"
        assert service.model.posts == 1
        assert (await service.ready()).json()["checks"]["database"] == "storage-full"
        assert [item["guid"] for item in (await service.list()).json()] == [guid]
        await service.assert_served(guid)
        small_disk.empty()
        await service.assert_recovers()


async def test_a_paid_image_waits_for_room_under_sqlite(
    open_service: OpenService, small_disk: Disk
) -> None:
    async with open_service(f"sqlite:///{small_disk.folder}/pixyproxy.db") as service:
        service.model.answer_with(after_release(image(png())))
        drawing = asyncio.create_task(service.draw("a long prompt " * 2000))
        await service.model.requests_arrived(1)
        small_disk.fill()
        service.model.release()
        async with asyncio.timeout(10):
            while not list(service.folder.rglob("*.png")):
                await asyncio.sleep(0.01)
        assert (await service.list()).json() == []
        assert not drawing.done()
        small_disk.empty()
        assert (await asyncio.wait_for(drawing, 10)).status_code == 201
        assert service.count_rows() == service.model.posts == 1
        await service.assert_recovers()


# The image files


async def test_a_full_disk_under_the_images(
    open_service: OpenService, sqlite_url: str, small_disk: Disk
) -> None:
    async with open_service(sqlite_url, images=small_disk.folder / "images") as service:
        guid = await service.keep()
        small_disk.fill()
        for response in await in_time(service.draw(), service.draw()):
            assert response.status_code == 507
            assert response.json()["code"] == "storage-full"
        assert service.model.posts == 1
        await service.assert_served(guid)
        assert (await service.list()).status_code == 200
        small_disk.empty()
        await service.assert_recovers()


async def test_a_disk_that_fills_up_while_the_model_draws(
    open_service: OpenService, sqlite_url: str, small_disk: Disk
) -> None:
    images = small_disk.folder / "images"
    async with open_service(sqlite_url, images=images, keep_patience_s=0) as service:
        guid = await service.keep()
        with held_image(service) as drawing:
            await service.model.requests_arrived(2)
        small_disk.fill()
        service.model.release()
        response = await drawing
        assert response.status_code == 507
        assert response.json()["code"] == "storage-full"
        assert service.count_rows() == 1
        service.assert_whole()
        await service.assert_served(guid)
        small_disk.empty()
        await service.assert_recovers()


async def test_a_paid_image_waits_for_room(
    open_service: OpenService, sqlite_url: str, small_disk: Disk
) -> None:
    async with open_service(sqlite_url, images=small_disk.folder / "images") as service:
        guid = await service.keep()
        with held_image(service) as drawing:
            await service.model.requests_arrived(2)
        small_disk.fill()
        service.model.release()
        await service.assert_served(guid)
        assert not drawing.done()
        small_disk.empty()
        assert (await drawing).status_code == 201
        assert service.count_rows() == service.model.posts == 2
        service.assert_whole()


async def test_a_folder_that_became_read_only(
    open_service: OpenService, sqlite_url: str, small_disk: Disk
) -> None:
    folder = small_disk.folder
    async with open_service(sqlite_url, images=folder, keep_patience_s=0) as service:
        guid = await service.keep()
        small_disk.remount("ro")
        (response,) = await in_time(service.draw())
        assert response.status_code == 503
        assert response.json()["code"] == "image-store-unavailable"
        assert service.model.posts == 1
        await service.assert_served(guid)
        small_disk.remount("rw")
        with held_image(service) as drawing:
            await service.model.requests_arrived(2)
        small_disk.remount("ro")
        service.model.release()
        response = await drawing
        assert response.json()["code"] == "image-store-unavailable"
        assert service.count_rows() == 1
        small_disk.remount("rw")
        await service.assert_recovers()


async def test_a_folder_that_was_moved_away(open_service: OpenService, sqlite_url: str) -> None:
    async with open_service(sqlite_url) as service:
        guid = await service.keep()
        away = service.folder.rename(service.folder.with_name("away"))
        responses = await in_time(service.draw(), service.client.get(f"/image/{guid}/content"))
        for response in responses:
            assert response.status_code == 503
            assert response.json()["code"] == "image-store-unavailable"
        assert service.model.posts == 1
        away.rename(service.folder)
        await service.assert_served(guid)
        await service.assert_recovers()


FAILING_FSYNC = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* fsync of anything under FAIL_UNDER fails with EIO while the file FAIL_WHILE exists. */
int fsync(int descriptor)
{
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length > 0 && access(getenv("FAIL_WHILE"), F_OK) == 0) {
        path[length] = 0;
        if (strncmp(path, getenv("FAIL_UNDER"), strlen(getenv("FAIL_UNDER"))) == 0) {
            errno = EIO;
            return -1;
        }
    }
    int (*real)(int) = (int (*)(int)) dlsym(RTLD_NEXT, "fsync");
    return real(descriptor);
}
"""


@asynccontextmanager
async def open_server(environment: dict[str, str]) -> AsyncIterator[httpx2.AsyncClient]:
    """Run the server as a process of its own and yield a client that talks to it."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pixyproxy", "serve", "--port", str(port)),
        env=os.environ | environment | {"PIXYPROXY_DRAIN_S": "0"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            async with asyncio.timeout(30):
                while True:
                    with suppress(httpx2.TransportError):
                        await client.get("/health/live")
                        break
                    assert process.returncode is None
                    await asyncio.sleep(0.05)
            yield client
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), 30)


@pytest.fixture
def failing_fsync(tmp_path: Path) -> Path:
    """A library to preload, in which fsync can fail."""
    library = tmp_path / "fsync.so"
    subprocess.run(
        [require_program("gcc"), "-shared", "-fPIC", "-o", str(library), "-x", "c", "-", "-ldl"],
        input=FAILING_FSYNC.encode(),
        check=True,
    )
    return library


async def test_an_fsync_that_fails(
    tmp_path: Path, sqlite_url: str, model_server: ModelServer, failing_fsync: Path
) -> None:
    trigger, folder = tmp_path / "fail", tmp_path / "images"
    environment = {
        "LD_PRELOAD": str(failing_fsync),
        "FAIL_UNDER": str(folder),
        "FAIL_WHILE": str(trigger),
        "PIXYPROXY_DATABASE_URL": sqlite_url,
        "PIXYPROXY_IMAGES": str(folder),
        "PIXYPROXY_MIN_FREE_MB": "1",
        "PIXYPROXY_KEEP_PATIENCE_S": "0",
        "PIXYPROXY_OPENAI_BASE_URL": model_server.base_url,
        "PIXYPROXY_OPENAI_API_KEY": "sk-the-models-own-key",
    }
    async with open_server(environment) as client:
        model_server.answer_with(image(png()))
        service = Service(client, model_server, sqlite_url, folder)
        guid = await service.keep()

        trigger.touch()
        (response,) = await in_time(service.draw())
        assert response.status_code == 503
        assert response.json()["code"] == "image-store-unavailable"
        assert model_server.posts == 1
        await service.assert_served(guid)

        trigger.unlink()
        with held_image(service) as drawing:
            await model_server.requests_arrived(2)
        trigger.touch()
        model_server.release()
        response = await drawing
        assert response.status_code == 503
        assert response.json()["code"] == "image-store-unavailable"
        assert service.count_rows() == 1
        service.assert_whole()

        trigger.unlink()
        await service.assert_recovers()

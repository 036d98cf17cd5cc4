"""The application in this process, its client, and what it should have kept."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
from sqlalchemy.engine import make_url

from pixyproxy.core.guid import make_guid
from tests.support.generations import ended
from tests.support.mariadb import MariaDB
from tests.support.model_server import ModelServer, after_release, image, png
from tests.support.rows import raw

ERROR_WITHIN_S = 2
RECOVERY_WITHIN_S = 5
POOL_SIZE = 4


class Application:
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

    async def assert_succeeds(self, generation_guid: str) -> None:
        """The generation comes to its end, with an image that is served."""
        generation = await ended(self.client, generation_guid)
        assert generation["status"] == "succeeded"
        (image,) = generation["images"]
        await self.assert_served(image["guid"])

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
        assert not list(self.folder.glob(".tmp/*/*"))

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


@contextmanager
def held_image(service: Application) -> Iterator["asyncio.Task[httpx2.Response]"]:
    """An image that is being drawn, and paid for: the model answers when it is released."""
    service.model.answer_with(after_release(image(png())))
    task = asyncio.create_task(service.draw())
    yield task
    service.model.answer_with(image(png()))


async def wait_until_no_connection(mariadb: MariaDB, database_url: str) -> None:
    """Wait until the server has none of the application's connections any more."""
    name = make_url(database_url).database
    statement = f"SELECT COUNT(*) FROM information_schema.processlist WHERE db = '{name}'"
    async with asyncio.timeout(10):
        while raw(f"{mariadb.url}/mysql", statement) != [(0,)]:
            await asyncio.sleep(0.02)


async def warm_up(service: Application) -> None:
    """Have the pool open all its connections."""
    for response in await asyncio.gather(*(service.list() for _ in range(3 * POOL_SIZE))):
        assert response.status_code == 200

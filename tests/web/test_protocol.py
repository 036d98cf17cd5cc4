"""The service on a real socket, with clients that are slow, endless, greedy, or gone."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx2
import pytest

from tests.support.model_server import ModelServer, after_release, image, noise_png
from tests.support.servers import Service

DEADLINE_S = 60
KEY = "fZ0_kQ7mT3xW9sVb2LrJ"
HEAD = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n"
POST = b"POST /image HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@pytest.fixture
def hasty(tmp_path: Path, model_server: ModelServer) -> Iterator[Service]:
    """A service that waits half a second for a request, and draws by the model server."""
    with Service(
        tmp_path / "service",
        request_timeout_s=0.5,
        openai_base_url=model_server.base_url,
        openai_api_key="sk-the-models-own-key",
    ) as service:
        yield service


class Connection:
    """A connection to the service, byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def answer(self) -> tuple[int, bytes]:
        """The status and the body of the next answer."""
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = re.search(rb"content-length: (\d+)", head)
        body = await self._reader.readexactly(int(length[1]) if length else 0)
        return int(head.split()[1]), body

    async def read(self, size: int) -> bytes:
        return await self._reader.readexactly(size)

    async def read_to_end(self) -> bytes:
        """Whatever still comes until the service closes the connection."""
        data = b""
        try:
            while part := await self._reader.read(65_536):
                data += part
        except ConnectionError:
            pass
        return data

    async def flood(self, data: bytes) -> int:
        """Send `data` again and again until the service closes the connection; how many bytes."""
        sent = 0
        try:
            while sent < 2**30:
                await self.send(data)
                sent += len(data)
        except ConnectionError:
            pass
        return sent

    async def drip(self, data: bytes, *, every_s: float = 0.1) -> bytes:
        """Send `data` byte by byte, until the service closes the connection; what it answered."""
        end = asyncio.create_task(self.read_to_end())
        for byte in data:
            try:
                await self.send(bytes([byte]))
            except ConnectionError:
                break
            if (await asyncio.wait([end], timeout=every_s))[0]:
                break
        return await end


@asynccontextmanager
async def connect(service: Service) -> AsyncIterator[Connection]:
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    try:
        async with asyncio.timeout(DEADLINE_S):
            yield Connection(reader, writer)
    finally:
        writer.transport.abort()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def outlast_request_timeout(service: Service) -> None:
    """Return when a connection that began after this call has run out of time."""
    async with connect(service) as other:
        await other.read_to_end()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        HEAD + b"X-Long: " + b"x" * 10_000,
        b"\r\n" * 5_000,
        POST + b"Content-Length: 10000\r\n\r\n" + b" " * 10_000,
        POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * 2_000,
    ],
    ids=["nothing", "head", "empty lines", "body", "chunks"],
)
async def test_a_dripping_connection_is_closed(hasty: Service, data: bytes) -> None:
    async with connect(hasty) as connection:
        await connection.send(data[:200])
        assert await connection.drip(data[200:]) == b""

    async with httpx2.AsyncClient() as healthy:
        assert (await healthy.get(f"{hasty.origin}/health/live")).status_code == 200
    assert "Traceback" not in hasty.log


async def test_a_second_request_that_drips_is_closed_too(hasty: Service) -> None:
    async with connect(hasty) as connection:
        await connection.send(HEAD + b"\r\n")
        assert (await connection.answer())[0] == 200
        assert await connection.drip(HEAD + b"X-Long: " + b"x" * 10_000) == b""


async def test_an_idle_connection_stays_open(hasty: Service) -> None:
    async with connect(hasty) as connection:
        for _request in range(2):
            await connection.send(HEAD + b"\r\n")
            assert (await connection.answer())[0] == 200
            await outlast_request_timeout(hasty)


@pytest.mark.parametrize("stray", [b"", b"\r\n"])
async def test_who_waits_for_an_answer_is_not_late(
    hasty: Service, model_server: ModelServer, stray: bytes
) -> None:
    model_server.answer_with(after_release(image()))
    body = b'{"prompt": "a fox"}'
    async with connect(hasty) as connection:
        await connection.send(POST + b"Content-Length: 19\r\n\r\n" + body + stray)
        await model_server.requests_arrived(1)
        await outlast_request_timeout(hasty)
        await outlast_request_timeout(hasty)
        model_server.release()
        assert (await connection.answer())[0] == 201


async def test_who_reads_slowly_gets_everything(hasty: Service, model_server: ModelServer) -> None:
    data = noise_png(6_000_000)
    model_server.answer_with(image(data=data))
    async with httpx2.AsyncClient(timeout=DEADLINE_S) as client:
        made = await client.post(f"{hasty.origin}/image", json={"prompt": "a fox"})
    async with connect(hasty) as connection:
        path = f"/image/{made.json()['guid']}/content".encode()
        await connection.send(b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await outlast_request_timeout(hasty)
        await outlast_request_timeout(hasty)
        assert await connection.answer() == (200, data)


async def test_a_large_body_may_take_longer(hasty: Service) -> None:
    body = b'{"prompt": "a fox"}'.ljust(200_000)
    async with connect(hasty) as connection:
        await connection.send(POST + b"Content-Length: 200000\r\n\r\n" + body[:100_000])
        await outlast_request_timeout(hasty)
        await connection.send(body[100_000:])
        assert (await connection.answer())[0] == 201


@pytest.mark.parametrize(
    "endless",
    [
        b"GET /" + b"x" * 1_000_000,
        HEAD + b"X-Endless: " + b"x" * 1_000_000,
        HEAD + b"X-Many: 1\r\n" * 100_000,
        POST + b"Transfer-Encoding: chunked\r\n\r\n1;" + b"x" * 1_000_000,
    ],
    ids=["url", "header", "headers", "chunk extension"],
)
async def test_a_head_without_end_is_cut_off(hasty: Service, endless: bytes) -> None:
    async with connect(hasty) as connection:
        answer = asyncio.create_task(connection.read_to_end())
        try:
            for start in range(0, len(endless), 10_000):
                await connection.send(endless[start : start + 10_000])
        except ConnectionError:
            pass
        received = await answer

    assert not received or int(received.split()[1]) in {400, 431}
    assert "Traceback" not in hasty.log


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_after_a_413_the_connection_goes_on(hasty: Service, framing: str) -> None:
    size = 1024 * 1024
    async with connect(hasty) as connection:
        if framing == "length":
            await connection.send(POST + b"Content-Length: %d\r\n\r\n" % size + b" " * size)
        else:
            chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"
            await connection.send(POST + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 16)
            await connection.send(b"0\r\n\r\n")
        status, body = await connection.answer()
        assert (status, b"payload-too-large" in body) == (413, True)

        await connection.send(HEAD + b"\r\n")
        assert (await connection.answer())[0] == 200
        await outlast_request_timeout(hasty)
        await connection.send(HEAD + b"\r\n")
        assert (await connection.answer())[0] == 200


async def test_a_body_without_end_is_cut_off(hasty: Service) -> None:
    async with connect(hasty) as connection:
        await connection.send(POST + b"Transfer-Encoding: chunked\r\n\r\n")
        sent = await connection.flood(b"10000\r\n" + b" " * 65_536 + b"\r\n")
    assert sent < 64 * 2**20
    assert "Traceback" not in hasty.log


async def test_what_is_too_large_by_its_word_is_refused_unread(hasty: Service) -> None:
    async with connect(hasty) as connection:
        head = b"Content-Length: 1000000000\r\nExpect: 100-continue\r\n\r\n"
        await connection.send(POST + head)
        assert (await connection.answer())[0] == 413


async def test_a_body_is_not_asked_for_without_a_key(tmp_path: Path) -> None:
    with Service(tmp_path, api_keys=KEY) as service:
        async with connect(service) as connection:
            await connection.send(POST + b"Content-Length: 9\r\nExpect: 100-continue\r\n\r\n")
            assert (await connection.answer())[0] == 401
        async with connect(service) as connection:
            key = b"X-API-Key: " + KEY.encode() + b"\r\n"
            head = b"Content-Length: 9\r\nExpect: 100-continue\r\n\r\n"
            await connection.send(POST + key + head)
            assert (await connection.answer())[0] == 100


async def test_pipelined_requests_are_answered_in_order(hasty: Service) -> None:
    async with connect(hasty) as connection:
        await connection.send((HEAD + b"\r\n" + b"GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n") * 20)
        assert [(await connection.answer())[0] for _ in range(40)] == [200, 404] * 20


async def test_a_flood_of_pipelined_requests_is_cut_off(hasty: Service) -> None:
    async with connect(hasty) as connection:
        received = asyncio.create_task(connection.read_to_end())
        sent = await connection.flood(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n" * 1_000)
        await received
    assert sent < 64 * 2**20

    async with httpx2.AsyncClient() as healthy:
        assert (await healthy.get(f"{hasty.origin}/health/live")).status_code == 200


async def test_a_client_that_is_gone_leaves_no_traceback(hasty: Service) -> None:
    for path in (b"/image", b"/graphql"):
        async with connect(hasty) as connection:
            await connection.send(POST.replace(b"/image", path) + b"Content-Length: 99\r\n\r\n{")
    async with httpx2.AsyncClient() as healthy:
        async with asyncio.timeout(DEADLINE_S):
            while hasty.log.count("status=499") < 2:
                assert (await healthy.get(f"{hasty.origin}/health/live")).status_code == 200

    assert "Traceback" not in hasty.log
    assert " ERROR " not in hasty.log


async def test_a_websocket_is_refused(hasty: Service) -> None:
    async with connect(hasty) as connection:
        await connection.send(
            b"GET /graphql HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
            b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Protocol: graphql-ws\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert (await connection.answer())[0] == 400
        await connection.read_to_end()
    assert "Traceback" not in hasty.log


@pytest.mark.slow
async def test_five_hundred_dripping_connections_leave_others_served(tmp_path: Path) -> None:
    """Half of them drip their head, half a body, a byte a second; all are closed in the end."""
    drips = [HEAD + b"X-Long: " + b"x" * 100, POST + b"Content-Length: 100\r\n\r\n" + b" " * 100]
    served_meanwhile = 0

    async def drip(service: Service, number: int) -> bytes:
        data = drips[number % 2]
        async with connect(service) as connection:
            await connection.send(data[:-100])
            return await connection.drip(data[-100:], every_s=1)

    with Service(tmp_path, request_timeout_s=4, generator="sketch") as service:
        dripping = [asyncio.create_task(drip(service, number)) for number in range(500)]
        ended = asyncio.gather(*dripping)
        async with httpx2.AsyncClient(base_url=service.origin, timeout=DEADLINE_S) as healthy:
            while not ended.done():
                made = await healthy.post("/image", json={"prompt": "a fox", "size": "64x64"})
                assert made.status_code == 201
                read = await healthy.get(f"/image/{made.json()['guid']}/content")
                assert read.status_code == 200
                served_meanwhile += sum(not each.done() for each in dripping) > 0
        assert await ended == [b""] * 500
        assert "Traceback" not in service.log
        assert " ERROR " not in service.log
    assert served_meanwhile >= 1


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /health/live HTTP/1.1\r\n", 400),
        (b"GET /health/live HTTP/1.1\r\nHost: a\r\nHost: b\r\n", 400),
        (b"GET /health/live HTTP/1.0\r\nHost: a\r\nHost: a\r\n", 400),
        (b"GET /graphql HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n", 400),
        (b"GET /health/live HTTP/1.0\r\n", 200),
        (HEAD, 200),
    ],
    ids=["none", "two", "two in 1.0", "none of a websocket", "none in 1.0", "one"],
)
async def test_a_request_has_one_host(hasty: Service, head: bytes, status: int) -> None:
    async with connect(hasty) as connection:
        await connection.send(head + b"\r\n")
        assert (await connection.answer())[0] == status
    assert "Traceback" not in hasty.log

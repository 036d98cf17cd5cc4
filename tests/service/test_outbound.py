"""The bounded transport against a real server."""

import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import httpx2
import pytest

from pixyproxy.service.outbound import BoundedTransport, ResponseTooLargeError

MAX_BYTES = 100_000
BODY = bytes(range(256)) * 100
compress = partial(gzip.compress, mtime=0)
"""What names a test must be the same in every process."""


def answer(body: bytes, *headers: str, length: int | None = None, status: int = 200) -> bytes:
    length = len(body) if length is None else length
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {length}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def chunked(body: bytes, *headers: str) -> bytes:
    lines = ["HTTP/1.1 200 OK", "Transfer-Encoding: chunked", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + b"%x\r\n%s\r\n" % (len(body), body)


class Server:
    """Sends one prepared answer to every request, and remembers what it was sent."""

    def __init__(self, sent: bytes, repeat: bytes) -> None:
        self.sent = sent
        self.repeat = repeat
        self.requests: list[bytes] = []
        self.hung_up = asyncio.Event()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.requests.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(self.sent)
            while self.repeat:
                await writer.drain()
                writer.write(self.repeat)
            await writer.drain()
        except ConnectionError:
            self.hung_up.set()
        finally:
            writer.close()


@asynccontextmanager
async def serving(sent: bytes, repeat: bytes = b"") -> AsyncIterator[tuple[Server, str]]:
    handler = Server(sent, repeat)
    server = await asyncio.start_server(handler, "127.0.0.1", 0)
    async with server:
        yield handler, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


def client() -> httpx2.AsyncClient:
    transport = BoundedTransport(httpx2.AsyncHTTPTransport(), max_bytes=MAX_BYTES)
    return httpx2.AsyncClient(transport=transport, trust_env=False)


async def read(sent: bytes) -> bytes:
    async with serving(sent) as (_, url), client() as http:
        return (await http.get(url)).content


def deflate(body: bytes, *, raw: bool) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS if raw else zlib.MAX_WBITS)
    return compressor.compress(body) + compressor.flush()


@pytest.mark.parametrize(
    "sent",
    [
        answer(BODY),
        answer(BODY, "Content-Encoding: identity"),
        chunked(BODY) + b"0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n" + BODY,
        answer(compress(BODY), "Content-Encoding: gzip"),
        answer(compress(BODY), "Content-Encoding: X-GZIP"),
        answer(compress(BODY[:9]) + compress(BODY[9:]), "Content-Encoding: gzip"),
        chunked(compress(BODY), "Content-Encoding: gzip") + b"0\r\n\r\n",
        answer(deflate(BODY, raw=False), "Content-Encoding: deflate"),
        answer(deflate(BODY, raw=True), "Content-Encoding: deflate"),
    ],
)
async def test_whole_bodies_arrive(sent):
    assert await read(sent) == BODY


async def test_a_body_of_exactly_the_limit_arrives():
    body = bytes(MAX_BYTES)
    assert await read(answer(body)) == body
    assert await read(answer(compress(body), "Content-Encoding: gzip")) == body


@pytest.mark.parametrize("status", [200, 302, 400, 500])
async def test_a_byte_more_is_refused_whatever_the_status(status):
    with pytest.raises(ResponseTooLargeError):
        await read(answer(bytes(MAX_BYTES + 1), status=status))


async def test_a_large_content_length_is_refused_before_the_body():
    head = answer(b"", length=MAX_BYTES + 1)
    hold = asyncio.Event()

    async def never_sends_the_body(reader, writer):
        writer.write(head)
        await reader.read()
        writer.close()
        hold.set()

    server = await asyncio.start_server(never_sends_the_body, "127.0.0.1", 0)
    async with server, client() as http:
        with pytest.raises(ResponseTooLargeError):
            await http.get(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        async with asyncio.timeout(10):
            await hold.wait()


@pytest.mark.parametrize(
    ("head", "repeat"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 10_000),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"a\r\n0123456789\r\n"),
        # Members of gzip that hold nothing: the decoded size alone would never end it.
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", compress(b"") * 100),
    ],
)
async def test_an_endless_body_ends_at_the_limit_and_hangs_up(head, repeat):
    async with serving(head, repeat) as (server, url), client() as http, asyncio.timeout(30):
        with pytest.raises(ResponseTooLargeError):
            await http.get(url)
        await server.hung_up.wait()


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_a_bomb_is_never_inflated(coding):
    wbits = zlib.MAX_WBITS | (16 if coding == "gzip" else 0)
    compressor = zlib.compressobj(wbits=wbits)
    bomb = b"".join(compressor.compress(bytes(10_000_000)) for _ in range(6)) + compressor.flush()
    assert len(bomb) < MAX_BYTES
    async with serving(answer(bomb, f"Content-Encoding: {coding}")) as (_, url), client() as http:
        tracemalloc.start()
        try:
            with pytest.raises(ResponseTooLargeError):
                await http.get(url)
            assert tracemalloc.get_traced_memory()[1] < 5_000_000
        finally:
            tracemalloc.stop()


CUT_GZIP = compress(BODY)[:-1]


@pytest.mark.parametrize(
    "sent",
    [
        answer(BODY, length=len(BODY) + 1),
        chunked(BODY),
        answer(CUT_GZIP, "Content-Encoding: gzip"),
        answer(compress(BODY)[:5], "Content-Encoding: gzip"),
        answer(deflate(BODY, raw=False)[:-1], "Content-Encoding: deflate"),
        answer(compress(BODY) + CUT_GZIP, "Content-Encoding: gzip"),
        answer(BODY, "Content-Encoding: gzip"),
        answer(compress(BODY) + b"garbage", "Content-Encoding: gzip"),
        answer(BODY, "Content-Encoding: br"),
        answer(compress(compress(BODY)), "Content-Encoding: gzip, gzip"),
    ],
)
async def test_a_body_that_is_not_whole_is_an_error(sent):
    with pytest.raises((httpx2.RemoteProtocolError, httpx2.DecodingError)):
        await read(sent)


async def test_no_compression_is_asked_for():
    async with serving(answer(BODY)) as (server, url), client() as http:
        await http.get(url)
    assert b"accept-encoding: identity\r\n" in server.requests[0].lower()

"""The bounded transport against a real server, and the address guard."""

import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from ipaddress import ip_address

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixyproxy.core.addresses import is_public_address
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


@pytest.mark.parametrize(
    "ip",
    ["1.1.1.1", "93.184.216.34", "172.32.0.1", "100.128.0.1", "2606:4700:4700::1111", "2a00::1"],
)
def test_public_addresses(ip):
    assert is_public_address(ip)


@pytest.mark.parametrize(
    "ip",
    [
        "0.0.0.0",
        "0.1.2.3",
        "10.1.2.3",
        "100.64.0.1",
        "100.100.100.200",
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::8.8.8.8",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "64:ff9b::7f00:1",
        "64:ff9b::808:808",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:2::1",
        "2001:10::1",
        "2001:20::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "2002:808:808::1",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
        "2606:4700:4700::1111%1",
        "",
        "localhost",
        "1.1.1",
        "01.1.1.1",
        "16843009",
        "0x1.1.1.1",
        " 1.1.1.1",
        "[2606:4700:4700::1111]",
        "1.1.1.1:80",
    ],
)
def test_addresses_that_are_not_public(ip):
    assert not is_public_address(ip)


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_what_the_standard_library_knows_as_inside_is_never_public(ip):
    if not ip.is_global or ip.is_multicast or ip.is_reserved:
        assert not is_public_address(str(ip))


@given(st.text() | st.ip_addresses().map(str))
def test_public_is_always_an_address(text):
    if is_public_address(text):
        assert ip_address(text)

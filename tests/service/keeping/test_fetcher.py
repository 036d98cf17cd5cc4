"""The fetcher against real servers on loopback, each with a ledger of who connected."""

import asyncio
import datetime as dt
import gzip
import ipaddress
import logging
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from pixyproxy.core.exceptions import BadGeneratorResponseError, GeneratorUnavailableError
from pixyproxy.service.keeping.fetcher import ImageFetcher, resolve

IMAGE = bytes(range(256)) * 40
KEY = "sk-secret"
compress = partial(gzip.compress, mtime=0)
"""What names a test must be the same in every process."""


def answer(body: bytes = IMAGE, *headers: str, status: int = 200) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def redirect(location: str, status: int = 302) -> bytes:
    return answer(b"", f"Location: {location}", status=status)


class Server:
    """Gives the answers in turn, the last for ever; keeps the ledger of all connections."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        self.connections = 0
        self.requests: list[str] = []
        self.port = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            self.requests.append((await reader.readuntil(b"\r\n\r\n")).decode())
            writer.write(self.answers[0] if len(self.answers) == 1 else self.answers.pop(0))
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/image.png"


@asynccontextmanager
async def serving(
    *answers: bytes,
    host: str = "127.0.0.1",
    port: int = 0,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Server]:
    handler = Server(*answers or [answer()])
    server = await asyncio.start_server(handler, host, port, ssl=tls)
    async with server:
        handler.port = server.sockets[0].getsockname()[1]
        yield handler


@asynccontextmanager
async def fetching(base_url: str | None = None, **options) -> AsyncIterator[ImageFetcher]:
    fetcher = ImageFetcher(base_url=base_url, api_key=KEY, backoff_s=0, **options)
    try:
        yield fetcher
    finally:
        await fetcher.aclose()


def always(*addresses: str):
    async def resolver(host: str, port: int) -> Sequence[str]:
        return addresses

    return resolver


async def test_an_image_on_the_base_urls_own_server_arrives_untouched():
    async with serving() as server, fetching(f"{server.url}/v1") as fetcher:
        assert await fetcher.fetch(server.url) == IMAGE


async def test_the_request_is_plain():
    async with serving() as server, fetching(server.url) as fetcher:
        await fetcher.fetch(server.url + "?sig=a%2Fb%3D&x=%2B+'#part")
    line, *headers = server.requests[0].strip().split("\r\n")
    assert line == "GET /image.png?sig=a%2Fb%3D&x=%2B+' HTTP/1.1"
    assert sorted(header.lower() for header in headers) == [
        "accept-encoding: identity",
        "accept: */*",
        f"authorization: bearer {KEY}",
        "connection: close",
        f"host: 127.0.0.1:{server.port}",
    ]


LOOPBACK_SPELLINGS = [
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "0X7F.1",
    "017700000001",
    "0177.0.0.1",
    "127.000.000.001",
    "0",
    "0.0.0.0",
    "localhost",
    "LOCALHOST",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[::1%25lo]",
    "[::1%lo]",
    "①②⑦.⓪.⓪.①",
    "127。0。0。1",
    "\uff4c\uff4f\uff43\uff41\uff4c\uff48\uff4f\uff53\uff54",  # full width
    "%31%32%37.0.0.1",
]


@pytest.mark.parametrize("host", LOOPBACK_SPELLINGS)
async def test_no_spelling_of_loopback_is_connected_to(host):
    async with serving() as server, fetching("http://model.example/v1") as fetcher:
        with pytest.raises(BadGeneratorResponseError):
            await fetcher.fetch(f"http://{host}:{server.port}/")
    assert server.connections == 0


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.1", "169.254.169.254", "100.64.0.1", "::1", "64:ff9b::7f00:1"],
)
async def test_a_name_of_an_inner_address_is_refused(address):
    async with fetching(resolve=always(address)) as fetcher:
        with pytest.raises(BadGeneratorResponseError, match="forbidden-address"):
            await fetcher.fetch("http://images.example/")


async def test_a_trailing_dot_exempts_nothing():
    resolver = always("127.0.0.1")
    async with serving() as server:
        base_url = f"http://localhost:{server.port}/v1"
        async with fetching(base_url, allow=["images.example"], resolve=resolver) as fetcher:
            for host in ("localhost.", "images.example.", "127.0.0.1."):
                with pytest.raises(BadGeneratorResponseError, match="forbidden-address"):
                    await fetcher.fetch(f"http://{host}:{server.port}/")
    assert server.connections == 0


async def test_of_several_addresses_only_the_public_ones_are_left():
    resolver = always("10.0.0.1", "1.1.1.1", "::1", "2606:4700::1", "64:ff9b::1")
    async with fetching(resolve=resolver) as fetcher:
        checked = await fetcher._addresses(httpx2.URL("http://images.example/"))
    assert checked == ["1.1.1.1", "2606:4700::1"]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "image.png",
        "//127.0.0.1/",
        "http:",
        "http:///x",
        "http://",
        "http://:80/",
        "data:image/png;base64,iVBORw0KGgo=",
        "file:///etc/passwd",
        "ftp://images.example/",
        "gopher://images.example/",
        "javascript:alert(1)",
        "http://user:pw@images.example/",
        "http://user@images.example/",
        "http://images.example:0/",
        "http://images.example:99999/",
        "http://images.example:x/",
        "http://.images.example/",
        "http://images..example/",
        "http://" + "a" * 64 + ".example/",
        "http://images example/",
        "http://images.example\r\nX: y/",
        "http://images.example/\r\nX: y",
        "http://\ud800/",
        "http://images.example/" + "x" * 100_000,
    ],
)
async def test_urls_that_are_not_even_looked_up(url):
    async def resolver(host: str, port: int) -> Sequence[str]:
        pytest.fail("looked up")

    async with fetching(resolve=resolver) as fetcher:
        with pytest.raises(BadGeneratorResponseError):
            await fetcher.fetch(url)


@settings(deadline=None)
@given(st.text() | st.text().map("http://{}".format) | st.from_regex(r"https?://[^/]{1,20}/"))
def test_any_text_gives_an_image_or_an_error_of_ours(text):
    async def attempt() -> None:
        async with fetching(resolve=always("10.0.0.1")) as fetcher:
            with pytest.raises(BadGeneratorResponseError):
                await fetcher.fetch(text)

    asyncio.run(attempt())


async def test_the_exemption_of_the_base_url_is_its_exact_origin():
    async with serving() as base, serving() as neighbour, fetching(base.url) as fetcher:
        for url in (neighbour.url, base.url.replace("127.0.0.1", "localhost")):
            with pytest.raises(BadGeneratorResponseError, match="forbidden-address"):
                await fetcher.fetch(url)
        with pytest.raises(BadGeneratorResponseError):
            await fetcher.fetch(base.url.replace("http:", "https:"))
    assert base.connections == neighbour.connections == 0


@pytest.mark.parametrize("entry", ["Images.Example", "images.example:{port}"])
async def test_the_allow_list_opens_a_host(entry):
    async with serving() as server:
        entry = entry.format(port=server.port)
        async with fetching(allow=[entry], resolve=always("127.0.0.1")) as fetcher:
            assert await fetcher.fetch(f"http://IMAGES.example:{server.port}/") == IMAGE
    assert f"Host: images.example:{server.port}\r\n" in server.requests[0]


@pytest.mark.parametrize("entry", ["images.example:80", "example", "127.0.0.1", "a.images.example"])
async def test_the_allow_list_opens_nothing_else(entry):
    resolver = always("127.0.0.1")
    async with serving() as server, fetching(allow=[entry], resolve=resolver) as fetcher:
        with pytest.raises(BadGeneratorResponseError):
            await fetcher.fetch(f"http://images.example:{server.port}/")
    assert server.connections == 0


async def test_the_allow_list_knows_ipv6_in_brackets():
    async with serving(host="::1") as server, fetching(allow=["[::1]"]) as fetcher:
        assert await fetcher.fetch(f"http://[::1]:{server.port}/") == IMAGE
    assert f"Host: [::1]:{server.port}\r\n" in server.requests[0]


@pytest.mark.parametrize("entry", ["", "::1", "http://host", "host/path", "host:x"])
def test_a_malformed_allow_entry_is_told(entry):
    with pytest.raises(ValueError, match="host or host:port"):
        ImageFetcher(base_url=None, api_key=None, allow=[entry])


async def test_the_address_that_was_checked_is_the_one_connected_to():
    answers = [["127.0.0.1"], ["127.0.0.2"]]
    asked = []

    async def rebinding(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return answers.pop(0)

    async with (
        serving() as first,
        serving(host="127.0.0.2", port=first.port) as second,
        fetching(allow=["images.example"], resolve=rebinding) as fetcher,
    ):
        assert await fetcher.fetch(f"http://images.example:{first.port}/") == IMAGE
    assert (first.connections, second.connections, asked) == (1, 0, ["images.example"])


async def test_a_name_that_turns_inward_between_redirects_is_refused():
    answers = {"images.example": ["127.0.0.1"], "cdn.example": ["127.0.0.1"]}

    async def resolver(host: str, port: int) -> Sequence[str]:
        return answers[host]

    async with (
        serving() as inner,
        serving(redirect(f"http://cdn.example:{inner.port}/")) as outer,
        fetching(allow=["images.example"], resolve=resolver) as fetcher,
    ):
        with pytest.raises(BadGeneratorResponseError, match="forbidden-address"):
            await fetcher.fetch(f"http://images.example:{outer.port}/")
    assert (outer.connections, inner.connections) == (1, 0)


async def test_an_address_that_refuses_is_followed_by_the_next():
    async with serving() as server:
        resolver = always("127.0.0.9", "127.0.0.1")
        async with fetching(allow=["images.example"], resolve=resolver) as fetcher:
            assert await fetcher.fetch(f"http://images.example:{server.port}/") == IMAGE


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("location", ["/b", "b?x=1", "//127.0.0.1:{port}/b", "{url}"])
async def test_redirects_are_followed(status, location):
    async with serving() as server, fetching(server.url) as fetcher:
        target = location.format(port=server.port, url=server.url)
        server.answers = [redirect(target, status), answer()]
        assert await fetcher.fetch(server.url) == IMAGE


@pytest.mark.parametrize("host", LOOPBACK_SPELLINGS)
async def test_a_redirect_to_loopback_is_never_followed(host):
    async with serving() as inner, serving() as base, fetching(base.url) as fetcher:
        base.answers = [redirect(f"http://{host}:{inner.port}/".encode().decode("latin-1"))]
        with pytest.raises(BadGeneratorResponseError):
            await fetcher.fetch(base.url)
    assert (base.connections, inner.connections) == (1, 0)


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "ftp://x/", "data:,x", "http://u:p@x/", "http://[", ""]
)
async def test_a_redirect_that_leads_nowhere_is_refused(location):
    async with serving(redirect(location)) as server, fetching(server.url) as fetcher:
        with pytest.raises(BadGeneratorResponseError):
            await fetcher.fetch(server.url)


async def test_three_redirects_are_enough():
    async with serving() as server, fetching(server.url) as fetcher:
        server.answers = [*[redirect("/next")] * 3, answer()]
        assert await fetcher.fetch(server.url) == IMAGE
        server.answers = [*[redirect("/next")] * 4, answer()]
        with pytest.raises(BadGeneratorResponseError, match="too-many-redirects"):
            await fetcher.fetch(server.url)
    assert server.connections == 8


async def test_the_key_is_sent_to_the_base_urls_origin_only():
    async with serving() as base, serving() as other:
        allow = [f"127.0.0.1:{other.port}"]
        async with fetching(base.url, allow=allow) as fetcher:
            base.answers = [redirect(other.url), answer()]
            other.answers = [redirect(base.url)]
            assert await fetcher.fetch(base.url) == IMAGE
    assert [f"Bearer {KEY}" in request for request in base.requests] == [True, True]
    assert [KEY in request for request in other.requests] == [False]


async def test_cookies_are_not_kept():
    async with serving() as server, fetching(server.url) as fetcher:
        set_cookie = answer(b"", "Location: /", "Set-Cookie: a=b", status=302)
        server.answers = [set_cookie, answer()]
        await fetcher.fetch(server.url)
    assert "cookie" not in "".join(server.requests).lower()


@pytest.mark.parametrize("status", [201, 204, 206, 300, 304, 400, 401, 403, 404, 410])
async def test_another_status_is_final(status):
    async with serving(answer(b"", status=status)) as server, fetching(server.url) as fetcher:
        with pytest.raises(BadGeneratorResponseError, match=f"status-{status}"):
            await fetcher.fetch(server.url)
    assert server.connections == 1


PASSING_FAULTS = [
    answer(status=408),
    answer(status=425),
    answer(status=429),
    answer(status=500),
    answer(status=503),
    b"",
    b"garbage\r\n\r\n",
    answer()[:-1],
    answer(compress(IMAGE)[:-1], "Content-Encoding: gzip"),
]


@pytest.mark.parametrize("fault", PASSING_FAULTS)
async def test_what_may_pass_is_tried_three_times(fault):
    async with serving(fault, fault, answer()) as server, fetching(server.url) as fetcher:
        assert await fetcher.fetch(server.url) == IMAGE
    async with serving(fault) as server, fetching(server.url) as fetcher:
        with pytest.raises(GeneratorUnavailableError):
            await fetcher.fetch(server.url)
    assert server.connections == 3


async def test_no_connection_is_unavailable():
    async with serving() as server:
        pass
    async with fetching(server.url) as fetcher:
        with pytest.raises(GeneratorUnavailableError):
            await fetcher.fetch(server.url)


@pytest.mark.parametrize("found", [[], OSError("no such name")])
async def test_an_unknown_name_is_unavailable_after_three_tries(found):
    asked = []

    async def resolver(host: str, port: int) -> Sequence[str]:
        asked.append((host, port))
        if isinstance(found, OSError):
            raise found
        return found

    async with fetching(resolve=resolver) as fetcher:
        with pytest.raises(GeneratorUnavailableError):
            await fetcher.fetch("https://images.example/")
    assert asked == [("images.example", 443)] * 3


async def test_the_systems_resolver_gives_addresses():
    assert "127.0.0.1" in await resolve("2130706433", 80)
    assert list(await resolve("::1", 443)) == ["::1"]


@pytest.mark.parametrize(
    "sent",
    [
        answer(bytes(10_001)),
        b"HTTP/1.1 200 OK\r\n\r\n" + bytes(10_001),
        answer(compress(bytes(1_000_000)), "Content-Encoding: gzip"),
    ],
)
async def test_too_much_is_refused_at_once(sent):
    async with serving(sent) as server, fetching(server.url, max_bytes=10_000) as fetcher:
        with pytest.raises(BadGeneratorResponseError, match="too-large"):
            await fetcher.fetch(server.url)
    assert server.connections == 1


async def test_the_callers_deadline_ends_a_fetch_and_hangs_up():
    hung_up = asyncio.Event()

    async def silent(reader, writer):
        await reader.read()
        writer.close()
        hung_up.set()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with server, fetching(url) as fetcher:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await fetcher.fetch(url)
        async with asyncio.timeout(10):
            await hung_up.wait()


async def test_proxies_of_the_environment_are_ignored(monkeypatch):
    async with serving() as proxy, serving() as server, fetching(server.url) as fetcher:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "https_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        async with fetching(server.url) as made_under_proxy:
            assert await made_under_proxy.fetch(server.url) == IMAGE
        assert await fetcher.fetch(server.url) == IMAGE
    assert (proxy.connections, server.connections) == (0, 2)


async def test_a_failure_is_logged_once_and_tells_no_secret(caplog):
    caplog.set_level(logging.DEBUG, logger="pixyproxy")
    broken = answer(b"secret-body", status=503)
    async with serving(broken) as server, fetching(server.url) as fetcher:
        with pytest.raises(GeneratorUnavailableError) as raised:
            await fetcher.fetch(f"{server.url}?sig=secret-signature")
    (record,) = [record for record in caplog.records if record.name.startswith("pixyproxy")]
    assert record.levelno == logging.WARNING
    assert record.getMessage() == "Image fetch failed: reason=status-503 host=127.0.0.1"
    assert "secret" not in raised.value.message
    assert raised.value.__cause__ is None


async def test_a_malformed_host_never_reaches_the_log(caplog):
    async with fetching() as fetcher:
        with pytest.raises(BadGeneratorResponseError) as raised:
            await fetcher.fetch("http://evil\n\x1b[31m.example/")
    assert "evil" not in caplog.text + raised.value.message


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A PEM file with the key and the self-signed certificate of images.example."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "images.example")])
    now = dt.datetime.now(dt.UTC)
    names = [x509.DNSName("images.example"), x509.IPAddress(ipaddress.ip_address("127.0.0.2"))]
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "images.pem"
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    private = key.private_bytes(pem, pkcs8, serialization.NoEncryption())
    file.write_bytes(private + signed.public_bytes(pem))
    return file


@asynccontextmanager
async def serving_tls(certificate, trust, *answers: bytes) -> AsyncIterator[Server]:
    trust(certificate)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate)
    async with serving(*answers, host="127.0.0.2", tls=tls) as server:
        yield server


@pytest.mark.parametrize("host", ["images.example", "images.example.", "127.0.0.2"])
async def test_the_certificate_is_held_against_the_name_in_the_url(certificate, trust, host):
    async with (
        serving_tls(certificate, trust) as server,
        fetching(allow=[host], resolve=always("127.0.0.2")) as fetcher,
    ):
        assert await fetcher.fetch(f"https://{host}:{server.port}/") == IMAGE


async def test_a_certificate_of_another_name_is_no_connection(certificate, trust):
    async with serving_tls(certificate, trust) as server:
        allow = ["images.example", "other.example"]
        async with fetching(allow=allow, resolve=always("127.0.0.2")) as fetcher:
            await fetcher.fetch(f"https://images.example:{server.port}/")
            with pytest.raises(GeneratorUnavailableError):
                await fetcher.fetch(f"https://other.example:{server.port}/")
    assert len(server.requests) == 1


async def test_a_redirect_from_https_to_http_is_refused(certificate, trust):
    async with (
        serving() as plain,
        serving_tls(certificate, trust, redirect(plain.url)) as server,
        fetching(plain.url, allow=["images.example"], resolve=always("127.0.0.2")) as fetcher,
    ):
        with pytest.raises(BadGeneratorResponseError, match="redirect-to-plain-http"):
            await fetcher.fetch(f"https://images.example:{server.port}/")
    assert plain.connections == 0

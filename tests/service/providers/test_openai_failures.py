"""Was it sent, or not? Real sockets that break off at each point of a connection."""

import asyncio
import functools
import ssl
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pixyproxy.core.exceptions import (
    GeneratorAccountError,
    GeneratorTimeoutError,
    GeneratorUnavailableError,
    PixyProxyException,
)
from pixyproxy.service.providers import GenerationRequest
from pixyproxy.service.providers.openai import OpenAIProvider
from pixyproxy.service.providers.openai_failures import failure_of_answer
from tests.support import model_server as ms
from tests.support.model_server import ModelServer

HOST = "model.example"
HEAD_END = b"\r\n\r\n"
CONNECTED = b"HTTP/1.1 200 Connected" + HEAD_END
BODY = b'{"data":[{"b64_json":"cG5n"}]}'
ANSWER = ms.head(200, len(BODY)) + BODY

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter
Handler = Callable[[Reader, Writer], Awaitable[None]]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A PEM file with the key and the self-signed certificate of HOST and 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "certificate.pem"
    private = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    pem = serialization.Encoding.PEM
    file.write_bytes(key.private_bytes(pem, *private) + signed.public_bytes(pem))
    return file


@pytest.fixture
def tls(certificate, trust):
    """A server's TLS, with a certificate that the provider trusts."""
    trust(certificate)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context


@asynccontextmanager
async def listening(handler: Handler):
    """The port of a server that treats each connection so."""
    connections: set[asyncio.Task[None]] = set()

    async def handle(reader: Reader, writer: Writer) -> None:
        connections.add(asyncio.current_task())
        with suppress(OSError, asyncio.IncompleteReadError):
            await handler(reader, writer)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]
        await asyncio.gather(*connections)


@asynccontextmanager
async def proxied_by(monkeypatch, handler: Handler):
    async with listening(handler) as port:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("no_proxy", "direct.invalid")
        yield


def opened(base_url: str, timeout_s: float = 30) -> OpenAIProvider:
    return OpenAIProvider(
        base_url=base_url, api_key="sk-x", default_model="gpt-image-2", timeout_s=timeout_s
    )


async def outcome(provider: OpenAIProvider) -> bytes | None:
    request = GenerationRequest("gpt-image-2", "a cat " * 4000, {})
    return (await provider.generate(request, call_guid="a-call")).images[0].data


async def failure(base_url: str, timeout_s: float = 30) -> PixyProxyException:
    provider = opened(base_url, timeout_s)
    with pytest.raises(PixyProxyException) as caught:
        await outcome(provider)
    await provider.aclose()
    return caught.value


def assert_not_sent(failure: PixyProxyException) -> None:
    assert type(failure) is GeneratorUnavailableError
    assert not failure.sent


async def hang_up(reader: Reader, writer: Writer) -> None:
    """Whoever handles a connection closes it in the end."""


async def reset(reader: Reader, writer: Writer) -> None:
    writer.transport.abort()


async def talk_nonsense(reader: Reader, writer: Writer) -> None:
    writer.write(b"SSH-2.0-nonsense\r\n\r\n")


async def say_nothing(reader: Reader, writer: Writer) -> None:
    while await reader.read(65536):
        pass


WAYS_TO_FAIL = [hang_up, reset, talk_nonsense, say_nothing]


def patience_with(fail: Handler) -> float:
    return 0.3 if fail is say_nothing else 30


def after_hello(fail: Handler) -> Handler:
    """Fail when the client has begun its TLS handshake."""

    async def handle(reader: Reader, writer: Writer) -> None:
        await reader.read(65536)
        await fail(reader, writer)

    return handle


def after_head(fail: Handler) -> Handler:
    """Fail when a request's head has come, CONNECT's or a plain one."""

    async def handle(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(HEAD_END)
        await fail(reader, writer)

    return handle


def connected(then: Handler) -> Handler:
    """Be a proxy that connects, to a server which goes on so."""

    async def handle(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(HEAD_END)
        writer.write(CONNECTED)
        await then(reader, writer)

    return handle


def saying(data: bytes) -> Handler:
    async def handle(reader: Reader, writer: Writer) -> None:
        writer.write(data)

    return handle


def within_tls(tls: ssl.SSLContext, fail: Handler, *answers: bytes, part: bytes = b"") -> Handler:
    """Give these answers within TLS, one to each request; of the next read some, and fail."""

    async def handle(reader: Reader, writer: Writer) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        within = tls.wrap_bio(incoming, outgoing, server_side=True)

        async def done(step: Callable[[], object]) -> object:
            while True:
                try:
                    result = step()
                except ssl.SSLWantReadError:
                    writer.write(outgoing.read())
                    received = await reader.read(65536)
                    if not received:
                        raise ConnectionResetError from None
                    incoming.write(received)
                else:
                    writer.write(outgoing.read())
                    return result

        await done(within.do_handshake)
        for answer in answers:
            received = b""
            while not received.endswith(b"}"):
                received += await done(within.read)
            await done(functools.partial(within.write, answer))
        await done(within.read)
        await done(lambda: within.write(part))
        await fail(reader, writer)

    return handle


class TestNotSent:
    async def test_nobody_listens(self):
        assert_not_sent(await failure(ms.unused_base_url()))

    async def test_no_protocol_of_ours(self):
        assert_not_sent(await failure("ftp://127.0.0.1/v1"))

    @pytest.mark.parametrize("fail", WAYS_TO_FAIL)
    async def test_the_tls_handshake_fails(self, fail):
        async with listening(after_hello(fail)) as port:
            failed = await failure(f"https://127.0.0.1:{port}/v1", patience_with(fail))
        assert_not_sent(failed)

    async def test_the_certificate_is_not_trusted(self, tls, trust):
        trust(None)
        async with listening(within_tls(tls, hang_up)) as port:
            assert_not_sent(await failure(f"https://127.0.0.1:{port}/v1"))

    @pytest.mark.parametrize("scheme", ["http", "https"])
    async def test_the_proxy_is_not_there(self, monkeypatch, scheme):
        monkeypatch.setenv(f"{scheme}_proxy", ms.unused_base_url())
        assert_not_sent(await failure(f"{scheme}://{HOST}/v1"))

    @pytest.mark.parametrize("fail", WAYS_TO_FAIL)
    async def test_the_proxy_fails_to_connect(self, monkeypatch, fail):
        async with proxied_by(monkeypatch, after_head(fail)):
            assert_not_sent(await failure(f"https://{HOST}/v1", patience_with(fail)))

    @pytest.mark.parametrize(
        "said",
        [
            CONNECTED[:10],
            b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
            b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 1000\r\n\r\ncut",
        ],
    )
    async def test_the_proxy_refuses_to_connect(self, monkeypatch, said):
        async with proxied_by(monkeypatch, after_head(saying(said))):
            assert_not_sent(await failure(f"https://{HOST}/v1"))

    @pytest.mark.parametrize("fail", WAYS_TO_FAIL)
    async def test_the_tls_handshake_fails_behind_the_proxy(self, monkeypatch, fail):
        async with proxied_by(monkeypatch, connected(after_hello(fail))):
            assert_not_sent(await failure(f"https://{HOST}/v1", patience_with(fail)))

    async def test_the_certificate_is_of_another_name(self, tls, monkeypatch):
        async with proxied_by(monkeypatch, connected(within_tls(tls, hang_up))):
            assert_not_sent(await failure("https://other.example/v1"))


class TestPerhapsSent:
    @pytest.mark.parametrize("fail", WAYS_TO_FAIL)
    async def test_plainly(self, fail):
        async with listening(after_head(fail)) as port:
            failed = await failure(f"http://127.0.0.1:{port}/v1", patience_with(fail))
        assert type(failed) is GeneratorTimeoutError

    async def test_to_a_server_that_hangs_up_at_once(self):
        async with listening(reset) as port:
            failed = await failure(f"http://127.0.0.1:{port}/v1")
        assert type(failed) is GeneratorTimeoutError

    @pytest.mark.parametrize("fail", WAYS_TO_FAIL)
    async def test_to_a_proxy_that_hands_it_on(self, monkeypatch, fail):
        async with proxied_by(monkeypatch, after_head(fail)):
            failed = await failure(f"http://{HOST}/v1", patience_with(fail))
        assert type(failed) is GeneratorTimeoutError

    @pytest.mark.parametrize("fail", WAYS_TO_FAIL)
    async def test_within_tls(self, tls, monkeypatch, fail):
        async with proxied_by(monkeypatch, connected(within_tls(tls, fail))):
            failed = await failure(f"https://{HOST}/v1", patience_with(fail))
        assert type(failed) is GeneratorTimeoutError

    @pytest.mark.parametrize("fail", WAYS_TO_FAIL)
    async def test_while_the_answer_comes_within_tls(self, tls, monkeypatch, fail):
        handler = within_tls(tls, fail, part=ANSWER[:-10])
        async with proxied_by(monkeypatch, connected(handler)):
            failed = await failure(f"https://{HOST}/v1", patience_with(fail))
        assert type(failed) is GeneratorTimeoutError

    @pytest.mark.parametrize("fail", WAYS_TO_FAIL)
    async def test_by_a_connection_that_was_good_before(self, tls, monkeypatch, fail):
        handler = within_tls(tls, fail, ANSWER)
        async with proxied_by(monkeypatch, connected(handler)):
            provider = opened(f"https://{HOST}/v1", patience_with(fail))
            assert await outcome(provider) == b"png"
            with pytest.raises(GeneratorTimeoutError):
                await outcome(provider)
            await provider.aclose()


@pytest.mark.parametrize("status", [408, 409, 425, 500, 502, 503, 504])
async def test_a_server_that_says_it_fails_was_sent_the_request(status):
    with ModelServer() as server:
        server.answer_with(ms.error(status))
        failed = await failure(server.base_url)
    assert type(failed) is GeneratorUnavailableError
    assert failed.sent


async def test_a_proxy_in_plain_http_is_an_upstream_like_any(monkeypatch):
    async with proxied_by(monkeypatch, after_head(saying(ms.head(407, 0)))):
        assert type(await failure(f"http://{HOST}/v1")) is GeneratorAccountError


def test_a_404_names_what_was_asked_for_unless_it_names_a_model() -> None:
    told = failure_of_answer(404, {}, {}, path="/images/generations")
    assert isinstance(told, GeneratorAccountError)
    assert "/images/generations" in told.message
    assert "/v1" in told.message
    unknown = failure_of_answer(404, {"code": "model_not_found"}, {}, path="/v1/x")
    assert unknown.message == GeneratorAccountError.default_message

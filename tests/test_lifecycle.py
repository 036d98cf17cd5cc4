"""The service as a process: starting, several workers, TLS, stopping."""

import asyncio
import signal
import ssl
from pathlib import Path

import httpx2
import pytest

from tests.support import model_server as ms
from tests.support.model_server import ModelServer
from tests.support.servers import LOG_LINE, STOPPED, Service

pytestmark = pytest.mark.slow

KEY = "N7mYcQ4w-tests-only-9fKz"


def test_the_banner_says_where_what_and_who(tmp_path: Path, model_server: ModelServer) -> None:
    with Service(tmp_path / "sketch") as service:
        banner = service.log
        assert service.origin in banner
        assert "sqlite:///pixyproxy.db" in banner
        assert str(tmp_path / "sketch" / "images") in banner
        assert "sketch" in banner
    with Service(
        tmp_path / "openai", openai_base_url=model_server.base_url, openai_api_key="sk-hidden"
    ) as service:
        assert model_server.base_url in service.log
        assert "gpt-image-2" in service.log
        assert "sk-hidden" not in service.log


def test_several_workers_on_each_database(tmp_path: Path, empty_database_url: str) -> None:
    with (
        Service(
            tmp_path, "--workers", "3", database_url=empty_database_url, api_keys=KEY
        ) as service,
        httpx2.Client(base_url=service.origin, trust_env=False) as client,
    ):
        client.headers["X-API-Key"] = KEY
        made = [
            client.post("/image", json={"prompt": f"number {n}", "size": "64x64"}).json()["guid"]
            for n in range(6)
        ]
        listed = [image["guid"] for image in client.get("/image").json()]
        assert listed == made[::-1]
        assert service.process.poll() is None
    assert service.process.returncode == 0
    assert "Traceback" not in service.log


def test_every_line_of_the_log_has_the_form(tmp_path: Path) -> None:
    with Service(tmp_path) as service:
        httpx2.get(f"{service.origin}/image", trust_env=False)
        httpx2.get(f"{service.origin}/no/such/%0a%1b[31mpath", trust_env=False)
    lines = service.log.splitlines()
    logged = lines[next(n for n, line in enumerate(lines) if LOG_LINE.fullmatch(line)) :]
    assert len(logged) > 5
    assert [line for line in logged if not LOG_LINE.fullmatch(line)] == []


def test_serving_over_tls(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    _make_certificate(key, certificate)
    with Service(
        tmp_path, "--ssl-keyfile", str(key), "--ssl-certfile", str(certificate)
    ) as service:
        trusted = ssl.create_default_context(cafile=certificate)
        origin = service.origin.replace("http://127.0.0.1", "https://localhost")
        answer = httpx2.post(
            f"{origin}/image", json={"prompt": "x", "size": "64x64"}, verify=trusted
        )
        assert answer.json()["url"].startswith(f"{origin}/image/")


async def test_on_sigterm_readiness_fails_first_and_running_requests_finish(
    tmp_path: Path, model_server: ModelServer
) -> None:
    model_server.answer_with(ms.after_release(ms.image()))
    with Service(tmp_path, openai_base_url=model_server.base_url, drain_s=5) as service:
        async with httpx2.AsyncClient(base_url=service.origin, trust_env=False) as client:
            assert (await client.get("/health/ready")).status_code == 200
            asking = asyncio.create_task(client.post("/image", json={"prompt": "a fox"}))
            await model_server.requests_arrived(1)
            service.terminate()
            async with asyncio.timeout(4):
                while (ready := await client.get("/health/ready")).status_code == 200:
                    await asyncio.sleep(0.01)
            assert ready.status_code == 503
            assert ready.json()["checks"]["service"] == "draining"
            assert (await client.get("/health/live")).status_code == 200
            model_server.release()
            answer = await asking
            assert answer.status_code == 201
            content = await client.get(answer.json()["url"])
            assert len(content.content) == answer.json()["byte_size"]
        assert await asyncio.to_thread(service.process.wait, 60) in STOPPED
    assert "Traceback" not in service.log


async def test_stopping_is_bounded_though_the_model_hangs(
    tmp_path: Path, model_server: ModelServer
) -> None:
    model_server.answer_with(ms.hang())
    settings = {"openai_base_url": model_server.base_url, "shutdown_grace_s": 1}
    with Service(tmp_path, **settings) as service:
        async with httpx2.AsyncClient(base_url=service.origin, trust_env=False) as client:
            asking = asyncio.create_task(client.post("/image", json={"prompt": "a fox"}))
            await model_server.requests_arrived(1)
            service.terminate()
            answer = await asking
            assert (answer.status_code, answer.json()["code"]) == (504, "generator-timeout")
            assert await asyncio.to_thread(service.process.wait, 30) in STOPPED
    assert "Traceback" not in service.log


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_ends_the_draining(
    tmp_path: Path, model_server: ModelServer, second: signal.Signals
) -> None:
    model_server.answer_with(ms.hang())
    settings = {
        "openai_base_url": model_server.base_url,
        "drain_s": 300,
        "shutdown_grace_s": 1,
    }
    with Service(tmp_path, **settings) as service:
        async with httpx2.AsyncClient(base_url=service.origin, trust_env=False) as client:
            asking = asyncio.create_task(client.post("/image", json={"prompt": "a fox"}))
            await model_server.requests_arrived(1)
            service.terminate()
            async with asyncio.timeout(30):
                while (await client.get("/health/ready")).status_code == 200:
                    await asyncio.sleep(0.01)
            service.process.send_signal(second)
            answer = await asking
            assert (answer.status_code, answer.json()["code"]) == (504, "generator-timeout")
            assert await asyncio.to_thread(service.process.wait, 30) in STOPPED
    assert "Traceback" not in service.log


def test_what_was_kept_is_there_after_a_kill(tmp_path: Path) -> None:
    with Service(tmp_path) as service:
        kept = httpx2.post(
            f"{service.origin}/image", json={"prompt": "a fox", "size": "64x64"}, trust_env=False
        ).json()
        service.kill()
        service.start()
        guid = kept["guid"]
        again = httpx2.get(f"{service.origin}/image/{guid}", trust_env=False).json()
        assert again["sha256"] == kept["sha256"]
        content = httpx2.get(f"{service.origin}/image/{guid}/content", trust_env=False)
        assert len(content.content) == kept["byte_size"]


def _make_certificate(key: Path, certificate: Path) -> None:
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(private, hashes.SHA256())
    )
    key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))

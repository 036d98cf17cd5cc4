"""Every option of `serve` that has a variable: it wins over it, and without it the variable holds.

What a service does with its settings is looked at from outside.
"""

import inspect
import socket
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx2
import pytest

from pixyproxy.cli.serving import serve
from tests.support.mariadb import free_port
from tests.support.model_server import ModelServer
from tests.support.rows import count_images
from tests.support.servers import Service

KEY = "N7mYcQ4w-tests-only-9fKz"
WITHOUT_A_VARIABLE = {"workers", "ssl_certfile", "ssl_keyfile"}


@dataclass
class Choice:
    """One value for each setting."""

    host: str
    port: int
    database_url: str
    images: Path
    variants: Path
    generator: str
    openai_base_url: str
    model: str
    log_level: str

    def as_options(self) -> list[str]:
        return [
            part
            for name, value in asdict(self).items()
            for part in (f"--{name.replace('_', '-')}", str(value))
        ]


def answers(host: str, port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex((host, port)) == 0


def assert_serves(service: Service, chosen: Choice, other: Choice, drawn_by: ModelServer) -> None:
    assert answers("127.0.0.1", chosen.port)
    assert not answers("127.0.0.1", other.port)
    assert answers("127.0.0.2", chosen.port) == (chosen.host == "0.0.0.0")
    headers = {"X-API-Key": KEY}
    drawn = httpx2.post(
        f"{service.origin}/image", json={"prompt": "a fox"}, headers=headers, trust_env=False
    )
    assert drawn.status_code == 201, drawn.text
    (request,) = drawn_by.requests
    assert (request.json["model"], drawn.json()["model"]) == (chosen.model, chosen.model)
    assert count_images(chosen.database_url) == 1
    assert [path.suffix for path in chosen.images.rglob("*.png")] == [".png"]
    assert not other.images.exists()
    small = httpx2.get(drawn.json()["url"] + "?width=32", headers=headers, trust_env=False)
    assert small.status_code == 200, small.text
    assert [path for path in chosen.variants.rglob("*") if path.is_file()]
    assert not other.variants.exists()
    assert ("REQUEST START" in service.log) == (chosen.log_level == "INFO")


@pytest.fixture
def other_model_server() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


@pytest.fixture
def by_variable(tmp_path: Path, model_server: ModelServer) -> Choice:
    return Choice(
        host="127.0.0.1",
        port=free_port(),
        database_url=f"sqlite:///{tmp_path}/by-variable.db",
        images=tmp_path / "by-variable",
        variants=tmp_path / "variants-by-variable",
        generator="openai",
        openai_base_url=model_server.base_url,
        model="by-variable",
        log_level="INFO",
    )


@pytest.fixture
def by_option(tmp_path: Path, other_model_server: ModelServer) -> Choice:
    return Choice(
        host="0.0.0.0",
        port=free_port(),
        database_url=f"sqlite:///{tmp_path}/by-option.db",
        images=tmp_path / "by-option",
        variants=tmp_path / "variants-by-option",
        generator="openai",
        openai_base_url=other_model_server.base_url,
        model="by-option",
        log_level="WARNING",
    )


def listening_on(service: Service, port: int) -> Service:
    service.port, service.origin = port, f"http://127.0.0.1:{port}"
    return service


def test_every_option_is_looked_at(by_option: Choice) -> None:
    assert set(inspect.signature(serve).parameters) == set(asdict(by_option)) | WITHOUT_A_VARIABLE


def test_variables_hold_where_there_are_no_options(
    tmp_path: Path, by_variable: Choice, by_option: Choice, model_server: ModelServer
) -> None:
    service = Service(tmp_path, api_keys=KEY, **asdict(by_variable))
    with listening_on(service, by_variable.port):
        assert_serves(service, by_variable, by_option, model_server)


def test_options_win_over_their_variables(
    tmp_path: Path,
    by_variable: Choice,
    by_option: Choice,
    model_server: ModelServer,
    other_model_server: ModelServer,
) -> None:
    service = Service(tmp_path, *by_option.as_options(), api_keys=KEY, **asdict(by_variable))
    with listening_on(service, by_option.port):
        assert_serves(service, by_option, by_variable, other_model_server)
    assert model_server.posts == 0


def test_the_option_says_who_draws(
    tmp_path: Path, by_variable: Choice, model_server: ModelServer
) -> None:
    service = Service(tmp_path, "--generator", "sketch", **asdict(by_variable))
    with listening_on(service, by_variable.port):
        drawn = httpx2.post(
            f"{service.origin}/image",
            json={"prompt": "a fox", "size": "64x64", "model": "sketch"},
            trust_env=False,
        )
        assert (drawn.status_code, drawn.json().get("model")) == (201, "sketch"), drawn.text
    assert model_server.posts == 0

"""What all tests share: settings free of this machine's, both databases, the app, real servers."""

import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

import httpcore2
import httpx2
import pytest

from pixyproxy.app import create_app, make_state
from pixyproxy.bootstrap import Services, open_services
from pixyproxy.data.init import Database
from pixyproxy.service.outbound import tls_context
from pixyproxy.settings import Settings
from tests.support import programs
from tests.support.databases import MySqlDatabases, SqliteTemplate, open_database
from tests.support.mariadb import MariaDB, quick_folder
from tests.support.model_server import ModelServer
from tests.support.object_storage import ObjectStorage
from tests.support.processes import PATIENT

_FOREIGN = ("PIXYPROXY_", "OPENAI_", "AWS_", "GOOGLE_", "AZURE_")
TEST_MYSQL_URL = os.environ.get("PIXYPROXY_TEST_MYSQL_URL")


def pytest_configure() -> None:
    """Hide this machine's settings: tests must never find, or pay with, somebody's key."""
    for name in list(os.environ):
        if name.upper().startswith(_FOREIGN):
            del os.environ[name]
    Settings.model_config["env_file"] = None
    _read_certificates_once()
    # Else each process that a test starts would compile the whole package anew.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell's background command; the processes that tests start would ignore Ctrl-C too.
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _read_certificates_once() -> None:
    """Else each client that a test makes would read all of the system's: 80 ms."""
    read = cache(lambda _file, trust_env: default_ssl_context(_trust_env=trust_env))
    default_ssl_context = httpcore2.default_ssl_context
    httpcore2.default_ssl_context = lambda *, _trust_env=True: read(
        os.environ.get("SSL_CERT_FILE"), _trust_env
    )


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Hand on to a worker what this process has hidden from it."""
    node.workerinput["mysql_url"] = TEST_MYSQL_URL


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Have a worker tell which programs it missed."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["missing"] = sorted(programs.missing)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Hear which programs a worker missed; one that crashed has told nothing."""
    programs.missing.update(getattr(node, "workeroutput", {}).get("missing", ()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly what was not tested for want of an outside program."""
    for name in sorted(programs.missing):
        terminalreporter.write_line(
            f"NOT TESTED: {name} is missing on this machine, and tests that need it were skipped",
            red=True,
            bold=True,
        )


@pytest.fixture(scope="session")
def mysql_server_url(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The URL, without a database, of the given server or of a private one."""
    given = getattr(request.config, "workerinput", {"mysql_url": TEST_MYSQL_URL})["mysql_url"]
    if given:
        yield given
        return
    with quick_folder(tmp_path_factory) as folder, MariaDB(folder) as server:
        yield server.url


@pytest.fixture(scope="session")
def mysql_databases(mysql_server_url: str) -> Iterator[MySqlDatabases]:
    """The databases of that server."""
    databases = MySqlDatabases(mysql_server_url)
    yield databases
    databases.drop_all()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> SqliteTemplate:
    """What makes migrated SQLite databases."""
    return SqliteTemplate(tmp_path_factory.mktemp("template"))


@pytest.fixture
def empty_mysql_url(mysql_databases: MySqlDatabases) -> Iterator[str]:
    """The URL of a new MySQL database without tables."""
    with mysql_databases.empty() as url:
        yield url


@pytest.fixture
def empty_sqlite_url(tmp_path: Path) -> str:
    """The URL of a new SQLite database without tables."""
    return f"sqlite:///{tmp_path}/pixyproxy.db"


@pytest.fixture(params=["sqlite", "mysql"])
def empty_database_url(request: pytest.FixtureRequest) -> str:
    """The URL of a new, empty database: the test runs on each kind."""
    url: str = request.getfixturevalue(f"empty_{request.param}_url")
    return url


@pytest.fixture
def mysql_url(mysql_databases: MySqlDatabases) -> Iterator[str]:
    """The URL of a migrated MySQL database without rows."""
    with mysql_databases.migrated() as url:
        yield url


@pytest.fixture
def sqlite_url(sqlite_template: SqliteTemplate, tmp_path: Path) -> str:
    """The URL of a migrated SQLite database without rows."""
    path = tmp_path / "pixyproxy.db"
    sqlite_template.copy_to(path)
    return f"sqlite:///{path}"


@pytest.fixture(params=["sqlite", "mysql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of a migrated database without rows: the test runs on each kind."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A migrated database, on each kind."""
    database = open_database(database_url, pool_size=5)
    yield database
    await database.aclose()


@pytest.fixture(scope="session")
def object_storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStorage]:
    """A real HTTP server that speaks S3; each test takes a prefix of its own."""
    with ObjectStorage(tmp_path_factory.mktemp("objects")) as storage:
        yield storage


@pytest.fixture
def trust(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path | None], None]]:
    """Return what has the service trust the certificates of a file, or the system's."""

    def set_file(path: Path | None) -> None:
        monkeypatch.delenv("SSL_CERT_FILE", raising=False)
        if path is not None:
            monkeypatch.setenv("SSL_CERT_FILE", str(path))
        tls_context.cache_clear()

    yield set_file
    tls_context.cache_clear()


@pytest.fixture
def model_server() -> Iterator[ModelServer]:
    """A real HTTP server that speaks OpenAI's images API, and can misbehave."""
    with ModelServer() as server:
        yield server


MakeSettings = Callable[..., Settings]


@pytest.fixture
def make_settings(sqlite_url: str, tmp_path: Path) -> MakeSettings:
    """Return what makes settings for a test: SQLite, a folder and `sketch`, unless told else."""

    def make(**values: Any) -> Settings:
        defaults = {
            "database_url": sqlite_url,
            "images": tmp_path / "images",
            "variants": tmp_path / "variants",
            **PATIENT,
        }
        return Settings(**(defaults | values))

    return make


@asynccontextmanager
async def open_client(settings: Settings, **options: Any) -> AsyncIterator[httpx2.AsyncClient]:
    """Run the application in this process and yield a client that talks to it."""
    app = create_app(settings)
    async with app.router.lifespan_context(app) as state:

        async def with_state(scope: Any, receive: Any, send: Any) -> None:
            await app({**scope, "state": dict(state or {})}, receive, send)

        transport = httpx2.ASGITransport(with_state)
        base_url = options.pop("base_url", "http://localhost:8000")
        async with httpx2.AsyncClient(transport=transport, base_url=base_url, **options) as client:
            yield client


@asynccontextmanager
async def open_with_services(
    settings: Settings,
) -> AsyncIterator[tuple[httpx2.AsyncClient, Services]]:
    """Yield a client of an application, and the services behind it, into which faults are put."""
    app = create_app(settings)
    async with open_services(settings) as services:
        state = make_state(settings, services).as_lifespan_state()

        async def with_services(scope: Any, receive: Any, send: Any) -> None:
            await app({**scope, "state": dict(state)}, receive, send)

        transport = httpx2.ASGITransport(with_services)
        async with httpx2.AsyncClient(
            transport=transport, base_url="http://localhost:8000"
        ) as client:
            yield client, services


@pytest.fixture
async def client(
    make_settings: MakeSettings, database_url: str, model_server: ModelServer
) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of an application on each database, drawing by the model server."""
    settings = make_settings(
        database_url=database_url,
        openai_base_url=model_server.base_url,
        openai_api_key="sk-the-models-own-key",
    )
    async with open_client(settings) as client:
        yield client

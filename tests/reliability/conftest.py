"""What can be broken: a database server of these tests' own, a small disk, service processes."""

import asyncio
import os
import subprocess
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pixyproxy.data.init import DEADLINE_S
from tests.conftest import MakeSettings, open_client
from tests.reliability.application import POOL_SIZE, Application
from tests.reliability.faults import Disk
from tests.support.mariadb import MariaDB, quick_folder
from tests.support.model_server import ModelServer, image, png
from tests.support.programs import lacking, require_program
from tests.support.rows import raw
from tests.support.servers import Service


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All that kills, starves and fills up is slow; what only looks at rows is not."""
    here = Path(__file__).parent
    for item in items:
        if item.path.parent == here and item.path.name != "test_invariants.py":
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="package")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariaDB]:
    """A server of these tests' own, which they may kill."""
    with quick_folder(tmp_path_factory) as folder, MariaDB(folder) as server:
        yield server


@pytest.fixture
def fragile_url(mariadb: MariaDB) -> str:
    """The URL of a new database on the server that may be killed."""
    name = f"d{uuid.uuid4().hex}"
    raw(f"{mariadb.url}/mysql", f"CREATE DATABASE {name}")
    return f"{mariadb.url}/{name}"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Disk]:
    """A file system of 8 MB, which only root can mount."""
    mount = require_program("mount")
    folder = tmp_path / "disk"
    folder.mkdir()
    command = [mount, "-t", "tmpfs", "-o", "size=8m", "pixyproxy-test", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        lacking("the right to mount a small disk, which root has,")
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


OpenApplication = Callable[..., Any]


@pytest.fixture
def open_application(make_settings: MakeSettings, model_server: ModelServer) -> OpenApplication:
    """Return what opens the application, and looks at the end that it leaves no task."""

    @asynccontextmanager
    async def open_(
        database_url: str, raw_url: str | None = None, **values: Any
    ) -> AsyncIterator[Application]:
        model_server.answer_with(image(png()))
        settings = make_settings(
            database_url=database_url,
            database_pool_size=POOL_SIZE,
            database_timeout_s=DEADLINE_S,
            openai_base_url=model_server.base_url,
            openai_api_key="sk-the-models-own-key",
            **({"max_concurrent_generations": 16} | values),
        )
        tasks = asyncio.all_tasks()
        async with open_client(settings) as client:
            application = Application(
                client, model_server, raw_url or database_url, settings.images
            )
            yield application
        left = asyncio.all_tasks() - tasks
        assert not [task for task in left if "Proxy" not in repr(task.get_coro())]

    return open_


Serve = Callable[..., Service]


@pytest.fixture
def serve(tmp_path: Path, database_url: str, model_server: ModelServer) -> Iterator[Serve]:
    """Return what starts a service process; all have one database and one folder of images."""
    with ExitStack() as stack:

        def start(**settings: Any) -> Service:
            defaults = {
                "database_url": database_url,
                "images": tmp_path / "images",
                "openai_base_url": model_server.base_url,
                "openai_api_key": "sk-the-models-own-key",
                "lease_s": 1,
            }
            folder = tmp_path / f"service-{uuid.uuid4().hex[:8]}"
            return stack.enter_context(Service(folder, **(defaults | settings)))

        yield start

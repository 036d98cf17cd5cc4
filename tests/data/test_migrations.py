"""Migrations: on an empty database, twice, interrupted, by several processes at once."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy.engine import make_url

from pixyproxy.core.exceptions import DatabaseUnavailableError
from pixyproxy.data import migrations
from pixyproxy.data.init import Database
from tests.support.databases import open_database
from tests.support.processes import start
from tests.support.rows import count_images, keep, make_image, raw

PROCESSES = 4

MIGRATE = """
import asyncio, sys
from pixyproxy.data.init import open_database

async def migrate():
    database = open_database(sys.argv[1], pool_size=2)
    await database.migrate()
    await database.aclose()

sys.stdin.readline()
asyncio.run(migrate())
"""

MIGRATE_AND_DIE = """
import os
import sqlalchemy as sa

class Countdown:
    left = int(sys.argv[2])

@sa.event.listens_for(sa.Engine, "before_cursor_execute")
def die(connection, cursor, statement, parameters, context, executemany):
    if statement.lstrip().upper().startswith(("CREATE", "INSERT", "UPDATE", "COMMIT")):
        Countdown.left -= 1
        if Countdown.left < 0:
            os._exit(9)
"""


@pytest.fixture
def output(tmp_path: Path) -> Iterator[IO[bytes]]:
    """What the processes write."""
    with (tmp_path / "output").open("w+b") as file:
        yield file


def said(output: IO[bytes]) -> bytes:
    output.seek(0)
    return output.read()


async def assert_usable(database_url: str) -> None:
    database = open_database(database_url, pool_size=2)
    try:
        await database.migrate()
        image = make_image("ein 🐈")
        await keep(database, image)
    finally:
        await database.aclose()
    assert count_images(database_url) == 1
    assert len(raw(database_url, "SELECT * FROM alembic_version")) == 1


def test_the_newest_revision_is_named_by_its_file() -> None:
    script = ScriptDirectory(str(Path(migrations.__file__).parent))
    assert script.get_heads() == [migrations.newest_revision()]


async def test_migrating_again_changes_nothing(database: Database, database_url: str) -> None:
    image = make_image()
    await keep(database, image)
    await database.migrate()
    assert count_images(database_url) == 1


async def test_several_processes_migrate_at_once(
    empty_database_url: str, tmp_path: Path, output: IO[bytes]
) -> None:
    gate, opener = os.pipe()
    processes = [
        start(empty_database_url, folder=tmp_path, stdin=gate, stderr=output, program=MIGRATE)
        for _ in range(PROCESSES)
    ]
    os.close(gate)
    os.close(opener)  # for which they all wait
    for process in processes:
        assert process.wait(60) == 0, said(output)
    await assert_usable(empty_database_url)


@pytest.mark.slow
async def test_an_interrupted_migration_can_be_run_again(
    empty_database_url: str, tmp_path: Path, output: IO[bytes]
) -> None:
    """The process dies before each writing statement in turn, until one run comes through."""
    program = f"import sys\n{MIGRATE_AND_DIE}\n{MIGRATE}"
    deaths = 0
    while True:
        process = start(
            empty_database_url, str(deaths), folder=tmp_path, stderr=output, program=program
        )
        if process.wait(60) == 0:
            break
        assert process.returncode == 9, said(output)
        deaths += 1
        if make_url(empty_database_url).drivername == "mysql":
            await migrate_once(empty_database_url)  # it goes on from what is there
            for table in ("images", "generations", "attempts", "alembic_version"):
                raw(empty_database_url, f"DROP TABLE {table}")
    assert deaths >= 2
    await assert_usable(empty_database_url)


async def migrate_once(database_url: str) -> None:
    database = open_database(database_url, pool_size=1)
    await database.migrate()
    await database.aclose()


async def test_text_is_unicode_whatever_the_servers_default(empty_mysql_url: str) -> None:
    await migrate_once(empty_mysql_url)
    default = raw(empty_mysql_url, "SELECT @@character_set_database")
    assert default == [("latin1",)]
    columns = raw(
        empty_mysql_url,
        "SELECT column_name, collation_name FROM information_schema.columns"
        " WHERE table_schema = DATABASE() AND table_name <> 'alembic_version'"
        " AND collation_name IS NOT NULL",
    )
    exact = {
        *("guid", "content_type", "sha256", "generation_guid", "status", "caller"),
        *("idempotency_key", "fingerprint", "upstream_request_id", "runner", "error_code"),
        *("thumbhash", "request_key", "adopted_by"),
    }
    assert {name for name, _ in columns} > exact
    for name, collation in columns:
        assert collation == ("ascii_bin" if name in exact else "utf8mb4_bin"), name


async def test_a_database_of_a_newer_version_is_refused(
    database: Database, database_url: str
) -> None:
    await keep(database, make_image())
    raw(database_url, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(DatabaseUnavailableError, match="newer version of PixyProxy"):
        await database.migrate()
    assert count_images(database_url) == 1


async def test_a_migration_waits_for_no_dead_server(tmp_path: Path) -> None:
    folder = tmp_path / "database"
    folder.mkdir()
    database = open_database(f"sqlite:///{folder}", pool_size=1)  # a folder is no database
    try:
        with pytest.raises(DatabaseUnavailableError):
            await database.migrate()
    finally:
        await database.aclose()

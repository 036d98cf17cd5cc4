"""The database context: what is committed, what is not, and the state of the pool after."""

import asyncio
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from pixyproxy.core.exceptions import DatabaseUnavailableError
from pixyproxy.core.models import ImageDetail
from pixyproxy.data import init
from pixyproxy.data.init import DEADLINE_S, Database
from pixyproxy.data.sqlite import SqliteConnection, connect_to_sqlite
from tests.support.databases import open_database
from tests.support.rows import count_images, keep, make_image, open_raw, repository

POOL_SIZE = 5
IN_TIME_S = 10  # that is DEADLINE_S and what a busy machine adds


def engine_of(database: Database) -> AsyncEngine:
    return database._engine


def checked_out(database: Database) -> int:
    count: int = engine_of(database).pool.checkedout()  # type: ignore[attr-defined]
    return count


async def assert_pool_is_healthy(database: Database, database_url: str) -> None:
    """All connections are back, none has a transaction open, and each one works."""
    assert checked_out(database) == 0
    before = count_images(database_url)
    for _ in range(2):
        contexts = [database.open_context() for _ in range(POOL_SIZE)]
        for context in contexts:
            await context.__aenter__()
            await context.execute(sa.select(1))
        for context in contexts:
            # on a connection with a transaction open this would be an error or would not commit
            await context.begin_transaction()
            assert await repository.create_image(context, make_image())
            await context.commit_transaction()
            await context.__aexit__(None, None, None)
    assert count_images(database_url) == before + 2 * POOL_SIZE
    assert checked_out(database) == 0


async def test_what_is_committed_is_seen(database: Database, database_url: str) -> None:
    async with database.open_context() as context:
        await context.begin_transaction()
        await repository.create_image(context, make_image())
        assert count_images(database_url) == 0
        await context.commit_transaction()
        assert count_images(database_url) == 1
    assert count_images(database_url) == 1


async def test_leaving_without_commit_rolls_back(database: Database, database_url: str) -> None:
    async with database.open_context() as context:
        await context.begin_transaction()
        await repository.create_image(context, make_image())
    assert count_images(database_url) == 0
    await assert_pool_is_healthy(database, database_url)


async def test_an_exception_rolls_back(database: Database, database_url: str) -> None:
    async def fail() -> None:
        async with database.open_context() as context:
            await context.begin_transaction()
            await repository.create_image(context, make_image())
            raise KeyError

    with pytest.raises(KeyError):
        await fail()
    assert count_images(database_url) == 0
    await assert_pool_is_healthy(database, database_url)


async def test_rollback_undoes_and_the_context_goes_on(
    database: Database, database_url: str
) -> None:
    async with database.open_context() as context:
        await context.begin_transaction()
        await repository.create_image(context, make_image())
        await context.rollback()
        await context.rollback()  # nothing is left to undo
        await context.begin_transaction()
        await repository.create_image(context, make_image())
        await context.commit_transaction()
    assert count_images(database_url) == 1


async def test_transactions_do_not_nest(database: Database, database_url: str) -> None:
    async with database.open_context() as context:
        await context.begin_transaction()
        await repository.create_image(context, make_image())
        with pytest.raises(RuntimeError):
            await context.begin_transaction()
    assert count_images(database_url) == 0


async def test_without_a_transaction_each_statement_commits(
    database: Database, database_url: str
) -> None:
    async with database.open_context() as context:
        await repository.create_image(context, make_image())
        assert count_images(database_url) == 1


async def test_after_a_failure_nothing_more_is_done(database: Database, database_url: str) -> None:
    """What follows a lost transaction must not be committed by itself."""
    async with database.open_context() as context:
        await context.begin_transaction()
        await repository.create_image(context, make_image())
        with pytest.raises(DatabaseUnavailableError):
            await context.execute(sa.text("SELECT * FROM no_such_table"))
        with pytest.raises(DatabaseUnavailableError):
            await repository.create_image(context, make_image())
        with pytest.raises(DatabaseUnavailableError):
            await context.commit_transaction()
        await context.rollback()
        await context.begin_transaction()
        await repository.create_image(context, make_image())
        await context.commit_transaction()
    assert count_images(database_url) == 1
    await assert_pool_is_healthy(database, database_url)


@pytest.mark.parametrize("turns", range(12))
async def test_cancelling_anywhere_leaves_the_pool_healthy(
    database: Database, database_url: str, turns: int
) -> None:
    """Cancelled after so many turns of the event loop: while it connects, begins, writes, ..."""

    async def write() -> None:
        async with database.open_context() as context:
            await context.begin_transaction()
            await repository.create_image(context, make_image())
            await context.execute(sa.select(1))
            await context.rollback()

    tasks = [asyncio.create_task(write()) for _ in range(2 * POOL_SIZE)]
    for _ in range(turns):
        await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert count_images(database_url) == 0
    await assert_pool_is_healthy(database, database_url)


async def test_cancelling_a_writer_that_waits_for_a_lock(
    database: Database, database_url: str
) -> None:
    """The lock that is granted after all must not stay with a connection in the pool."""
    image = make_image()
    with closing(open_raw(database_url)) as other:
        other.cursor().execute("BEGIN IMMEDIATE" if "sqlite" in database_url else "BEGIN")
        other.cursor().execute(
            "INSERT INTO images (guid, filename, prompt, created_at, updated_at, content_type, "
            "width, height, byte_size, sha256, model, parameters, prompt_words, filename_words) "
            f"VALUES ('{image.guid}', 'f', 'p', '2026-01-01 00:00:00', '2026-01-01 00:00:00', "
            "'image/png', 1, 1, 1, 's', 'm', '{}', ' ', ' ')"
        )
        writing = threading.Event()

        async def write() -> None:
            async with database.open_context() as context:
                writing.set()
                await context.begin_transaction()
                await repository.create_image(context, image)
                await context.commit_transaction()

        task = asyncio.create_task(write())
        for _ in range(20):
            await asyncio.sleep(0)
        assert writing.is_set()
        assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        other.cursor().execute("ROLLBACK")
    await assert_pool_is_healthy(database, database_url)


async def test_a_statement_without_end_is_given_up(database: Database, database_url: str) -> None:
    """Within the deadline, though the statement itself would go on."""
    endless = sa.text(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT MAX(i) FROM n"
        if "sqlite" in database_url
        else "SELECT SLEEP(30)"
    )
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with database.open_context(deadline_s=DEADLINE_S) as context:
        with pytest.raises(DatabaseUnavailableError):
            await context.execute(endless)
    assert loop.time() - began < IN_TIME_S
    await assert_pool_is_healthy(database, database_url)


async def test_an_exhausted_pool_is_an_error_in_time(database_url: str) -> None:
    database = init.open_database(database_url, pool_size=POOL_SIZE)
    held = [database.open_context() for _ in range(POOL_SIZE)]
    for context in held:
        await context.__aenter__()
        await context.execute(sa.select(1))
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(DatabaseUnavailableError):
        await database.check()
    assert DEADLINE_S <= loop.time() - began < IN_TIME_S
    for context in held:
        await context.__aexit__(None, None, None)
    await database.check()
    assert checked_out(database) == 0
    await database.aclose()


async def test_concurrent_writers_all_commit(database: Database, database_url: str) -> None:
    """More than the pool has connections, and a second pool as another process has."""
    other = open_database(database_url, pool_size=2)
    try:
        await asyncio.gather(
            *(keep(database, make_image()) for _ in range(30)),
            *(keep(other, make_image()) for _ in range(30)),
        )
    finally:
        await other.aclose()
    assert count_images(database_url) == 60


async def test_of_two_that_deadlock_one_commits(mysql_url: str) -> None:
    database = open_database(mysql_url, pool_size=2)
    await database.migrate()
    first, second = make_image("first"), make_image("second")
    both_wrote = asyncio.Barrier(2)

    async def write(*images: ImageDetail) -> None:
        async with database.open_context() as context:
            await context.begin_transaction()
            await repository.create_image(context, images[0])
            await both_wrote.wait()
            await repository.create_image(context, images[1])
            await context.commit_transaction()

    results = await asyncio.gather(
        write(first, second), write(second, first), return_exceptions=True
    )
    await database.aclose()
    assert {type(result) for result in results} == {DatabaseUnavailableError, type(None)}
    assert count_images(mysql_url) == 2


async def test_a_check_leaves_no_lock(database: Database, database_url: str) -> None:
    async with database.open_context() as context:
        await context.check()
        with closing(open_raw(database_url)) as other:
            other.cursor().execute("BEGIN IMMEDIATE" if "sqlite" in database_url else "BEGIN")
            other.cursor().execute("DELETE FROM images")
            other.cursor().execute("COMMIT")


async def test_a_check_finds_what_cannot_be_written(mysql_url: str) -> None:
    database = open_database(mysql_url, pool_size=1)
    try:
        await database.migrate()
        async with database.open_context() as context:
            await context.execute(sa.text("SET SESSION TRANSACTION READ ONLY"))
        with pytest.raises(DatabaseUnavailableError):
            await database.check()
    finally:
        await database.aclose()


async def test_a_connection_that_has_ended_is_not_waited_for(tmp_path: Path) -> None:
    closing: set[asyncio.Future[Any]] = set()
    connection = connect_to_sqlite(str(tmp_path / "a.db"), closing=closing, lock_timeout_s=1)
    await connection
    async with asyncio.timeout(IN_TIME_S):
        for _ in range(2):
            stopped = connection.stop()
            assert stopped is not None
            await stopped
    assert closing == set()


async def test_closing_ends_all_threads(sqlite_url: str) -> None:
    database = open_database(sqlite_url, pool_size=3)
    before = set(threading.enumerate())
    await database.migrate()
    await asyncio.gather(*(count(database) for _ in range(3)))
    threads = set(threading.enumerate()) - before
    assert threads
    await database.aclose()
    for thread in threads:
        await asyncio.to_thread(thread.join, 10)
        assert not thread.is_alive()


async def test_a_connection_whose_opening_is_cancelled_is_closed() -> None:
    opening, go_on = threading.Event(), threading.Event()
    opened: list[sqlite3.Connection] = []

    def connect() -> sqlite3.Connection:
        opening.set()
        assert go_on.wait(30)
        opened.append(sqlite3.connect(":memory:", check_same_thread=False))
        return opened[0]

    async def open_connection(connection: SqliteConnection) -> None:
        await connection

    closed: set[asyncio.Future[Any]] = set()
    task = asyncio.create_task(open_connection(SqliteConnection(connect, closed)))
    assert await asyncio.to_thread(opening.wait, 30)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert closed
    go_on.set()
    await asyncio.wait(closed, timeout=30)
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        opened[0].execute("SELECT 1")


async def count(database: Database) -> None:
    async with database.open_context() as context:
        await context.execute(sa.text("SELECT COUNT(*) FROM images"))


async def test_writers_of_one_process_take_turns_on_sqlite(sqlite_url: str) -> None:
    """SQLite lets who comes too early sleep and try again, and the unlucky fail."""
    database = open_database(sqlite_url, pool_size=20)
    await database.migrate()
    writing = 0

    async def write() -> None:
        nonlocal writing
        async with database.open_context() as context:
            await context.begin_transaction()
            writing += 1
            assert writing == 1
            assert await repository.create_image(context, make_image())
            writing -= 1
            await context.commit_transaction()

    await asyncio.gather(*(write() for _ in range(15)))
    async with database.open_context() as held:
        await held.begin_transaction()
        waiting = asyncio.create_task(write())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    await asyncio.wait_for(write(), 10)
    await database.aclose()

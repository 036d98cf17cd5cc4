"""Keys of a database's own: made once, whoever comes first."""

import asyncio
import subprocess
import sys

import pytest

from pixyproxy.data.init import Database
from pixyproxy.data.repositories.secrets import get_secret
from tests.support.rows import raw

PROCESSES = 4
PROGRAM = """
import asyncio, sys
from pixyproxy.data.init import open_database
from pixyproxy.data.repositories.secrets import get_secret

async def main():
    database = open_database(sys.argv[1], pool_size=2)
    await database.migrate()
    async with database.open_context() as context:
        print((await get_secret(context, "a")).hex())
    await database.aclose()

sys.stdin.readline()
asyncio.run(main())
"""


async def get(database: Database, name: str = "a") -> bytes:
    async with database.open_context() as context:
        return await get_secret(context, name)


async def test_a_key_stays(database: Database, database_url: str) -> None:
    key = await get(database)
    assert len(key) == 32
    assert await get(database) == key
    await database.migrate()
    assert await get(database) == key
    assert await get(database, "b") != key
    assert raw(database_url, "SELECT name FROM secrets ORDER BY name") == [("a",), ("b",)]


async def test_many_ask_first(database: Database) -> None:
    assert len(set(await asyncio.gather(*(get(database) for _ in range(10))))) == 1


async def test_a_key_that_was_made_in_between_is_taken(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with database.open_context() as context:
        execute, others = context.execute, []

        async def execute_late(statement, parameters):
            if not others:
                others.append(await get(database))
                return ()
            return await execute(statement, parameters)

        monkeypatch.setattr(context, "execute", execute_late)
        assert await get_secret(context, "a") == others[0]


@pytest.mark.slow
def test_several_processes_begin_at_once(database_url: str) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, database_url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(PROCESSES)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    told = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * PROCESSES, told
    assert len(set(told)) == 1
    assert len(raw(database_url, "SELECT * FROM secrets")) == 1

"""Faults of the outside world: a full disk, a failing fsync, a locked file, a silent network."""

import asyncio
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Self

from sqlalchemy.engine import make_url

from tests.support.programs import require_program
from tests.support.rows import open_raw


class Disk:
    """A small file system that can be filled and made read-only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self) -> None:
        """Leave no byte free."""
        with suppress(OSError), (self.folder / "ballast").open("wb", buffering=0) as ballast:
            while True:
                ballast.write(bytes(4096))

    def empty(self) -> None:
        (self.folder / "ballast").unlink()

    def remount(self, option: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{option}", str(self.folder)], check=True)


_FAILING_FSYNC = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* fsync of anything under FAIL_UNDER fails with EIO while the file FAIL_WHILE exists. */
int fsync(int descriptor)
{
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length > 0 && access(getenv("FAIL_WHILE"), F_OK) == 0) {
        path[length] = 0;
        if (strncmp(path, getenv("FAIL_UNDER"), strlen(getenv("FAIL_UNDER"))) == 0) {
            errno = EIO;
            return -1;
        }
    }
    int (*real)(int) = (int (*)(int)) dlsym(RTLD_NEXT, "fsync");
    return real(descriptor);
}
"""


class FailingFsync:
    """A library to preload, in which fsync fails with EIO under `folder`, while it is told to."""

    def __init__(self, scratch: Path, folder: Path) -> None:
        self.folder = folder
        self._library = scratch / "fsync.so"
        self._trigger = scratch / "fail"
        gcc = require_program("gcc")
        command = [gcc, "-shared", "-fPIC", "-o", str(self._library), "-x", "c", "-", "-ldl"]
        subprocess.run(command, input=_FAILING_FSYNC.encode(), check=True)

    @property
    def variables(self) -> dict[str, str]:
        """What a process must have in its environment."""
        return {
            "LD_PRELOAD": str(self._library),
            "FAIL_UNDER": str(self.folder),
            "FAIL_WHILE": str(self._trigger),
        }

    def fail(self) -> None:
        self._trigger.touch()

    def mend(self) -> None:
        self._trigger.unlink()


_LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.readline()
connection.execute("ROLLBACK")
connection.close()
"""


@contextmanager
def locked_by_another_process(database_url: str) -> Iterator[None]:
    """Hold the lock of a SQLite database: it can be read and not be written."""
    path = str(make_url(database_url).database)
    with subprocess.Popen(
        [sys.executable, "-c", _LOCK, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"locked\n"
        yield
        process.stdin.close()
    assert process.returncode == 0


@contextmanager
def locked_table(database_url: str, table: str) -> Iterator[None]:
    """Hold a lock that keeps writers out of a table; of SQLite's, out of all."""
    is_sqlite = make_url(database_url).drivername == "sqlite"
    with closing(open_raw(database_url)) as connection:
        cursor = connection.cursor()
        cursor.execute("BEGIN IMMEDIATE" if is_sqlite else f"LOCK TABLES {table} WRITE")
        yield
        cursor.execute("ROLLBACK" if is_sqlite else "UNLOCK TABLES")


class Proxy:
    """A TCP proxy that can fall silent: nothing it gets is handed on, and nothing is closed."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._tasks: set[asyncio.Task[None]] = set()
        self._silent = False
        self._last_words: bytes | None = None

    async def __aenter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        await self.accept()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.accept_nothing()
        self._listener.close()

    async def accept(self) -> None:
        """Serve new connections; those that fell silent stay so."""
        self._silent = False
        self._server = await asyncio.start_server(self._connected, sock=self._listener.dup())

    def fall_silent(self) -> None:
        self._silent = True

    def fall_silent_after(self, words: bytes) -> None:
        """Hand on what a client says up to these words, and nothing after."""
        self._last_words = words

    async def accept_nothing(self) -> None:
        """Cut all connections; new ones reach the system, but nobody takes them up."""
        self._server.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def speak_to_new(self) -> None:
        self._silent = False

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self._target)
        try:
            async with asyncio.TaskGroup() as ways:
                ways.create_task(self._forward(reader, to_writer))
                ways.create_task(self._forward(to_reader, writer))
        except* ConnectionError:
            pass
        finally:
            self._tasks.discard(task)
            writer.transport.abort()
            to_writer.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        dead = self._silent
        while data := await reader.read(2**16):
            dead = dead or self._silent
            if not dead:
                writer.write(data)
                await writer.drain()
            if self._last_words is not None and self._last_words in data:
                self._last_words = None
                self.fall_silent()
        writer.close()

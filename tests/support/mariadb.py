"""A private MariaDB server: it can be killed, stopped and started without harm to any other."""

import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

import pymysql
import pytest

from tests.support.programs import require_program

START_DEADLINE_S = 60
_PORTS = range(20_000, 32_000)
"""Below those that systems give to outgoing connections, one of which could take a port while the
server that it belongs to is killed and not started again yet."""
_MEMORY = Path("/dev/shm")
_ROOM_MB = 2000


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on."""
    while True:
        port = random.choice(_PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@contextmanager
def quick_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Yield a folder for a server: in memory where there is room, on disk elsewhere.

    In memory tables are made five times as fast; a process that is killed loses no more than there.
    """
    if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free >= _ROOM_MB * 10**6:
        with TemporaryDirectory(dir=_MEMORY, prefix="pixyproxy-tests-") as folder:
            yield Path(folder)
    else:
        yield tmp_path_factory.mktemp("mariadb")


class MariaDB:
    """A server of its own folder and port, with a user `root` without a password.

    The folder may hold what an earlier one left.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        self._folder = folder
        self._options = options
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The server's URL, without a database."""
        return f"mysql://root@127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        if not (self._folder / "data").exists():
            self._install()
        self.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()

    def start(self) -> None:
        """Start the server and wait until it answers."""
        command = [
            require_program("mariadbd"),
            "--no-defaults",
            f"--datadir={self._folder}/data",
            f"--socket={self._folder}/socket",
            f"--pid-file={self._folder}/pid",
            f"--tmpdir={self._folder}",  # a server that starts clears it, of others' files too
            f"--port={self._port}",
            "--bind-address=127.0.0.1",
            "--innodb-buffer-pool-size=64M",
            "--performance-schema=OFF",
            *self._options,
        ]
        command += ["--user=root"] if os.geteuid() == 0 else []
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + START_DEADLINE_S
        while True:
            try:
                pymysql.connect(host="127.0.0.1", port=self._port, user="root").close()
            except pymysql.Error:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise
                time.sleep(0.05)
            else:
                return

    def kill(self) -> None:
        """End the server at once, as a crash would."""
        self._signal(signal.SIGKILL)
        assert self._process is not None
        self._process.wait()

    def stop(self) -> None:
        """Let the server end in order."""
        self._signal(signal.SIGTERM)
        assert self._process is not None
        self._process.wait()

    def pause(self) -> None:
        """Let the server stand still: connections stay open and nothing answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused server go on."""
        self._signal(signal.SIGCONT)

    def _install(self) -> None:
        program = require_program("mariadb-install-db")
        command = [
            program,
            "--no-defaults",
            f"--datadir={self._folder}/data",
            "--auth-root-authentication-method=normal",
        ]
        command += ["--user=root"] if os.geteuid() == 0 else []
        subprocess.run([*command, "--skip-test-db"], check=True, stdout=subprocess.DEVNULL)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

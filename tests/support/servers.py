"""The service as a real process."""

import re
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.mariadb import free_port
from tests.support.processes import PATIENT, Process, start

START_DEADLINE_S = 120
STOPPED = {0, -signal.SIGTERM}
"""A server that has stopped in order may still name the signal as its end."""


class Service:
    """`pixyproxy serve` in a folder of its own, logging to a file there.

    It can be killed and started again, on the same port. `variables` go to its environment.
    """

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        variables: dict[str, str] | None = None,
        **settings: object,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = free_port()
        self.origin = f"http://127.0.0.1:{self.port}"
        self._arguments = arguments
        self._settings = {"port": self.port, **PATIENT, "drain_s": 0, **settings}
        self._variables = variables
        self._log_path = folder / "service.log"
        self.process: Process

    @property
    def log(self) -> str:
        """What the service has written so far."""
        return self._log_path.read_text()

    @property
    def is_running(self) -> bool:
        """Whether the process is there."""
        return self.process.poll() is None

    def start(self) -> None:
        """Start the process and wait until it listens."""
        with self._log_path.open("ab") as log:
            self.process = start(
                "serve",
                *self._arguments,
                folder=self.folder,
                variables=self._variables,
                stdout=log,
                stderr=log,
                **self._settings,
            )
        deadline = time.monotonic() + START_DEADLINE_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
            except ConnectionRefusedError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    self.kill()
                    raise RuntimeError(f"the service did not start:\n{self.log}") from None
                time.sleep(0.05)
            else:
                return

    def kill(self) -> None:
        """End the process at once."""
        self.process.kill()
        self.process.wait()

    def terminate(self) -> None:
        """Ask the process to stop in order; `process.wait` tells when it has."""
        self.process.send_signal(signal.SIGTERM)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.is_running:
            self.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.kill()
            raise


LOG_LINE = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (DEBUG|INFO|WARNING|ERROR|CRITICAL) \S+ \[\d+\] "
    r"\[[\w.<>]+:\d+\] .*"
)

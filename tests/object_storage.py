"""A real HTTP server that speaks S3, for tests."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx2

from tests.mariadb import free_port

START_DEADLINE_S = 60
BUCKET = "pictures"


class ObjectStorage:
    """moto's server in a process of its own, with one bucket. It can be stopped and started.

    What it keeps is in its memory: it is gone when it stops, as `pause` does not have it.
    """

    def __init__(self, folder: Path) -> None:
        self._log_path = folder / "object-storage.log"
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.origin = f"http://127.0.0.1:{self._port}"
        self.url = f"s3://{BUCKET}/some/prefix"
        self.variables = {
            "AWS_ACCESS_KEY_ID": "an-access-key",
            "AWS_SECRET_ACCESS_KEY": "a-secret-access-key",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.origin,
        }
        """What a client finds in its environment."""

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self._port)]
        with self._log_path.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + START_DEADLINE_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self._port)).close()
            except ConnectionRefusedError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise
                time.sleep(0.05)
            else:
                break
        self.request("PUT", "")
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._process is not None
        self.resume()
        self._process.kill()
        self._process.wait()

    def request(self, method: str, key: str, content: bytes = b"") -> httpx2.Response:
        """Do something to an object, or to the bucket itself, without a client library."""
        url = f"{self.origin}/{BUCKET}/{key}"
        return httpx2.request(method, url, content=content, trust_env=False)

    def list_keys(self) -> list[str]:
        """The keys of all objects below the prefix, from there."""
        listed = self.request("GET", "?list-type=2&prefix=some/prefix/").text
        keys = [part.partition("</Key>")[0] for part in listed.split("<Key>")[1:]]
        return [key.removeprefix("some/prefix/") for key in keys]

    def pause(self) -> None:
        """Answer nothing, as a network that is cut does."""
        self._signal("STOP")

    def resume(self) -> None:
        """Answer again."""
        self._signal("CONT")

    def _signal(self, name: str) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.Signals[f"SIG{name}"])

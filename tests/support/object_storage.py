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

import boto3

from tests.support.mariadb import free_port

START_DEADLINE_S = 60
BUCKET = "pictures"
PREFIX = "some/prefix"


class ObjectStorage:
    """moto's server in a process of its own, with one bucket. It can be stopped and started.

    What it keeps is in its memory: it is gone when it stops, as `pause` does not have it.
    """

    def __init__(self, folder: Path) -> None:
        self._log_path = folder / "object-storage.log"
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.origin = f"http://127.0.0.1:{self._port}"
        self.url = f"s3://{BUCKET}/{PREFIX}"
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
        self._client = boto3.client(
            "s3",
            endpoint_url=self.origin,
            aws_access_key_id=self.variables["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.variables["AWS_SECRET_ACCESS_KEY"],
            region_name=self.variables["AWS_REGION"],
        )
        self._client.create_bucket(Bucket=BUCKET)
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

    def put(self, key: str, data: bytes) -> None:
        """Write an object, by another client than the service's."""
        self._client.put_object(Bucket=BUCKET, Key=f"{PREFIX}/{key}", Body=data)

    def delete(self, key: str) -> None:
        """Remove an object."""
        self._client.delete_object(Bucket=BUCKET, Key=f"{PREFIX}/{key}")

    def read(self, key: str) -> bytes:
        """Return an object."""
        found = self._client.get_object(Bucket=BUCKET, Key=f"{PREFIX}/{key}")
        data: bytes = found["Body"].read()
        return data

    def list_keys(self) -> list[str]:
        """Return the keys of all objects below the prefix, from there."""
        listed = self._client.list_objects_v2(Bucket=BUCKET, Prefix=f"{PREFIX}/")
        return [each["Key"].removeprefix(f"{PREFIX}/") for each in listed.get("Contents", ())]

    def empty(self) -> None:
        """Remove all objects."""
        for each in self._client.list_objects_v2(Bucket=BUCKET).get("Contents", ()):
            self._client.delete_object(Bucket=BUCKET, Key=each["Key"])

    def refuse(self) -> None:
        """Have every write refused: the bucket is gone, with what was in it."""
        self.empty()
        self._client.delete_bucket(Bucket=BUCKET)

    def accept(self) -> None:
        """Take writes again: there is a bucket, an empty one."""
        self._client.create_bucket(Bucket=BUCKET)

    def pause(self) -> None:
        """Answer nothing, as a network that is cut does."""
        self._signal("STOP")

    def resume(self) -> None:
        """Answer again."""
        self._signal("CONT")

    def _signal(self, name: str) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.Signals[f"SIG{name}"])

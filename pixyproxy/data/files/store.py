"""Where the bytes of images are kept: what services need of it, whatever it is."""

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from pixyproxy.core.models import ContentType


@dataclass(frozen=True, slots=True)
class Digest:
    """What tells whether a file is the one that was written."""

    byte_size: int
    sha256: str


class ImageStore(Protocol):
    """Files of images and their sidecars, which lie as `layout` says.

    All raise ImageStoreError and StorageFullError; `read`, `stream` and `locate` raise
    MissingFileError, which is an ImageStoreError, where there is no such file.
    """

    def open(self) -> None:
        """Begin. Raises ImageStoreError with words that an operator can read."""

    def close(self) -> None:
        """End."""

    async def check_writable(self) -> None:
        """Raise unless a file can be written and enough space is free."""

    async def write(
        self, guid: str, content_type: ContentType, data: bytes, sidecar: bytes | None = None
    ) -> None:
        """Keep `data` for good: once this has returned, it survives a power cut.

        The sidecar, of up to a MiB, is there before the data is; it must hold its SHA-256.
        """

    async def read(self, guid: str, content_type: ContentType) -> memoryview:
        """Return the whole file."""

    def stream(
        self, guid: str, content_type: ContentType, *, start: int = 0, length: int | None = None
    ) -> AsyncIterator[bytes]:
        """Yield a part of the file, or all of it, in chunks; only one is held at a time.

        Raises ImageStoreError, before the first chunk where the file has fewer bytes.
        """

    def locate(self, guid: str, content_type: ContentType) -> tuple[str, int]:
        """Return where the file lies in its folder, and how many bytes it has."""

    async def delete(self, guid: str, content_type: ContentType) -> None:
        """Remove the file and its sidecar for good, as far as they are there."""

    async def digest(self, guid: str, content_type: ContentType) -> Digest | None:
        """Return the file's digest, without holding it whole; None where there is no file."""

    async def read_sidecar(self, guid: str) -> bytes | None:
        """Return the image's sidecar, or None where it has none."""

    async def drop_sidecar(self, guid: str) -> None:
        """Remove the image's sidecar, if it has one."""

    def walk(self, on_error: Callable[[str, OSError], None]) -> Iterator[str]:
        """Yield the shards. It waits for the disk or the network: use a thread.

        What cannot be read is told to `on_error`, and passed over.
        """

    async def list_shard(self, shard: str) -> list[str]:
        """Return the names of what is in a shard; none where there is no such shard."""

    async def list_leftovers(self) -> list[str]:
        """Return the paths of what dead processes were writing."""

    async def sweep(self) -> None:
        """Clear away what dead processes were writing; what is whole goes to its place."""

"""Bytes of images: files in shard folders, named by GUID, never by the prompt."""

import asyncio
import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pixyproxy.core.exceptions import ImageStoreError, StorageFullError
from pixyproxy.core.models import ContentType
from pixyproxy.data.disk import check_free_space

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_WAIT = getattr(os, "RWF_NOWAIT", 0)
"""Linux can read what is in its page cache or nothing; elsewhere every read goes to a thread."""
_MAX_READ_AT_ONCE = 4 * 2**20
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class ImageStore:
    """A folder of image files: `ab/cd/<guid>.<extension>`.

    Each step below the folder is opened without following symbolic links, so nothing outside it
    is ever read or written. Raises ImageStoreError and StorageFullError.
    """

    def __init__(self, folder: Path, *, min_free_mb: int) -> None:
        self.folder = folder
        self._min_free_mb = min_free_mb

    def open(self) -> None:
        """Make the folder where it is missing.

        Raises ImageStoreError with the system's own words: an operator reads them.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ImageStoreError(
                f"The folder of the images, {self.folder.absolute()}, cannot be made: "
                f"{error.strerror}"
            ) from error

    async def check_writable(self) -> None:
        """Raise unless a file can be written and enough space is free."""
        await asyncio.to_thread(self._check_writable)

    async def write(self, guid: str, content_type: ContentType, data: bytes) -> None:
        """Keep `data` for good: once this has returned, it survives a power cut."""
        await asyncio.to_thread(self._write, guid, content_type, data)

    async def read(self, guid: str, content_type: ContentType) -> memoryview:
        """Return the whole file: here if the kernel has it in memory, else by a thread."""
        data = self._read_from_memory(guid, content_type)
        if data is None:
            return memoryview(await asyncio.to_thread(self._read, guid, content_type))
        return memoryview(data)

    def _check_writable(self) -> None:
        with _translated():
            check_free_space(self.folder, self._min_free_mb)
            probe = self.folder / f".probe-{os.urandom(8).hex()}"
            descriptor = os.open(probe, _CREATE, 0o600)
            try:
                os.write(descriptor, b"probe")
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
                probe.unlink()

    def _write(self, guid: str, content_type: ContentType, data: bytes) -> None:
        name = f"{guid}.{content_type.extension}"
        temporary = f".{name}.tmp"
        with _translated(), self._shard(guid, create=True) as shard:
            try:
                with os.fdopen(os.open(temporary, _CREATE, 0o644, dir_fd=shard), "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                os.rename(temporary, name, src_dir_fd=shard, dst_dir_fd=shard)
            except BaseException:
                with suppress(OSError):
                    os.unlink(temporary, dir_fd=shard)
                raise
            os.fsync(shard)

    def _read(self, guid: str, content_type: ContentType) -> bytes:
        with (
            _translated(),
            self._open_file(guid, content_type) as descriptor,
            os.fdopen(descriptor, "rb", buffering=0, closefd=False) as file,
        ):
            return file.readall()

    def _read_from_memory(self, guid: str, content_type: ContentType) -> bytearray | None:
        """Return the file if it is not large and no disk has to be waited for."""
        with _translated(), self._open_file(guid, content_type) as descriptor:
            size = os.fstat(descriptor).st_size
            if not _NO_WAIT or size > _MAX_READ_AT_ONCE:
                return None
            data = bytearray(size)
            try:
                return data if os.preadv(descriptor, [data], 0, _NO_WAIT) == size else None
            except OSError:  # not in memory, or a file system that cannot tell
                return None

    @contextmanager
    def _open_file(self, guid: str, content_type: ContentType) -> Iterator[int]:
        with self._shard(guid) as shard:
            descriptor = os.open(f"{guid}.{content_type.extension}", _READ, dir_fd=shard)
            try:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise ImageStoreError
                yield descriptor
            finally:
                os.close(descriptor)

    @contextmanager
    def _shard(self, guid: str, *, create: bool = False) -> Iterator[int]:
        """Open the shard folder of a GUID, step by step, and yield its descriptor."""
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for name in (guid[:2], guid[2:4]):
                parent = descriptor
                descriptor = _open_folder(name, parent, create=create)
                os.close(parent)
            yield descriptor
        finally:
            os.close(descriptor)


def _open_folder(name: str, parent: int, *, create: bool) -> int:
    try:
        return os.open(name, _FOLDER, dir_fd=parent)
    except FileNotFoundError:
        if not create:
            raise
    with suppress(FileExistsError):
        os.mkdir(name, dir_fd=parent)
    os.fsync(parent)
    return os.open(name, _FOLDER, dir_fd=parent)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise (StorageFullError if error.errno in _FULL else ImageStoreError) from error

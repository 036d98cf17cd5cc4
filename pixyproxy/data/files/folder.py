"""Bytes of images in files, in shard folders, named by GUID, never by the prompt."""

import asyncio
import errno
import fcntl
import hashlib
import logging
import os
import re
import stat
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from pixyproxy.core.exceptions import ImageStoreError, StorageException, StorageFullError
from pixyproxy.core.guid import is_guid
from pixyproxy.core.models import ContentType
from pixyproxy.data.files.disk import check_free_space
from pixyproxy.data.files.store import Digest
from pixyproxy.data.files.streaming import NO_WAIT, stream_file

logger = logging.getLogger(__name__)

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
_MAX_READ_AT_ONCE = 4 * 2**20
_SIDECAR = "json"
_MAX_SIDECAR_BYTES = 2**20
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NOT_REGULAR = {errno.ELOOP, errno.ENXIO}
"""What opening a symbolic link, or a socket, fails with."""


class FolderStore:
    """A folder of image files: `ab/cd/<guid>.<extension>`.

    Beside an image lies, until its row is there, a sidecar: `<guid>.json`. What is being written
    is in `.tmp`. Each step below the folder is opened without following symbolic links, so nothing
    outside it is ever read or written. Raises ImageStoreError and StorageFullError.
    """

    def __init__(self, folder: Path, *, min_free_mb: int) -> None:
        self.folder = folder
        self._min_free_mb = min_free_mb
        self._scratch = _Scratch(folder)

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

    async def write(
        self, guid: str, content_type: ContentType, data: bytes, sidecar: bytes | None = None
    ) -> None:
        """Keep `data` for good: once this has returned, it survives a power cut.

        The sidecar, of up to a MiB, is there before the data is; it must hold its SHA-256.
        """
        await asyncio.to_thread(self._write, guid, content_type, data, sidecar)

    async def read(self, guid: str, content_type: ContentType) -> memoryview:
        """Return the whole file: here if the kernel has it in memory, else by a thread."""
        data = self._read_from_memory(guid, content_type)
        if data is None:
            return memoryview(await asyncio.to_thread(self._read, guid, content_type))
        return memoryview(data)

    async def stream(
        self, guid: str, content_type: ContentType, *, start: int = 0, length: int | None = None
    ) -> AsyncIterator[bytes]:
        """Yield a part of the file, or all of it, in chunks; only one is held at a time.

        Raises ImageStoreError, before the first chunk where the file has fewer bytes.
        """
        with _translated(), self._open_file(guid, content_type) as descriptor:
            async for chunk in stream_file(descriptor, start=start, length=length):
                yield chunk

    def locate(self, guid: str, content_type: ContentType) -> tuple[str, int]:
        """Return where the file lies in the folder, and how many bytes it has."""
        with _translated(), self._open_file(guid, content_type) as descriptor:
            size = os.fstat(descriptor).st_size
        return f"{guid[:2]}/{guid[2:4]}/{guid}.{content_type.extension}", size

    async def read_sidecar(self, guid: str) -> bytes | None:
        """Return the image's sidecar, or None where it has none."""
        return await asyncio.to_thread(self._read_sidecar, guid)

    async def drop_sidecar(self, guid: str) -> None:
        """Remove the image's sidecar, if it has one."""
        await asyncio.to_thread(self._drop_sidecar, guid)

    async def delete(self, guid: str, content_type: ContentType) -> None:
        """Remove the file and its sidecar for good, as far as they are there."""
        await asyncio.to_thread(self._delete, guid, content_type)

    async def digest(self, guid: str, content_type: ContentType) -> Digest | None:
        """Return the file's digest, without holding it whole; None where there is no file."""
        return await asyncio.to_thread(self._digest, guid, content_type)

    def walk(self, on_error: Callable[[str, OSError], None]) -> Iterator[str]:
        """Yield the shard folders as four digits: `abcd`. It reads the disk: use a thread.

        A folder of shards that cannot be read is told to `on_error`, and passed over.
        """
        with _translated():
            for first in _hex_folders(self.folder):
                try:
                    shards = _hex_folders(first)
                except OSError as error:
                    on_error(first.name, error)
                else:
                    yield from (first.name + second.name for second in shards)

    async def list_shard(self, shard: str) -> list[str]:
        """Return the names of what is in a shard folder; none where there is no folder."""
        return await asyncio.to_thread(self._list_shard, shard)

    async def list_leftovers(self) -> list[str]:
        """Return the paths of what dead processes were writing."""
        return await asyncio.to_thread(self._list_leftovers)

    async def sweep(self) -> None:
        """Clear away what dead processes were writing; what is whole goes to its place.

        What cannot be cleared away stays, with a warning. Raises where nothing can be looked at.
        """
        await asyncio.to_thread(self._sweep)

    def close(self) -> None:
        """Give up this process's folder for what it writes, and remove it if it is empty."""
        self._scratch.close()

    def _check_writable(self) -> None:
        with _translated():
            check_free_space(self.folder, self._min_free_mb)
            scratch = self._scratch.open()
            probe = f"probe-{os.urandom(8).hex()}"
            try:
                with _written_file(probe, b"probe", scratch) as descriptor:
                    os.fsync(descriptor)
            finally:
                os.unlink(probe, dir_fd=scratch)

    def _write(
        self, guid: str, content_type: ContentType, data: bytes, sidecar: bytes | None
    ) -> None:
        name, note = f"{guid}.{content_type.extension}", f"{guid}.{_SIDECAR}"
        with _translated(), self._shard(guid, create=True) as shard:
            scratch = self._scratch.open()
            try:
                with ExitStack() as files:
                    # Both are written before the first is synced, which then costs little more.
                    written = [files.enter_context(_written_file(name, data, scratch))]
                    if sidecar is not None:
                        written.append(files.enter_context(_written_file(note, sidecar, shard)))
                    for descriptor in reversed(written):
                        os.fsync(descriptor)
                os.rename(name, name, src_dir_fd=scratch, dst_dir_fd=shard)
            except BaseException:
                for left, folder in ((name, scratch), (note, shard)):
                    with suppress(OSError):
                        os.unlink(left, dir_fd=folder)
                raise
            os.fsync(shard)

    def _read_sidecar(self, guid: str) -> bytes | None:
        with _translated():
            try:
                with (
                    self._shard(guid) as shard,
                    _opened(f"{guid}.{_SIDECAR}", shard) as descriptor,
                    os.fdopen(descriptor, "rb", closefd=False) as file,
                ):
                    return file.read(_MAX_SIDECAR_BYTES)
            except (FileNotFoundError, _NotRegularError):
                return None

    def _drop_sidecar(self, guid: str) -> None:
        with _translated(), suppress(FileNotFoundError), self._shard(guid) as shard:
            os.unlink(f"{guid}.{_SIDECAR}", dir_fd=shard)

    def _delete(self, guid: str, content_type: ContentType) -> None:
        # The sidecar goes first: with it, the file could be taken for one whose row is to come.
        with _translated(), suppress(FileNotFoundError), self._shard(guid) as shard:
            for extension in (_SIDECAR, content_type.extension):
                with suppress(FileNotFoundError):
                    os.unlink(f"{guid}.{extension}", dir_fd=shard)
                os.fsync(shard)

    def _sweep(self) -> None:
        with _translated():
            for folder, path, names in self._scratch.take_dead():
                for name in names:
                    with _isolated(f"{path}/{name}"):
                        self._clear_away(name, folder)

    def _clear_away(self, name: str, folder: int) -> None:
        if not self._is_whole(name, folder):
            os.unlink(name, dir_fd=folder)
            return
        with self._shard(name[:36]) as shard:
            os.rename(name, name, src_dir_fd=folder, dst_dir_fd=shard)
            os.fsync(shard)

    def _is_whole(self, name: str, folder: int) -> bool:
        """Tell whether a file that was being written is all that its sidecar announces."""
        guid = name.partition(".")[0]
        sidecar = self._read_sidecar(guid) if is_guid(guid) else None
        if sidecar is None:
            return False
        try:
            with (
                _opened(name, folder) as descriptor,
                os.fdopen(descriptor, "rb", closefd=False) as file,
            ):
                return hashlib.file_digest(file, "sha256").hexdigest().encode() in sidecar
        except _NotRegularError:
            return False

    def _list_shard(self, shard: str) -> list[str]:
        with _translated():
            try:
                with self._shard(shard) as folder:
                    return sorted(os.listdir(folder))  # noqa: PTH208
            except FileNotFoundError:
                return []

    def _list_leftovers(self) -> list[str]:
        with _translated():
            return sorted(self._scratch.list_dead())

    def _digest(self, guid: str, content_type: ContentType) -> Digest | None:
        with _translated():
            try:
                with (
                    self._open_file(guid, content_type) as descriptor,
                    os.fdopen(descriptor, "rb", closefd=False) as file,
                ):
                    sha256 = hashlib.file_digest(file, "sha256").hexdigest()
                    return Digest(byte_size=file.tell(), sha256=sha256)
            except FileNotFoundError:
                return None

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
            if not NO_WAIT or size > _MAX_READ_AT_ONCE:
                return None
            data = bytearray(size)
            try:
                return data if os.preadv(descriptor, [data], 0, NO_WAIT) == size else None
            except OSError:  # not in memory, or a file system that cannot tell
                return None

    @contextmanager
    def _open_file(self, guid: str, content_type: ContentType) -> Iterator[int]:
        name = f"{guid}.{content_type.extension}"
        with self._shard(guid) as shard, _opened(name, shard) as descriptor:
            yield descriptor

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


class _Scratch:
    """This process's folder for what it is writing: `.tmp/<random>`, locked while it lives."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._opening = threading.Lock()
        self._name = ""
        self._descriptor: int | None = None

    def open(self) -> int:
        """Return the folder's descriptor; the folder is made where it is not there."""
        with self._opening:
            if self._descriptor is None or os.fstat(self._descriptor).st_nlink == 0:
                self.close()
                self._name, self._descriptor = self._make()
            return self._descriptor

    def close(self) -> None:
        """Remove the folder, or leave what is in it for anybody to clear away."""
        if self._descriptor is not None:
            with suppress(OSError), self._all() as parent:
                os.rmdir(self._name, dir_fd=parent)
            os.close(self._descriptor)
            self._descriptor = None

    def take_dead(self) -> Iterator[tuple[int, str, list[str]]]:
        """Yield the folders of dead processes: descriptor, path, and the names in them.

        Each is removed after, if nothing is in it any more.
        """
        with self._all() as parent:
            for name in os.listdir(parent):  # noqa: PTH208
                path = f".tmp/{name}"
                with _isolated(path):
                    try:
                        folder = os.open(name, _FOLDER, dir_fd=parent)
                    except (FileNotFoundError, NotADirectoryError):
                        continue  # another process has swept it, or it is no folder of ours
                    try:
                        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        yield folder, path, os.listdir(folder)  # noqa: PTH208
                        if not os.listdir(folder):  # noqa: PTH208
                            os.rmdir(name, dir_fd=parent)
                    except BlockingIOError:
                        pass  # its process lives
                    finally:
                        os.close(folder)

    def list_dead(self) -> Iterator[str]:
        """Yield the paths of the files in the folders of dead processes.

        Of a folder that cannot be read, its own.
        """
        with self._all() as parent:
            for name in os.listdir(parent):  # noqa: PTH208
                try:
                    folder = os.open(name, _FOLDER, dir_fd=parent)
                except (FileNotFoundError, NotADirectoryError):
                    continue
                except OSError:
                    yield f".tmp/{name}"
                    continue
                try:
                    fcntl.flock(folder, fcntl.LOCK_SH | fcntl.LOCK_NB)
                    yield from (f".tmp/{name}/{file}" for file in os.listdir(folder))  # noqa: PTH208
                except BlockingIOError:
                    pass  # its process lives
                finally:
                    os.close(folder)

    def _make(self) -> tuple[str, int]:
        with self._all() as parent:
            while True:
                name = os.urandom(8).hex()
                os.mkdir(name, dir_fd=parent)
                try:
                    descriptor = os.open(name, _FOLDER, dir_fd=parent)
                except FileNotFoundError:
                    continue  # it was swept before it was locked
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                if os.fstat(descriptor).st_nlink:
                    return name, descriptor
                os.close(descriptor)

    @contextmanager
    def _all(self) -> Iterator[int]:
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            parent = _open_folder(".tmp", folder, create=True)
        finally:
            os.close(folder)
        try:
            yield parent
        finally:
            os.close(parent)


@contextmanager
def _written_file(name: str, data: bytes, folder: int) -> Iterator[int]:
    descriptor = os.open(name, _CREATE, 0o644, dir_fd=folder)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        yield descriptor


def _hex_folders(folder: Path) -> list[Path]:
    names = (entry.name for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False))
    return [folder / name for name in sorted(names) if re.fullmatch("[0-9a-f]{2}", name)]


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


class _NotRegularError(OSError):
    """Something has the name, but it is no regular file."""


@contextmanager
def _opened(name: str, folder: int) -> Iterator[int]:
    """Open a regular file to read it, and nothing else."""
    try:
        descriptor = os.open(name, _READ, dir_fd=folder)
    except OSError as error:
        if error.errno in _NOT_REGULAR:
            raise _NotRegularError from error
        raise
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _NotRegularError
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _isolated(path: str) -> Iterator[None]:
    """Let what cannot be cleared away stay, and go on with the rest."""
    try:
        yield
    except (OSError, StorageException) as error:
        cause = error if isinstance(error, OSError) else error.__cause__
        reason = getattr(cause, "strerror", None) or "it cannot be read"
        logger.warning("%s cannot be cleared away: %s", path, reason)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise (StorageFullError if error.errno in _FULL else ImageStoreError) from error

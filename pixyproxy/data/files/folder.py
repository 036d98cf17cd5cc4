"""Bytes of images in files, in shard folders, named by GUID, never by the prompt."""

import asyncio
import errno
import hashlib
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from pixyproxy.core.exceptions import ImageStoreError, MissingFileError, StorageFullError
from pixyproxy.core.models import ContentType
from pixyproxy.data.files.descriptors import (
    NotRegularError,
    ensure_folder,
    open_folder,
    open_root,
    opened_file,
    written_file,
)
from pixyproxy.data.files.disk import check_free_space
from pixyproxy.data.files.layout import (
    MAX_SIDECAR_BYTES,
    FileName,
    is_shard_folder,
    shard_folders,
)
from pixyproxy.data.files.scratch import Scratch, isolated
from pixyproxy.data.files.store import Digest
from pixyproxy.data.files.streaming import NO_WAIT, stream_file

_MAX_READ_AT_ONCE = 4 * 2**20
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class FolderStore:
    """A folder of image files, laid out as `layout` says; what is being written is in `.tmp`.

    Each step below the folder is opened without following symbolic links, so nothing outside it is
    ever read or written. Raises as ImageStore says.
    """

    def __init__(self, folder: Path, *, min_free_mb: int) -> None:
        self.folder = folder
        self._min_free_mb = min_free_mb
        self._scratch = Scratch(folder)

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
        return FileName(guid, content_type).path, size

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
            for first in _shard_folders(self.folder):
                try:
                    shards = _shard_folders(first)
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
                with written_file(probe, b"probe", scratch) as descriptor:
                    os.fsync(descriptor)
            finally:
                os.unlink(probe, dir_fd=scratch)

    def _write(
        self, guid: str, content_type: ContentType, data: bytes, sidecar: bytes | None
    ) -> None:
        name, note = str(FileName(guid, content_type)), str(FileName(guid))
        with _translated(), self._shard(guid, create=True) as shard:
            scratch = self._scratch.open()
            try:
                with ExitStack() as files:
                    # Both are written before the first is synced, which then costs little more.
                    written = [files.enter_context(written_file(name, data, scratch))]
                    if sidecar is not None:
                        written.append(files.enter_context(written_file(note, sidecar, shard)))
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
                    opened_file(str(FileName(guid)), shard) as descriptor,
                    os.fdopen(descriptor, "rb", closefd=False) as file,
                ):
                    return file.read(MAX_SIDECAR_BYTES)
            except (FileNotFoundError, NotRegularError):
                return None

    def _drop_sidecar(self, guid: str) -> None:
        with _translated(), suppress(FileNotFoundError), self._shard(guid) as shard:
            os.unlink(str(FileName(guid)), dir_fd=shard)

    def _delete(self, guid: str, content_type: ContentType) -> None:
        # The sidecar goes first: with it, the file could be taken for one whose row is to come.
        with _translated(), suppress(FileNotFoundError), self._shard(guid) as shard:
            for name in (FileName(guid), FileName(guid, content_type)):
                with suppress(FileNotFoundError):
                    os.unlink(str(name), dir_fd=shard)
                os.fsync(shard)

    def _sweep(self) -> None:
        with _translated():
            for folder, path, names in self._scratch.take_dead():
                for name in names:
                    with isolated(f"{path}/{name}"):
                        self._clear_away(name, folder)

    def _clear_away(self, name: str, folder: int) -> None:
        file = FileName.parse(name)
        if file is None or not self._is_whole(file, folder):
            os.unlink(name, dir_fd=folder)
            return
        with self._shard(file.guid) as shard:
            os.rename(name, name, src_dir_fd=folder, dst_dir_fd=shard)
            os.fsync(shard)

    def _is_whole(self, name: FileName, folder: int) -> bool:
        """Tell whether a file that was being written is all that its sidecar announces."""
        sidecar = self._read_sidecar(name.guid)
        if sidecar is None:
            return False
        try:
            with (
                opened_file(str(name), folder) as descriptor,
                os.fdopen(descriptor, "rb", closefd=False) as file,
            ):
                return hashlib.file_digest(file, "sha256").hexdigest().encode() in sidecar
        except NotRegularError:
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
            except MissingFileError:
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
        name = str(FileName(guid, content_type))
        try:
            with self._shard(guid) as shard, opened_file(name, shard) as descriptor:
                yield descriptor
        except FileNotFoundError as error:
            raise MissingFileError from error

    @contextmanager
    def _shard(self, guid: str, *, create: bool = False) -> Iterator[int]:
        """Open the shard folder of a GUID, step by step, and yield its descriptor."""
        open_next = ensure_folder if create else open_folder
        descriptor = open_root(self.folder)
        try:
            for name in shard_folders(guid):
                parent = descriptor
                descriptor = open_next(name, parent)
                os.close(parent)
            yield descriptor
        finally:
            os.close(descriptor)


def _shard_folders(folder: Path) -> list[Path]:
    names = (entry.name for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False))
    return [folder / name for name in sorted(names) if is_shard_folder(name)]


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise (StorageFullError if error.errno in _FULL else ImageStoreError) from error

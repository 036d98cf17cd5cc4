"""Derivatives on disk: a cache that may be lost, apart from the originals and bounded in bytes."""

import fcntl
import itertools
import logging
import os
import shutil
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pixyproxy.core.exceptions import StorageFullError
from pixyproxy.core.guid import is_guid
from pixyproxy.data.files.disk import check_free_space

logger = logging.getLogger(__name__)

_LEDGER = ".bytes"
"""Holds how many bytes are kept, or more; whoever changes anything holds its lock."""
_LOCKS = ".locks"
_LOCK_FILES = 64
_SHARE_LEFT = 0.8
"""How full the cache is after the least used were dropped: that need not happen again soon."""


@dataclass(frozen=True, slots=True)
class DerivativeFile:
    """A file in the cache. It was used last at `used_ns`."""

    guid: str
    name: str
    byte_size: int
    used_ns: int


class DerivativeStore:
    """A folder of derivatives: `ab/<guid>/<name>`. Several processes may share it.

    It reads and writes the disk: call it in threads. It raises OSError only where it says so:
    what cannot be kept is made again.
    """

    def __init__(self, folder: Path, *, max_bytes: int, min_free_mb: int) -> None:
        self.folder = folder
        self._max_bytes = max_bytes
        self._min_free_mb = min_free_mb

    def path_of(self, guid: str, name: str) -> str:
        """Return where a derivative lies in the folder."""
        return f"{_folder_of(guid)}/{name}"

    def read(self, guid: str, name: str) -> bytes | None:
        """Return a derivative, and note that it was used; None where there is none."""
        file = self.folder / self.path_of(guid, name)
        try:
            data = file.read_bytes()
            os.utime(file)
        except OSError:
            return None
        return data

    def open(self, guid: str, name: str) -> int:
        """Return the descriptor of a derivative. Raises OSError."""
        return os.open(self.folder / self.path_of(guid, name), os.O_RDONLY | os.O_CLOEXEC)

    def touch(self, guid: str, name: str) -> None:
        """Note that a derivative was used."""
        with suppress(OSError):
            os.utime(self.folder / self.path_of(guid, name))

    def write(self, guid: str, name: str, data: bytes) -> bool:
        """Keep a derivative, and drop what was not used for longest; False where it cannot be."""
        if len(data) > self._max_bytes:
            return False
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            check_free_space(self.folder, self._min_free_mb)
            with self._ledger() as ledger:
                total = ledger.read()
                if total is None or total + len(data) > self._max_bytes:
                    total = self._shrink(int(self._max_bytes * _SHARE_LEFT) - len(data))
                ledger.write(total + len(data))
                self._put(guid, name, data)
        except (OSError, StorageFullError) as error:
            logger.warning("a derivative is not kept: %s", getattr(error, "strerror", None) or "-")
            return False
        return True

    @contextmanager
    def lock(self, guid: str, name: str) -> Iterator[None]:
        """Hold the right to make a derivative, among all processes (and a few other ones)."""
        locks = self.folder / _LOCKS
        try:
            locks.mkdir(parents=True, exist_ok=True)
            number = zlib.crc32(f"{guid}/{name}".encode()) % _LOCK_FILES
            descriptor = os.open(locks / f"{number}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError:  # nothing can be kept here: then nothing can be shared
            yield
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def remove(self, guid: str) -> None:
        """Remove all derivatives of an image. Raises OSError."""
        folder = self.folder / _folder_of(guid)
        if not folder.exists():
            return
        with self._ledger() as ledger:
            total = ledger.read()
            removed = sum(one.byte_size for one in self._in_folder(folder))
            shutil.rmtree(folder)
            if total is not None:
                ledger.write(max(0, total - removed))

    def list_guids(self) -> list[str]:
        """Return the GUIDs of the images that have derivatives. Raises OSError."""
        return [folder.name for folder in self._folders()]

    def prune(
        self, is_wanted: Callable[[DerivativeFile], bool]
    ) -> tuple[list[DerivativeFile], list[DerivativeFile]]:
        """Remove what is not wanted, and the least used beyond the bound. Raises OSError.

        Returns what is kept, and what was removed.
        """
        if not self.folder.exists():
            return [], []
        with self._ledger() as ledger:
            every = self._list()
            kept = _within([one for one in every if is_wanted(one)], self._max_bytes)
            removed = list(set(every).difference(kept))
            self._drop(removed)
            ledger.write(sum(one.byte_size for one in kept))
        return kept, removed

    def _put(self, guid: str, name: str, data: bytes) -> None:
        file = self.folder / self.path_of(guid, name)
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_name(f".{name}")
        try:
            with part.open("wb") as new:
                new.write(data)
                new.flush()
                os.fsync(new.fileno())
            part.rename(file)
        except BaseException:
            part.unlink(missing_ok=True)
            raise

    def _shrink(self, max_bytes: int) -> int:
        """Drop the least used beyond `max_bytes`, and return how many bytes are kept."""
        every = self._list()
        kept = _within(every, max_bytes)
        self._drop(list(set(every).difference(kept)))
        return sum(one.byte_size for one in kept)

    def _drop(self, dropped: list[DerivativeFile]) -> None:
        for one in dropped:
            file = self.folder / self.path_of(one.guid, one.name)
            file.unlink(missing_ok=True)
            with suppress(OSError):  # others are still in it
                file.parent.rmdir()

    def _list(self) -> list[DerivativeFile]:
        return [one for folder in self._folders() for one in self._in_folder(folder)]

    def _folders(self) -> Iterator[Path]:
        if not self.folder.exists():
            return
        for shard in sorted(self.folder.glob("[0-9a-f][0-9a-f]")):
            yield from (folder for folder in sorted(shard.iterdir()) if is_guid(folder.name))

    def _in_folder(self, folder: Path) -> Iterator[DerivativeFile]:
        for entry in os.scandir(folder):
            stat = entry.stat(follow_symlinks=False)
            yield DerivativeFile(folder.name, entry.name, stat.st_size, stat.st_mtime_ns)

    @contextmanager
    def _ledger(self) -> Iterator["_Ledger"]:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(self.folder / _LEDGER, flags, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield _Ledger(descriptor)
        finally:
            os.close(descriptor)


def _folder_of(guid: str) -> str:
    return f"{guid[:2]}/{guid}"


def _within(files: list[DerivativeFile], max_bytes: int) -> list[DerivativeFile]:
    """Return the files that were used last, as many as fit."""
    files.sort(key=lambda one: one.used_ns, reverse=True)
    totals = itertools.accumulate(one.byte_size for one in files)
    return files[: sum(1 for total in totals if total <= max_bytes)]


@dataclass(frozen=True, slots=True)
class _Ledger:
    descriptor: int

    def read(self) -> int | None:
        """Return the number of bytes; None where it is not known."""
        text = os.pread(self.descriptor, 32, 0).strip()
        return int(text) if text.isdigit() else None

    def write(self, total: int) -> None:
        os.pwrite(self.descriptor, f"{total:<31}\n".encode(), 0)

"""Where processes write files before these are whole: a folder for each, locked while it lives."""

import fcntl
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pixyproxy.core.exceptions import StorageException
from pixyproxy.data.files.descriptors import ensure_folder, open_folder, open_root

logger = logging.getLogger(__name__)

_ALL = ".tmp"


class Scratch:
    """This process's folder for what it is writing, `.tmp/<random>`, and those of dead ones."""

    def __init__(self, root: Path) -> None:
        self._root = root
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
                path = f"{_ALL}/{name}"
                with isolated(path):
                    try:
                        folder = open_folder(name, parent)
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
                path = f"{_ALL}/{name}"
                try:
                    folder = open_folder(name, parent)
                except (FileNotFoundError, NotADirectoryError):
                    continue
                except OSError:
                    yield path
                    continue
                try:
                    fcntl.flock(folder, fcntl.LOCK_SH | fcntl.LOCK_NB)
                    yield from (f"{path}/{file}" for file in os.listdir(folder))  # noqa: PTH208
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
                    descriptor = open_folder(name, parent)
                except FileNotFoundError:
                    continue  # it was swept before it was locked
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                if os.fstat(descriptor).st_nlink:
                    return name, descriptor
                os.close(descriptor)

    @contextmanager
    def _all(self) -> Iterator[int]:
        root = open_root(self._root)
        try:
            parent = ensure_folder(_ALL, root)
        finally:
            os.close(root)
        try:
            yield parent
        finally:
            os.close(parent)


@contextmanager
def isolated(path: str) -> Iterator[None]:
    """Let what cannot be cleared away stay, with a warning, so that the rest is gone on with."""
    try:
        yield
    except (OSError, StorageException) as error:
        cause = error if isinstance(error, OSError) else error.__cause__
        reason = getattr(cause, "strerror", None) or "it cannot be read"
        logger.warning("%s cannot be cleared away: %s", path, reason)

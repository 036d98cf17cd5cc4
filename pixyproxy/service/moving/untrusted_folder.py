"""Reading beneath a folder that somebody else has filled: nothing outside it is ever opened."""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class UntrustedFolder:
    """A folder, which may itself be named by a symbolic link; none below it is followed."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, name: str, max_bytes: int) -> bytes | None:
        """Return a regular file beneath the folder, or None where there is none of that name.

        Of a file that has more than `max_bytes`, one byte more. Raises OSError.
        """
        try:
            with self._open(name) as descriptor, os.fdopen(descriptor, "rb", closefd=False) as file:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    return None
                return file.read(max_bytes + 1)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            if os.path.islink(self.path / name):  # noqa: PTH114
                return None
            raise error from None

    def walk(self, on_error: Callable[[OSError], None]) -> Iterator[tuple[str, os.stat_result]]:
        """Yield the regular files beneath the folder, by their paths from it, and their status."""
        for where, folders, names, descriptor in os.fwalk(
            self.path, onerror=on_error, follow_symlinks=False
        ):
            folders.sort()
            for name in sorted(names):
                try:
                    status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                except OSError as error:
                    on_error(error)
                    continue
                if stat.S_ISREG(status.st_mode):
                    yield os.path.relpath(os.path.join(where, name), self.path), status  # noqa: PTH118

    @contextmanager
    def _open(self, name: str) -> Iterator[int]:
        *folders, last = name.split("/")
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for each in folders:
                if each in {"", ".", ".."}:
                    raise FileNotFoundError(name)
                parent = descriptor
                descriptor = os.open(each, _FOLDER, dir_fd=parent)
                os.close(parent)
            file = os.open(last, _READ, dir_fd=descriptor)
        finally:
            os.close(descriptor)
        try:
            yield file
        finally:
            os.close(file)

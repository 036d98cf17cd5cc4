"""Opening files and folders by descriptors, step by step, never through a symbolic link.

All raise OSError.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import ELOOP, ENXIO
from pathlib import Path

_ROOT = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FOLDER = _ROOT | os.O_NOFOLLOW
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
_NOT_REGULAR = {ELOOP, ENXIO}
"""What opening a symbolic link, or a socket, fails with."""


class NotRegularError(OSError):
    """Something has the name, but it is no regular file."""


def open_root(folder: Path) -> int:
    """Return the descriptor of the folder that the operator named; it may be a symbolic link."""
    return os.open(folder, _ROOT)


def open_folder(name: str, parent: int) -> int:
    """Return the descriptor of a folder."""
    return os.open(name, _FOLDER, dir_fd=parent)


def ensure_folder(name: str, parent: int) -> int:
    """Return the descriptor of a folder, which is made, for good, where it is missing."""
    try:
        return open_folder(name, parent)
    except FileNotFoundError:
        pass
    with suppress(FileExistsError):
        os.mkdir(name, dir_fd=parent)
    os.fsync(parent)
    return open_folder(name, parent)


@contextmanager
def opened_file(name: str, folder: int) -> Iterator[int]:
    """Open a regular file to read it, and nothing else: else raise NotRegularError."""
    try:
        descriptor = os.open(name, _READ, dir_fd=folder)
    except OSError as error:
        if error.errno in _NOT_REGULAR:
            raise NotRegularError from error
        raise
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise NotRegularError
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def written_file(name: str, data: bytes, folder: int) -> Iterator[int]:
    """Write a file, and yield its descriptor: it is still to be synced."""
    descriptor = os.open(name, _CREATE, 0o644, dir_fd=folder)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        yield descriptor

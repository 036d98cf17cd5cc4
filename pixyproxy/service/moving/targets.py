"""Where an export goes: a folder that is brought up to date, or a tar stream."""

import fcntl
import hashlib
import os
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

import orjson

from pixyproxy.core.models import ImageDetail
from pixyproxy.data.files.layout import FileName, shard_path
from pixyproxy.service.moving.export_format import (
    END,
    FILES,
    HEAD,
    Kind,
    check_head,
    file_path,
    part_path,
)

_PART = re.compile(r"[0-9]{6,}\.jsonl")
_TEMPORARY = ".part"


class Target(Protocol):
    """Takes an export, in order. Methods block, and raise OSError."""

    takes_files_first: bool
    """Files are taken one by one before their part; else with it, after it."""
    max_files_bytes: int
    """The files of a part have hardly more bytes."""
    max_lines: int

    def first_guid(self) -> str | None:
        """Return the GUID of the first image that is there, if there is one."""

    def begin(self, head: bytes) -> None:
        """Take the head."""

    def has(self, image: ImageDetail) -> bool:
        """Tell whether the image's file is there already, whole."""

    def put_part(self, kind: Kind, number: int, lines: bytes) -> None:
        """Take the lines of a part."""

    def put_file(self, image: ImageDetail, data: memoryview) -> None:
        """Take the file of an image whose line was taken, or will be."""

    def list_others(self) -> Iterator[list[str]]:
        """Yield the GUIDs of the images whose files are there, by and by."""

    def drop(self, guids: set[str]) -> int:
        """Remove the files of these images, which `list_others` has just yielded."""

    def finish(self, end: bytes, parts: dict[Kind, int]) -> None:
        """Take the end. `parts` is how many parts of each kind were taken."""


class TarTarget:
    """A stream. Headers are in the oldest form that all tools read (POSIX.1-1988, ustar)."""

    takes_files_first = False
    max_files_bytes = 32 * 2**20
    max_lines = 250

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def first_guid(self) -> str | None:
        """Return None: a stream has nothing yet."""
        return None

    def begin(self, head: bytes) -> None:
        """Take the head."""
        self._put(HEAD, head)

    def has(self, image: ImageDetail) -> bool:
        """Return False: a stream takes everything."""
        return False

    def put_part(self, kind: Kind, number: int, lines: bytes) -> None:
        """Take the lines of a part."""
        self._put(part_path(kind, number), lines)

    def put_file(self, image: ImageDetail, data: memoryview) -> None:
        """Take the file of an image whose line was taken before."""
        self._put(file_path(image), data, mtime=max(0, int(image.created_at.timestamp())))

    def list_others(self) -> Iterator[list[str]]:
        """Yield nothing."""
        return iter(())

    def drop(self, guids: set[str]) -> int:
        """Do nothing."""
        return 0

    def finish(self, end: bytes, parts: dict[Kind, int]) -> None:
        """Take the end."""
        self._put(END, end)
        self._stream.write(bytes(2 * tarfile.BLOCKSIZE))
        self._stream.flush()

    def _put(self, name: str, data: bytes | memoryview, mtime: int = 0) -> None:
        member = tarfile.TarInfo(name)
        member.size, member.mtime = len(data), mtime
        self._stream.write(member.tobuf(tarfile.USTAR_FORMAT))
        self._stream.write(data)
        self._stream.write(bytes(-len(data) % tarfile.BLOCKSIZE))


class FolderTarget:
    """A folder: what is in it already and whole is not written again."""

    takes_files_first = True
    max_files_bytes = 2**62
    max_lines = 2000

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = -1

    def open(self) -> None:
        """Make the folder where it is missing.

        Raises ValueError where it holds something else, or another export is writing into it.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        head = self._folder / HEAD
        if head.exists():
            check_head(head.read_bytes())
        elif any(name != _TEMPORARY for name in os.listdir(self._folder)):  # noqa: PTH208
            raise ValueError(f"{self._folder} is neither empty nor an export of PixyProxy")
        self._lock = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(f"another export is writing into {self._folder}") from None

    def close(self) -> None:
        """Let others write into the folder."""
        if self._lock >= 0:
            os.close(self._lock)

    def first_guid(self) -> str | None:
        """Return the GUID of the first image that is there, if there is one."""
        try:
            with (self._folder / part_path(Kind.IMAGES, 1)).open("rb") as file:
                return str(orjson.loads(file.readline())["guid"])
        except (FileNotFoundError, ValueError, LookupError, TypeError):
            return None

    def begin(self, head: bytes) -> None:
        """Take the head; until the end comes, the export does not count as complete."""
        (self._folder / END).unlink(missing_ok=True)
        self._write(HEAD, head)

    def has(self, image: ImageDetail) -> bool:
        """Tell whether the image's file is there already, whole."""
        try:
            with (self._folder / file_path(image)).open("rb") as file:
                if os.fstat(file.fileno()).st_size != image.byte_size:
                    return False
                return hashlib.file_digest(file, "sha256").hexdigest() == image.sha256
        except FileNotFoundError:
            return False

    def put_part(self, kind: Kind, number: int, lines: bytes) -> None:
        """Take the lines of a part."""
        self._write(part_path(kind, number), lines)

    def put_file(self, image: ImageDetail, data: memoryview) -> None:
        """Take the file of an image."""
        self._write(file_path(image), data)

    def list_others(self) -> Iterator[list[str]]:
        """Yield the GUIDs of the images whose files are there, by and by."""
        for _, folders, names in os.walk(self._folder / FILES):
            folders.sort()
            if guids := sorted({file.guid for file in map(FileName.parse, names) if file}):
                yield guids

    def drop(self, guids: set[str]) -> int:
        """Remove the files of these images."""
        dropped = 0
        for guid in guids:
            folder = self._folder / FILES / shard_path(guid)
            for path in folder.glob(f"{guid}.*"):
                path.unlink()
                dropped += 1
        return dropped

    def finish(self, end: bytes, parts: dict[Kind, int]) -> None:
        """Take the end, once everything else is safe."""
        for kind in Kind:
            folder = self._folder / kind
            known = {part_path(kind, number + 1) for number in range(parts[kind])}
            for path in folder.iterdir() if folder.is_dir() else ():
                if _PART.fullmatch(path.name) and f"{kind}/{path.name}" not in known:
                    path.unlink()
        # One sync for all files costs less than one for each. What a power cut spoils before it
        # has another SHA-256, and is written again by the next export.
        os.sync()
        self._write(END, end)
        os.sync()

    def _write(self, name: str, data: bytes | memoryview) -> None:
        path = self._folder / name
        temporary = self._folder / _TEMPORARY
        temporary.write_bytes(data)
        try:
            temporary.replace(path)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.replace(path)

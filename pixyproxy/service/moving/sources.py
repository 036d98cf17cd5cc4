"""Where an export is read from: its folder, or a tar stream. Neither is trusted.

Nothing is ever written under a name that a source gives, and nothing is read by one but beneath
the export's folder.
"""

import re
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import BinaryIO, Protocol

from pixyproxy.service.moving.export_format import (
    END,
    HEAD,
    MAX_PART_BYTES,
    NOT_AN_EXPORT,
    Kind,
    check_head,
    part_path,
)
from pixyproxy.service.moving.untrusted_folder import UntrustedFolder

MAX_HEAD_BYTES = 4096
"""No head or end of an export is larger."""
_PART = re.compile(rf"({'|'.join(Kind)})/[0-9]{{6,12}}\.jsonl", re.ASCII)
_SKIPPED_AT_ONCE = 2**20
"""How many bytes of a stream are read at once where nothing is wanted of them."""


class Source(Protocol):
    """Gives an export, in order. Methods block, and raise OSError and ValueError."""

    def parts(self) -> Iterator[tuple[Kind, str, bytes]]:
        """Yield the parts: what they tell of, their names, and their lines."""

    def files(self, wanted: Mapping[str, int]) -> Iterator[tuple[str, bytes]]:
        """Yield the paths and bytes of the files that are wanted, those that there are.

        The files are those of the part that came last. A file of another size than is said here is
        given as it is, but with hardly more than that size.
        """

    is_complete: bool
    """Whether the end was seen."""
    surplus: int
    """How many files there are that no line tells of."""


class FolderSource:
    """An export's folder."""

    def __init__(self, folder: UntrustedFolder) -> None:
        self._folder = folder
        self.is_complete = False
        self.surplus = 0

    def parts(self) -> Iterator[tuple[Kind, str, bytes]]:
        """Yield the parts."""
        check_head(self._folder.read(HEAD, MAX_HEAD_BYTES) or b"")
        for kind in Kind:
            number = 1
            while lines := self._folder.read(part_path(kind, number), MAX_PART_BYTES):
                yield kind, part_path(kind, number), lines
                number += 1
        self.is_complete = self._folder.read(END, MAX_HEAD_BYTES) is not None

    def files(self, wanted: Mapping[str, int]) -> Iterator[tuple[str, bytes]]:
        """Yield the files that are wanted."""
        for path, size in wanted.items():
            data = None
            with suppress(OSError):
                data = self._folder.read(path, size)
            if data is not None:
                yield path, data


class TarSource:
    """A tar stream, uncompressed. Its regular files are read, and everything else is passed over.

    The standard library's reader is not used for the stream: it takes a name's length, or that of
    an extended header, on trust, and reads it into memory.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._next: tarfile.TarInfo | None = None
        self._left = 0
        self.is_complete = False
        self.surplus = 0

    def parts(self) -> Iterator[tuple[Kind, str, bytes]]:
        """Yield the parts."""
        first = self._advance()
        if first is None or first.name != HEAD or first.size > MAX_HEAD_BYTES:
            raise ValueError(NOT_AN_EXPORT)
        check_head(self._read(first.size))
        while (member := self._advance()) is not None:
            found = _PART.fullmatch(member.name)
            if member.name == END:
                self.is_complete = True
            elif found and member.size <= MAX_PART_BYTES:
                yield Kind(found[1]), member.name, self._read(member.size)
            else:
                self.surplus += 1

    def files(self, wanted: Mapping[str, int]) -> Iterator[tuple[str, bytes]]:
        """Yield the files that are wanted."""
        left = dict(wanted)
        while (member := self._advance()) is not None:
            if member.name == END or _PART.fullmatch(member.name):
                self._next = member
                return
            size = left.pop(member.name, None)
            if size is None:
                self.surplus += member.name not in wanted
            else:
                yield member.name, self._read(min(member.size, size + 1))

    def _advance(self) -> tarfile.TarInfo | None:
        """Return the next regular file, or None at the end."""
        if self._next is not None:
            member, self._next = self._next, None
            return member
        while True:
            self._skip(self._left)
            self._left = 0
            block = self._stream.read(tarfile.BLOCKSIZE)
            if len(block) < tarfile.BLOCKSIZE or not any(block):
                return None
            try:
                member = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
            except tarfile.HeaderError:
                raise ValueError(f"{NOT_AN_EXPORT}, or it is damaged") from None
            if member.size < 0:
                raise ValueError(NOT_AN_EXPORT)
            self._left = -(-member.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
            if member.type in (tarfile.REGTYPE, tarfile.AREGTYPE):
                return member

    def _read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._left -= len(data)
        return data

    def _skip(self, size: int) -> None:
        while size > 0:
            skipped = len(self._stream.read(min(size, _SKIPPED_AT_ONCE)))
            if not skipped:
                return
            size -= skipped

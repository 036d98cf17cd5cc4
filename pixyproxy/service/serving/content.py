"""Bytes on their way to a client: whole where they are few, else a part at a time."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

MAX_WHOLE_BYTES = 2 * 2**20
"""More than this is streamed: slow clients would else hold it all in memory."""


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of an image, or of a derivative: `data`, or what `stream` gives by parts."""

    byte_size: int
    data: bytes | memoryview | None = None
    stream: Callable[[int, int], AsyncGenerator[bytes, None]] | None = None
    """Takes a start and a length, and yields those bytes in chunks."""

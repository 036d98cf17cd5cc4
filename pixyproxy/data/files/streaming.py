"""Files handed on in chunks, so that memory does not grow with them."""

import asyncio
import os
from collections.abc import AsyncIterator

CHUNK_BYTES = 128 * 1024
NO_WAIT = getattr(os, "RWF_NOWAIT", 0)
"""Linux can read what is in its page cache or nothing; elsewhere every read goes to a thread."""


async def stream_file(
    descriptor: int, *, start: int = 0, length: int | None = None
) -> AsyncIterator[bytes]:
    """Yield a part of an open file: here what the kernel has in memory, else by a thread.

    Raises OSError, before the first chunk where the file has fewer bytes.
    """
    size = os.fstat(descriptor).st_size
    end = size if length is None else start + length
    if end > size:
        raise OSError(f"the file has {size} bytes, and not {end}")
    while start < end:
        count = min(CHUNK_BYTES, end - start)
        chunk = _read_from_memory(descriptor, count, start)
        if chunk is None:
            chunk = await asyncio.to_thread(os.pread, descriptor, count, start)
        if not chunk:
            raise OSError("the file became shorter while it was read")
        start += len(chunk)
        yield chunk


def _read_from_memory(descriptor: int, count: int, start: int) -> bytes | None:
    if not NO_WAIT:
        return None
    chunk = bytearray(count)
    try:
        if os.preadv(descriptor, [chunk], start, NO_WAIT) == count:
            return bytes(chunk)
    except OSError:  # not in memory, or a file system that cannot tell
        pass
    return None

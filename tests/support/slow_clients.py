"""Clients that read an image slowly, for tests and benchmarks."""

import asyncio
import socket
from pathlib import Path

from pixyproxy.core.models import ContentType
from pixyproxy.data.files.folder import FolderStore
from tests.support.databases import open_database
from tests.support.rows import keep, make_image

CLIENTS = 64
BYTES = 20 * 2**20
MAX_MORE_BYTES = 50_000_000


async def keep_large_image(database_url: str, folder: Path) -> str:
    """Keep an image of 20 MB, and return its GUID."""
    image = make_image(byte_size=BYTES)
    database = open_database(database_url, pool_size=1)
    await database.migrate()
    await keep(database, image)
    store = FolderStore(folder, min_free_mb=0)
    store.open()
    await store.write(image.guid, ContentType.PNG, bytes(BYTES))
    store.close()
    await database.aclose()
    return image.guid


async def _read_slowly(port: int, guid: str, all_begun: asyncio.Barrier) -> int:
    """Take the beginning, wait until all others have theirs, then take the rest."""
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
    small.setblocking(False)
    await asyncio.get_running_loop().sock_connect(small, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=small, limit=64 * 1024)
    writer.write(f"GET /image/{guid}/content HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    received = 0
    for _ in range(4):
        received += len(await reader.readexactly(256 * 1024))
        await all_begun.wait()
    while received < BYTES:
        received += len(await reader.read(256 * 1024))
    writer.close()
    return received


async def read_all_slowly(port: int, guid: str, *, clients: int = CLIENTS) -> None:
    """Have so many clients read the image, all of them in the midst of it at once."""
    all_begun = asyncio.Barrier(clients)
    received = await asyncio.gather(*(_read_slowly(port, guid, all_begun) for _ in range(clients)))
    assert received == [BYTES] * clients

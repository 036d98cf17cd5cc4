"""Large images are sent as fast as they are read, and take no memory meanwhile."""

import asyncio
import socket
from pathlib import Path

from pixyproxy.core.models import ContentType
from pixyproxy.data.image_store import ImageStore
from pixyproxy.data.init import open_database
from tests.data.rows import keep, make_image
from tests.servers import Service

CLIENTS = 64
BYTES = 20 * 2**20
MAX_MORE_BYTES = 50_000_000


async def keep_large_image(folder: Path) -> str:
    image = make_image(byte_size=BYTES)
    database = open_database(f"sqlite:///{folder}/pixyproxy.db", pool_size=1)
    await database.migrate()
    await keep(database, image)
    store = ImageStore(folder / "images", min_free_mb=0)
    store.open()
    await store.write(image.guid, ContentType.PNG, bytes(BYTES))
    store.close()
    await database.aclose()
    return image.guid


def memory_of(pid: int, field: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise ValueError(field)


async def read_slowly(port: int, guid: str, all_begun: asyncio.Barrier) -> int:
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


async def test_memory_stays_flat_while_many_read_slowly(tmp_path: Path) -> None:
    guid = await keep_large_image(tmp_path)
    with Service(tmp_path, log_level="WARNING") as service:
        await read_slowly(service.port, guid, asyncio.Barrier(1))
        before = memory_of(service.process.pid, "VmHWM")
        all_begun = asyncio.Barrier(CLIENTS)
        received = await asyncio.gather(
            *(read_slowly(service.port, guid, all_begun) for _ in range(CLIENTS))
        )
        assert received == [BYTES] * CLIENTS
        more = memory_of(service.process.pid, "VmHWM") - before
        assert more < MAX_MORE_BYTES


async def test_a_client_that_goes_away_leaves_nothing_open(tmp_path: Path) -> None:
    guid = await keep_large_image(tmp_path)
    with Service(tmp_path) as service:
        files = Path(f"/proc/{service.process.pid}/fd")

        def open_images() -> int:
            return sum(1 for each in files.iterdir() if guid in str(each.readlink()))

        reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
        writer.write(f"GET /image/{guid}/content HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        await reader.readexactly(1000)
        assert open_images() == 1
        writer.transport.abort()
        async with asyncio.timeout(20):
            while open_images() or "REQUEST END" not in service.log:
                await asyncio.sleep(0.02)
        assert "Traceback" not in service.log

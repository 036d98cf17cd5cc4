"""Large images are sent as fast as they are read, and take no memory meanwhile."""

import asyncio
from pathlib import Path

from tests.support.servers import Service
from tests.support.slow_clients import MAX_MORE_BYTES, keep_large_image, read_all_slowly


def memory_of(pid: int, field: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise ValueError(field)


async def keep_one(folder: Path) -> str:
    return await keep_large_image(f"sqlite:///{folder}/pixyproxy.db", folder / "images")


async def test_memory_stays_flat_while_many_read_slowly(tmp_path: Path) -> None:
    guid = await keep_one(tmp_path)
    with Service(tmp_path, log_level="WARNING") as service:
        await read_all_slowly(service.port, guid, clients=1)
        before = memory_of(service.process.pid, "VmHWM")
        await read_all_slowly(service.port, guid)
        assert memory_of(service.process.pid, "VmHWM") - before < MAX_MORE_BYTES


async def test_a_client_that_goes_away_leaves_nothing_open(tmp_path: Path) -> None:
    guid = await keep_one(tmp_path)
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

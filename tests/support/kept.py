"""A service with kept images, for tests that damage them."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pixyproxy.bootstrap import Services
from pixyproxy.core.models import GenerationCreate, ImageDetail
from pixyproxy.service.checking.files import Fault
from tests.support.rows import raw

Found = set[tuple[str, str | None, bool]]


class Kept:
    """An opened service, its database and its folder, for a test to damage."""

    def __init__(self, services: Services, database_url: str, folder: Path) -> None:
        self.services = services
        self.folder = folder
        self._url = database_url

    def sql(self, statement: str) -> list[Any]:
        return raw(self._url, statement)

    async def draw(self, prompt: str = "a fox") -> ImageDetail:
        request = GenerationCreate(prompt=prompt, size="128x96")
        image = await self.services.generations.create_image(request)
        async with asyncio.timeout(10):
            while self.path(image, "json").exists():  # it tidies up after it has answered
                await asyncio.sleep(0.005)
        return image

    async def draw_without_row(self, prompt: str = "a fox") -> ImageDetail:
        """Leave what a process leaves that dies between an image's file and its row."""
        image = await self.draw(prompt)
        self.sql(f"DELETE FROM images WHERE guid = '{image.guid}'")
        self.path(image, "json").write_text(image.model_dump_json())
        return image

    def path(self, image: ImageDetail, extension: str | None = None) -> Path:
        guid = image.guid
        name = f"{guid}.{extension or image.content_type.extension}"
        return self.folder / guid[:2] / guid[2:4] / name

    def set_running(self, image: ImageDetail, *, lease_s: float) -> None:
        """Make the image's generation one that some other process runs, or ran."""
        until = (datetime.now(UTC) + timedelta(seconds=lease_s)).replace(tzinfo=None)
        guid = image.generation_guid
        self.sql(
            f"UPDATE generations SET status = 'running', runner = 'somebody', "
            f"lease_until = '{until.isoformat(' ', 'microseconds')}' WHERE guid = '{guid}'"
        )
        self.sql(f"UPDATE attempts SET status = 'sent' WHERE generation_guid = '{guid}'")

    async def is_listed(self, image: ImageDetail) -> bool:
        listed = await self.services.finder.list_images(page=1, size=100)
        return image in listed

    async def check(self, *, repair: bool = False) -> Found:
        faults = await self.faults(repair=repair)
        return {(fault.code.value, fault.guid, fault.mended) for fault in faults}

    async def faults(self, *, repair: bool = False) -> list[Fault]:
        events = [event async for event in self.services.fsck.run(repair=repair)]
        return [event for event in events if isinstance(event, Fault)]

    def files(self) -> dict[Path, bytes]:
        paths = [path for path in self.folder.rglob("*") if path.is_file()]
        return {path: path.read_bytes() for path in paths if not path.is_symlink()}

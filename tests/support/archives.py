"""Archives to move: a folder with an `images` folder in it, and a database."""

import io
import random
import subprocess
import tarfile
from collections.abc import Iterable
from pathlib import Path

import httpx2
from PIL import Image

from pixyproxy.settings import Settings
from tests.conftest import open_client
from tests.support.generations import ended
from tests.support.processes import PATIENT, run
from tests.support.rows import raw

GONE = "0f0e0d0c-0b0a-4999-8888-777766665555"


class Archive:
    """An archive that the command line works on."""

    def __init__(self, folder: Path, database_url: str) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.images = folder / "images"
        self.database_url = database_url

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return run(self.folder, *arguments, database_url=self.database_url)

    def sql(self, statement: str) -> list[tuple[object, ...]]:
        return raw(self.database_url, statement)

    def path(self, guid: str) -> Path:
        (path,) = (self.images / guid[:2] / guid[2:4]).glob(f"{guid}.*")
        return path

    def guids(self) -> list[str]:
        """The images' GUIDs, the oldest first."""
        return [str(row[0]) for row in self.sql("SELECT guid FROM images ORDER BY id")]

    async def fill(self) -> None:
        """Keep images of several generations, with tags, and one tombstone."""
        settings = Settings(
            database_url=self.database_url, images=self.images, **PATIENT, generator="sketch"
        )
        async with open_client(settings) as client:
            for number in range(3):
                await ask(client, "/image", {"prompt": f"a fox {number} 🦊"}, key=f"key-{number}")
            several = {"prompt": "an owl", "n": 2, "output_format": "webp"}
            answer = await ask(client, "/generation", several, key="several")
            await ended(client, answer.json()["guid"])
        self.tag(self.guids()[0], '["fox","été"]')
        self.sql("INSERT INTO tags (name, image_count) VALUES ('été', 1), ('fox', 1)")
        self.sql(
            "INSERT INTO deleted_images (guid, content_type, deleted_at, bytes_gone) "
            f"VALUES ('{GONE}', 'image/png', '2026-01-02 03:04:05.678901', 1)"
        )

    def tag(self, guid: str, tags: str) -> None:
        self.sql(f"UPDATE images SET tags = '{tags}' WHERE guid = '{guid}'")


async def ask(
    client: httpx2.AsyncClient, path: str, wish: dict[str, object], *, key: str
) -> httpx2.Response:
    """Have it drawn, small."""
    headers = {"Idempotency-Key": key}
    answer = await client.post(path, json={"size": "64x64", **wish}, headers=headers)
    assert answer.status_code in {200, 201, 202}, answer.text
    return answer


def make_pictures(folder: Path, count: int) -> None:
    """Write so many small pictures, each different."""
    folder.mkdir(exist_ok=True)
    noise = random.Random(count)
    for number in range(count):
        image = Image.frombytes("RGB", (24, 24), noise.randbytes(24 * 24 * 3))
        image.save(folder / f"picture-{number:04}.png")


def files_of(folder: Path) -> dict[str, bytes]:
    """All that is in a folder."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def tar(members: Iterable[tuple[tarfile.TarInfo | str, bytes]]) -> bytes:
    """A tar file of members, whatever they are called."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for member, data in members:
            info = tarfile.TarInfo(member) if isinstance(member, str) else member
            if info.isreg():
                info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()

"""Deletions that are cut short, and what other processes see of them."""

import asyncio
from pathlib import Path

import httpx2
import pytest

from tests.reliability.conftest import Serve
from tests.support.clients import client_of, draw, eventually, is_served
from tests.support.commands import fsck, generate, path_of
from tests.support.rows import raw

IMAGES = 24
ACKNOWLEDGED = 8


def make_old(database_url: str) -> None:
    """Have tombstones look as if they were put there long ago."""
    raw(database_url, "UPDATE deleted_images SET deleted_at = '2020-01-01 00:00:00'")


async def status_of(client: httpx2.AsyncClient, image: dict) -> int:
    return (await client.get(f"/image/{image['guid']}")).status_code


async def test_a_kill_leaves_each_image_whole_or_gone(
    serve: Serve, tmp_path: Path, database_url: str
) -> None:
    service = serve(database_url=database_url)
    acknowledged: list[str] = []
    enough = asyncio.Event()
    async with client_of(service) as client:
        images = [await draw(client) for _ in range(IMAGES)]

        async def delete(image: dict) -> None:
            answer = await client.delete(f"/image/{image['guid']}")
            assert answer.status_code == 204
            acknowledged.append(image["guid"])
            if len(acknowledged) >= ACKNOWLEDGED:
                enough.set()

        deletions = [asyncio.create_task(delete(image)) for image in images]
        await enough.wait()
        service.kill()
        await asyncio.gather(*deletions, return_exceptions=True)
    make_old(database_url)
    await asyncio.to_thread(service.start)
    async with client_of(service) as client:
        for image in images:
            gone = await status_of(client, image) == 410
            assert gone or image["guid"] not in acknowledged
            assert gone or await is_served(client, image)

        async def all_bytes_are_gone() -> bool:
            return raw(
                database_url, "SELECT COUNT(*) FROM deleted_images WHERE NOT bytes_gone"
            ) == [(0,)]

        await eventually(all_bytes_are_gone)
    rows = {row[0] for row in raw(database_url, "SELECT guid FROM images")}
    files = {path.stem for path in (tmp_path / "images").rglob("*.*") if path.is_file()}
    assert files == rows


async def test_bytes_that_cannot_be_deleted_are_served_no_more_and_deleted_later(
    serve: Serve, tmp_path: Path, database_url: str
) -> None:
    service = serve(database_url=database_url)
    async with client_of(service) as client:
        image = await draw(client)
        path = path_of(tmp_path, image)
        data = path.read_bytes()
        path.unlink()
        path.mkdir()  # a folder cannot be unlinked
        assert (await client.delete(f"/image/{image['guid']}")).status_code == 204
        assert (await client.get(f"/image/{image['guid']}/content")).status_code == 410
    assert f"bytes of {image['guid']} cannot be deleted yet" in service.log
    service.kill()
    path.rmdir()
    path.write_bytes(data)
    status, (fault, _) = await asyncio.to_thread(fsck, tmp_path, database_url=database_url)
    assert (status, fault["fault"], fault["guid"]) == (1, "deleted-file", image["guid"])
    make_old(database_url)
    await asyncio.to_thread(service.start)
    await eventually(lambda: asyncio.to_thread(lambda: not path.exists()))


@pytest.mark.parametrize("extension", ["png", "json"])
def test_fsck_gives_no_deleted_image_a_row(
    tmp_path: Path, database_url: str, extension: str
) -> None:
    image = generate(tmp_path, database_url=database_url)
    guid = image["guid"]
    raw(database_url, f"DELETE FROM images WHERE guid = '{guid}'")
    raw(
        database_url,
        "INSERT INTO deleted_images (guid, content_type, deleted_at, bytes_gone) "
        f"VALUES ('{guid}', 'image/png', '2026-01-01 00:00:00', 0)",
    )
    del image["url"]
    path_of(tmp_path, image, "json").write_text(httpx2.Response(200, json=image).text)
    if extension == "json":
        path_of(tmp_path, image).unlink()
    status, lines = fsck(tmp_path, "--repair", database_url=database_url)
    assert {line["fault"] for line in lines[:-1]} == {"deleted-file"}
    assert status == 0
    assert raw(database_url, "SELECT COUNT(*) FROM images") == [(0,)]
    assert not path_of(tmp_path, image).exists()
    assert not path_of(tmp_path, image, "json").exists()


async def test_other_processes_see_what_was_changed_and_deleted(
    serve: Serve, database_url: str
) -> None:
    service, other = serve(database_url=database_url), serve(database_url=database_url)
    async with client_of(service) as client, client_of(other) as others:
        image = await draw(client)
        path = f"/image/{image['guid']}"
        assert (await others.get(path)).json()["tags"] == []
        await client.patch(path, json={"add_tags": ["pets"]})
        assert (await client.get(path)).json()["tags"] == ["pets"]

        async def is_tagged() -> bool:
            return (await others.get(path)).json()["tags"] == ["pets"]

        await eventually(is_tagged)
        assert (await others.get(f"{path}/content")).status_code == 200
        await client.delete(path)
        assert (await client.get(f"{path}/content")).status_code == 410

        async def is_gone() -> bool:
            return (await others.get(path)).status_code == 410

        await eventually(is_gone)
        assert (await others.get(f"{path}/content")).status_code == 410

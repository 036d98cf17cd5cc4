"""A process killed while images go into the trash, come out of it, and go for good."""

import asyncio
from pathlib import Path

import httpx2

from tests.reliability.conftest import Serve
from tests.support.clients import client_of, draw, eventually, is_served
from tests.support.commands import fsck, path_of
from tests.support.rows import raw

OF_EACH = 12
ACKNOWLEDGED = 9


async def guids_at(client: httpx2.AsyncClient, path: str) -> set[str]:
    return {image["guid"] for image in (await client.get(path)).json()}


async def test_a_kill_leaves_each_image_in_one_place(
    serve: Serve, tmp_path: Path, database_url: str
) -> None:
    service = serve(database_url=database_url, trash_days=7)
    done: set[str] = set()
    enough = asyncio.Event()
    async with client_of(service) as client:
        images = [await draw(client, f"cat {number}") for number in range(3 * OF_EACH)]
        guids = [image["guid"] for image in images]
        deleted, restored, purged = guids[::3], guids[1::3], guids[2::3]
        for image in images:
            await client.patch(f"/image/{image['guid']}", json={"add_tags": ["pets"]})
        before = await client.post("/image/batch/delete", json={"guids": [*restored, *purged]})
        assert before.json()["failed"] == []

        async def change(path: str, guid: str) -> None:
            answer = await client.post(path, json={"guids": [guid]})
            assert answer.json() == {"done": [guid], "failed": []}
            done.add(guid)
            if len(done) >= ACKNOWLEDGED:
                enough.set()

        changes = [
            asyncio.create_task(change(path, guid))
            for trio in zip(deleted, restored, purged, strict=True)
            for path, guid in zip(
                ("/image/batch/delete", "/trash/restore", "/image/batch/purge"), trio, strict=True
            )
        ]
        async with asyncio.timeout(60):
            await enough.wait()
        service.kill()
        await asyncio.gather(*changes, return_exceptions=True)
    raw(database_url, "UPDATE deleted_images SET deleted_at = '2020-01-01 00:00:00'")
    await asyncio.to_thread(service.start)
    async with client_of(service) as client:
        there = await guids_at(client, "/image?size=100")
        trashed = await guids_at(client, "/trash?size=100")
        gone = {row[0] for row in raw(database_url, "SELECT guid FROM deleted_images")}
        assert len(there) + len(trashed) + len(gone) == len(guids)
        assert there | trashed | gone == set(guids)
        assert gone <= set(purged), "nothing is lost that nobody wanted gone"
        for place, moved in ((trashed, deleted), (there, restored), (gone, purged)):
            assert done & set(moved) <= place, "what was acknowledged is so"
        (tag,) = (await client.get("/tags")).json()
        assert tag["image_count"] == len(there)
        assert (await client.get("/stats")).json()["image_count"] == len(there)

        async def all_bytes_are_gone() -> bool:
            unfinished = "SELECT COUNT(*) FROM deleted_images WHERE NOT bytes_gone"
            return raw(database_url, unfinished) == [(0,)]

        await eventually(all_bytes_are_gone)
        for image in images:
            assert path_of(tmp_path, image).exists() == (image["guid"] not in gone)
            if image["guid"] in there:
                assert await is_served(client, image)
        status, faults = await asyncio.to_thread(fsck, tmp_path, database_url=database_url)
        assert (status, faults[:-1]) == (0, [])
        wish = {"guids": sorted(trashed)}
        assert (await client.post("/trash/restore", json=wish)).json()["failed"] == []
        assert [image["guid"] for image in (await client.get("/image?size=100")).json()] == [
            guid for guid in guids[::-1] if guid not in gone
        ]

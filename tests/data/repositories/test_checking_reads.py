"""What a check reads: rows by their ids, files by their folders, and nothing held whole."""

import hashlib
import os
from pathlib import Path

import pytest

from pixyproxy.core import make_guid
from pixyproxy.core.exceptions import ImageStoreError
from pixyproxy.core.models import ContentType
from pixyproxy.data.files.folder import FolderStore
from pixyproxy.data.files.store import Digest
from pixyproxy.data.init import Database
from pixyproxy.data.repositories.images import ImageFile
from tests.support.rows import keep, make_image, repository


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    store = FolderStore(tmp_path / "images", min_free_mb=0)
    store.open()
    return store


async def test_rows_follow_each_other_by_id(database: Database) -> None:
    async with database.open_context() as context:
        assert await repository.get_last_id(context) == 0
        assert await repository.list_guids(context, after_id=0, limit=2) == []
    images = [make_image() for _ in range(5)]
    await keep(database, *images)
    guids = []
    after_id = 0
    async with database.open_context() as context:
        while rows := await repository.list_guids(context, after_id=after_id, limit=2):
            assert len(rows) <= 2
            guids += [guid for _, guid in rows]
            after_id = rows[-1][0]
        assert after_id == await repository.get_last_id(context)
    assert guids == [image.guid for image in images]


async def test_what_rows_say_of_their_files(database: Database) -> None:
    image = make_image(content_type=ContentType.AVIF, byte_size=2**40)
    orphan = make_image(generation_guid=make_guid())
    await keep(database, image, orphan, make_image())
    async with database.open_context() as context:
        files = await repository.get_files(context, [image.guid, orphan.guid, make_guid()])
    assert sorted(files, key=lambda file: file.lacks_generation) == [
        ImageFile(image.guid, ContentType.AVIF, 2**40, image.sha256, lacks_generation=False),
        ImageFile(orphan.guid, ContentType.PNG, orphan.byte_size, orphan.sha256, True),
    ]


async def test_a_digest(store: FolderStore) -> None:
    for data in (b"", os.urandom(3 * 2**20 + 1)):
        guid = make_guid()
        assert await store.digest(guid, ContentType.PNG) is None
        await store.write(guid, ContentType.PNG, data)
        assert await store.digest(guid, ContentType.WEBP) is None
        sha256 = hashlib.sha256(data).hexdigest()
        assert await store.digest(guid, ContentType.PNG) == Digest(len(data), sha256)


async def test_the_digest_of_no_regular_file(store: FolderStore, tmp_path: Path) -> None:
    linked, folder = make_guid(), make_guid()
    await store.write(linked, ContentType.PNG, b"x")
    path = store.folder / linked[:2] / linked[2:4] / f"{linked}.png"
    path.rename(tmp_path / "outside")
    path.symlink_to(tmp_path / "outside")
    (store.folder / folder[:2] / folder[2:4] / f"{folder}.png").mkdir(parents=True)
    for guid in (linked, folder):
        with pytest.raises(ImageStoreError):
            await store.digest(guid, ContentType.PNG)


async def test_every_shard_is_walked_and_nothing_else(store: FolderStore, tmp_path: Path) -> None:
    guids = sorted(make_guid() for _ in range(5))
    for guid in guids:
        await store.write(guid, ContentType.PNG, b"x", b"{}")
    taken = {guid[:2] for guid in guids}
    outside = tmp_path / "outside"
    (outside / "ab").mkdir(parents=True)
    (store.folder / "zz" / "ab").mkdir(parents=True)
    (store.folder / "note").write_text("mine")
    free = next(name for name in map("{:02x}".format, range(6)) if name not in taken)
    (store.folder / free).symlink_to(outside)
    errors: list[str] = []
    shards = list(store.walk(lambda path, _: errors.append(path)))
    assert shards == sorted({guid[:4] for guid in guids})
    assert errors == []
    found = [name for shard in shards for name in await store.list_shard(shard)]
    assert found == [f"{guid}.{kind}" for guid in guids for kind in ("json", "png")]
    assert await store.list_shard("zzzz") == []


async def test_what_dead_processes_were_writing(store: FolderStore) -> None:
    await store.check_writable()
    scratch = store.folder / ".tmp"
    (own,) = scratch.iterdir()
    (own / "a.png").write_bytes(b"x")
    (scratch / "stray").write_text("no folder")
    assert await store.list_leftovers() == []
    store.close()
    assert await store.list_leftovers() == [f".tmp/{own.name}/a.png"]
    assert (own / "a.png").exists()

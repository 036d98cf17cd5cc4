"""What every image store promises: the same of a folder as of object storage."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pixyproxy.core import make_guid
from pixyproxy.core.addresses import read_place
from pixyproxy.core.exceptions import ImageStoreError, MissingFileError
from pixyproxy.core.models import ContentType
from pixyproxy.data.files.folder import FolderStore
from pixyproxy.data.files.places import make_store
from pixyproxy.data.files.store import Digest, ImageStore
from tests.support.object_storage import ObjectStorage

DATA = b"\x89PNG" + bytes(range(256)) * 100
PNG = ContentType.PNG


@pytest.fixture(params=["folder", "object storage"])
def store(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> ImageStore:
    if request.param == "folder":
        place: str | Path = tmp_path / "images"
    else:
        storage: ObjectStorage = request.getfixturevalue("object_storage")
        for name, value in storage.variables.items():
            monkeypatch.setenv(name, value)
        place = read_place(f"s3://pictures/{make_guid()}")
    store = make_store(place, min_free_mb=0)
    store.open()
    return store


async def whole(chunks: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in chunks])


@pytest.mark.parametrize("content_type", ContentType)
async def test_what_is_written_is_read(store: ImageStore, content_type: ContentType) -> None:
    guid = make_guid()
    await store.check_writable()
    await store.write(guid, content_type, DATA)
    assert await store.read(guid, content_type) == DATA
    assert await whole(store.stream(guid, content_type)) == DATA
    digest = Digest(len(DATA), hashlib.sha256(DATA).hexdigest())
    assert await store.digest(guid, content_type) == digest
    assert await store.list_shard(guid[:4]) == [f"{guid}.{content_type.extension}"]


async def test_a_large_and_an_empty_file(store: ImageStore) -> None:
    for data in (os.urandom(9 * 2**20), b""):
        guid = make_guid()
        await store.write(guid, PNG, data)
        assert await store.read(guid, PNG) == data
        assert await whole(store.stream(guid, PNG)) == data


@pytest.mark.parametrize(("start", "length"), [(0, 4), (4, 25_600), (25_603, 1), (7, None), (5, 0)])
async def test_a_part_is_streamed(store: ImageStore, start: int, length: int | None) -> None:
    guid = make_guid()
    await store.write(guid, PNG, DATA)
    end = None if length is None else start + length
    assert await whole(store.stream(guid, PNG, start=start, length=length)) == DATA[start:end]


async def test_no_more_is_streamed_than_there_is(store: ImageStore) -> None:
    guid = make_guid()
    await store.write(guid, PNG, DATA)
    with pytest.raises(ImageStoreError):
        await whole(store.stream(guid, PNG, start=len(DATA) - 5, length=6))


async def test_what_is_not_there(store: ImageStore) -> None:
    guid = make_guid()
    for read in (store.read(guid, PNG), whole(store.stream(guid, PNG))):
        with pytest.raises(MissingFileError):
            await read
    with pytest.raises(MissingFileError if isinstance(store, FolderStore) else ImageStoreError):
        store.locate(guid, PNG)
    assert await store.digest(guid, PNG) is None
    assert await store.read_sidecar(guid) is None
    assert await store.list_shard(guid[:4]) == []
    await store.drop_sidecar(guid)
    await store.delete(guid, PNG)


async def test_what_is_there_and_fails_is_not_missing(store: ImageStore) -> None:
    guid = make_guid()
    await store.write(guid, PNG, DATA)
    with pytest.raises(ImageStoreError) as caught:
        await whole(store.stream(guid, PNG, start=len(DATA), length=1))
    assert not isinstance(caught.value, MissingFileError)
    await store.write(guid, ContentType.WEBP, DATA)
    await store.delete(guid, PNG)
    with pytest.raises(MissingFileError):
        await store.read(guid, PNG)
    assert await store.read(guid, ContentType.WEBP) == DATA


async def test_a_sidecar_lies_beside_until_it_is_dropped(store: ImageStore) -> None:
    guid = make_guid()
    await store.write(guid, PNG, DATA, b"a sidecar")
    assert await store.read_sidecar(guid) == b"a sidecar"
    assert await store.list_shard(guid[:4]) == [f"{guid}.json", f"{guid}.png"]
    await store.drop_sidecar(guid)
    assert await store.read_sidecar(guid) is None
    assert await store.read(guid, PNG) == DATA


async def test_what_is_deleted_is_gone(store: ImageStore) -> None:
    guid = make_guid()
    await store.write(guid, PNG, DATA, b"a sidecar")
    await store.delete(guid, PNG)
    assert await store.list_shard(guid[:4]) == []
    with pytest.raises(MissingFileError):
        await store.read(guid, PNG)
    await store.delete(guid, PNG)


async def test_shards_are_walked(store: ImageStore) -> None:
    guids = [f"{shard}{make_guid()[4:]}" for shard in ("ff00", "00ab", "00aa", "00ab")]
    await asyncio.gather(*(store.write(guid, PNG, DATA) for guid in guids))
    faults: list[str] = []
    walked = await asyncio.to_thread(
        lambda: list(store.walk(lambda path, _error: faults.append(path)))
    )
    assert walked == ["00aa", "00ab", "ff00"]
    assert await store.list_shard("00ab") == sorted(f"{guid}.png" for guid in (guids[1], guids[3]))
    assert faults == []
    assert await store.list_leftovers() == []
    await store.sweep()

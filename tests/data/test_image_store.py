"""The image store: bytes in, bytes out, and nothing outside its folder."""

import asyncio
import errno
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pixyproxy.core import make_guid
from pixyproxy.core.exceptions import ImageStoreError, StorageFullError
from pixyproxy.core.models import ContentType
from pixyproxy.data.image_store import ImageStore
from tests.programs import require_program

DATA = b"\x89PNG" + bytes(range(256)) * 100


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "kept" / "images"


@pytest.fixture
def store(folder: Path) -> ImageStore:
    store = ImageStore(folder, min_free_mb=0)
    store.open()
    return store


def path_of(folder: Path, guid: str, extension: str = "png") -> Path:
    return folder / guid[:2] / guid[2:4] / f"{guid}.{extension}"


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if not path.is_dir()]


@pytest.mark.parametrize("content_type", ContentType)
async def test_what_is_written_is_read(
    store: ImageStore, folder: Path, content_type: ContentType
) -> None:
    guid = make_guid()
    await store.write(guid, content_type, DATA)
    assert await store.read(guid, content_type) == DATA
    assert files_in(folder) == [path_of(folder, guid, content_type.extension)]
    assert files_in(folder)[0].read_bytes() == DATA


async def test_an_empty_and_a_large_file(store: ImageStore) -> None:
    for data in (b"", os.urandom(32 * 2**20)):
        guid = make_guid()
        await store.write(guid, ContentType.PNG, data)
        assert await store.read(guid, ContentType.PNG) == data


async def test_many_writers_of_one_shard(store: ImageStore, folder: Path) -> None:
    guids = ["abcd" + make_guid()[4:] for _ in range(50)]
    await asyncio.gather(*(store.write(guid, ContentType.PNG, guid.encode()) for guid in guids))
    for guid in guids:
        assert await store.read(guid, ContentType.PNG) == guid.encode()
    assert len(files_in(folder)) == 50


async def test_a_missing_file(store: ImageStore) -> None:
    guid = make_guid()
    with pytest.raises(ImageStoreError):
        await store.read(guid, ContentType.PNG)
    await store.write(guid, ContentType.PNG, DATA)
    with pytest.raises(ImageStoreError):
        await store.read(guid, ContentType.WEBP)


@pytest.mark.parametrize("level", ["file", "shard", "parent"])
async def test_no_symbolic_link_is_followed(
    store: ImageStore, folder: Path, tmp_path: Path, level: str
) -> None:
    """Not even one that leads to the right bytes."""
    guid = make_guid()
    await store.write(guid, ContentType.PNG, DATA)
    path = path_of(folder, guid)
    place = {"file": path, "shard": path.parent, "parent": path.parent.parent}[level]
    outside = tmp_path / "outside"
    place.rename(outside)
    place.symlink_to(outside)
    assert path.read_bytes() == DATA
    with pytest.raises(ImageStoreError):
        await store.read(guid, ContentType.PNG)
    if level != "file":
        before = files_in(outside)
        with pytest.raises(ImageStoreError):
            await store.write(guid[:4] + make_guid()[4:], ContentType.PNG, DATA)
        assert files_in(outside) == before


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["pipe", "folder"])
async def test_what_is_no_file_is_not_read(store: ImageStore, folder: Path, make) -> None:
    guid = make_guid()
    path_of(folder, guid).parent.mkdir(parents=True)
    make(path_of(folder, guid))
    with pytest.raises(ImageStoreError):
        await asyncio.wait_for(store.read(guid, ContentType.PNG), 10)


async def test_a_failed_write_leaves_nothing(store: ImageStore, folder: Path) -> None:
    """A file size limit makes the write itself fail, in the middle."""
    await store.write(make_guid(), ContentType.PNG, DATA)
    before = files_in(folder)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(StorageFullError) as caught:
            await store.write(make_guid(), ContentType.PNG, DATA)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno == errno.EFBIG
    assert files_in(folder) == before


async def test_a_rename_that_fails_leaves_nothing(store: ImageStore, folder: Path) -> None:
    guid = make_guid()
    path_of(folder, guid).mkdir(parents=True)
    with pytest.raises(ImageStoreError):
        await store.write(guid, ContentType.PNG, DATA)
    assert files_in(folder) == []


async def test_a_folder_that_is_gone(store: ImageStore, folder: Path) -> None:
    folder.rmdir()
    with pytest.raises(ImageStoreError):
        await store.check_writable()
    with pytest.raises(ImageStoreError):
        await store.write(make_guid(), ContentType.PNG, DATA)


async def test_the_check_leaves_nothing(store: ImageStore, folder: Path) -> None:
    await store.check_writable()
    assert files_in(folder) == []


async def test_too_little_space(folder: Path) -> None:
    store = ImageStore(folder, min_free_mb=2**40)
    store.open()
    with pytest.raises(StorageFullError):
        await store.check_writable()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ImageStoreError):
        ImageStore(tmp_path / "file" / "images", min_free_mb=0).open()


def test_the_order_of_a_write(folder: Path, tmp_path: Path) -> None:
    """The bytes reach the disk before the name does, and both before the write is done."""
    program = (
        "import asyncio, sys; from pathlib import Path\n"
        "from pixyproxy.data.image_store import ImageStore\n"
        "from pixyproxy.core.models import ContentType\n"
        "store = ImageStore(Path(sys.argv[1]), min_free_mb=0); store.open()\n"
        "asyncio.run(store.write(sys.argv[2], ContentType.PNG, b'x' * 5000))\n"
    )
    guid = make_guid()
    log = tmp_path / "strace.log"
    calls = "trace=mkdir,mkdirat,openat,write,fsync,rename,renameat,renameat2"
    strace = [require_program("strace"), "-f", "-y", "-e", calls, "-o", str(log)]
    subprocess.run([*strace, sys.executable, "-c", program, str(folder), guid], check=True)
    shard = str(path_of(folder, guid).parent)
    steps = []
    for line in log.read_text().splitlines():
        call = line.split(maxsplit=1)[1]
        if call.startswith("write(") and f".{guid}" in call:
            steps.append("write")
        elif call.startswith("fsync(") and f".{guid}" in call:
            steps.append("fsync file")
        elif call.startswith("rename") and guid in call:
            steps.append("rename")
        elif call.startswith("fsync(") and f"<{shard}>" in call:
            steps.append("fsync folder")
        elif call.startswith("fsync(") and str(folder) in call:
            steps.append("fsync parent")
    assert steps == [
        *("fsync parent", "fsync parent"),
        *("write", "fsync file", "rename", "fsync folder"),
    ]

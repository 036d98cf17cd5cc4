"""The image store: bytes in, bytes out, and nothing outside its folder."""

import asyncio
import errno
import hashlib
import json
import logging
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pixyproxy.core import make_guid
from pixyproxy.core.exceptions import ImageStoreError, MissingFileError, StorageFullError
from pixyproxy.core.models import ContentType
from pixyproxy.data.files.folder import FolderStore
from tests.support.programs import require_program

DATA = b"\x89PNG" + bytes(range(256)) * 100


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "kept" / "images"


@pytest.fixture
def store(folder: Path) -> FolderStore:
    store = FolderStore(folder, min_free_mb=0)
    store.open()
    return store


@pytest.fixture
def other_store(folder: Path) -> FolderStore:
    """The store as another process has it."""
    return FolderStore(folder, min_free_mb=0)


def path_of(folder: Path, guid: str, extension: str = "png") -> Path:
    return folder / guid[:2] / guid[2:4] / f"{guid}.{extension}"


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if not path.is_dir()]


@pytest.mark.parametrize("content_type", ContentType)
async def test_what_is_written_is_read(
    store: FolderStore, folder: Path, content_type: ContentType
) -> None:
    guid = make_guid()
    await store.write(guid, content_type, DATA)
    assert await store.read(guid, content_type) == DATA
    assert files_in(folder) == [path_of(folder, guid, content_type.extension)]
    assert files_in(folder)[0].read_bytes() == DATA


async def test_an_empty_and_a_large_file(store: FolderStore) -> None:
    for data in (b"", os.urandom(32 * 2**20)):
        guid = make_guid()
        await store.write(guid, ContentType.PNG, data)
        assert await store.read(guid, ContentType.PNG) == data


async def test_many_writers_of_one_shard(store: FolderStore, folder: Path) -> None:
    guids = ["abcd" + make_guid()[4:] for _ in range(50)]
    await asyncio.gather(*(store.write(guid, ContentType.PNG, guid.encode()) for guid in guids))
    for guid in guids:
        assert await store.read(guid, ContentType.PNG) == guid.encode()
    assert len(files_in(folder)) == 50


async def test_a_missing_file(store: FolderStore) -> None:
    guid = make_guid()
    with pytest.raises(MissingFileError):
        await store.read(guid, ContentType.PNG)
    await store.write(guid, ContentType.PNG, DATA)
    with pytest.raises(MissingFileError):
        await store.read(guid, ContentType.WEBP)


@pytest.mark.parametrize("level", ["file", "shard", "parent"])
async def test_no_symbolic_link_is_followed(
    store: FolderStore, folder: Path, tmp_path: Path, level: str
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
async def test_what_is_no_file_is_not_read(store: FolderStore, folder: Path, make) -> None:
    guid = make_guid()
    path_of(folder, guid).parent.mkdir(parents=True)
    make(path_of(folder, guid))
    with pytest.raises(ImageStoreError) as caught:
        await asyncio.wait_for(store.read(guid, ContentType.PNG), 10)
    assert not isinstance(caught.value, MissingFileError)


async def test_a_failed_write_leaves_nothing(store: FolderStore, folder: Path) -> None:
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


async def test_a_rename_that_fails_leaves_nothing(store: FolderStore, folder: Path) -> None:
    guid = make_guid()
    path_of(folder, guid).mkdir(parents=True)
    with pytest.raises(ImageStoreError):
        await store.write(guid, ContentType.PNG, DATA)
    assert files_in(folder) == []


async def test_a_folder_that_is_gone(store: FolderStore, folder: Path) -> None:
    folder.rmdir()
    with pytest.raises(ImageStoreError):
        await store.check_writable()
    with pytest.raises(ImageStoreError) as caught:
        await store.write(make_guid(), ContentType.PNG, DATA)
    assert not isinstance(caught.value, MissingFileError)


async def test_the_check_leaves_nothing(store: FolderStore, folder: Path) -> None:
    await store.check_writable()
    assert files_in(folder) == []


async def test_too_little_space(folder: Path) -> None:
    store = FolderStore(folder, min_free_mb=2**40)
    store.open()
    with pytest.raises(StorageFullError):
        await store.check_writable()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ImageStoreError):
        FolderStore(tmp_path / "file" / "images", min_free_mb=0).open()


def test_the_order_of_a_write(folder: Path, tmp_path: Path) -> None:
    """The bytes reach the disk before the name does, and both before the write is done."""
    program = (
        "import asyncio, sys; from pathlib import Path\n"
        "from pixyproxy.data.files.folder import FolderStore\n"
        "from pixyproxy.core.models import ContentType\n"
        "store = FolderStore(Path(sys.argv[1]), min_free_mb=0); store.open()\n"
        "asyncio.run(store.write(sys.argv[2], ContentType.PNG, b'x' * 5000, b'{}'))\n"
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
        name = next((name for name in (f"{guid}.json", f"{guid}.png") if name in call), "")
        if call.startswith("write(") and name:
            steps.append(f"write {name[37:]}")
        elif call.startswith("fsync(") and name:
            steps.append(f"fsync {name[37:]}")
        elif call.startswith("rename") and guid in call:
            steps.append("rename")
        elif call.startswith("fsync(") and f"<{shard}>" in call:
            steps.append("fsync folder")
        elif call.startswith("fsync(") and str(folder) in call:
            steps.append("fsync parent")
    assert steps == [
        *("fsync parent", "fsync parent", "fsync parent"),
        *("write png", "write json"),
        *("fsync json", "fsync png", "rename", "fsync folder"),
    ]


async def test_a_sidecar_lies_beside_its_image_until_it_is_dropped(
    store: FolderStore, folder: Path
) -> None:
    guid = make_guid()
    assert await store.read_sidecar(guid) is None
    await store.write(guid, ContentType.PNG, DATA, b'{"a": 1}')
    assert await store.read_sidecar(guid) == b'{"a": 1}'
    await store.drop_sidecar(guid)
    await store.drop_sidecar(guid)
    assert await store.read_sidecar(guid) is None
    assert files_in(folder) == [path_of(folder, guid)]


async def test_what_a_living_process_writes_is_not_swept(
    store: FolderStore, other_store: FolderStore, folder: Path
) -> None:
    await store.check_writable()
    (scratch,) = (folder / ".tmp").iterdir()
    (scratch / "half.png").write_bytes(b"half")
    await other_store.sweep()
    await store.sweep()
    assert (scratch / "half.png").exists()
    await store.write(make_guid(), ContentType.PNG, DATA)


async def test_what_a_dead_process_left_is_swept_and_what_is_whole_is_put_in_its_place(
    store: FolderStore, other_store: FolderStore, folder: Path
) -> None:
    whole, half, stranger = make_guid(), make_guid(), make_guid()
    sidecar = json.dumps({"sha256": hashlib.sha256(DATA).hexdigest()}).encode()
    for guid in (whole, half):
        await store.write(guid, ContentType.PNG, DATA, sidecar)
        path_of(folder, guid).unlink()
    (scratch,) = (folder / ".tmp").iterdir()
    (scratch / f"{whole}.png").write_bytes(DATA)
    (scratch / f"{half}.png").write_bytes(DATA[:-1])
    (scratch / f"{stranger}.png").write_bytes(DATA)
    (scratch / "probe-1").write_bytes(b"probe")
    store.close()
    await other_store.sweep()
    assert not list((folder / ".tmp").iterdir())
    assert await other_store.read(whole, ContentType.PNG) == DATA
    assert not path_of(folder, half).exists()
    assert not path_of(folder, stranger).exists()


@pytest.mark.parametrize("thing", ["folder", "immutable", "no place"])
async def test_what_cannot_be_swept_stays_and_the_rest_is_swept(
    store: FolderStore,
    other_store: FolderStore,
    folder: Path,
    caplog: pytest.LogCaptureFixture,
    thing: str,
) -> None:
    whole, stuck = make_guid(), make_guid()
    sidecar = json.dumps({"sha256": hashlib.sha256(DATA).hexdigest()}).encode()
    for guid in (whole, stuck):
        await store.write(guid, ContentType.PNG, DATA, sidecar)
        path_of(folder, guid).unlink()
    (scratch,) = (folder / ".tmp").iterdir()
    (scratch / f"{whole}.png").write_bytes(DATA)
    for number in range(20):
        (scratch / f"probe-{number}").write_bytes(b"probe")
    left = scratch / f"{stuck}.png"
    command: list[str] = []
    if thing == "folder":
        left = scratch / "folder"
        left.mkdir()
    elif thing == "immutable":
        left = scratch / "immutable"
        left.touch()
        command = [require_program("chattr")]
    else:
        left.write_bytes(DATA)
        path_of(folder, stuck).mkdir()
    (folder / ".tmp" / "0123456789abcdef").mkdir()
    (folder / ".tmp" / "fedcba9876543210").mkdir()
    store.close()
    if command and await asyncio.to_thread(subprocess.call, [*command, "+i", str(left)]):
        pytest.skip("nothing can be made immutable here")
    try:
        with caplog.at_level(logging.WARNING):
            await other_store.sweep()
        assert list((folder / ".tmp").iterdir()) == [scratch]
        assert list(scratch.iterdir()) == [left]
        (message,) = caplog.messages
        assert f".tmp/{scratch.name}/{left.name} cannot be cleared away" in message
        assert await other_store.read(whole, ContentType.PNG) == DATA
    finally:
        if command:
            await asyncio.to_thread(subprocess.check_call, [*command, "-i", str(left)])


async def test_what_cannot_be_looked_at_is_not_swept(store: FolderStore, folder: Path) -> None:
    (folder / ".tmp").touch()
    with pytest.raises(ImageStoreError):
        await store.sweep()


def _bind(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


@pytest.mark.parametrize(
    "make",
    [os.mkfifo, os.mkdir, _bind, lambda path: path.symlink_to("/etc/passwd")],
    ids=["pipe", "folder", "socket", "link"],
)
async def test_what_is_no_file_is_no_sidecar(
    store: FolderStore, folder: Path, make: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    guid = make_guid()
    await store.write(guid, ContentType.PNG, DATA)
    shard = path_of(folder, guid).parent
    monkeypatch.chdir(shard)  # a socket's path must be short
    make(Path(f"{guid}.json"))
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for _ in range(10):
        assert await asyncio.wait_for(store.read_sidecar(guid), 10) is None
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


async def test_a_closed_store_leaves_no_folder_that_is_empty(
    store: FolderStore, other_store: FolderStore, folder: Path
) -> None:
    await store.check_writable()
    (scratch,) = (folder / ".tmp").iterdir()
    await other_store.check_writable()
    (other,) = set((folder / ".tmp").iterdir()) - {scratch}
    (other / "half.png").write_bytes(b"half")
    store.close()
    store.close()
    other_store.close()
    assert list((folder / ".tmp").iterdir()) == [other]
    assert (other / "half.png").exists()
    await store.check_writable()


async def test_writing_goes_on_though_the_folder_for_it_was_removed(
    store: FolderStore, folder: Path
) -> None:
    await store.check_writable()
    shutil.rmtree(folder / ".tmp")
    guid = make_guid()
    await store.write(guid, ContentType.PNG, DATA)
    assert await store.read(guid, ContentType.PNG) == DATA


async def test_many_processes_begin_and_sweep_at_once(folder: Path) -> None:
    folder.mkdir(parents=True)
    stores = [FolderStore(folder, min_free_mb=0) for _ in range(16)]
    sweeps = (store.sweep() for store in stores)
    await asyncio.gather(*(store.check_writable() for store in stores), *sweeps)
    assert len(list((folder / ".tmp").iterdir())) == 16

"""What becomes of images in other sizes when they are not wanted any more."""

import json
from pathlib import Path

import httpx2
import pytest

from pixyproxy.core.exceptions import ImageStoreError
from pixyproxy.data.files.derivatives import DerivativeStore
from pixyproxy.data.init import Database
from pixyproxy.data.repositories.images import ImageRepository
from pixyproxy.service.pictures.rendering import DerivativeSpec
from pixyproxy.service.serving.derivatives import Derivatives
from tests.support.files import kept_files
from tests.support.model_server import picture
from tests.support.problems import assert_one_clear_line
from tests.support.processes import run
from tests.support.rows import keep, make_image, raw
from tests.support.servers import Service

GUID = "5f2b8c1e-9d3a-4e57-8b60-2f1c7a9e4d05"
DATA = picture(320, 320, image_format="WEBP")


async def never(image: object) -> memoryview:
    raise AssertionError("it is there already")


def test_prune_variants(tmp_path: Path, database_url: str) -> None:
    folder = tmp_path / "variants"
    assert run(tmp_path, "prune-variants", database_url=database_url).stdout == (
        "removed: 0 (0.0 MB), kept: 0 (0.0 MB)\n"
    )
    with Service(tmp_path, database_url=database_url) as service:
        made = [
            httpx2.post(f"{service.origin}/image", json={"prompt": "a"}, trust_env=False).json()
            for _ in range(2)
        ]
        for detail in made:
            for width in (64, 320):
                url = f"{detail['url']}?format=webp&width={width}"
                assert httpx2.get(url, trust_env=False).status_code == 200
        assert len(kept_files(folder)) == 4
        # While it runs: one image is gone, one file is by other software, one was cut off.
        raw(database_url, f"DELETE FROM images WHERE guid = '{made[0]['guid']}'")
        gone, left = (folder / each["guid"][:2] / each["guid"] for each in made)
        old = next(left.iterdir())
        stale = old.with_name(old.name.replace("-", "-0", 1))
        old.rename(stale)
        (left / ".part").write_bytes(b"1234")
        result = run(tmp_path, "prune-variants", database_url=database_url)
        assert result.stdout.startswith("removed: 4 ("), result.stderr
        assert ", kept: 1 (0.0 MB)" in result.stdout
        assert not gone.exists()
        assert not stale.exists()
        assert httpx2.get(made[1]["url"] + "?format=webp&width=64", trust_env=False).is_success
    assert run(tmp_path, "prune-variants", "--all", database_url=database_url).returncode == 0
    assert kept_files(folder) == []
    assert (folder / ".bytes").read_text().strip() == "0"
    assert len(list((tmp_path / "images").rglob("*.png"))) == 2


def test_prune_says_what_it_cannot_do(tmp_path: Path) -> None:
    (tmp_path / "variants").mkdir()
    (tmp_path / "variants/.bytes").mkdir()
    assert run(tmp_path, "migrate").returncode == 0
    assert_one_clear_line(run(tmp_path, "prune-variants"), "image store")


def test_what_was_used_last_stays(tmp_path: Path) -> None:
    store = DerivativeStore(tmp_path / "variants", max_bytes=5 * len(DATA), min_free_mb=0)
    for name in "abcde":
        assert store.write(GUID, name, DATA)
    assert store.read(GUID, "a") == DATA
    store.touch(GUID, "b")
    assert store.write(GUID, "f", DATA)
    # A fifth of the room is made at once, not for each file anew.
    assert [file.name for file in kept_files(store.folder)] == ["a", "b", "e", "f"]
    assert not store.write(GUID, "g", DATA * 6)
    assert store.path_of(GUID, "a") == f"5f/{GUID}/a"


def test_a_ledger_that_says_nothing_is_written_anew(tmp_path: Path) -> None:
    store = DerivativeStore(tmp_path, max_bytes=10 * len(DATA), min_free_mb=0)
    assert store.write(GUID, "a", DATA)
    for text in ("", "nonsense", "999999999"):
        (tmp_path / ".bytes").write_text(text)
        assert store.write(GUID, f"b{len(text)}", DATA)
    total = sum(file.stat().st_size for file in kept_files(tmp_path))
    assert int((tmp_path / ".bytes").read_text()) == total


def test_nothing_is_kept_where_the_disk_is_nearly_full(tmp_path: Path) -> None:
    store = DerivativeStore(tmp_path, max_bytes=2**30, min_free_mb=2**40)
    assert not store.write(GUID, "a", DATA)


async def test_all_of_an_image_go_with_it(database: Database, tmp_path: Path) -> None:
    store = DerivativeStore(tmp_path / "variants", max_bytes=2**30, min_free_mb=0)
    image, other = make_image(width=320, height=320), make_image(width=320, height=320)
    await keep(database, image, other)

    async def read(_: object) -> memoryview:
        return memoryview(picture(320, 320))

    derivatives = Derivatives(store, read, ImageRepository(database.open_context))
    spec = DerivativeSpec(64, 64, image.content_type)
    for each in (image, other):
        await derivatives.get(each, spec)
    await derivatives.remove(image.guid)
    (file,) = kept_files(store.folder)
    assert other.guid in str(file)
    assert int((store.folder / ".bytes").read_text()) == file.stat().st_size
    await derivatives.remove(image.guid)
    # Nor is it served from memory: it is made again where its caller has not asked first.
    await derivatives.get(image, spec)
    assert len(kept_files(store.folder)) == 2
    await derivatives.aclose()


async def test_a_removal_that_fails_says_so(database: Database, tmp_path: Path) -> None:
    store = DerivativeStore(tmp_path, max_bytes=2**30, min_free_mb=0)
    store.write(GUID, "a", DATA)
    (tmp_path / ".bytes").unlink()
    (tmp_path / ".bytes").mkdir()
    derivatives = Derivatives(store, never, ImageRepository(database.open_context))
    with pytest.raises(ImageStoreError):
        await derivatives.remove(GUID)
    await derivatives.aclose()


def test_generate_tells_what_was_found_out(tmp_path: Path) -> None:
    detail = json.loads(run(tmp_path, "generate", "a fox").stdout)
    assert detail["thumbhash"]
    assert detail["has_content_credentials"] is False
    assert not (tmp_path / "variants").exists(), "nobody asked for another size"

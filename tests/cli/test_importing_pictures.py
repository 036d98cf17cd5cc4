"""A folder of pictures as other tools write them, imported by the command line."""

import json
import os
import struct
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pixyproxy.core.models import ContentType
from pixyproxy.service.pictures.rendering import placeholder
from tests.service.moving.test_foreign_metadata import AUTOMATIC
from tests.service.moving.test_foreign_metadata import png as png_with
from tests.service.pictures.test_check import chunk
from tests.service.pictures.test_content_credentials import in_png, manifest_store
from tests.support.archives import Archive
from tests.support.model_server import picture


@pytest.fixture
def archive(tmp_path: Path, database_url: str) -> Archive:
    return Archive(tmp_path / "here", database_url)


def imported(archive: Archive, folder: Path, status: int = 0) -> dict[str, Any]:
    result = archive.run("import", str(folder), "--json")
    assert (result.returncode, result.stderr) == (status, "")
    summary: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return summary


def write(path: Path, data: bytes, mtime: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path, (mtime, mtime))
    return path


def test_a_folder_of_pictures(archive: Archive, tmp_path: Path) -> None:
    folder = tmp_path / "pictures 🖼"
    formats = ["PNG", "JPEG", "WEBP", "GIF", "AVIF"]
    for number, image_format in enumerate(formats):
        data = picture(32, 24, number, image_format=image_format)
        write(folder / f"{number}/renard été {number}.{image_format.lower()}", data, 500 - number)
    embedded = write(folder / "embedded.png", png_with({"parameters": AUTOMATIC}), 600)
    beside = write(folder / "beside.PNG", picture(32, 24, 20), 700)
    beside.with_suffix(".txt").write_text("\ufeffa fox from beside", encoding="utf-8")
    told = write(folder / "told.jpg", picture(32, 24, 21, image_format="JPEG"), 800)
    (folder / "told.jpg.json").write_text('{"prompt": "told", "model": "m", "seed": 1}')
    write(folder / "copy.png", embedded.read_bytes(), 900)
    write(folder / "notes.md", b"no picture", 1000)
    write(folder / "no extension", picture(32, 24, 22), 1000)
    outside = write(tmp_path / "outside/secret.png", picture(32, 24, 23), 1)
    (folder / "link.png").symlink_to(outside)
    (folder / "linked").symlink_to(outside.parent)
    os.mkfifo(folder / "pipe.png")

    summary = imported(archive, folder)
    assert (summary["imported"], summary["skipped"], summary["not_images"]) == (9, 1, 1)
    rows = archive.sql("SELECT prompt, model, created_at FROM images ORDER BY id")
    assert [row[0] for row in rows[:5]] == [f"renard été {number}" for number in (4, 3, 2, 1, 0)]
    assert rows[0][1] == "imported"
    assert str(rows[0][2]).startswith("1970-01-01 00:08:16")
    assert [row[:2] for row in rows[5:]] == [
        ("a fox, (watercolor:1.2), <lora:ink:0.8>\nin the snow", "dreamshaper_8"),
        ("a fox from beside", "imported"),
        ("told", "m"),
        ("no extension", "imported"),
    ]
    guids = archive.guids()
    assert archive.path(guids[5]).read_bytes() == embedded.read_bytes()
    assert archive.path(guids[7]).read_bytes() == told.read_bytes()
    assert archive.run("fsck").returncode == 0

    summary = imported(archive, folder)
    assert (summary["imported"], summary["skipped"]) == (0, 10)
    archive.sql(f"DELETE FROM images WHERE guid = '{guids[7]}'")
    archive.sql(
        "INSERT INTO deleted_images (guid, content_type, deleted_at, bytes_gone) "
        f"VALUES ('{guids[7]}', 'image/jpeg', '2026-01-01 00:00:00', 1)"
    )
    summary = imported(archive, folder)
    assert (summary["imported"], summary["stay_deleted"]) == (0, 1)
    assert archive.guids() == [*guids[:7], guids[8]]


def test_what_pages_need_is_found_out_of_pictures(archive: Archive, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    plain = picture(300, 200, 1, image_format="JPEG")
    credentials = in_png(manifest_store())
    formless = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0))
    formless = b"\x89PNG\r\n\x1a\n" + formless + chunk(b"IDAT", b"no pixels") + chunk(b"IEND", b"")
    for number, data in enumerate((plain, credentials, formless), 1):
        write(folder / f"{number}.image", data, number)
    assert imported(archive, folder)["imported"] == 3
    rows = archive.sql("SELECT has_content_credentials, thumbhash FROM images ORDER BY id")
    assert [(bool(has) if has is not None else None, hashed) for has, hashed in rows] == [
        (False, placeholder(plain, ContentType.JPEG)),
        (True, placeholder(credentials, ContentType.PNG)),
        (False, None),
    ]
    assert archive.run("fsck").returncode == 0


def test_damaged_pictures_are_told(archive: Archive, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    write(folder / "good.png", picture(32, 24, 1), 1)
    write(folder / "cut.png", picture(32, 24, 2)[:-9], 2)
    write(folder / "text.jpg", b"not a picture", 3)
    with (folder / "huge.webp").open("wb") as file:
        file.truncate(2**36)
    result = archive.run("import", str(folder))
    assert (result.returncode, result.stderr) == (1, "")
    assert {line.split(":")[0] for line in result.stdout.splitlines()[:-1]} == {
        f"damaged {name}" for name in ("cut.png", "text.jpg", "huge.webp")
    }
    assert len(archive.guids()) == 1


def test_names_of_any_bytes(archive: Archive, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, name in enumerate([b"\xff\xfe.png", b"new\nline.png", b"%_;'\".png", b" .png"]):
        with open(os.path.join(os.fsencode(folder), name), "wb") as file:  # noqa: PTH118, PTH123
            Image.new("RGB", (8, 8), (number, 0, 0)).save(file, "PNG")
    assert imported(archive, folder)["imported"] == 4
    prompts = {row[0] for row in archive.sql("SELECT prompt FROM images")}
    assert prompts >= {"new\nline", "%_;'\"", "image"}


def test_an_empty_folder(archive: Archive, tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    assert set(imported(archive, tmp_path / "pictures").values()) == {0}

import asyncio
import hashlib
import logging
import os
import re
from pathlib import Path
from urllib.parse import unquote

import httpx2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pixyproxy.core.models import ContentType
from pixyproxy.data.files.folder import FolderStore
from pixyproxy.web.content import content_disposition
from tests.conftest import MakeSettings, open_client
from tests.support.clients import draw
from tests.support.model_server import ModelServer, image, noise_png, picture
from tests.support.problems import assert_problem

GIF, AVIF = picture(8, 8, 0, "GIF"), picture(8, 8, 0, "AVIF")


def file_of(folder: Path, made: dict) -> Path:
    (file,) = (path for path in folder.rglob(f"{made['guid']}.*") if path.suffix != ".json")
    return file


@pytest.mark.parametrize(
    ("data", "content_type"),
    [
        (picture(8, 8), "image/png"),
        (picture(8, 8, 0, "JPEG"), "image/jpeg"),
        (picture(8, 8, 0, "WEBP"), "image/webp"),
        (GIF, "image/gif"),
        (AVIF, "image/avif"),
        (noise_png(1_400_000), "image/png"),
        (noise_png(6_000_000), "image/png"),
    ],
)
async def test_the_bytes_come_back_untouched(
    client: httpx2.AsyncClient, model_server: ModelServer, data: bytes, content_type: str
) -> None:
    model_server.answer_with(image(data=data))
    made = await draw(client, "a fox")

    response = await client.get(f"/image/{made['guid']}/content")

    assert response.status_code == 200
    assert response.content == data
    sha256 = hashlib.sha256(data).hexdigest()
    headers = {
        name: value
        for name, value in response.headers.items()
        if name not in {"x-request-id", "content-disposition", "last-modified"}
    }
    assert headers == {
        "content-type": content_type,
        "content-length": str(len(data)),
        "etag": f'"{sha256}"',
        "cache-control": "public, max-age=31536000, immutable",
        "accept-ranges": "bytes",
        "x-content-type-options": "nosniff",
        "content-security-policy": "default-src 'none'; sandbox",
        "cross-origin-resource-policy": "cross-origin",
        "access-control-allow-origin": "*",
    }
    assert response.headers["content-disposition"] == f'inline; filename="{made["filename"]}"'


async def test_head_tells_the_same_without_the_bytes(client: httpx2.AsyncClient) -> None:
    made = await draw(client, "a fox")
    path = f"/image/{made['guid']}/content"

    got, head = await client.get(path), await client.head(path)

    assert head.status_code == 200
    assert head.content == b""
    del got.headers["x-request-id"], head.headers["x-request-id"]
    assert head.headers == got.headers


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    "if_none_match", ["{tag}", "W/{tag}", '"other", {tag}', '"a",W/{tag},"b"', "*", " {tag} "]
)
async def test_a_client_that_has_the_bytes_is_told_so(
    make_settings: MakeSettings, method: str, if_none_match: str
) -> None:
    async with open_client(make_settings()) as client:
        made = await draw(client, "a fox")
        path = f"/image/{made['guid']}/content"
        tag = f'"{made["sha256"]}"'
        headers = {"If-None-Match": if_none_match.format(tag=tag)}
        response = await client.request(method, path, headers=headers)

    assert response.status_code == 304
    assert response.content == b""
    assert response.headers["etag"] == tag
    assert "immutable" in response.headers["cache-control"]
    assert "content-length" not in response.headers
    assert "content-type" not in response.headers


@pytest.mark.parametrize("if_none_match", ['"other"', 'W/"other"', "", "9f86", '""'])
async def test_a_client_that_has_others_gets_them(
    make_settings: MakeSettings, if_none_match: str
) -> None:
    async with open_client(make_settings()) as client:
        made = await draw(client, "a fox")
        response = await client.get(
            f"/image/{made['guid']}/content", headers={"If-None-Match": if_none_match}
        )

    assert response.status_code == 200


@given(st.text(max_size=255))
@example('a"; filename="evil.exe')
@example("a\r\nSet-Cookie: b=c")
@example("a\\")
@example("%41.png")
@example("キツネ🦊.png")
def test_a_disposition_is_always_legal(filename: str) -> None:
    filename = filename.encode("utf-8", "replace").decode()
    header = content_disposition(filename)

    plain = r'inline; filename="([A-Za-z0-9._-]*)"'
    extended = r"(?:; filename\*=UTF-8''((?:[A-Za-z0-9._~-]|%[0-9A-F]{2})*))?"
    match = re.fullmatch(plain + extended, header)
    assert match
    assert filename == (match[1] if match[2] is None else unquote(match[2], errors="strict"))


async def test_a_name_beyond_ascii_is_told_in_both_ways(make_settings: MakeSettings) -> None:
    async with open_client(make_settings()) as client:
        made = (await client.post("/image", json={"prompt": "キツネ"})).json()
        response = await client.get(f"/image/{made['guid']}/content")

    header = response.headers["content-disposition"]
    assert header.startswith('inline; filename="___-')
    assert unquote(header.partition("filename*=UTF-8''")[2]) == made["filename"]


async def test_a_missing_file_is_the_stores_fault(
    client: httpx2.AsyncClient, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = await draw(client, "a fox")
    file_of(tmp_path / "images", made).unlink()

    response = await client.get(f"/image/{made['guid']}/content")

    body = assert_problem(response, 503, "image-store-unavailable")
    assert str(tmp_path) not in body["detail"]
    (record,) = (each for each in caplog.records if each.levelno == logging.ERROR)
    assert record.getMessage().startswith("image-store-unavailable: FileNotFoundError")
    assert (await client.head(f"/image/{made['guid']}/content")).status_code == 503
    assert (await client.get(f"/image/{made['guid']}")).json() == made


@pytest.mark.parametrize("size", [0, 10, 100_000])
async def test_a_file_of_another_size_than_its_rows_is_not_served(
    client: httpx2.AsyncClient, tmp_path: Path, size: int
) -> None:
    made = await draw(client, "a fox")
    file_of(tmp_path / "images", made).write_bytes(bytes(size))
    response = await client.get(f"/image/{made['guid']}/content")
    assert_problem(response, 503, "image-store-unavailable")
    assert "immutable" not in response.headers.get("cache-control", "")


@pytest.mark.parametrize("step", ["file", "inner folder", "outer folder"])
async def test_a_symbolic_link_is_never_followed(
    make_settings: MakeSettings, tmp_path: Path, step: str
) -> None:
    folder = tmp_path / "images"
    async with open_client(make_settings()) as client:
        made = await draw(client, "a fox")
        file = file_of(folder, made)
        linked = {"file": file, "inner folder": file.parent, "outer folder": file.parent.parent}[
            step
        ]
        linked.rename(tmp_path / "elsewhere")
        linked.symlink_to(tmp_path / "elsewhere")

        response = await client.get(f"/image/{made['guid']}/content")

    assert_problem(response, 503, "image-store-unavailable")


@pytest.mark.parametrize("kind", ["folder", "pipe"])
async def test_what_is_no_file_is_not_read(
    make_settings: MakeSettings, tmp_path: Path, kind: str
) -> None:
    async with open_client(make_settings()) as client:
        made = await draw(client, "a fox")
        file = file_of(tmp_path / "images", made)
        file.unlink()
        if kind == "folder":
            file.mkdir()
        else:
            os.mkfifo(file)

        response = await client.get(f"/image/{made['guid']}/content")

    assert_problem(response, 503, "image-store-unavailable")


async def test_bytes_are_read_alike_from_memory_and_from_disk(tmp_path: Path) -> None:
    store = FolderStore(tmp_path, min_free_mb=0)
    guid, data = "5f2b8c1e-9d3a-4e57-8b60-2f1c7a9e4d05", noise_png(1_400_000)
    await store.write(guid, ContentType.PNG, data)

    assert await store.read(guid, ContentType.PNG) == data
    (file,) = tmp_path.rglob("*.png")
    descriptor = os.open(file, os.O_RDONLY)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)  # the kernel forgets the file
    os.close(descriptor)
    assert await store.read(guid, ContentType.PNG) == data


async def test_an_empty_file_is_read_as_one(tmp_path: Path) -> None:
    store = FolderStore(tmp_path, min_free_mb=0)
    guid = "5f2b8c1e-9d3a-4e57-8b60-2f1c7a9e4d05"
    await store.write(guid, ContentType.PNG, b"")

    assert await store.read(guid, ContentType.PNG) == b""


async def test_many_read_one_image_at_once(client: httpx2.AsyncClient) -> None:
    made = await draw(client, "a fox")

    path = f"/image/{made['guid']}/content"
    answers = await asyncio.gather(*(client.get(path) for _ in range(50)))

    assert {hashlib.sha256(each.content).hexdigest() for each in answers} == {made["sha256"]}

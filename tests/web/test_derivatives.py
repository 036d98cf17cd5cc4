"""Images in other sizes and formats, as a frontend asks for them."""

import asyncio
import io
import os
import zlib
from pathlib import Path

import httpx2
import pytest
from PIL import Image

from pixyproxy.service.pictures import rendering
from pixyproxy.service.serving import derivatives
from pixyproxy.service.serving.derivative_requests import SIDES
from tests.conftest import MakeSettings, open_client
from tests.support.clients import draw
from tests.support.files import kept_files
from tests.support.model_server import ModelServer, image, picture
from tests.support.problems import assert_problem

CHROME = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
WEBP_ONLY = "image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5"


def opened(response: httpx2.Response) -> Image.Image:
    assert response.status_code == 200, response.text
    found = Image.open(io.BytesIO(response.content))
    found.load()
    assert found.get_format_mimetype() == response.headers["content-type"]
    return found


@pytest.fixture
async def wide(
    client: httpx2.AsyncClient, model_server: ModelServer
) -> tuple[httpx2.AsyncClient, str]:
    """A client, and the path of the bytes of a PNG of 1200x800."""
    model_server.answer_with(image(data=picture(1200, 800)))
    return client, f"/image/{(await draw(client, 'a fox'))['guid']}/content"


async def test_the_nearest_size_serves(wide: tuple[httpx2.AsyncClient, str]) -> None:
    client, path = wide
    for query, size in [
        ("width=320", (320, 213)),
        ("width=300", (320, 213)),
        ("width=1", (32, 21)),
        ("height=480", (720, 480)),
        ("width=5000", (1200, 800)),
        ("width=320&height=320", (320, 320)),
        ("width=320&height=320&fit=cover", (320, 320)),
        ("width=320&height=320&fit=contain", (320, 213)),
        ("width=2560&height=2560", (800, 800)),
        ("format=webp", (1200, 800)),
        ("quality=50", (1200, 800)),
        ("fit=contain", (1200, 800)),
    ]:
        response = await client.get(f"{path}?{query}")
        assert opened(response).size == size, query


async def test_without_a_parameter_it_is_the_file(wide: tuple[httpx2.AsyncClient, str]) -> None:
    client, path = wide
    for query in ("", "?", "?v=7", "?width=", "?download=1"):
        response = await client.get(path + query)
        assert response.content == picture(1200, 800)
        assert "vary" not in response.headers


async def test_the_format_is_what_the_client_accepts(
    wide: tuple[httpx2.AsyncClient, str],
) -> None:
    client, path = wide
    tags = set()
    for accept, content_type in [
        (CHROME, "image/avif"),
        (WEBP_ONLY, "image/webp"),
        ("image/webp;q=0.9, image/avif;q=0.5", "image/webp"),
        ("image/avif;q=0, image/webp", "image/webp"),
        ("image/avif;q=x", "image/png"),
        ("*/*", "image/png"),
        ("", "image/png"),
        ("image/*", "image/png"),
    ]:
        response = await client.get(f"{path}?width=64&format=auto", headers={"Accept": accept})
        assert opened(response).size == (64, 43)
        assert response.headers["content-type"] == content_type, accept
        assert response.headers["vary"] == "Accept"
        tags.add(response.headers["etag"])
    assert len(tags) == 3
    named = await client.get(f"{path}?width=64&format=jpeg", headers={"Accept": CHROME})
    assert opened(named).format == "JPEG"
    assert "vary" not in named.headers


async def test_what_an_answer_says(wide: tuple[httpx2.AsyncClient, str]) -> None:
    client, path = wide
    url = f"{path}?width=320&format=webp"
    first = await client.get(url)
    headers = first.headers
    assert headers["cache-control"] == "public, max-age=31536000, immutable"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-disposition"].endswith('-320x213.webp"')
    assert headers["last-modified"]
    same = await client.get(url, headers={"If-None-Match": headers["etag"]})
    assert same.status_code == 304
    assert "content-length" not in same.headers
    part = await client.get(url, headers={"Range": "bytes=4-7", "If-Range": headers["etag"]})
    assert (part.status_code, part.content) == (206, first.content[4:8])
    # Newer software may make other bytes of the same date.
    dated = {"Range": "bytes=4-7", "If-Range": headers["last-modified"]}
    assert (await client.get(url, headers=dated)).status_code == 200
    head = await client.head(url)
    assert head.headers["content-length"] == str(len(first.content))
    assert head.content == b""


@pytest.mark.parametrize(
    "query",
    ["width=0", "width=-1", "width=x", "height=1e3", "width=99999999999999999999", "fit=fill",
     "format=gif", "quality=0", "quality=101", "width=²", "format=AVIF"],
)  # fmt: skip
async def test_what_cannot_be_had_is_refused(make_settings: MakeSettings, query: str) -> None:
    async with open_client(make_settings()) as client:
        made = await draw(client, "a fox")
        response = await client.get(f"/image/{made['guid']}/content?{query}")
        too_many = await client.get(
            f"/image/{made['guid']}/content?" + "&".join(f"a{n}=1" for n in range(200))
        )
    body = assert_problem(response, 422, "constraint-violation")
    assert body["errors"][0]["field"] == query.partition("=")[0]
    assert_problem(too_many, 422, "constraint-violation")


async def test_a_missing_image_has_no_sizes(client: httpx2.AsyncClient) -> None:
    response = await client.get("/image/5f2b8c1e-9d3a-4e57-8b60-2f1c7a9e4d05/content?width=32")
    assert_problem(response, 404, "image-not-found")


async def test_a_picture_whose_file_cannot_be_decoded(
    client: httpx2.AsyncClient, model_server: ModelServer
) -> None:
    whole = picture(64, 64)
    start = whole.index(b"IDAT") + 4
    length = int.from_bytes(whole[start - 8 : start - 4], "big")
    nonsense = b"\0" * length
    crc = zlib.crc32(b"IDAT" + nonsense).to_bytes(4, "big")
    model_server.answer_with(
        image(data=whole[:start] + nonsense + crc + whole[start + length + 4 :])
    )
    made = await draw(client, "a fox")
    assert made["thumbhash"] is None
    response = await client.get(f"/image/{made['guid']}/content?width=32")
    assert_problem(response, 422, "image-unreadable")
    assert (await client.get(f"/image/{made['guid']}/content")).status_code == 200


async def test_it_is_made_once_however_many_ask(
    make_settings: MakeSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    renders = []

    def counting(*arguments: object) -> bytes:
        renders.append(arguments[2])
        return rendering.render(*arguments)

    monkeypatch.setattr(derivatives, "render", counting)
    settings = make_settings()
    async with open_client(settings) as client, open_client(settings) as another:
        made = await draw(client, "a fox")
        url = f"/image/{made['guid']}/content?width=320&format=webp"
        # Two applications on one folder are two processes to each other.
        answers = await asyncio.gather(
            *(one.get(url) for one in (client, another) for _ in range(20))
        )
        assert len({each.content for each in answers}) == 1
        assert len(renders) == 1
        assert len(kept_files(tmp_path / "variants")) == 1
    async with open_client(settings) as client:
        assert (await client.get(url)).content == answers[0].content
    assert len(renders) == 1


@pytest.mark.parametrize("fault", ["missing", "cut", "empty", "another format", "a folder"])
async def test_what_is_not_whole_on_disk_is_made_again(
    make_settings: MakeSettings, tmp_path: Path, fault: str
) -> None:
    settings = make_settings()
    async with open_client(settings) as client:
        made = await draw(client, "a fox")
        url = f"/image/{made['guid']}/content?width=320&format=webp"
        first = await client.get(url)
    (file,) = kept_files(tmp_path / "variants")
    file.unlink()
    if fault == "a folder":
        file.mkdir()
    elif fault != "missing":
        data = {"cut": first.content[:-50], "empty": b"", "another format": picture(320, 320)}
        file.write_bytes(data[fault])
    async with open_client(settings) as client:
        assert (await client.get(url)).content == first.content
    if fault != "a folder":
        assert file.read_bytes() == first.content


@pytest.mark.slow
async def test_the_bound_holds_whoever_asks_for_what(
    make_settings: MakeSettings, tmp_path: Path, model_server: ModelServer
) -> None:
    folder = tmp_path / "variants"
    settings = make_settings(variants_max_mb=1)
    async with open_client(settings) as client:
        made = [await draw(client, "a fox") for _ in range(2)]
        used = f"/image/{made[0]['guid']}/content?width=64&format=png"
        await client.get(used)
        (kept,) = kept_files(folder)
        for side in SIDES[6:]:
            for detail in made:
                url = f"/image/{detail['guid']}/content?width={side}&height=480&format=png"
                assert (await client.get(url)).status_code == 200
                os.utime(kept)
                assert sum(file.stat().st_size for file in kept_files(folder)) <= 2**20
        assert kept in kept_files(folder)
        assert int((folder / ".bytes").read_text()) == sum(
            file.stat().st_size for file in kept_files(folder)
        )


@pytest.mark.parametrize("how", ["nothing is to be kept", "the folder is a file"])
async def test_what_cannot_be_kept_is_served_all_the_same(
    make_settings: MakeSettings, tmp_path: Path, how: str
) -> None:
    settings = make_settings(variants_max_mb=0 if how == "nothing is to be kept" else 9)
    if how == "the folder is a file":
        (tmp_path / "variants").write_text("")
    async with open_client(settings) as client:
        made = await draw(client, "a fox")
        url = f"/image/{made['guid']}/content?width=320&format=webp"
        assert opened(await client.get(url)).size == (320, 320)


async def test_too_many_are_refused_and_told_when_to_come_again(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(derivatives, "MAX_WAITING", 1)
    async with open_client(make_settings()) as client:
        made = await draw(client, "a fox")
        path = f"/image/{made['guid']}/content?format=webp&width="
        answers = await asyncio.gather(*(client.get(f"{path}{side}") for side in SIDES))
        refused = [each for each in answers if each.status_code == 503]
        assert refused
        for each in refused:
            body = assert_problem(each, 503, "overloaded")
            assert "resized" in body["detail"]
            assert each.headers["retry-after"] == "2"
        assert (await client.get(f"{path}320")).status_code == 200


async def test_the_originals_are_never_touched(
    wide: tuple[httpx2.AsyncClient, str], tmp_path: Path
) -> None:
    client, path = wide
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "images").rglob("*.png")}
    for query in ("width=32", "format=jpeg", "height=64&quality=90"):
        await client.get(f"{path}?{query}")
    after = {file: file.stat().st_mtime_ns for file in (tmp_path / "images").rglob("*.png")}
    assert before == after
    assert (await client.get(path)).content == picture(1200, 800)

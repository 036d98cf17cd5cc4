"""What is found out of an image when it is kept, and of one that was kept before that."""

import base64
import io
import json
from pathlib import Path

import httpx2
import pytest
from PIL import Image

from pixyproxy.core.models import ContentType, ImageDetail
from pixyproxy.service.pictures.provenance import ALGORITHMIC
from pixyproxy.service.pictures.rendering import placeholder
from tests.conftest import MakeSettings, open_client
from tests.support.clients import draw
from tests.support.model_server import ModelServer, image, picture
from tests.support.pictures import terms
from tests.support.rows import make_image, raw


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "WEBP", "GIF", "AVIF"])
async def test_an_image_is_kept_with_its_thumbhash(
    client: httpx2.AsyncClient, model_server: ModelServer, image_format: str
) -> None:
    data = picture(300, 200, 0, image_format)
    model_server.answer_with(image(data=data))
    made = await draw(client, "a fox")
    assert made["thumbhash"] == placeholder(data, ContentType[image_format])
    hashed = base64.b64decode(made["thumbhash"])
    assert 5 <= len(hashed) <= 32
    assert hashed[4] & 0x80, "it is wider than high"
    shown = (await client.get(f"/image/{made['guid']}")).json()
    assert shown["thumbhash"] == made["thumbhash"]


async def test_what_was_kept_before_reads_null(
    client: httpx2.AsyncClient, database_url: str
) -> None:
    made = await draw(client, "a fox")
    raw(database_url, "UPDATE images SET thumbhash = NULL, has_content_credentials = NULL")
    listed = (await client.get("/image")).json()
    assert [each["guid"] for each in listed] == [made["guid"]]
    assert listed[0]["thumbhash"] is None
    assert listed[0]["has_content_credentials"] is None


def test_an_older_sidecar_is_read() -> None:
    told = json.loads(make_image().model_dump_json())
    del told["thumbhash"], told["has_content_credentials"]
    read = ImageDetail.model_validate_json(json.dumps(told))
    assert (read.thumbhash, read.has_content_credentials) == (None, None)


@pytest.mark.parametrize("output_format", ["png", "jpeg", "webp"])
async def test_a_sketch_says_that_a_program_drew_it(
    make_settings: MakeSettings, tmp_path: Path, output_format: str
) -> None:
    async with open_client(make_settings()) as client:
        body = {"prompt": "a fox", "size": "128x128", "output_format": output_format}
        made = (await client.post("/image", json=body)).json()
        path = f"/image/{made['guid']}/content"
        for url in (path, f"{path}?width=64&format=webp", f"{path}?width=64&format=avif"):
            shown = Image.open(io.BytesIO((await client.get(url)).content))
            shown.load()
            assert terms(shown) == [ALGORITHMIC], url

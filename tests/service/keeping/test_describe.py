"""What is kept of an image is found in its bytes; what is told of it is held against them."""

import asyncio
import hashlib
from datetime import UTC, datetime

import pytest

from pixyproxy.core import make_guid
from pixyproxy.core.exceptions import BadGeneratorResponseError
from pixyproxy.core.models import ContentType, ImageDetail
from pixyproxy.service.keeping import describe
from pixyproxy.service.keeping.describe import (
    HASHED_AT_ONCE,
    FileFacts,
    MismatchError,
    Thumbhasher,
    examine,
    verify,
)
from pixyproxy.service.pictures.rendering import placeholder
from tests.service.pictures.test_content_credentials import in_png, manifest_store
from tests.support.model_server import picture

DATA = picture(32, 24)
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def described(data: bytes = DATA, filename_from: str | None = None) -> ImageDetail:
    return examine(data).describe(
        guid=make_guid(),
        prompt="a fox",
        model="m",
        created_at=NOON,
        parameters={"size": "32x24"},
        filename_from=filename_from,
    )


def test_a_file_says_what_is_in_it() -> None:
    sha256 = hashlib.sha256(DATA).hexdigest()
    assert examine(DATA) == FileFacts(ContentType.PNG, 32, 24, len(DATA), sha256, False)
    assert examine(in_png(manifest_store())).has_content_credentials
    with pytest.raises(BadGeneratorResponseError):
        examine(DATA[:-1])


def test_an_image_is_what_its_file_says_and_what_is_told() -> None:
    image = described()
    assert (image.content_type, image.width, image.height) == (ContentType.PNG, 32, 24)
    assert (image.byte_size, image.sha256) == (len(DATA), hashlib.sha256(DATA).hexdigest())
    assert image.has_content_credentials is False
    assert image.thumbhash is None
    assert image.created_at == image.updated_at == NOON
    assert image.filename.startswith("a-fox")
    assert image.filename.endswith(".png")
    assert described(filename_from="an owl").filename.startswith("an-owl")
    assert described(filename_from="an owl").prompt == "a fox"


@pytest.mark.parametrize(
    ("told", "field"),
    [
        ({"byte_size": 1}, "sha256"),
        ({"sha256": "0" * 64}, "sha256"),
        ({"content_type": ContentType.WEBP}, "content_type"),
        ({"width": 33, "height": 25}, "width"),
        ({"height": 25}, "height"),
    ],
)
def test_the_first_difference_is_named(told: dict[str, object], field: str) -> None:
    image = described()
    assert verify(image, DATA) == examine(DATA)
    with pytest.raises(MismatchError) as caught:
        verify(image.model_copy(update=told), DATA)
    assert caught.value.field == field


def test_bytes_that_are_no_image_have_no_field_that_differs() -> None:
    data = b"<script>alert(1)</script>"
    told = {"byte_size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    with pytest.raises(MismatchError) as caught:
        verify(described().model_copy(update=told), data)
    assert caught.value.field is None


async def test_a_thumbhash_is_added_and_nothing_else() -> None:
    image = described()
    hashed = await Thumbhasher().add(image, DATA)
    assert hashed == image.model_copy(update={"thumbhash": placeholder(DATA, ContentType.PNG)})
    assert hashed.thumbhash
    assert await Thumbhasher().add(image, b"not to be decoded") == image


async def test_only_a_few_images_are_decoded_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    running = most = 0
    full, go_on = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    async def decode() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        if running == HASHED_AT_ONCE:
            full.set()
        await go_on.wait()
        running -= 1

    def hashed(*_: object) -> None:
        asyncio.run_coroutine_threadsafe(decode(), loop).result(timeout=30)

    monkeypatch.setattr(describe, "placeholder", hashed)
    thumbhasher, image = Thumbhasher(), described()
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        for _ in range(3 * HASHED_AT_ONCE):
            group.create_task(thumbhasher.add(image, DATA))
        await full.wait()
        go_on.set()
    assert (running, most) == (0, HASHED_AT_ONCE)

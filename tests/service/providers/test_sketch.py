"""The embedded generator: the same picture for the same words, and one that suits them."""

import asyncio
import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from io import BytesIO
from itertools import combinations

import pytest
from PIL import Image, ImageChops, ImageFont, ImageStat

from pixyproxy.core.exceptions import ConstraintViolationError
from pixyproxy.core.fields import MAX_PROMPT_CHARS
from pixyproxy.core.models import GenerationCreate
from pixyproxy.service.providers import GenerationRequest
from pixyproxy.service.providers.sketch import SketchProvider, caption_lines

PROMPTS = (
    "a mountain lake at sunset",
    "a cat",
    "neon city at night",
    "a galaxy",
    "first unknown thing",
    "goldfish underwater",
)


async def sketch(prompt: str, **parameters) -> bytes:
    image = GenerationCreate(prompt=prompt, **{"size": "256x256", **parameters})
    (data,) = await sketches(SketchProvider().prepare(image))
    return data


async def sketches(request: GenerationRequest) -> list[bytes]:
    answer = await SketchProvider().generate(request, call_guid="a-call")
    assert (answer.model, answer.usage, answer.request_id) == ("sketch", None, None)
    return [image.data for image in answer.images if image.data is not None]


def decoded(data: bytes) -> Image.Image:
    image = Image.open(BytesIO(data))
    image.load()
    return image


async def mean_colour(prompt: str) -> list[float]:
    return ImageStat.Stat(decoded(await sketch(prompt))).mean


async def test_same_request_gives_same_bytes():
    for prompt in PROMPTS:
        assert await sketch(prompt) == await sketch(prompt)


async def test_concurrent_drawings_do_not_disturb_each_other():
    alone = [await sketch(prompt) for prompt in PROMPTS]
    together = await asyncio.gather(*(sketch(prompt) for prompt in PROMPTS))
    assert together == alone


@pytest.mark.parametrize("hash_seed", ["0", "4711"])
def test_same_bytes_in_another_process(hash_seed):
    prompt, parameters = "red fox, snowy forest, moon", {"size": "128x128"}
    program = (
        "import asyncio, hashlib\n"
        "from pixyproxy.service.providers import GenerationRequest\n"
        "from pixyproxy.service.providers.sketch import SketchProvider\n"
        f"request = GenerationRequest('sketch', {prompt!r}, {parameters!r})\n"
        "answer = asyncio.run(SketchProvider().generate(request, call_guid='a-call'))\n"
        "print(hashlib.sha256(answer.images[0].data).hexdigest())\n"
    )
    elsewhere = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    )
    (here,) = asyncio.run(sketches(GenerationRequest("sketch", prompt, parameters)))
    assert elsewhere.stdout.strip() == hashlib.sha256(here).hexdigest()


@pytest.mark.parametrize("prompt", PROMPTS)
async def test_several_at_once_begin_with_the_one_drawn_alone_and_differ(prompt):
    request = GenerationRequest("sketch", prompt, {"size": "64x64"}, n=10)
    drawn = await sketches(request)
    assert drawn == await sketches(request)
    assert drawn[:1] == await sketches(replace(request, n=1))
    assert len({decoded(data).tobytes() for data in drawn}) == 10


async def test_different_prompts_look_different():
    small = [decoded(await sketch(prompt)).resize((32, 32)) for prompt in PROMPTS]
    for one, other in combinations(small, 2):
        assert sum(ImageStat.Stat(ImageChops.difference(one, other)).mean) / 3 > 10


async def test_unknown_words_get_different_pictures():
    one, other = [decoded(await sketch(p)).resize((32, 32)) for p in ("foo bar", "baz qux")]
    assert sum(ImageStat.Stat(ImageChops.difference(one, other)).mean) / 3 > 5


@pytest.mark.parametrize("what", ["abstract", "mountains", "sea", "desert", "galaxy"])
async def test_colours_follow_words(what):
    red, blue = await mean_colour(f"a red {what}"), await mean_colour(f"a blue {what}")
    assert red[0] - red[2] > blue[0] - blue[2] + 5


@pytest.mark.parametrize("what", ["mountains", "sea", "city", "meadow", "forest"])
async def test_night_is_darker_than_a_sunny_day(what):
    night, day = await mean_colour(f"{what} at night"), await mean_colour(f"{what} on a sunny day")
    assert sum(night) < 0.75 * sum(day)


@pytest.mark.parametrize("output_format", ["png", "jpeg", "webp"])
@pytest.mark.parametrize("size", ["64x64", "384x128", "128x384", "100x173"])
async def test_size_and_format_are_honoured(size, output_format):
    image = decoded(await sketch("sea and forest", size=size, output_format=output_format))
    assert image.format == output_format.upper()
    assert f"{image.width}x{image.height}" == size
    assert image.mode == "RGB"


@pytest.mark.parametrize("size", [None, "auto"])
async def test_default_is_a_square_png(size):
    image = decoded(await sketch("hello", size=size))
    assert (image.format, image.size) == ("PNG", (1024, 1024))
    assert image.text["Software"] == "PixyProxy sketch"


@pytest.mark.parametrize("output_format", ["jpeg", "webp"])
async def test_compression_is_honoured(output_format):
    low, high = [
        await sketch("sea", output_format=output_format, output_compression=c) for c in (10, 95)
    ]
    assert len(low) < len(high) / 2


@pytest.mark.parametrize("prompt", [*PROMPTS, "strategy", "notes", "colour", "thing", "roses"])
@pytest.mark.parametrize("output_format", ["png", "webp"])
async def test_transparent_ground(prompt, output_format):
    data = await sketch(prompt, background="transparent", output_format=output_format)
    lowest, highest = decoded(data).getchannel("A").getextrema()
    assert (lowest, highest) == (0, 255)


@pytest.mark.parametrize(
    "prompt",
    ["🦊🌊", "富士山と桜", "قطة تحت القمر", "\u202eabc\u200d", "a\n\tb", "x" * MAX_PROMPT_CHARS,
     "sea " * (MAX_PROMPT_CHARS // 4)],
    ids=["emoji", "cjk", "rtl", "controls", "lines", "long word", "many words"],
)  # fmt: skip
async def test_any_text_is_drawn(prompt):
    assert decoded(await sketch(prompt)).size == (256, 256)


async def test_caption_stands_out_in_the_corner():
    for prompt in PROMPTS:
        image = decoded(await sketch(prompt, size="512x512")).convert("L")
        darkest, lightest = image.crop((4, 490, 90, 510)).getextrema()
        assert lightest - darkest > 100


@pytest.mark.parametrize("width", [40, 90, 300, 900])
def test_caption_says_what_it_is_and_fits(width):
    font = ImageFont.load_default(8)
    assert isinstance(font, ImageFont.FreeTypeFont)
    lines = caption_lines("un café à Köln, 東京 and a long way home", width, font)
    assert " ".join(lines).startswith("Sketch by PixyProxy, no model's work")
    assert all(font.getlength(line) <= max(width, 40) for line in lines)


def test_caption_quotes_what_the_font_can_draw():
    font = ImageFont.load_default(8)
    assert isinstance(font, ImageFont.FreeTypeFont)
    assert caption_lines("un café 🦊", 900, font)[0].endswith("“un cafe…”")
    assert caption_lines("a cat", 900, font)[0].endswith("“a cat”")
    assert caption_lines("東京", 900, font) == ["Sketch by PixyProxy, no model's work"]


def test_model_is_always_recorded_as_sketch():
    image = GenerationCreate(prompt="a cat", model="gpt-image-2", quality="high", style="vivid")
    request = SketchProvider().prepare(image)
    assert (request.model, request.prompt) == ("sketch", "a cat")
    assert request.parameters == {"quality": "high", "style": "vivid"}


@pytest.mark.parametrize("size", ["63x64", "4097x64", "4096x4000", "big", "10", "-64x64"])
def test_bad_size_is_a_fault(size):
    with pytest.raises(ConstraintViolationError) as caught:
        SketchProvider().prepare(GenerationCreate(prompt="a cat", size=size))
    assert [fault.field for fault in caught.value.faults] == ["size"]

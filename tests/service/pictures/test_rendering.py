"""Derivatives: sizes, colours, transparency, and what they say of themselves."""

import io
from xml.etree import ElementTree as ET

import pytest
from PIL import Image, ImageCms

from pixyproxy.core.exceptions import UnreadableImageError
from pixyproxy.core.models import ContentType
from pixyproxy.service.pictures.provenance import ALGORITHMIC, TRAINED, make_xmp
from pixyproxy.service.pictures.rendering import DerivativeSpec, placeholder, render
from tests.support.model_server import bomb_png, picture

FORMATS = [ContentType.PNG, ContentType.JPEG, ContentType.WEBP, ContentType.AVIF]
EVERY = [*FORMATS, ContentType.GIF]


def encode(pixels: Image.Image, content_type: ContentType, **options) -> bytes:
    file = io.BytesIO()
    pixels.save(file, content_type.name, **options)
    return file.getvalue()


def decoded(data: bytes) -> Image.Image:
    opened = Image.open(io.BytesIO(data))
    opened.load()
    return opened


def gradient(mode: str = "RGB", size: tuple[int, int] = (300, 200)) -> Image.Image:
    """Dark above, light below."""
    return Image.linear_gradient("L").resize(size).convert(mode)


@pytest.mark.parametrize("content_type", FORMATS)
@pytest.mark.parametrize("original", EVERY)
def test_every_format_becomes_every_other(original: ContentType, content_type: ContentType) -> None:
    made = decoded(
        render(encode(gradient(), original), original, DerivativeSpec(96, 64, content_type, 75))
    )
    assert (made.format, made.size, made.mode) == (content_type.name, (96, 64), "RGB")
    assert made.getpixel((48, 2))[0] < 32
    assert made.getpixel((48, 61))[0] > 224


@pytest.mark.parametrize("original", EVERY)
@pytest.mark.parametrize("size", [(96, 64), (192, 128), (768, 512)])
def test_what_needs_no_resizing(original: ContentType, size: tuple[int, int]) -> None:
    """A JPEG may come out of its decoder in the size that is wanted."""
    data = encode(gradient(size=size), original)
    for spec in (
        DerivativeSpec(96, 64, ContentType.WEBP, 75),
        DerivativeSpec(*size, ContentType.PNG),
    ):
        assert decoded(render(data, original, spec)).size == (spec.width, spec.height)


@pytest.mark.parametrize("mode", ["L", "LA", "P", "1", "RGBA", "I;16"])
def test_every_kind_of_pixels(mode: str) -> None:
    pixels = gradient("L")
    if mode == "I;16":
        pixels = pixels.convert("I").point(lambda value: value * 256).convert("I;16")
    data = encode(pixels.convert(mode), ContentType.PNG)
    made = decoded(render(data, ContentType.PNG, DerivativeSpec(96, 64, ContentType.WEBP, 75)))
    assert made.getpixel((48, 2))[0] < 40
    assert made.getpixel((48, 61))[0] > 210
    assert placeholder(data, ContentType.PNG)


def test_a_printers_jpeg() -> None:
    data = encode(gradient("CMYK"), ContentType.JPEG, icc_profile=b"of inks")
    made = decoded(render(data, ContentType.JPEG, DerivativeSpec(96, 64, ContentType.WEBP, 75)))
    assert made.getpixel((48, 2))[0] < 40
    assert "icc_profile" not in made.info


@pytest.mark.parametrize("content_type", FORMATS)
def test_transparency_stays_where_the_format_has_it(content_type: ContentType) -> None:
    pixels = Image.new("RGBA", (100, 100), (255, 0, 0, 0))
    data = encode(pixels, ContentType.PNG)
    made = decoded(render(data, ContentType.PNG, DerivativeSpec(32, 32, content_type, 90)))
    if content_type is ContentType.JPEG:
        assert min(made.getpixel((16, 16))) > 250
    else:
        assert made.convert("RGBA").getpixel((16, 16))[3] == 0


def test_the_middle_is_cut_out() -> None:
    pixels = Image.new("RGB", (300, 100), "red")
    pixels.paste("blue", (100, 0, 200, 100))
    data = encode(pixels, ContentType.PNG)
    made = decoded(render(data, ContentType.PNG, DerivativeSpec(32, 32, ContentType.PNG)))
    assert [made.getpixel((x, 16)) for x in (6, 16, 25)] == [(0, 0, 255)] * 3


@pytest.mark.parametrize("content_type", FORMATS)
def test_colours_and_orientation_are_carried_over_and_nothing_else(
    content_type: ContentType,
) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "where it was taken"
    data = encode(gradient(), ContentType.JPEG, icc_profile=profile, exif=exif, comment=b"secret")
    rendered = render(data, ContentType.JPEG, DerivativeSpec(96, 64, content_type, 75))
    made = decoded(rendered)
    assert made.info["icc_profile"] == profile
    assert made.getexif().get(0x0112) == 6
    assert b"where it was taken" not in rendered
    assert b"secret" not in rendered


@pytest.mark.parametrize("content_type", FORMATS)
@pytest.mark.parametrize("original", EVERY)
def test_derivatives_say_that_a_model_drew_them(
    original: ContentType, content_type: ContentType
) -> None:
    data = encode(gradient(), original)
    made = decoded(render(data, original, DerivativeSpec(96, 64, content_type, 75)))
    assert terms(made) == [TRAINED]


@pytest.mark.parametrize("content_type", FORMATS)
def test_what_the_original_says_of_itself_stays(content_type: ContentType) -> None:
    data = encode(gradient(), ContentType.WEBP, xmp=make_xmp(ALGORITHMIC))
    made = decoded(render(data, ContentType.WEBP, DerivativeSpec(96, 64, content_type, 75)))
    assert terms(made) == [ALGORITHMIC]


def terms(made: Image.Image) -> list[str]:
    packet = ET.fromstring(made.info["xmp"])
    found = packet.iter("{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType")
    prefix = "http://cv.iptc.org/newscodes/digitalsourcetype/"
    return [(each.text or "").removeprefix(prefix) for each in found]


@pytest.mark.parametrize("data", [b"", b"no image", picture(1200, 800)[:2000], bomb_png()])
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_what_cannot_be_decoded(data: bytes) -> None:
    with pytest.raises(UnreadableImageError):
        render(data, ContentType.PNG, DerivativeSpec(32, 32, ContentType.WEBP, 75))
    assert placeholder(data, ContentType.PNG) is None


def test_what_says_to_be_another_format_is_not_decoded() -> None:
    with pytest.raises(UnreadableImageError):
        render(picture(64, 64), ContentType.JPEG, DerivativeSpec(32, 32, ContentType.WEBP, 75))


def test_the_same_makes_the_same() -> None:
    data = encode(gradient(), ContentType.PNG)
    for content_type in FORMATS:
        spec = DerivativeSpec(96, 64, content_type, 60)
        assert render(data, ContentType.PNG, spec) == render(data, ContentType.PNG, spec)


def test_the_names_of_kept_derivatives_stay() -> None:
    assert DerivativeSpec(96, 64, ContentType.WEBP, 75).name == "96x64-q75.webp"
    assert DerivativeSpec(96, 64, ContentType.PNG).name == "96x64-q0.png"

"""Real files in every format, and everything that only looks like one."""

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pixyproxy.core.exceptions import BadGeneratorResponseError
from pixyproxy.core.models import ContentType
from pixyproxy.service.pictures.check import (
    MAX_IMAGE_BYTES,
    MAX_IMAGE_PIXELS,
    ImageFacts,
    check_image,
)
from tests.support.pictures import HEIGHT, WIDTH, chunk, encode


def more_frames(mode: str = "RGB") -> dict:
    colors = ("red", "green", "blue")
    frames = [Image.new(mode, (WIDTH, HEIGHT), color) for color in colors]
    return {"save_all": True, "append_images": frames}


def with_thumbnail() -> bytes:
    """A JPEG that holds another whole JPEG in its EXIF block."""
    return encode("JPEG", exif=b"Exif\0\0" + encode("JPEG"))


FILES = {
    "png": (ContentType.PNG, encode("PNG")),
    "png-palette": (ContentType.PNG, encode("PNG", mode="P")),
    "png-alpha": (ContentType.PNG, encode("PNG", mode="RGBA")),
    "apng": (ContentType.PNG, encode("PNG", **more_frames())),
    "jpeg": (ContentType.JPEG, encode("JPEG")),
    "jpeg-progressive": (ContentType.JPEG, encode("JPEG", progressive=True)),
    "jpeg-restarts": (ContentType.JPEG, encode("JPEG", restart_marker_blocks=1)),
    "jpeg-gray": (ContentType.JPEG, encode("JPEG", mode="L")),
    "jpeg-thumbnail": (ContentType.JPEG, with_thumbnail()),
    "webp": (ContentType.WEBP, encode("WEBP")),
    "webp-alpha": (ContentType.WEBP, encode("WEBP", mode="RGBA")),
    "webp-lossless": (ContentType.WEBP, encode("WEBP", lossless=True)),
    "webp-extended": (ContentType.WEBP, encode("WEBP", exif=b"Exif\0\0odd")),
    "webp-animated": (ContentType.WEBP, encode("WEBP", **more_frames())),
    "gif": (ContentType.GIF, encode("GIF")),
    "gif-animated": (ContentType.GIF, encode("GIF", **more_frames())),
    "avif": (ContentType.AVIF, encode("AVIF")),
    "avif-alpha": (ContentType.AVIF, encode("AVIF", mode="RGBA")),
    "avif-animated": (ContentType.AVIF, encode("AVIF", **more_frames())),
}
every_file = pytest.mark.parametrize(("content_type", "data"), FILES.values(), ids=FILES.keys())


def refused(data: bytes) -> bool:
    try:
        check_image(data)
    except BadGeneratorResponseError:
        return True
    return False


def png(width: int, height: int, pixels: bytes = b"") -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(pixels))
        + chunk(b"IEND", b"")
    )


@every_file
def test_real_files_are_recognised_and_measured(content_type, data):
    assert check_image(data) == ImageFacts(content_type, WIDTH, HEIGHT)


@every_file
def test_every_truncation_is_refused(content_type, data):
    passed = [length for length in range(len(data)) if not refused(data[:length])]
    assert passed == []


@every_file
def test_padding_after_the_end_is_let_pass(content_type, data):
    for padding in (b"\0", b"\0" * 1000):
        assert check_image(data + padding) == ImageFacts(content_type, WIDTH, HEIGHT)


@pytest.mark.parametrize("name", ["png", "jpeg", "webp", "gif"])
def test_a_polyglot_is_the_image_that_it_begins_with(name):
    content_type, data = FILES[name]
    assert check_image(data + b"<script>alert(1)</script>").content_type is content_type


def test_nothing_but_zeros_may_follow_an_avif():
    assert refused(FILES["avif"][1] + b"<script>alert(1)</script>")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 100,
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"<!doctype html><img>",
        b"%PDF-1.7\n",
        b"GIF89a/*" + b" " * 100 + b"*/=1;alert(1)",
        b"GIF89a",
        b"\x89PNG\r\n\x1a\n<html>",
        b"\xff\xd8\xff\xd9",
        b"\xff\xd8\xff\xe0\x00\x00" + b"\xff\xd9",
        b"RIFF\x04\0\0\0WEBP",
        b"RIFF\x04\0\0\0WAVE",
        b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom",
        b"\0\0\0\x18ftypheic\0\0\0\0heicmif1",
        b"\0\0\0\x10ftypavif\0\0\0\0",
        encode("TIFF"),
        encode("BMP"),
        encode("JPEG2000"),
        encode("ICO", sizes=[(16, 16)]),
    ],
)
def test_what_is_no_image_of_these_formats_is_refused(data):
    with pytest.raises(BadGeneratorResponseError):
        check_image(data)


def test_the_bytes_decide_and_not_the_label():
    assert check_image(encode("GIF")).content_type is ContentType.GIF


def test_a_small_file_of_too_many_pixels_is_refused_undecoded():
    bomb = png(13_000, 13_000, bytes((13_000 // 8 + 1) * 13_000))
    assert len(bomb) < 30_000
    with pytest.raises(BadGeneratorResponseError, match="50 megapixels"):
        check_image(bomb)


def test_the_pixel_limit_is_exact():
    assert check_image(png(10_000, MAX_IMAGE_PIXELS // 10_000)).width == 10_000
    assert refused(png(10_000, MAX_IMAGE_PIXELS // 10_000 + 1))


@pytest.mark.parametrize(("width", "height"), [(0, 1), (1, 0), (0, 0)])
def test_an_image_without_pixels_is_refused(width, height):
    assert refused(png(width, height))


def test_the_byte_limit_is_exact():
    whole = FILES["png"][1]
    assert not refused(whole.ljust(MAX_IMAGE_BYTES, b"\0"))
    with pytest.raises(BadGeneratorResponseError, match="32 MiB"):
        check_image(whole.ljust(MAX_IMAGE_BYTES + 1, b"\0"))


def test_a_flipped_bit_anywhere_in_a_png_is_refused():
    whole = FILES["png"][1]
    for position in range(len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= 0x10
        assert refused(bytes(damaged)), position


def test_a_frame_beyond_the_gif_screen_counts():
    small = FILES["gif"][1]
    start = small.index(b",\0\0\0\0" + struct.pack("<HH", WIDTH, HEIGHT))
    frame = struct.pack("<HH", 60_000, 60_000)
    assert refused(small[: start + 5] + frame + small[start + 9 :])


def test_a_webp_canvas_that_hides_a_larger_image_is_refused():
    whole = FILES["webp-extended"][1]
    canvas = whole.index(b"VP8X") + 12
    assert refused(whole[:canvas] + bytes(6) + whole[canvas + 6 :])


def test_a_jpeg_with_fill_bytes_before_a_marker_is_whole():
    whole = FILES["jpeg"][1]
    assert not refused(whole[:-2] + b"\xff\xff\xff" + whole[-2:])


def test_a_file_of_millions_of_parts_is_refused():
    whole = FILES["gif"][1]
    comment = b"!\xfe" + b"\x01x" * 5_000_000 + b"\0"
    assert refused(whole[:-1] + comment + b";")


SIGNATURES = [b"", *(data[:32] for _, data in FILES.values())]


@given(st.sampled_from(SIGNATURES), st.binary(max_size=400))
def test_random_bytes_never_raise_anything_else(signature, rest):
    refused(signature + rest)


@given(
    st.sampled_from(list(FILES.values())),
    st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=5),
)
def test_damaged_files_never_raise_anything_else(file, changes):
    damaged = bytearray(file[1])
    for position, value in changes:
        damaged[position % len(damaged)] = value
    refused(bytes(damaged))

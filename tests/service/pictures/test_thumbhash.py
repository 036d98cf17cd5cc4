"""ThumbHash, held against what the reference implementation (npm's thumbhash 0.1.1) gives."""

import base64
from collections.abc import Callable

import pytest

from pixyproxy.service.pictures.thumbhash import thumbhash

Pixel = Callable[[int, int], tuple[int, int, int, int]]


def paint(width: int, height: int, pixel: Pixel) -> bytes:
    return b"".join(
        bytes(value & 255 for value in pixel(x, y)) for y in range(height) for x in range(width)
    )


@pytest.mark.parametrize(
    ("width", "height", "pixel", "expected"),
    [
        (
            32,
            24,
            lambda x, y: (x * x + y * 7, y * 10 + x, x * y * 3, 255),
            "XvgNJZRlZodgd4h2h2iHhqpwe/eG",
        ),
        (10, 32, lambda x, y: (200, x * y, y * 8, 255), "YAgPUg51kHh4d4d3dZ/36IU="),
        (100, 20, lambda x, y: (x * x, y * 13, x * y, 255), "HOgNGZpmZldwd2iHqqBt9oc="),
        (
            32,
            32,
            lambda x, y: (x * x * 7 + y, 40 + x * y, y * y * 3, x * 5 + y * y),
            "3veBDQIXFkWUl5QKKiBfffSnYXcDdzIYJA==",
        ),
        (
            100,
            100,
            lambda x, y: (x * x + y * y * 3, x * 2 + y, y * y, x * x + x * y),
            "n+iFFQYHUGlTa6RWZ1BZ+qqaAQBGVVV3dg==",
        ),
        (8, 8, lambda x, y: (9, 9, 9, 0), "AAiCBQAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="),
    ],
    ids=["landscape", "portrait", "wide", "alpha", "half transparent", "clear"],
)
def test_it_is_what_the_reference_gives(
    width: int, height: int, pixel: Pixel, expected: str
) -> None:
    found = thumbhash(width, height, paint(width, height, pixel))
    assert base64.b64encode(found).decode() == expected


@pytest.mark.parametrize("size", [(16, 16), (100, 37)])
def test_one_colour_has_no_scale(size: tuple[int, int]) -> None:
    found = thumbhash(*size, paint(*size, lambda x, y: (120, 30, 200, 255)))
    header = int.from_bytes(found[:5], "little")
    assert header & 63 == round(63 * 350 / 3 / 255)
    assert header >> 18 & 31 == header >> 27 & 63 == header >> 33 & 63 == 0

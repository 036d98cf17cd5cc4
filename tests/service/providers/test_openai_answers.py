"""Answers in other forms than OpenAI's, which are paid for all the same."""

import base64
import json
from typing import Any

import pytest

from pixyproxy.service.providers.openai_answers import read_answer, read_object

BYTES = b"\xff\xfe\xfd" * 5 + b"ab"
STANDARD = base64.b64encode(BYTES).decode()
URL_SAFE = base64.urlsafe_b64encode(BYTES).decode()


def images_in(answer: Any) -> list[bytes | str | None]:
    _, images = read_answer(json.dumps(answer).encode())
    return [image and (image.data or image.url) for image in images]


def test_the_alphabets_differ_in_these_bytes() -> None:
    assert "+" in STANDARD or "/" in STANDARD
    assert STANDARD.endswith("=")
    assert URL_SAFE != STANDARD


@pytest.mark.parametrize(
    "text",
    [
        STANDARD,
        URL_SAFE,
        STANDARD.rstrip("="),
        URL_SAFE.rstrip("="),
        "\n".join([STANDARD[:4], STANDARD[4:], ""]),
        f"data:image/png;base64,{STANDARD}",
        f"DATA:image/png;base64,{URL_SAFE}",
    ],
)
@pytest.mark.parametrize("name", ["b64_json", "b64", "image"])
def test_base64_is_read_however_it_is_written(text: str, name: str) -> None:
    assert images_in({"data": [{name: text}]}) == [BYTES]


@pytest.mark.parametrize("name", ["data", "images"])
def test_images_are_found_under_either_name(name: str) -> None:
    assert images_in({name: [{"url": "/x.png"}, {"b64_json": STANDARD}]}) == ["/x.png", BYTES]


def test_a_list_alone_is_a_list_of_images() -> None:
    assert images_in([{"b64_json": STANDARD}]) == [BYTES]


@pytest.mark.parametrize("text", ["", "A", "?", "é", "AAAA=AAA"])
def test_what_is_no_base64_is_no_image(text: str) -> None:
    assert images_in({"data": [{"b64_json": text}]}) == [None]


def test_of_a_list_of_errors_the_first_one_counts() -> None:
    body = b'[{"error": {"code": 400, "status": "INVALID_ARGUMENT"}}]'
    assert read_object(body) == {"error": {"code": 400, "status": "INVALID_ARGUMENT"}}

"""Reading the answers of a server that speaks OpenAI's API, as leniently as can be.

What is paid for must not be lost over form; and no more memory is taken than an image needs.
"""

import binascii
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import unquote

import orjson
import pybase64

from pixyproxy.core.fields import MAX_IMAGES, MAX_PROMPT_CHARS
from pixyproxy.service.providers import ProviderImage

MAX_ANSWER_BYTES: Final = 256 * 2**20
"""The longest answer that is read, decompressed.

An answer that is too long is lost though it was paid for: there is room for base64 of ten PNGs of
19 MiB, more than a photograph of 3840x2160 commonly takes. An answer is in memory twice while its
pieces are joined; so much a server can make one call hold, and no more.
"""

LARGE_BYTES: Final = 4 * 2**20
"""Answers with more are read in a thread."""
_MAX_LARGE_JSON_PARTS = 100_000
_MAX_LENIENT_BYTES = MAX_ANSWER_BYTES // 2  # the standard library needs text, orjson does not
_MAX_URL_CHARS = 8192
_MAX_USAGE_ENTRIES = 50
_MAX_USAGE_DEPTH = 3
_MAX_USAGE_NUMBER = 2**53
"""Sums must fit 64 bits, and be exact in any client's JSON."""
_LISTS = ("data", "images")
"""What the list of images is called: by OpenAI, and by some that follow it."""
_BASE64_FIELDS = ("b64_json", "b64", "image", "image_base64")
_URL_SAFE = bytes.maketrans(b"-_", b"+/")
_BASE64_KEY = re.compile(rb'"b64_json"\s*:\s*"')
_BACKSLASH = ord("\\")


def read_object(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`; an empty one where there is none.

    Of a list that tells of an error (Gemini's form) it is the first item; any other list counts as
    an answer's `data`. A large body that is many small parts is none either: parsed, it could take
    20 times its size.
    """
    large = len(body) > LARGE_BYTES
    if large and sum(map(body.count, (b"{", b"[", b","))) > _MAX_LARGE_JSON_PARTS:
        return {}
    try:
        parsed = _parse(body)
    except (ValueError, RecursionError):
        return {}
    if isinstance(parsed, list):
        first = parsed[0] if parsed else None
        return first if isinstance(first, dict) and "error" in first else {"data": parsed}
    return parsed if isinstance(parsed, dict) else {}


def _parse(body: bytes) -> Any:
    """Parse JSON as leniently as can be: what is paid for must not be lost over form.

    Raises ValueError and RecursionError.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        if len(body) > _MAX_LENIENT_BYTES:
            raise
        return json.loads(body.decode("utf-8-sig", "replace"), strict=False, parse_int=_integer)


def _integer(digits: str) -> float:
    """As orjson has it: what may not fit 64 bits is a float. Python refuses very long integers."""
    return int(digits) if len(digits) < len(str(2**63)) else float(digits)


def read_answer(body: bytes) -> tuple[dict[str, Any], list[ProviderImage | None]]:
    """The answer, and the image that each of its items holds; None for an item without."""
    answer, encoded = _parted(body)
    return answer, [_image_of(item, encoded) for item in _items_in(answer, [])]


def read_event(body: bytes) -> tuple[dict[str, Any], list[ProviderImage | None]]:
    """The data of an event of a stream, and the images in it: one of its own, or several."""
    event, encoded = _parted(body)
    return event, [_image_of(item, encoded) for item in _items_in(event, [event])]


def read_usage(usage: object, is_readable: Callable[[str], bool]) -> dict[str, Any] | None:
    """What of `usage` is numbers and objects of numbers, within bounds; None for nothing."""
    left = _MAX_USAGE_ENTRIES

    def numbers_in(part: dict[str, Any], depth: int) -> dict[str, Any]:
        nonlocal left
        numbers: dict[str, Any] = {}
        for name, value in part.items():
            left -= 1
            if left < 0:
                break
            if not is_readable(name):
                continue
            if type(value) in {int, float}:
                if abs(value) < _MAX_USAGE_NUMBER:  # which infinity and NaN are not
                    numbers[name] = value
            elif isinstance(value, dict) and depth < _MAX_USAGE_DEPTH:
                numbers[name] = numbers_in(value, depth + 1)
        return numbers

    return (isinstance(usage, dict) and numbers_in(usage, 1)) or None


def _items_in(answer: Mapping[str, Any], default: list[Any]) -> list[Any]:
    lists = (answer[name] for name in _LISTS if isinstance(answer.get(name), list))
    return next(lists, default)[:MAX_IMAGES]


def _parted(body: bytes) -> tuple[dict[str, Any], dict[str, memoryview]]:
    """The answer with a name in the place of each `b64_json`, and by name what stood there.

    Parsing that too would take three copies of it, and a quarter more time. Within a string every
    quote is escaped, so what is found is always a key and the beginning of its value; and base64
    has no quotes, so a value with an escaped one stays, as does what comes after MAX_IMAGES of
    them. What stays is parsed as any other string: cutting out only saves.
    """
    whole = memoryview(body)
    rest: list[memoryview | bytes] = []
    encoded: dict[str, memoryview] = {}
    position = 0
    for index in range(MAX_IMAGES):
        key = _BASE64_KEY.search(body, position)
        end = body.find(b'"', key.end()) if key else -1
        if key is None or end < 0:
            break
        if body[end - 1] == _BACKSLASH:
            rest.append(whole[position:end])
        else:
            name = f"#{index}"
            encoded[name] = whole[key.end() : end]
            rest += whole[position : key.end()], name.encode()
        position = end
    return read_object(b"".join([*rest, whole[position:]])), encoded


def _image_of(item: object, encoded: Mapping[str, memoryview]) -> ProviderImage | None:
    if not isinstance(item, dict):
        return None
    url, revised_prompt = (
        value if isinstance(value, str) else ""
        for value in map(item.get, ("url", "revised_prompt"))
    )
    texts = (item[name] for name in _BASE64_FIELDS if isinstance(item.get(name), str))
    text = next((text for text in texts if text), "")
    # What is no base64 must not hide a URL that may do.
    data = _from_json(encoded[text]) if text in encoded else _from_base64(text)
    if not url and not data and text.startswith(("http://", "https://", "/")):
        url = text  # of a field such as `image`
    if _is_data_url(url):
        data, url = data or _from_base64(url), ""
    elif len(url) > _MAX_URL_CHARS:
        url = ""
    if not (data or url):
        return None
    return ProviderImage(
        data=data or None,
        url=_storable(url) or None,
        revised_prompt=_storable(revised_prompt[:MAX_PROMPT_CHARS]) or None,
    )


def _from_json(encoded: memoryview) -> bytes:
    """What a JSON string holds as base64, given without its quotes; nothing if it is none."""
    try:
        return pybase64.b64decode(encoded, validate=True)
    except binascii.Error:
        pass
    try:
        return _from_base64(_parse(b'"' + bytes(encoded) + b'"'))
    except ValueError:
        return b""


def _from_base64(text: str) -> bytes:
    """Nothing for what is no base64.

    A data: URL, line breaks, the URL-safe alphabet and missing padding are let pass.
    """
    if _is_data_url(text):
        text = unquote(text.partition(",")[2])
    try:
        encoded = "".join(text.split()).encode("ascii").translate(_URL_SAFE).rstrip(b"=")
        return pybase64.b64decode(encoded + b"=" * (-len(encoded) % 4), validate=True)
    except ValueError:
        return b""


def _is_data_url(text: str) -> bool:
    return text[:5].lower() == "data:"


def _storable(text: str) -> str:
    """The text without lone surrogates, which no UTF-8 can hold."""
    return text.encode("utf-8", "replace").decode()

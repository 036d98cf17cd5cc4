"""What OpenAI's clients are answered: only what their strictest readers take.

Those have closed lists of words and want whole numbers, so what is unknown is left out. An image
is given by URL or by its bytes, never both: some clients would show it twice. What only we tell
of an image is in `pixyproxy`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import pybase64

from pixyproxy.core.models import Generation, ImageDetail
from pixyproxy.core.urls import Urls
from pixyproxy.service.generating.partials import PartialImage

_BACKGROUNDS = frozenset({"transparent", "opaque"})
_QUALITIES = frozenset({"low", "medium", "high", "xhigh", "max"})
_FORMATS = {"image/png": "png", "image/jpeg": "jpeg", "image/webp": "webp", "image/gif": "gif"}
_AUTO = "auto"
_COUNTS = ("total_tokens", "input_tokens", "output_tokens")
_INPUT_DETAILS = "input_tokens_details"
_OUTPUT_DETAILS = "output_tokens_details"
_DETAILS = ("text_tokens", "image_tokens")
NO_USAGE: Mapping[str, Any] = {
    **dict.fromkeys(_COUNTS, 0),
    _INPUT_DETAILS: dict.fromkeys(_DETAILS, 0),
}
"""What an event says where nothing was counted: its readers want all four."""
_ENCODED_AT_ONCE = 192 * 1024
"""Of an image's bytes, as many as stay in the processor's cache; three to four letters."""
COMPLETED = "image_generation.completed"
PARTIAL = "image_generation.partial_image"


@dataclass(frozen=True, slots=True)
class DrawnImage:
    """An image to be answered, with its bytes where the answer is to hold them."""

    detail: ImageDetail
    content: memoryview | None = None


def answer_pieces(
    generation: Generation,
    images: Sequence[DrawnImage],
    urls: Urls,
    *,
    safety_identifier: str | None,
) -> list[bytes]:
    """Return the pieces of the JSON answer; an image's bytes are not copied into the rest."""
    finished_at = generation.finished_at or generation.queued_at
    rest = {
        "created": int(finished_at.timestamp()),
        **_known_facts(generation, images[0].detail),
        "usage": usage_of(generation),
        "safety_identifier": safety_identifier,
    }
    known = {name: value for name, value in rest.items() if value is not None}
    pieces = [orjson.dumps(known)[:-1], b',"data":[']
    for index, image in enumerate(images):
        if index:
            pieces.append(b",")
        item = _item(image.detail, urls)
        if image.content is None:
            pieces.append(orjson.dumps({"url": urls.content(image.detail.guid), **item}))
        else:
            pieces += [b'{"b64_json":"', *_base64(image.content), b'",']
            pieces.append(orjson.dumps(item)[1:])
    return [*pieces, b"]}"]


def completed_event(
    generation: Generation,
    image: DrawnImage,
    urls: Urls,
    *,
    index: int,
    usage: Mapping[str, Any],
    safety_identifier: str | None,
) -> list[bytes]:
    """Return the pieces of the event that gives an image, always with its bytes."""
    assert image.content is not None
    detail = image.detail
    facts = {
        "type": COMPLETED,
        "created_at": int(detail.created_at.timestamp()),
        **_stated_facts(generation, detail),
        "usage": usage,
        "pixyproxy": {"index": index, **_own_facts(detail, urls)},
    }
    if safety_identifier is not None:
        facts["safety_identifier"] = safety_identifier
    return _event(facts, image.content)


def partial_event(generation: Generation, partial: PartialImage, urls: Urls) -> list[bytes]:
    """Return the pieces of the event that shows an image while it is drawn."""
    facts = {
        "type": PARTIAL,
        "created_at": int(generation.queued_at.timestamp()),
        **_stated_facts(generation, partial),
        "partial_image_index": partial.step,
        "pixyproxy": {
            "index": partial.index,
            "url": urls.partial_image(partial.generation_guid, partial.index),
            "generation": partial.generation_guid,
        },
    }
    return _event(facts, memoryview(partial.data))


def _event(facts: Mapping[str, Any], content: memoryview) -> list[bytes]:
    return [
        f"event: {facts['type']}\ndata: ".encode(),
        orjson.dumps(facts)[:-1],
        b',"b64_json":"',
        *_base64(content),
        b'"}\n\n',
    ]


def _stated_facts(generation: Generation, image: ImageDetail | PartialImage) -> dict[str, str]:
    """Return what every event has to state."""
    return {
        "size": f"{image.width}x{image.height}",
        "quality": _word(generation, "quality", _QUALITIES) or _AUTO,
        "background": _word(generation, "background", _BACKGROUNDS) or _AUTO,
        "output_format": _FORMATS.get(image.content_type, "png"),
    }


def _base64(content: memoryview) -> Iterator[bytes]:
    for begin in range(0, len(content), _ENCODED_AT_ONCE):
        yield pybase64.b64encode(content[begin : begin + _ENCODED_AT_ONCE])


def usage_of(generation: Generation) -> dict[str, Any] | None:
    """Return the tokens that were counted, if all that clients ask for were; else None."""
    usage = generation.usage or {}
    details = _whole_numbers(usage.get(_INPUT_DETAILS), _DETAILS)
    counts = _whole_numbers(usage, _COUNTS)
    if counts is None or details is None:
        return None
    told: dict[str, Any] = {**counts, _INPUT_DETAILS: details}
    if output_details := _whole_numbers(usage.get(_OUTPUT_DETAILS), _DETAILS):
        told[_OUTPUT_DETAILS] = output_details
    return told


def _whole_numbers(values: object, names: Sequence[str]) -> dict[str, int] | None:
    if not isinstance(values, Mapping):
        return None
    found = {name: values[name] for name in names if isinstance(values.get(name), int | float)}
    return {name: int(value) for name, value in found.items()} if len(found) == len(names) else None


def _known_facts(generation: Generation, first: ImageDetail) -> dict[str, str | None]:
    return {
        "background": _word(generation, "background", _BACKGROUNDS),
        "output_format": _FORMATS.get(first.content_type),
        "quality": _word(generation, "quality", _QUALITIES),
        "size": f"{first.width}x{first.height}",
    }


def _word(generation: Generation, name: str, known: frozenset[str]) -> str | None:
    value = generation.parameters.get(name)
    return value if value in known else None


def _item(detail: ImageDetail, urls: Urls) -> dict[str, Any]:
    item: dict[str, Any] = {"pixyproxy": _own_facts(detail, urls)}
    if detail.revised_prompt is not None:
        item["revised_prompt"] = detail.revised_prompt
    return item


def _own_facts(detail: ImageDetail, urls: Urls) -> dict[str, Any]:
    return {
        "guid": detail.guid,
        "url": urls.content(detail.guid),
        "content_type": detail.content_type,
        "width": detail.width,
        "height": detail.height,
        "sha256": detail.sha256,
        "generation": detail.generation_guid,
    }

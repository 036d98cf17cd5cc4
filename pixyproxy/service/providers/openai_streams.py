"""Reading streams of a server that speaks OpenAI's API: events, to the last image asked for.

A stream that ends before its images are there has told nothing of what became of them. Events of
other servers are read as far as they say the same: finished images in a list, or under another
name; an end that brings only what was counted.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from pixyproxy.core.fields import MAX_IMAGES
from pixyproxy.service.providers import OnPartial, ProviderImage, ProviderPartial
from pixyproxy.service.providers.openai_answers import LARGE_BYTES, read_event

logger = logging.getLogger(__name__)

LINGER_S: Final = 1.0
"""So long the end of a stream is waited for when all images have come, for what was counted."""
_DONE = b"[DONE]"
_OTHER_BODIES = (b"{", b"[", b"<")
"""JSON and HTML begin with these, and events do not."""
_STATUSES = {
    "invalid_request_error": HTTPStatus.BAD_REQUEST,
    "authentication_error": HTTPStatus.UNAUTHORIZED,
    "permission_error": HTTPStatus.FORBIDDEN,
    "not_found_error": HTTPStatus.NOT_FOUND,
    "server_error": HTTPStatus.INTERNAL_SERVER_ERROR,
    "api_error": HTTPStatus.INTERNAL_SERVER_ERROR,
    "overloaded_error": HTTPStatus.SERVICE_UNAVAILABLE,
}
_LIMITED = frozenset({"rate_limit_exceeded", "rate_limit_error"})


@dataclass(frozen=True, slots=True)
class Event:
    """An event as it was sent: its name, where it has one, and its data."""

    name: str
    data: bytes


@dataclass(slots=True)
class Stream:
    """What a stream has told so far."""

    images: list[ProviderImage] = field(default_factory=list)
    error: dict[str, Any] | None = None
    """What the server said of an error."""
    told: dict[str, Any] = field(default_factory=dict)
    """What stood beside the images: usage, model."""
    has_begun: bool = False
    """Whether an image was shown or given, so that it is being drawn."""

    @property
    def status(self) -> int:
        """The status that the error would have had as an answer."""
        error = self.error or {}
        for name in ("status", "code", "status_code"):
            value = error.get(name)
            number = int(value) if isinstance(value, str) and value.isdecimal() else value
            if isinstance(number, int) and number in range(400, 600):
                return number
        words = {word for word in (error.get("code"), error.get("type")) if isinstance(word, str)}
        if words & _LIMITED:
            # What is drawn already is paid for: the call must not be made again by itself.
            return 503 if self.has_begun else 429
        return next((_STATUSES[word] for word in words if word in _STATUSES), HTTPStatus.OK)


async def peek(pieces: AsyncIterator[bytes]) -> tuple[bytes, bool]:
    """Return the beginning of a body, and whether it is one of events."""
    beginning = b""
    async for piece in pieces:
        beginning += piece
        start = beginning.lstrip(b"\xef\xbb\xbf \t\r\n")
        if start:
            return beginning, not start.startswith(_OTHER_BODIES)
        if len(beginning) > LARGE_BYTES:
            break
    return beginning, False


async def read_stream(
    beginning: bytes, pieces: AsyncIterator[bytes], *, n: int, on_partial: OnPartial | None
) -> AsyncGenerator[Stream, None]:
    """Yield what the stream has told, each time anew, until `n` images and their usage have come.

    Whoever reads has it even where the connection breaks.
    """
    stream = Stream()
    yield stream
    events = _events(beginning, pieces)
    try:
        while True:
            is_whole = len(stream.images) >= n
            if is_whole and "usage" in stream.told:
                return
            try:
                async with asyncio.timeout(LINGER_S if is_whole else None):
                    event = await anext(events, None)
            except TimeoutError:
                return
            if event is None or event.data.strip() == _DONE:
                return
            await _take(stream, event, on_partial)
            if stream.error is not None:
                return
            yield stream
    finally:
        await events.aclose()


async def _take(stream: Stream, event: Event, on_partial: OnPartial | None) -> None:
    if len(event.data) > LARGE_BYTES:
        told, items = await asyncio.to_thread(read_event, event.data)
    else:
        told, items = read_event(event.data)
    kind = told.get("type")
    kind = kind if isinstance(kind, str) else event.name
    images = [image for image in items if image is not None]
    if kind.endswith("partial_failed"):  # one of several images; the others go on
        logger.warning("The model's server has failed to draw one of several images.")
    elif told.get("error") or kind == "error" or kind.endswith(".failed"):
        nested = told.get("error")
        stream.error = nested if isinstance(nested, dict) else told
    elif kind.endswith("partial_image") or "partial_image_index" in told:
        stream.has_begun = True
        _show(told, images, on_partial)
    else:
        room = MAX_IMAGES - len(stream.images)
        stream.images += images[:room]
        stream.has_begun |= bool(images)
        stream.told |= {name: told[name] for name in ("usage", "model") if told.get(name)}


def _show(told: dict[str, Any], images: list[ProviderImage], on_partial: OnPartial | None) -> None:
    step = told.get("partial_image_index")
    for image in images:
        if on_partial is not None and image.data is not None:
            number = step if isinstance(step, int) and 0 <= step < 1000 else 0  # noqa: PLR2004
            on_partial(ProviderPartial(step=number, data=image.data))


async def _events(beginning: bytes, pieces: AsyncIterator[bytes]) -> AsyncGenerator[Event, None]:
    """Yield the events that have data. A line is copied once, however many pieces it comes in."""
    name, data = "", list[bytes]()
    async for line in _lines(beginning, pieces):
        if not line:
            if data:
                yield Event(name, b"\n".join(data))
            name, data = "", []
            continue
        field_, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field_ == b"data":
            data.append(value)
        elif field_ == b"event":
            name = value[:100].decode("utf-8", "replace")
    if data:  # lenient: the last event may lack the empty line
        yield Event(name, b"\n".join(data))


async def _lines(beginning: bytes, pieces: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Yield the lines, which end with LF or CR LF. What the end cuts off is a line too."""
    begun: list[bytes] = []
    for line in _cut(beginning.removeprefix(b"\xef\xbb\xbf"), begun):
        yield line
    async for piece in pieces:
        for line in _cut(piece, begun):
            yield line
    if begun:
        yield b"".join(begun).removesuffix(b"\r")


def _cut(piece: bytes, begun: list[bytes]) -> Iterator[bytes]:
    *lines, rest = piece.split(b"\n")
    for line in lines:
        begun.append(line)
        yield b"".join(begun).removesuffix(b"\r")
        begun.clear()
    if rest:
        begun.append(rest)

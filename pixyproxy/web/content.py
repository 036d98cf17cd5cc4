"""An image's bytes, or a derivative's, as an answer."""

import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from urllib.parse import quote

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from pixyproxy.core.cache import BoundedCache
from pixyproxy.core.models import ContentType, ImageDetail
from pixyproxy.service.pictures.rendering import DerivativeSpec
from pixyproxy.service.serving.content import Content
from pixyproxy.web.conditions import Validators, range_asked

_NOT_PLAIN = re.compile(r"[^A-Za-z0-9._-]")
_YEAR_S = 365 * 24 * 3600

RawHeader = tuple[bytes, bytes]


def content_headers(
    validators: Validators, filename: str, *, private: bool, download: bool, negotiated: bool
) -> list[RawHeader]:
    """Return the headers of the bytes, whether they are sent or the client has them already.

    Bytes never change, so caches may keep them; shared ones only where everybody may see them.
    A model's file is not trusted: it is shown as what its bytes are, and runs nothing.
    """
    scope = "private" if private else "public"
    headers = {
        "ETag": validators.etag,
        "Last-Modified": validators.last_modified,
        "Cache-Control": f"{scope}, max-age={_YEAR_S}, immutable",
        "Content-Disposition": content_disposition(filename, download=download),
        "Accept-Ranges": "bytes",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cross-Origin-Resource-Policy": "cross-origin",
        "Access-Control-Allow-Origin": "*",
    }
    if negotiated:
        headers["Vary"] = "Accept"
    return [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]


def content_disposition(filename: str, *, download: bool = False) -> str:
    """Return the header's value (RFC 6266), with a plain fallback where the name is not plain."""
    kind = "attachment" if download else "inline"
    plain = _NOT_PLAIN.sub("_", filename)
    if plain == filename:
        return f'{kind}; filename="{filename}"'
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"


@dataclass(frozen=True, slots=True)
class Representation:
    """What is served under a URL to clients of a kind: all of it but its bytes."""

    image: ImageDetail
    spec: DerivativeSpec | None
    """The derivative; None: the image as it is."""
    validators: Validators
    headers: list[RawHeader]
    """Those that go with 304 too."""

    @property
    def content_type(self) -> ContentType:
        """The media type of the bytes."""
        return self.image.content_type if self.spec is None else self.spec.content_type


class Representations(BoundedCache[tuple[str, bytes, str], Representation]):
    """What was served last, by GUID, query and Accept. Only good for the very same ImageDetail."""

    def __init__(self) -> None:
        super().__init__(max_entries=10_000, max_bytes=16 * 2**20)


class RawResponse(Response):
    """An answer whose headers are encoded already: it is on the hottest path."""

    def __init__(
        self, status: int, headers: list[RawHeader], body: bytes | memoryview = b""
    ) -> None:
        self.status_code = status
        self.raw_headers = headers
        self.body = body
        self.background = None


async def answer_with(
    content: Content, shown: Representation, conditions: Mapping[str, str], *, is_head: bool
) -> Response:
    """Return the bytes, or the part of them that is asked for."""
    size = content.byte_size
    headers = [*shown.headers, (b"content-type", shown.content_type.encode())]
    part = None
    if "range" in conditions and not is_head:
        part = range_asked(conditions, shown.validators, size)
    start, end = part or (0, size)
    headers.append((b"content-length", b"%d" % (end - start)))
    status = 200
    if part is not None:
        headers.append((b"content-range", b"bytes %d-%d/%d" % (start, end - 1, size)))
        status = 206
    if is_head:
        return RawResponse(status, headers)
    if content.data is not None:
        body = content.data if part is None else memoryview(content.data)[start:end]
        return RawResponse(status, headers, body)
    assert content.stream is not None
    chunks = content.stream(start, end - start)
    return ChunkedFile(await anext(chunks), chunks, status, headers)


class ChunkedFile(StreamingResponse):
    """Sends chunks as fast as the client takes them.

    The first one has been waited for: where it cannot be had, there is still time to say so.
    """

    def __init__(
        self,
        first: bytes,
        rest: AsyncGenerator[bytes, None],
        status: int,
        headers: list[RawHeader],
    ) -> None:
        super().__init__(self._all(first, rest), status)
        self.raw_headers = headers
        self._rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until all is sent, or the client goes away."""
        async with aclosing(self._rest):
            await super().__call__(scope, receive, send)

    @staticmethod
    async def _all(first: bytes, rest: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        yield first
        async for chunk in rest:
            yield chunk

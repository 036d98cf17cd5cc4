"""An image's bytes, or a derivative's, as an answer."""

import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from pixyproxy.core.models import ContentType
from pixyproxy.service.content import Content
from pixyproxy.web.conditions import Validators, range_asked

_NOT_PLAIN = re.compile(r"[^A-Za-z0-9._-]")
_YEAR_S = 365 * 24 * 3600


def content_headers(
    validators: Validators, filename: str, *, private: bool, download: bool, negotiated: bool
) -> dict[str, str]:
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
    return headers | ({"Vary": "Accept"} if negotiated else {})


def content_disposition(filename: str, *, download: bool = False) -> str:
    """Return the header's value (RFC 6266), with a plain fallback where the name is not plain."""
    kind = "attachment" if download else "inline"
    plain = _NOT_PLAIN.sub("_", filename)
    if plain == filename:
        return f'{kind}; filename="{filename}"'
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"


async def answer_with(
    request: Request,
    content: Content,
    content_type: ContentType,
    validators: Validators,
    headers: Mapping[str, str],
) -> Response:
    """Return the bytes, or the part of them that is asked for."""
    size = content.byte_size
    headers = {**headers, "Content-Type": content_type.value}
    if request.method == "HEAD":
        return Response(headers=headers | {"Content-Length": str(size)})
    part = None
    if "range" in request.headers:
        part = range_asked(request.headers, validators, size)
    start, end = part or (0, size)
    if part is not None:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    headers["Content-Length"] = str(end - start)
    status = 206 if part else 200
    if content.data is not None:
        body = content.data if part is None else memoryview(content.data)[start:end]
        return Response(body, status, headers)
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
        headers: Mapping[str, str],
    ) -> None:
        super().__init__(self._all(first, rest), status, headers)
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

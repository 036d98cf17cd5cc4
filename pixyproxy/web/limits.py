"""What a request may bring along, and how fast: its URL, its headers and its body."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_URL_BYTES = 16 * 1024
MAX_HEADER_BYTES = 32 * 1024


@dataclass(frozen=True, slots=True)
class RequestPace:
    """How fast a request must come."""

    timeout_s: float
    """What every request may take, from its first byte to its last."""
    bytes_per_s: float = 1024
    """A larger request has a second more each time this many bytes have come."""


class RequestLimits:
    """A middleware that raises an HTTPException for what is too large.

    A body is measured where it is read, so a caller without a key is refused before, and a body
    that says to be too large is not read at all.
    """

    def __init__(
        self, app: ASGIApp, *, max_body_bytes: int, max_body_bytes_by_path: Mapping[str, int]
    ) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes
        self._by_path = max_body_bytes_by_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request within the limits."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if len(scope["raw_path"]) + len(scope["query_string"]) > MAX_URL_BYTES:
            raise HTTPException(
                HTTPStatus.REQUEST_URI_TOO_LONG,
                f"The URL has more than {MAX_URL_BYTES:,} bytes.",
            )
        declared_bytes = header_bytes = 0
        for name, value in scope["headers"]:
            header_bytes += len(name) + len(value)
            if name == b"content-length":
                declared_bytes = int(value)
        if header_bytes > MAX_HEADER_BYTES:
            raise HTTPException(
                HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
                f"The headers have more than {MAX_HEADER_BYTES:,} bytes.",
            )
        max_bytes = self._by_path.get(scope["path"], self._max_body_bytes)
        received_bytes = 0

        async def receive_bounded() -> Message:
            nonlocal received_bytes
            _bound(declared_bytes, max_bytes)
            message = await receive()
            received_bytes += len(message.get("body", b""))
            _bound(received_bytes, max_bytes)
            return message

        await self._app(scope, receive_bounded, send)


def _bound(body_bytes: int, max_bytes: int) -> None:
    if body_bytes > max_bytes:
        raise HTTPException(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"The body has more than {max_bytes:,} bytes, which is the most taken here.",
        )

"""What web servers in front say of the request that came to them."""

from starlette.types import ASGIApp, Receive, Scope, Send

_PROTO = b"x-forwarded-proto"


class FirstForwardedProto:
    """A middleware for chains of web servers, each of which may add its own `X-Forwarded-Proto`.

    The first is what the caller used. Whether the header counts at all is for the middleware
    within to say: uvicorn's, which knows whom to trust, but takes one word only.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or WebSocket."""
        headers: list[tuple[bytes, bytes]] = scope.get("headers", [])
        told = [value for name, value in headers if name == _PROTO]
        if told:
            first = told[0].partition(b",")[0].strip().lower()
            others = [header for header in headers if header[0] != _PROTO]
            scope = {**scope, "headers": [*others, (_PROTO, first)]}
        await self._app(scope, receive, send)

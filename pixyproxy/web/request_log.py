"""The request log: a line when a request starts, and one when it has ended, whatever happens."""

import logging
import time

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.utils import ClientDisconnected

from pixyproxy.log import make_request_id, request_id_var

logger = logging.getLogger(__name__)

CLIENT_CLOSED_REQUEST = 499
"""The status that is logged (nobody receives it) where the client went away; nginx's number."""
_MAX_PATH_CHARS = 256


class RequestLog:
    """The outermost middleware: gives a request its id, and logs its start and its end."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or WebSocket."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        request_id = make_request_id()
        request_id_var.set(request_id)
        method = scope.get("method", "WEBSOCKET")
        path = scope["path"][:_MAX_PATH_CHARS]
        started_at = time.perf_counter()
        status = 0
        refused = False

        async def send_noting_status(message: Message) -> None:
            nonlocal status, refused
            match message["type"]:
                case "http.response.start" | "websocket.http.response.start":
                    status = message["status"]
                    message["headers"] = [
                        *message.get("headers", ()),
                        (b"x-request-id", request_id.encode()),
                    ]
                case "websocket.accept":
                    status = 101
                case "websocket.close" if not status:
                    status = 403
            await send(message)
            refused = message["type"] == "websocket.http.response.body"

        logger.info("REQUEST START method=%s path=%s", method, path)
        try:
            await self._app(scope, receive, send_noting_status)
        except ClientDisconnect:
            status = status or CLIENT_CLOSED_REQUEST
        except Exception:
            logger.exception("unforeseen error after the answer had begun")
        finally:
            state = scope.get("state", {})
            logger.info(
                "REQUEST END method=%s path=%s status=%d duration_ms=%.1f route=%s caller=%s",
                method,
                path,
                status or CLIENT_CLOSED_REQUEST,
                (time.perf_counter() - started_at) * 1000,
                state.get("route") or "-",
                state.get("caller") or "-",
            )
        if refused and "websocket.http.response" in scope.get("extensions", {}):
            # uvicorn has closed the connection, but takes a return for an unfinished handshake:
            # https://github.com/Kludex/uvicorn/pull/3138
            raise ClientDisconnected

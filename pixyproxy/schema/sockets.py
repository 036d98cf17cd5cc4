"""GraphQL subscriptions over WebSockets, by the protocol graphql-transport-ws.

https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager, suppress
from typing import Any, NoReturn

import orjson
from starlette.requests import HTTPConnection
from starlette.websockets import (
    WebSocket,
    WebSocketDisconnect,
    WebSocketDisconnected,
    WebSocketState,
)
from strawberry.schema.exceptions import InvalidOperationTypeError
from strawberry.types.execution import PreExecutionError

from pixyproxy.core.exceptions import AuthenticationError
from pixyproxy.core.strict_json import parse_json
from pixyproxy.schema.context import Context
from pixyproxy.schema.requests import check_request, result_content
from pixyproxy.schema.schema import PixySchema, refuse

SUBPROTOCOL = "graphql-transport-ws"
INIT_WITHIN_S = 10
MAX_SUBSCRIPTIONS = 50
"""Subscriptions that may be open on one socket."""

ONLY_SUBSCRIPTIONS = "Only subscriptions are served over a WebSocket; POST queries and mutations."
TOO_MANY = f"A WebSocket has at most {MAX_SUBSCRIPTIONS} subscriptions at once."
_CREDENTIALS = ("authorization", "x-api-key")

logger = logging.getLogger(__name__)


class Sockets:
    """The open sockets of one application."""

    def __init__(self) -> None:
        self._open: set[Socket] = set()
        self._draining = False

    def drain(self) -> None:
        """Close all sockets, and take on no more: the service is to stop."""
        self._draining = True
        for socket in self._open:
            socket.go_away()

    @contextmanager
    def joined_by(self, socket: "Socket") -> Iterator[None]:
        """Count `socket` among the open ones."""
        self._open.add(socket)
        if self._draining:
            socket.go_away()
        try:
            yield
        finally:
            self._open.discard(socket)


class _CloseError(Exception):
    """The socket is to be closed, with this code."""

    def __init__(self, code: int, reason: str) -> None:
        self.code = code
        self.reason = reason
        super().__init__(code, reason)


_GOING_AWAY = _CloseError(1001, "The service is stopping")
_NO_INIT = _CloseError(4408, "Connection initialisation timeout")


class Socket:
    """One socket, from its acceptance to its end.

    `authenticate` is given what a request with the client's key would be, and raises
    AuthenticationError; `make_context` is called for each subscription.
    """

    def __init__(
        self,
        websocket: WebSocket,
        schema: PixySchema,
        *,
        authenticate: Callable[[HTTPConnection], Awaitable[Any]],
        make_context: Callable[[], Context],
        max_message_bytes: int,
    ) -> None:
        self._websocket = websocket
        self._schema = schema
        self._authenticate = authenticate
        self._make_context = make_context
        self._max_message_bytes = max_message_bytes
        self._subscriptions: dict[str, asyncio.Task[None]] = {}
        self._patience = asyncio.timeout(INIT_WITHIN_S)
        self._is_going_away = False

    async def serve(self, sockets: Sockets) -> None:
        """Speak the protocol until either side closes."""
        await self._websocket.accept(SUBPROTOCOL)
        closing: Exception | None = None
        try:
            async with asyncio.TaskGroup() as tasks, self._patience:
                with sockets.joined_by(self):
                    await self._take_messages(tasks)
        except* _CloseError as group:
            closing = group.exceptions[0]
        except* TimeoutError:
            closing = _GOING_AWAY if self._is_going_away else _NO_INIT
        except* (WebSocketDisconnect, WebSocketDisconnected):
            pass
        if isinstance(closing, _CloseError) and self._is_open():
            with suppress(WebSocketDisconnect):
                await self._websocket.close(closing.code, closing.reason)

    def go_away(self) -> None:
        """Have the socket closed: the service is to stop."""
        self._is_going_away = True
        if not self._patience.expired():
            self._patience.reschedule(0)

    def _is_open(self) -> bool:
        states = {self._websocket.client_state, self._websocket.application_state}
        return states == {WebSocketState.CONNECTED}

    async def _take_messages(self, tasks: asyncio.TaskGroup) -> NoReturn:
        is_initialised = False
        while True:
            message = await self._receive()
            match message["type"]:
                case "connection_init" if not is_initialised:
                    await self._initialise(message.get("payload"))
                    is_initialised = True
                case "connection_init":
                    raise _CloseError(4429, "Too many initialisation requests")
                case "subscribe" if not is_initialised:
                    raise _CloseError(4401, "Unauthorized")
                case "subscribe":
                    await self._subscribe(message, tasks)
                case "complete":
                    self._unsubscribe(message.get("id"))
                case "ping":
                    await self._send({"type": "pong"})
                case "pong":
                    pass
                case _:
                    raise _CloseError(4400, "Unknown message type")

    async def _initialise(self, payload: Any) -> None:
        """Find out who it is: by the payload, or else by the upgrade request's own headers."""
        if not isinstance(payload, dict | None):
            raise _CloseError(4400, "The payload must be an object")
        scope = self._websocket.scope
        given = [
            (name.lower().encode(), str(value).encode(errors="surrogatepass"))
            for name, value in (payload or {}).items()
            if name.lower() in _CREDENTIALS
        ]
        if given:
            own = [item for item in scope["headers"] if item[0].decode() not in _CREDENTIALS]
            scope = {**scope, "headers": own + given}
        connection = HTTPConnection(scope)
        try:
            await self._authenticate(connection)
        except AuthenticationError as error:
            logger.info("refused code=%s", error.code)
            if any(name in connection.headers for name in _CREDENTIALS):
                raise _CloseError(4403, "Forbidden") from None
            raise _CloseError(4401, "Unauthorized") from None
        if not self._is_going_away:
            self._patience.reschedule(None)
        await self._send({"type": "connection_ack"})

    async def _subscribe(self, message: dict[str, Any], tasks: asyncio.TaskGroup) -> None:
        id_ = message.get("id")
        if not isinstance(id_, str) or not id_:
            raise _CloseError(4400, "`id` must be a string that is not empty")
        try:
            asked = check_request(message.get("payload"))
        except ValueError as error:
            raise _CloseError(4400, str(error)) from None
        if id_ in self._subscriptions:
            raise _CloseError(4409, "A subscriber with this id already exists")
        if len(self._subscriptions) >= MAX_SUBSCRIPTIONS:
            await self._send(_error(id_, refuse(TOO_MANY)))
        else:
            self._subscriptions[id_] = tasks.create_task(self._run(id_, asked))

    def _unsubscribe(self, id_: Any) -> None:
        task = self._subscriptions.pop(id_, None) if isinstance(id_, str) else None
        if task is not None:
            task.cancel()

    async def _run(self, id_: str, asked: dict[str, Any]) -> None:
        """Send what one subscription gives."""
        last: dict[str, Any] = {"id": id_, "type": "complete"}
        results = self._schema.follow(
            asked["query"], asked.get("variables"), self._make_context(), asked.get("operationName")
        )
        try:
            async with aclosing(results):
                async for result in results:
                    if isinstance(result, PreExecutionError):
                        last = _error(id_, result)
                        break
                    payload = result_content(result)
                    await self._send({"id": id_, "type": "next", "payload": payload})
        except InvalidOperationTypeError:
            last = _error(id_, refuse(ONLY_SUBSCRIPTIONS))
        if self._is_going_away:  # which ended it: it is not complete
            return
        del self._subscriptions[id_]  # the client may use the id again as soon as it reads the last
        await self._send(last)

    async def _receive(self) -> dict[str, Any]:
        event = await self._websocket.receive()
        if event["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(event["code"])
        text: str | None = event.get("text")
        if text is None:
            raise _CloseError(4400, "Messages must be text")
        data = text.encode()
        if len(data) > self._max_message_bytes:
            raise _CloseError(1009, "The message is too large")
        try:
            message = parse_json(data)
        except ValueError:
            raise _CloseError(4400, "Messages must be JSON") from None
        if not isinstance(message, dict) or not isinstance(message.get("type"), str):
            raise _CloseError(4400, "Messages must be objects with a type")
        return message

    async def _send(self, message: dict[str, Any]) -> None:
        await self._websocket.send_text(orjson.dumps(message).decode())


def _error(id_: str, result: PreExecutionError) -> dict[str, Any]:
    return {"id": id_, "type": "error", "payload": result_content(result)["errors"]}

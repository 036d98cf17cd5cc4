"""GraphQL over WebSockets, by the protocol graphql-transport-ws.

https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager, suppress
from functools import partial
from typing import Any, NoReturn, TypeVar

import orjson
from graphql import GraphQLError
from starlette.requests import HTTPConnection
from starlette.websockets import (
    WebSocket,
    WebSocketDisconnect,
    WebSocketDisconnected,
    WebSocketState,
)
from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from pixyproxy.core.exceptions import AuthenticationError
from pixyproxy.core.strict_json import parse_json
from pixyproxy.core.tasks import end_tasks
from pixyproxy.schema.context import Context
from pixyproxy.schema.requests import answer_content, check_request, result_content
from pixyproxy.schema.schema import PixySchema, refuse

SUBPROTOCOL = "graphql-transport-ws"
INIT_WITHIN_S = 10
MAX_OPERATIONS = 50
"""Operations that may be open on one socket; as many mutations, which may outlive their ids."""

TOO_MANY = f"A WebSocket has at most {MAX_OPERATIONS} operations at once."
_CREDENTIALS = ("authorization", "x-api-key")

_T = TypeVar("_T")

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
    AuthenticationError; `make_context` is called for each operation. A mutation that has begun goes
    on to its end, whatever becomes of the socket, which is only done with when it is.
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
        self._operations: dict[str, asyncio.Task[None]] = {}
        self._mutations: set[asyncio.Task[Any]] = set()
        self._owed: set[asyncio.Task[Any]] = set()
        """What waits for mutations, and sends their answers."""
        self._patience = asyncio.timeout(INIT_WITHIN_S)
        self._is_going_away = False

    async def serve(self, sockets: Sockets) -> None:
        """Speak the protocol until either side closes."""
        await self._websocket.accept(SUBPROTOCOL)
        closing: Exception | None = None
        try:
            async with asyncio.TaskGroup() as tasks:
                try:
                    async with self._patience:
                        with sockets.joined_by(self):
                            await self._take_messages(tasks)
                except TimeoutError:
                    if not self._is_going_away:
                        raise _NO_INIT from None
                while self._owed:
                    await asyncio.wait(self._owed)
                raise _GOING_AWAY
        except* _CloseError as group:
            closing = group.exceptions[0]
        except* (WebSocketDisconnect, WebSocketDisconnected):
            pass
        try:
            if isinstance(closing, _CloseError) and self._is_open():
                with suppress(WebSocketDisconnect):
                    await self._websocket.close(closing.code, closing.reason)
            if self._mutations:
                await asyncio.wait(self._mutations)
        finally:
            await end_tasks(self._mutations)

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
        except GraphQLError as error:
            await self._send(_error(id_, refuse(error)))
            return
        if id_ in self._operations:
            raise _CloseError(4409, "A subscriber with this id already exists")
        if max(len(self._operations), len(self._mutations)) >= MAX_OPERATIONS:
            await self._send(_error(id_, refuse(TOO_MANY)))
        else:
            self._begin(id_, asked, tasks)

    def _begin(self, id_: str, asked: dict[str, Any], tasks: asyncio.TaskGroup) -> None:
        context = self._make_context()
        operation = asked["query"], asked.get("variables"), context
        name = asked.get("operationName")
        execute = partial(self._schema.execute, *operation, operation_name=name)
        type_ = self._schema.type_of(asked["query"], name)
        if type_ is OperationType.MUTATION:
            mutation = _note(asyncio.create_task(execute()), self._mutations)
            results = _only(partial(asyncio.shield, mutation))
        elif type_ is OperationType.QUERY:
            results = _only(execute)
        else:  # a subscription; or following it says what is wrong
            results = self._schema.follow(*operation, operation_name=name)
        answers = tasks.create_task(self._answer(id_, results, context))
        self._operations[id_] = answers
        if type_ is OperationType.MUTATION:
            _note(answers, self._owed)

    def _unsubscribe(self, id_: Any) -> None:
        task = self._operations.pop(id_, None) if isinstance(id_, str) else None
        if task is not None:
            task.cancel()

    async def _answer(
        self, id_: str, results: AsyncGenerator[ExecutionResult, None], context: Context
    ) -> None:
        """Send what one operation gives."""
        last: dict[str, Any] = {"id": id_, "type": "complete"}
        async with aclosing(results):
            async for result in results:
                if isinstance(result, PreExecutionError):
                    last = _error(id_, result)
                    break
                payload = answer_content(result, context)
                await self._send({"id": id_, "type": "next", "payload": payload})
        if self._is_going_away and asyncio.current_task() not in self._owed:
            return  # that ended it: it is not complete
        del self._operations[id_]  # the client may use the id again as soon as it reads the last
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


async def _only(
    run: Callable[[], Awaitable[ExecutionResult]],
) -> AsyncGenerator[ExecutionResult, None]:
    yield await run()


def _note(task: asyncio.Task[_T], among: set[asyncio.Task[Any]]) -> asyncio.Task[_T]:
    """Keep the task in a set until it has ended."""
    among.add(task)
    task.add_done_callback(among.discard)
    return task


def _error(id_: str, result: PreExecutionError) -> dict[str, Any]:
    return {"id": id_, "type": "error", "payload": result_content(result)["errors"]}

"""GraphQL over HTTP and over WebSockets, and the schema as a document."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import orjson
from fastapi import APIRouter, Depends
from graphql import GraphQLError
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, Response
from starlette.websockets import WebSocket
from strawberry.schema.exceptions import InvalidOperationTypeError
from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from pixyproxy.bootstrap import Services
from pixyproxy.core.strict_json import parse_json
from pixyproxy.core.urls import GRAPHQL, SDL, Urls
from pixyproxy.schema.context import Context
from pixyproxy.schema.limits import Limits
from pixyproxy.schema.requests import answer_content, check_request
from pixyproxy.schema.schema import PixySchema, make_schema, refuse
from pixyproxy.schema.sockets import SUBPROTOCOL, Socket, Sockets

GRAPHQL_RESPONSE = "application/graphql-response+json"
_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Door:
    """How requests come in, the same in both faces: REST has it and hands it in."""

    authenticate: Callable[[HTTPConnection], Awaitable[None]]
    """Lets in who may call. Raises AuthenticationError."""
    public: Callable[[HTTPConnection], Awaitable[None]]
    """Lets anybody in."""
    services_of: Callable[[HTTPConnection], Services]
    urls_of: Callable[[HTTPConnection], Urls]


def make_graphql_router(
    door: Door,
    *,
    limits: Limits,
    graphiql: Callable[[Request], Response] | None,
    sync_wait_s: float,
    sockets: Sockets,
    allowed_origins: Sequence[str],
    max_message_bytes: int,
) -> APIRouter:
    """Return the router of /graphql, after the GraphQL-over-HTTP specification.

    /schema.graphql and the page that `graphiql` answers with hold no data, and are for anybody.
    Pages of the service itself and of `allowed_origins` may open WebSockets, which join `sockets`.
    """
    schema = make_schema(limits)

    def wants_page(request: HTTPConnection) -> bool:
        return (
            graphiql is not None
            and request.scope.get("method") == "GET"
            and "text/html" in request.headers.get("accept", "")
            and "query" not in request.query_params
        )

    async def admit(connection: HTTPConnection) -> None:
        await (door.public if wants_page(connection) else door.authenticate)(connection)

    def make_context(connection: HTTPConnection, urls: Urls) -> Context:
        return Context(
            door.services_of(connection),
            urls,
            connection.state.caller,
            asyncio.get_running_loop().time() + sync_wait_s,
        )

    async def serve(request: Request) -> Response:
        if graphiql is not None and wants_page(request):
            return graphiql(request)
        context = make_context(request, door.urls_of(request))
        result = await _execute(schema, request, context)
        return _answer(request, result, context)

    async def serve_socket(websocket: WebSocket) -> None:
        await door.public(websocket)
        _check_handshake(websocket, allowed_origins)
        urls = door.urls_of(websocket)
        socket = Socket(
            websocket,
            schema,
            authenticate=door.authenticate,
            make_context=lambda: make_context(websocket, urls),
            max_message_bytes=max_message_bytes,
        )
        await socket.serve(sockets)

    router = APIRouter()
    router.add_api_route(
        GRAPHQL,
        serve,
        methods=list(_OPERATIONS),
        dependencies=[Depends(admit)],
        response_model=None,
        include_in_schema=False,
    )
    router.add_api_websocket_route(GRAPHQL, serve_socket)
    _add_sdl(router, schema, door, is_public=limits.introspection)
    return router


def _add_sdl(router: APIRouter, schema: PixySchema, door: Door, *, is_public: bool) -> None:
    """Have the router serve the schema as a document, where it may be known."""
    document = cache(schema.as_str)

    async def serve() -> Response:
        return PlainTextResponse(f"{document()}\n")

    if is_public:
        router.add_api_route(
            SDL,
            serve,
            methods=["GET", "HEAD"],
            dependencies=[Depends(door.public)],
            response_model=None,
            include_in_schema=False,
        )


_OPERATIONS = {
    "GET": {OperationType.QUERY},
    "POST": {OperationType.QUERY, OperationType.MUTATION},
}
"""The types of operation that a method may ask for."""
_SUBSCRIBE = f"Subscriptions are served over a WebSocket that speaks {SUBPROTOCOL}."


def _check_handshake(websocket: WebSocket, allowed_origins: Sequence[str]) -> None:
    """Raise HTTPException unless the client speaks our protocol, and its page may ask here.

    Browsers say which page asks, and let it ask anybody: the answer is ours to refuse.
    """
    if SUBPROTOCOL not in websocket.scope["subprotocols"]:
        raise HTTPException(400, _SUBSCRIBE)
    scheme = websocket.scope["scheme"].replace("ws", "http")
    allowed = {f"{scheme}://{websocket.headers.get('host')}", *allowed_origins}
    if "*" not in allowed and not allowed.issuperset(websocket.headers.getlist("origin")):
        raise HTTPException(403, "Pages of this origin may not connect here.")


async def _execute(schema: PixySchema, request: Request, context: Context) -> ExecutionResult:
    """Return what the operation gives. Raises HTTPException for what is no request of GraphQL."""
    try:
        asked = await _read(request)
        return await schema.execute(
            asked["query"],
            asked.get("variables"),
            context,
            operation_name=asked.get("operationName"),
            allowed_operation_types=_OPERATIONS[request.method],
        )
    except InvalidOperationTypeError:
        if request.method == "GET":
            raise HTTPException(
                405, "GET is for queries only; use POST.", {"Allow": "POST"}
            ) from None
        return refuse(_SUBSCRIBE)
    except GraphQLError as error:
        return refuse(error)


async def _read(request: Request) -> dict[str, Any]:
    """Return what is asked."""
    if request.method == "GET":
        parameters = request.query_params
        if len(parameters) != len(parameters.multi_items()):
            raise HTTPException(400, "A parameter stands twice in the URL.")
        body: Any = dict(parameters)
        for name in ("variables", "extensions"):
            if text := body.pop(name, ""):
                body[name] = _parse(text.encode())
    else:
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _JSON:
            raise HTTPException(415, f"Send the body as Content-Type: {_JSON}.")
        body = _parse(await request.body())
    try:
        return check_request(body)
    except ValueError as error:
        raise HTTPException(400, str(error)) from None


def _parse(data: bytes) -> Any:
    try:
        return parse_json(data)
    except ValueError as error:
        raise HTTPException(400, f"The request cannot be read: {error}.") from None


def _answer(request: Request, result: ExecutionResult, context: Context) -> Response:
    """Return the result as JSON."""
    strict = GRAPHQL_RESPONSE in request.headers.get("accept", "")
    return Response(
        orjson.dumps(answer_content(result, context)),
        status_code=400 if strict and isinstance(result, PreExecutionError) else 200,
        headers={"Idempotency-Replayed": "true"} if context.replayed else None,
        media_type=GRAPHQL_RESPONSE if strict else _JSON,
    )

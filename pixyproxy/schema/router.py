"""GraphQL over HTTP."""

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from fastapi import APIRouter, Depends
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, Response
from strawberry.http.ides import get_graphql_ide_html
from strawberry.schema.exceptions import InvalidOperationTypeError
from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from pixyproxy.core.strict_json import parse_json
from pixyproxy.schema.context import Context
from pixyproxy.schema.errors import format_error
from pixyproxy.schema.limits import Limits
from pixyproxy.schema.schema import make_schema

GRAPHQL_PATH = "/graphql"
GRAPHQL_RESPONSE = "application/graphql-response+json"
_JSON = "application/json"

Dependency = Callable[[HTTPConnection], Awaitable[Any]]


def make_graphql_router(
    *,
    authenticate: Dependency,
    public: Dependency,
    make_image_url: Dependency,
    limits: Limits,
    graphiql: bool,
) -> APIRouter:
    """Return the router of /graphql, after the GraphQL-over-HTTP specification.

    Dependencies are handed in, for REST has them too: who may call, what lets anybody in (to the
    GraphiQL page, which holds no data), and what makes an image's URL.
    """
    schema = make_schema(limits)
    page = get_graphql_ide_html("graphiql") if graphiql else None

    def wants_page(request: HTTPConnection) -> bool:
        return (
            page is not None
            and request.scope.get("method") == "GET"
            and "text/html" in request.headers.get("accept", "")
            and "query" not in request.query_params
        )

    async def admit(connection: HTTPConnection) -> None:
        await (public if wants_page(connection) else authenticate)(connection)

    async def serve(request: Request) -> Response:
        if wants_page(request):
            return HTMLResponse(page)
        asked = await _read(request)
        context = Context(request.state.services.images, await make_image_url(request))
        try:
            result = await schema.execute(
                asked["query"],
                asked.get("variables"),
                context,
                operation_name=asked.get("operationName"),
                allowed_operation_types=_OPERATIONS[request.method],
            )
        except InvalidOperationTypeError:
            raise HTTPException(
                405, "GET is for queries only; use POST.", {"Allow": "POST"}
            ) from None
        return _answer(request, result, context.kept)

    router = APIRouter()
    router.add_api_route(
        GRAPHQL_PATH,
        serve,
        methods=list(_OPERATIONS),
        dependencies=[Depends(admit)],
        response_model=None,
        include_in_schema=False,
    )
    return router


_OPERATIONS = {"GET": {OperationType.QUERY}, "POST": None}
"""The types of operation that a method may ask for, where not all."""
_FIELD_TYPES: dict[str, type] = {
    "query": str,
    "variables": dict,
    "operationName": str,
    "extensions": dict,
}
_KIND_NAMES: dict[type, str] = {str: "a string", dict: "an object"}


async def _read(request: Request) -> dict[str, Any]:
    """Return what is asked: an object with a query, whose other fields are of the right types."""
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
    if not isinstance(body, dict):
        raise HTTPException(400, "The body must be one JSON object with a query.")
    for name, kind in _FIELD_TYPES.items():
        if not isinstance(body.get(name), kind | None):
            raise HTTPException(400, f"`{name}` must be {_KIND_NAMES[kind]} or null.")
    if not body.get("query"):
        raise HTTPException(400, "There is no `query`.")
    return body


def _parse(data: bytes) -> Any:
    try:
        return parse_json(data)
    except ValueError as error:
        raise HTTPException(400, f"The request cannot be read: {error}.") from None


def _answer(request: Request, result: ExecutionResult, kept: list[str]) -> Response:
    """Return the result as JSON. Where nothing was executed there is no `data`.

    Images that were paid for are named even where another field's error took `data` away.
    """
    not_executed = isinstance(result, PreExecutionError)
    content: dict[str, Any] = {} if not_executed else {"data": result.data}
    if result.errors:
        content["errors"] = [format_error(error) for error in result.errors]
    if result.data is None and kept:
        content["extensions"] = {"kept": kept}
    strict = GRAPHQL_RESPONSE in request.headers.get("accept", "")
    return Response(
        orjson.dumps(content),
        status_code=400 if not_executed and strict else 200,
        media_type=GRAPHQL_RESPONSE if strict else _JSON,
    )

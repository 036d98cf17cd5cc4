"""GraphQL over HTTP."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import orjson
from cross_web import AsyncHTTPRequestAdapter
from cross_web import HTTPException as ViewError
from fastapi import Depends
from fastapi.routing import APIWebSocketRoute
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from strawberry.fastapi import GraphQLRouter
from strawberry.http import GraphQLHTTPResponse, GraphQLRequestData
from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError

from pixyproxy.core.strict_json import parse_json
from pixyproxy.schema.context import Context
from pixyproxy.schema.errors import format_error
from pixyproxy.schema.schema import PixySchema, make_schema

GRAPHQL_PATH = "/graphql"
GRAPHQL_RESPONSE = "application/graphql-response+json"
_JSON = "application/json"

Dependency = Callable[[HTTPConnection], Awaitable[Any]]


def make_graphql_router(
    *, authenticate: Dependency, public: Dependency, make_image_url: Dependency
) -> "PixyGraphQLRouter":
    """Return the router of /graphql.

    Dependencies are handed in, for REST has them too: who may call, what lets anybody in (to the
    GraphiQL page, which holds no data), and what makes an image's URL.
    """

    async def admit(connection: HTTPConnection) -> None:
        page = connection.scope.get("method") == "GET" and _asks_for_page(connection)
        await (public if page else authenticate)(connection)

    async def get_context(
        connection: HTTPConnection, image_url: Annotated[Any, Depends(make_image_url)]
    ) -> Context:
        return Context(images=connection.state.services.images, image_url=image_url)

    return PixyGraphQLRouter(
        make_schema(),
        path=GRAPHQL_PATH,
        graphql_ide="graphiql",
        subscription_protocols=(),
        dependencies=[Depends(admit)],
        context_getter=get_context,
        include_in_schema=False,
    )


class PixyGraphQLRouter(GraphQLRouter[Context, None]):
    """Strawberry's router, made strict after the GraphQL-over-HTTP specification."""

    def __init__(self, schema: PixySchema, **kwargs: Any) -> None:
        super().__init__(schema, **kwargs)
        self.routes[:] = [
            route for route in self.routes if not isinstance(route, APIWebSocketRoute)
        ]

    async def run(self, request: Any, context: Any = None, root_value: Any = None) -> Any:
        """Serve one request; what is wrong with it goes to the one exception handler."""
        try:
            response = await super().run(request, context=context, root_value=root_value)
        except ViewError as error:
            raise HTTPException(error.status_code, error.reason) from None
        if GRAPHQL_RESPONSE in request.headers.get("accept", ""):
            response.headers["content-type"] = GRAPHQL_RESPONSE
            if getattr(request.state, "not_executed", False):
                response.status_code = 400
        return response

    def should_render_graphql_ide(self, request: Any) -> bool:
        """Show GraphiQL to browsers that ask for a page."""
        return request.method == "GET" and _asks_for_page(request)

    async def parse_http_body(self, request: AsyncHTTPRequestAdapter) -> GraphQLRequestData:
        """Read query, variables and operationName, whose types are checked."""
        if request.method == "GET":
            body: Any = {**request.query_params}
            for name in ("variables", "extensions"):
                if text := body.get(name):
                    body[name] = _parse(str(text).encode())
        else:
            if (request.content_type or "").partition(";")[0].strip().lower() != _JSON:
                raise HTTPException(415, f"Send the body as Content-Type: {_JSON}.")
            body = _parse(bytes(await request.get_body()))
        if not isinstance(body, dict):
            raise HTTPException(400, "The body must be one JSON object with a query.")
        for name, kind in _FIELD_TYPES.items():
            if not isinstance(body.get(name), kind | None):
                raise HTTPException(400, f"`{name}` must be {_KIND_NAMES[kind]} or null.")
        return GraphQLRequestData(
            query=body.get("query"),
            variables=body.get("variables"),
            operation_name=body.get("operationName"),
            extensions=body.get("extensions"),
        )

    async def process_result(
        self, request: Request, result: ExecutionResult
    ) -> GraphQLHTTPResponse:
        """Return the result's JSON. Where nothing was executed there is no `data`."""
        answer: dict[str, Any] = {}
        if isinstance(result, PreExecutionError):
            request.state.not_executed = True
        else:
            answer["data"] = result.data
        if result.errors:
            answer["errors"] = [format_error(error) for error in result.errors]
        return answer  # type: ignore[return-value]

    def create_response(self, response_data: Any, sub_response: Response) -> Response:
        """Return the answer."""
        return Response(orjson.dumps(response_data), media_type=_JSON)


_FIELD_TYPES: dict[str, type] = {
    "query": str,
    "variables": dict,
    "operationName": str,
    "extensions": dict,
}
_KIND_NAMES: dict[type, str] = {str: "a string", dict: "an object"}


def _parse(data: bytes) -> Any:
    try:
        return parse_json(data)
    except ValueError as error:
        raise HTTPException(400, f"The request cannot be read: {error}.") from None


def _asks_for_page(request: Any) -> bool:
    return "text/html" in request.headers.get("accept", "") and "query" not in request.query_params

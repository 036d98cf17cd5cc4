"""What is asked of GraphQL, by HTTP or over a WebSocket, and the form of the answers."""

from collections.abc import Mapping
from typing import Any

from graphql import GraphQLError
from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError

from pixyproxy.schema.context import Context
from pixyproxy.schema.errors import format_error

_FIELD_TYPES: dict[str, type] = {
    "query": str,
    "variables": dict,
    "operationName": str,
    "extensions": dict,
}
PERSISTED_QUERIES_CODE = "PERSISTED_QUERY_NOT_SUPPORTED"
PERSISTED_QUERIES = GraphQLError(
    "PersistedQueryNotSupported", extensions={"code": PERSISTED_QUERIES_CODE}
)
"""What Apollo's clients, and urql's, look for; they send the query itself then."""
_KIND_NAMES: dict[type, str] = {str: "a string", dict: "an object"}


def check_request(body: Any) -> dict[str, Any]:
    """Return what is asked: an object with a query, whose other fields are of the right types.

    Raises ValueError, with a message for the sender, and GraphQLError where a persisted query is
    asked for.
    """
    if not isinstance(body, dict):
        raise ValueError("A request must be one JSON object with a query.")  # noqa: TRY004
    for name, kind in _FIELD_TYPES.items():
        if not isinstance(body.get(name), kind | None):
            raise ValueError(f"`{name}` must be {_KIND_NAMES[kind]} or null.")  # noqa: TRY004
    body["operationName"] = body.get("operationName") or None
    if not body.get("query"):
        if (body.get("extensions") or {}).get("persistedQuery"):
            raise PERSISTED_QUERIES
        raise ValueError("There is no `query`.")
    return body


def answer_content(result: ExecutionResult, context: Context) -> dict[str, Any]:
    """Return the whole answer to a query or mutation.

    Its extensions name what was paid for and does not stand in `data`.
    """
    content = result_content(result)
    extensions = {
        "replayed": context.replayed,
        "kept": _missing(context.kept, result.data),
        "submitted": _missing(context.submitted, result.data),
    }
    if told := {name: values for name, values in extensions.items() if values}:
        content["extensions"] = told
    return content


def _missing(guids: Mapping[str, str], data: Mapping[str, Any] | None) -> list[str]:
    return [guid for name, guid in guids.items() if data is None or data.get(name) is None]


def result_content(result: ExecutionResult) -> dict[str, Any]:
    """Return the result in the form of JSON. Where nothing was executed there is no `data`."""
    content: dict[str, Any] = {}
    if not isinstance(result, PreExecutionError):
        content["data"] = result.data
    if result.errors:
        content["errors"] = [format_error(error) for error in result.errors]
    return content

"""What is asked of GraphQL, by HTTP or over a WebSocket, and the form of the answers."""

from typing import Any

from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError

from pixyproxy.schema.errors import format_error

_FIELD_TYPES: dict[str, type] = {
    "query": str,
    "variables": dict,
    "operationName": str,
    "extensions": dict,
}
_KIND_NAMES: dict[type, str] = {str: "a string", dict: "an object"}


def check_request(body: Any) -> dict[str, Any]:
    """Return what is asked: an object with a query, whose other fields are of the right types.

    Raises ValueError, with a message for the sender.
    """
    if not isinstance(body, dict):
        raise ValueError("A request must be one JSON object with a query.")  # noqa: TRY004
    for name, kind in _FIELD_TYPES.items():
        if not isinstance(body.get(name), kind | None):
            raise ValueError(f"`{name}` must be {_KIND_NAMES[kind]} or null.")  # noqa: TRY004
    if not body.get("query"):
        raise ValueError("There is no `query`.")
    return body


def result_content(result: ExecutionResult) -> dict[str, Any]:
    """Return the result in the form of JSON. Where nothing was executed there is no `data`."""
    content: dict[str, Any] = {}
    if not isinstance(result, PreExecutionError):
        content["data"] = result.data
    if result.errors:
        content["errors"] = [format_error(error) for error in result.errors]
    return content

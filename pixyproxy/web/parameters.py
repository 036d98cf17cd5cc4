"""Query parameters that a route does not have."""

from collections.abc import Collection, Iterator
from difflib import get_close_matches
from urllib.parse import parse_qsl

from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Query
from fastapi.routing import APIRoute
from starlette.requests import HTTPConnection

from pixyproxy.core.exceptions import ConstraintViolationError, FieldFault
from pixyproxy.service.validation import MAX_FAULTS

_MAX_NAME_CHARS = 100


def check_parameters(connection: HTTPConnection) -> None:
    """Raise ConstraintViolationError where the URL has parameters that its route does not have."""
    route: APIRoute = connection.scope["route"]
    known = _names(route)
    query = connection.scope["query_string"].decode("latin-1")
    given = dict.fromkeys(name for name, _ in parse_qsl(query, keep_blank_values=True))
    faults = [
        FieldFault(name[:_MAX_NAME_CHARS], _advise(name, known, connection, route), known or None)
        for name in given
        if name not in known
    ]
    if faults:
        raise ConstraintViolationError(faults[:MAX_FAULTS])


_names_by_path: dict[tuple[str, str], tuple[str, ...]] = {}
"""FastAPI needs a third of a millisecond to tell them."""


def _names(route: APIRoute) -> tuple[str, ...]:
    key = (route.path, route.name)
    if key not in _names_by_path:
        parameters = get_flat_params(route.dependant)
        names = tuple(one.alias for one in parameters if isinstance(one.field_info, Query))
        _names_by_path[key] = names
    return _names_by_path[key]


def _advise(name: str, known: Collection[str], connection: HTTPConnection, route: APIRoute) -> str:
    """Say which known name is nearest: of this route, or of one beside it that searches."""
    if nearest := _nearest(name, known):
        return f"is not known here; did you mean {nearest}?"
    for other in _below(route, connection):
        if nearest := _nearest(name, _names(other)):
            return f"is not known here; did you mean {nearest} of {other.path}?"
    if known:
        return f"is not known here; known are {', '.join(known)}"
    return "is not known here: no parameters are"


def _nearest(name: str, known: Collection[str]) -> str | None:
    if close := get_close_matches(name.lower(), known, n=1):
        return close[0]
    return next((one for one in known if one.startswith(name.lower() or "-")), None)


def _below(route: APIRoute, connection: HTTPConnection) -> Iterator[APIRoute]:
    for other in connection.app.routes:
        if (
            isinstance(other, APIRoute)
            and other.path.startswith(f"{route.path}/")
            and "{" not in other.path
            and other.methods == route.methods
        ):
            yield other

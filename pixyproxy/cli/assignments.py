"""Parameters on the command line: `name=value`."""

from collections.abc import Iterable
from typing import Any

from pixyproxy.core.strict_json import parse_json


def read_assignments(assignments: Iterable[str]) -> dict[str, Any] | None:
    """Return the parameters; a value that is no JSON is text. Raises ValueError."""
    parameters: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not (name and equals):
            raise ValueError(f"--set takes NAME=VALUE, not {assignment}")
        if name in parameters:
            raise ValueError(f"--set names {name} twice")
        try:
            parameters[name] = parse_json(text.encode())
        except ValueError:
            parameters[name] = text
    return parameters or None

"""What the rows of images must meet to be found: clauses of SQL and their named parameters."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

_STRING = sa.String()

Bind = Callable[..., sa.BindParameter[Any]]
"""Gives a parameter for a value, as `Conditions.bind` does."""


@dataclass(slots=True)
class Conditions:
    """The conditions that a row meets, all of them, and their named parameters."""

    clauses: list[sa.ColumnElement[bool]] = field(default_factory=list)
    parameters: dict[str, Any] = field(default_factory=dict)

    def bind(self, value: Any, type_: sa.types.TypeEngine[Any] = _STRING) -> sa.BindParameter[Any]:
        """Return a parameter with this value."""
        name = f"criterion_{len(self.parameters)}"
        self.parameters[name] = value
        return sa.bindparam(name, type_=type_)

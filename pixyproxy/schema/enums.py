"""GraphQL: enumerations of other rooms, as they describe themselves."""

from typing import Any

import strawberry

from pixyproxy.core.enums import DescribedEnum


def declare_enum(kind: type[DescribedEnum], *, name: str | None = None) -> None:
    """Make it one of the schema's, under its own name or another."""
    declared: Any = strawberry.enum(kind, name=name, description=kind.__doc__)
    for value, member in zip(declared.__strawberry_definition__.values, kind, strict=True):
        value.description = member.description

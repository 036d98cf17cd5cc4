"""GraphQL arguments that are declared elsewhere: resolvers take them all by their `**given`."""

from collections.abc import Callable, Collection, Iterable
from inspect import Parameter, signature
from typing import Annotated, Any, TypeVar, get_type_hints

import strawberry
from pydantic import BaseModel
from strawberry import UNSET

_Resolver = TypeVar("_Resolver", bound=Callable[..., Any])


def argument(name: str, type_: Any, description: str | None, default: Any = None) -> Parameter:
    """Return the declaration of an argument."""
    annotation = Annotated[type_, strawberry.argument(description=description)]
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def fields_of(model: type[BaseModel], *, without: Collection[str] = ()) -> list[Parameter]:
    """Return a model's fields as arguments, described in the same words."""
    types = get_type_hints(model)
    return [
        argument(
            name,
            types[name],
            field.description,
            Parameter.empty if field.is_required() else field.default,
        )
        for name, field in model.model_fields.items()
        if name not in without
    ]


def takes(arguments: Iterable[Parameter]) -> Callable[[_Resolver], _Resolver]:
    """Have a resolver take these arguments in the place of its `**given`."""

    def declare(resolver: _Resolver) -> _Resolver:
        written = signature(resolver)
        receiver, info, *others, _given = written.parameters.values()
        declared = [
            # In Strawberry's terms None would be a default that clients see.
            parameter.replace(default=UNSET) if parameter.default is None else parameter
            for parameter in (*arguments, *others)
        ]
        changed = written.replace(parameters=[receiver, info, *declared])
        resolver.__signature__ = changed  # type: ignore[attr-defined]
        return resolver

    return declare

"""GraphQL: arguments and input fields made from the fields of models, in the same words.

Resolvers take such arguments all by their `**given`.
"""

from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from enum import StrEnum
from inspect import Parameter, signature
from typing import Annotated, Any, TypeVar, get_args, get_type_hints

import strawberry
from pydantic import AwareDatetime, BaseModel
from strawberry import UNSET
from strawberry.types.enum import has_enum_definition

_Resolver = TypeVar("_Resolver", bound=Callable[..., Any])
_Input = TypeVar("_Input", bound=type)


def argument(name: str, type_: Any, description: str | None, default: Any = None) -> Parameter:
    """Return the declaration of an argument."""
    annotation = Annotated[type_, strawberry.argument(description=description)]
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def fields_of(
    model: type[BaseModel], *, only: Collection[str] | None = None, without: Collection[str] = ()
) -> list[Parameter]:
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
        if (only is None or name in only) and name not in without
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


def has_fields_of(model: type[BaseModel]) -> Callable[[_Input], _Input]:
    """Have an input type have the model's fields, all optional, described in the same words.

    Where one was not given it is UNSET.
    """

    def declare(input_: _Input) -> _Input:
        types = get_type_hints(model)
        for name, field in model.model_fields.items():
            described = strawberry.field(default=UNSET, description=field.description)
            setattr(input_, name, described)
            input_.__annotations__[name] = _input_type(types[name]) | None
        return input_

    return declare


def _input_type(optional: Any) -> Any:
    """Return what stands in an input type for an optional type of a model."""
    kind, _none = get_args(optional)
    if kind is AwareDatetime:
        return datetime
    if isinstance(kind, type) and issubclass(kind, StrEnum) and not has_enum_definition(kind):
        return str
    return kind

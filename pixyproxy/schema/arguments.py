"""GraphQL: arguments and input fields made from the fields of models, in the same words."""

from collections.abc import Callable, Collection
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


def takes(
    model: type[BaseModel],
    *,
    only: Collection[str] | None = None,
    without: Collection[str] = (),
) -> Callable[[_Resolver], _Resolver]:
    """Have a resolver take the model's fields as arguments, described in the same words.

    They reach it by its `**asked`, those that were given.
    """
    types = get_type_hints(model)
    names = [
        name
        for name in model.model_fields
        if (only is None or name in only) and name not in without
    ]

    def make_argument(name: str) -> Parameter:
        field = model.model_fields[name]
        default = Parameter.empty if field.is_required() else field.default
        described = strawberry.argument(description=field.description)
        annotation: Any = Annotated[types[name], described]
        return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)

    def declare(resolver: _Resolver) -> _Resolver:
        written = signature(resolver)
        receiver, info, *others, _asked = written.parameters.values()
        arguments = [
            # In Strawberry's terms None would be a default that clients see.
            argument.replace(default=UNSET) if argument.default is None else argument
            for argument in (*map(make_argument, names), *others)
        ]
        declared = written.replace(parameters=[receiver, info, *arguments])
        resolver.__signature__ = declared  # type: ignore[attr-defined]
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

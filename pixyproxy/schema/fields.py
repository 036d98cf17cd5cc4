"""GraphQL types that show a model of core, field for field and in the same words."""

from collections.abc import Callable, Collection
from enum import StrEnum
from inspect import get_annotations
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import strawberry
from pydantic import BaseModel
from strawberry.scalars import JSON
from strawberry.types.enum import has_enum_definition

_Class = TypeVar("_Class", bound=type)


def shows(model: type[BaseModel], *, without: Collection[str] = ()) -> Callable[[_Class], _Class]:
    """Give a class the model's fields, in the model's order, for Strawberry to make a type of.

    A field that the class declares itself keeps its own type, and its description where it has
    one. What GraphQL has no type for is JSON.
    """

    def add(class_: _Class) -> _Class:
        own = get_annotations(class_)
        types = get_type_hints(model)
        annotations: dict[str, Any] = {}
        for name in {**get_annotations(model), **model.model_fields}:
            if name not in model.model_fields or name in without:
                continue
            annotations[name] = own.get(name) or _graphql_type(types[name])
            if name not in vars(class_):
                description = model.model_fields[name].description
                setattr(class_, name, strawberry.field(description=description))
        class_.__annotations__ = annotations | own
        return class_

    return add


def _graphql_type(type_: Any) -> Any:
    origin, arguments = get_origin(type_), get_args(type_)
    if origin in {Union, UnionType}:
        (inner,) = (one for one in arguments if one is not NoneType)
        return _graphql_type(inner) | None
    if origin is tuple:
        return list[_graphql_type(arguments[0])]  # type: ignore[misc]
    if origin is not None:
        return JSON
    if issubclass(type_, StrEnum) and not has_enum_definition(type_):
        return str
    return type_

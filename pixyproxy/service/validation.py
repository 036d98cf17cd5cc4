"""Validation by pydantic, with faults that say which field, why, and what would do."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from pixyproxy.core.exceptions import ConstraintViolationError, FieldFault

Model = TypeVar("Model", bound=BaseModel)


def validate(model: type[Model], values: Mapping[str, Any]) -> Model:
    """Return the model made of `values`. Raises ConstraintViolationError with all faults."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        faults = error.errors(include_input=False, include_url=False, include_context=False)
        raise ConstraintViolationError(field_faults(faults)) from None


def field_faults(errors: Sequence[Mapping[str, Any]]) -> list[FieldFault]:
    """Return pydantic's errors as faults. Where FastAPI says so, `body`, `query` is left out."""
    return [
        FieldFault(
            field=".".join(str(part) for part in error["loc"] if part not in _PLACES) or "body",
            message=error["msg"].removeprefix("Value error, "),
        )
        for error in errors
    ]


_PLACES = {"body", "query", "path", "header"}

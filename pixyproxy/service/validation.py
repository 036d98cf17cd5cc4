"""Validation by pydantic, with faults that say which field, why, and what would do."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from pixyproxy.core.exceptions import ConstraintViolationError, FieldFault

MAX_FAULTS = 20
"""More are not told: an answer must not outgrow what was sent."""

Model = TypeVar("Model", bound=BaseModel)


def validate(model: type[Model], values: Mapping[str, Any] | Model) -> Model:
    """Return the model made of `values`. Raises ConstraintViolationError with all faults.

    An instance is checked again where its model says so (`revalidate_instances`).
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        faults = error.errors(include_input=False, include_url=False, include_context=False)
        raise ConstraintViolationError(field_faults(faults)) from None


def field_faults(errors: Sequence[Mapping[str, Any]]) -> list[FieldFault]:
    """Return pydantic's errors as faults. Where FastAPI says so, `body`, `query` is left out."""
    return [
        FieldFault(
            field=".".join(map(str, _without_place(error["loc"]))),
            message=error["msg"].removeprefix("Value error, "),
        )
        for error in errors[:MAX_FAULTS]
    ]


_PLACES = {"body", "query", "path", "header"}


def _without_place(loc: Sequence[str | int]) -> Sequence[str | int]:
    return loc[1:] if len(loc) > 1 and loc[0] in _PLACES else loc

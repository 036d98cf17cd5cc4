"""What the OpenAPI document says of errors."""

from http import HTTPStatus
from typing import Any

from pixyproxy.web.models import Problem


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the declarations of error answers with these statuses."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "model": Problem,
            "content": {"application/problem+json": {}},
        }
        for status in statuses
    }

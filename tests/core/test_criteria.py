"""Criteria: what they accept, and what is none."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from pixyproxy.core.criteria import ImageCriteria, Orientation


@pytest.mark.parametrize(
    ("width", "height", "orientation"),
    [
        (2, 1, Orientation.LANDSCAPE),
        (1, 2, Orientation.PORTRAIT),
        (2, 2, Orientation.SQUARE),
    ],
)
def test_the_orientation_of_a_size(width: int, height: int, orientation: Orientation) -> None:
    assert Orientation.of(width, height) is orientation
    assert Orientation(orientation.value) is orientation


def test_what_is_left_out_is_no_criterion() -> None:
    assert ImageCriteria().is_of_all
    assert ImageCriteria(query=None, tags=[]).is_of_all
    criteria = ImageCriteria(model="m", tags=["Pets "])
    assert not criteria.is_of_all
    assert criteria.given == {"model": "m", "tags": ["pets"]}


@pytest.mark.parametrize(
    "criteria",
    [
        {"colour": "red"},
        {"query": "x" * 1001},
        {"prompt": "\0"},
        {"model": "m" * 256},
        {"content_type": "text/html"},
        {"dimensions": "0x10"},
        {"orientation": "round"},
        {"created_after": datetime(2026, 11, 20, tzinfo=UTC).replace(tzinfo=None)},
        {"tags": ["a"] * 21},
    ],
)
def test_what_is_no_criterion_is_refused(criteria: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ImageCriteria.model_validate(criteria)

"""What callers give becomes criteria."""

from typing import Any

import pytest

from pixyproxy.core.criteria import ImageCriteria
from pixyproxy.core.exceptions import ConstraintViolationError
from pixyproxy.service.finding.criteria import (
    MAX_QUERY_PREFIXES,
    MAX_QUERY_WORDS,
    make_criteria,
)


def test_blank_is_no_criterion() -> None:
    given = {"query": " ", "model": "", "dimensions": "\t", "orientation": None, "filename": "a"}
    assert make_criteria(given) == ImageCriteria(filename="a")


@pytest.mark.parametrize("name", ["query", "prompt", "filename"])
@pytest.mark.parametrize(
    ("most", "more"),
    [
        ("a " * MAX_QUERY_WORDS, "a " * (MAX_QUERY_WORDS + 1)),
        (
            " ".join(f"word{number}*" for number in range(MAX_QUERY_PREFIXES)),
            " ".join(f"word{number}*" for number in range(MAX_QUERY_PREFIXES + 1)),
        ),
    ],
)
def test_queries_have_bounds_in_words(name: str, most: str, more: str) -> None:
    assert make_criteria({name: most}).given == {name: most}
    with pytest.raises(ConstraintViolationError) as caught:
        make_criteria({name: more})
    assert [fault.field for fault in caught.value.faults] == [name]


@pytest.mark.parametrize(
    ("given", "field"),
    [({"dimensions": "1x0"}, "dimensions"), ({"tags": ["a", " "]}, "tags.1"), ({"x": 1}, "x")],
)
def test_what_will_not_do_is_told_by_its_field(given: dict[str, Any], field: str) -> None:
    with pytest.raises(ConstraintViolationError) as caught:
        make_criteria(given)
    assert [fault.field for fault in caught.value.faults] == [field]

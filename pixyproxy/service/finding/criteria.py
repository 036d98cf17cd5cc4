"""From what a caller gives to criteria: blank is none, and queries have bounds in words too."""

from collections.abc import Iterator, Mapping
from typing import Any

from pixyproxy.core.criteria import ImageCriteria
from pixyproxy.core.exceptions import ConstraintViolationError, FieldFault
from pixyproxy.core.query import parse_query
from pixyproxy.core.text import words
from pixyproxy.service.validation import validate

MAX_QUERY_WORDS = 50
"""More words than this, and databases take more time to plan the search than to run it."""
MAX_QUERY_PREFIXES = 10
"""Each stands for many words."""

_QUERIES = ("query", "prompt", "filename")


def make_criteria(given: Mapping[str, Any]) -> ImageCriteria:
    """Return the criteria that a caller gives. Raises ConstraintViolationError."""
    # Forms send fields that were left empty: blank is no criterion.
    filled = {
        name: value
        for name, value in given.items()
        if not (isinstance(value, str) and not value.strip())
    }
    criteria = validate(ImageCriteria, filled)
    if faults := [fault for name in _QUERIES for fault in _excesses(name, filled.get(name) or "")]:
        raise ConstraintViolationError(faults)
    return criteria


def _excesses(name: str, text: str) -> Iterator[FieldFault]:
    if len(words(text)) > MAX_QUERY_WORDS:
        yield FieldFault(name, f"must have at most {MAX_QUERY_WORDS} words")
    elif sum(clause.is_prefix for clause in parse_query(text)) > MAX_QUERY_PREFIXES:
        yield FieldFault(name, f"must have at most {MAX_QUERY_PREFIXES} beginnings of words")

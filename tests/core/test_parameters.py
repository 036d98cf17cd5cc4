"""Parameters that this service does not know."""

from typing import Any

import pytest

from pixyproxy.core.exceptions import ConstraintViolationError
from pixyproxy.core.models import GenerationCreate
from pixyproxy.service.generating.submission import check_request
from pixyproxy.service.validation import validate


def asked(**values: Any) -> GenerationCreate:
    return validate(GenerationCreate, {"prompt": "a fox", **values})


def fault_of(**values: Any) -> tuple[str, str]:
    with pytest.raises(ConstraintViolationError) as caught:
        asked(**values)
    (fault,) = caught.value.faults
    return fault.field, fault.message


def deep(levels: int) -> Any:
    return [deep(levels - 1)] if levels else 1


def test_what_is_unknown_is_gathered() -> None:
    create = asked(size="64x64", seed=7, negative_prompt="a dog", steps=None, extra={"lora": ["x"]})
    assert create.size == "64x64"
    assert create.extra == {"lora": ["x"], "negative_prompt": "a dog", "seed": 7}
    assert check_request(create) == create


def test_nothing_unknown_is_nothing() -> None:
    assert asked().extra is None
    assert asked(seed=None).extra is None
    assert asked(extra={}).extra is None


def test_what_the_sdk_calls_extra_body_is_flattened() -> None:
    create = asked(extra_body={"seed": 7, "size": "64x64"})
    assert (create.extra, create.size) == ({"seed": 7}, "64x64")


@pytest.mark.parametrize(
    "name",
    [
        "stream",
        "response_format",
        "api_key",
        "extra_headers",
        "litellm_call_id",
        "asked_for",
        "a b",
    ],
)
def test_what_is_never_sent_is_refused_by_its_name(name: str) -> None:
    assert fault_of(**{name: "x"})[0] == name
    assert fault_of(extra={name: "x"})[0] == "extra"


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ({"size": "64x64"}, "'size', which is a field of its own"),
        ({f"p{number}": 1 for number in range(33)}, "at most 32"),
        ({"text": "x" * 65_536}, "at most 64 KiB"),
        ({"deep": deep(8)}, "8 levels"),
        ({"number": 2**70}, "64 bits"),
        ({"text": "\ud800"}, "JSON"),
    ],
    ids=["known", "many", "large", "deep", "number", "surrogate"],
)
def test_there_are_bounds(extra: dict[str, Any], words: str) -> None:
    field, message = fault_of(extra=extra)
    assert field == "extra"
    assert words in message


def test_up_to_the_bounds_it_is_taken() -> None:
    extra = {f"p{number}": 1 for number in range(30)}
    extra |= {"text": "x" * 65_000, "deep": deep(7)}
    assert asked(extra=extra).extra == extra

"""What a URL's parameters ask for, and the URL of what is asked for."""

import itertools
from urllib.parse import parse_qsl

import pytest

from pixyproxy.core.exceptions import ConstraintViolationError
from pixyproxy.service.serving.derivative_requests import (
    OPTIONS,
    DerivativeRequest,
    NumberOption,
    WordOption,
    read_request,
)


def some_values(name: str) -> list[str]:
    """Return values of an option, and its absence."""
    match OPTIONS[name]:
        case NumberOption() as number:
            return ["", "1", str(number.maximum)]
        case WordOption() as word:
            return ["", *word.kind]
        case _:
            raise AssertionError


def test_what_is_asked_for_survives_its_url() -> None:
    for values in itertools.product(*map(some_values, OPTIONS)):
        asked = read_request(dict(zip(OPTIONS, values, strict=True)))
        if asked is None:
            assert not any(values)
            continue
        again = read_request(dict(parse_qsl(asked.as_query())))
        assert again is not None
        if asked.width and asked.height:
            assert again == asked
        else:  # then `fit` means nothing
            assert again == DerivativeRequest(
                width=asked.width, height=asked.height, format=asked.format, quality=asked.quality
            )


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(ConstraintViolationError) as caught:
        read_request(dict.fromkeys(OPTIONS, "?"))
    assert [fault.field for fault in caught.value.faults] == list(OPTIONS)


@pytest.mark.parametrize("name", OPTIONS)
def test_every_option_is_described(name: str) -> None:
    option = OPTIONS[name]
    assert option.description
    assert option.schema["type"] in {"integer", "string"}

"""What attempts and generations come to."""

from typing import Any

import pytest

from pixyproxy.service.generation_outcome import sum_usages


@pytest.mark.parametrize(
    ("usages", "total"),
    [
        ([], None),
        ([{"total_tokens": 3}], {"total_tokens": 3}),
        (
            [{"total": 3, "details": {"image": 1}}, {"total": 4, "details": {"image": 2, "b": 5}}],
            {"total": 7, "details": {"image": 3, "b": 5}},
        ),
        ([{"a": {}}, {"a": {"b": 1}}], {"a": {"b": 1}}),
        ([{"a": 1}, {"a": {"b": 1}}, {"a": 2}], {"a": 2}),
    ],
)
def test_usages_are_summed_up_whatever_their_form(
    usages: list[dict[str, Any]], total: dict[str, Any] | None
) -> None:
    assert sum_usages(usages) == total

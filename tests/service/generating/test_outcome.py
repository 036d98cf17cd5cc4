"""What attempts and generations come to."""

from datetime import UTC, datetime
from typing import Any

import pytest

from pixyproxy.core.exceptions import (
    BadGeneratorResponseError,
    GeneratorTimeoutError,
    GeneratorUnavailableError,
    PixyProxyException,
    PromptRejectedError,
)
from pixyproxy.core.models import Attempt, Generation, GenerationStatus
from pixyproxy.service.generating.outcome import end_attempt, end_generation, sum_usages

NOW = datetime.now(UTC)


@pytest.mark.parametrize("has_seen_it", [True, False])
@pytest.mark.parametrize(
    ("failures", "status", "code"),
    [
        ([PromptRejectedError(), GeneratorTimeoutError()], "unknown", "generator-timeout"),
        ([BadGeneratorResponseError(), PromptRejectedError()], "refused", "prompt-rejected"),
        ([GeneratorTimeoutError(), PromptRejectedError()], "unknown", "generator-timeout"),
        (
            [GeneratorUnavailableError(sent=False), BadGeneratorResponseError()],
            "failed",
            "bad-generator-response",
        ),
        (
            [GeneratorUnavailableError(sent=False), GeneratorUnavailableError(sent=False)],
            "failed",
            "generator-unavailable",
        ),
    ],
)
def test_of_several_failures_the_one_is_told_that_the_status_is_of(
    failures: list[PixyProxyException], status: str, code: str, has_seen_it: bool
) -> None:
    generation = Generation(
        guid="g",
        status=GenerationStatus.RUNNING,
        prompt="a fox",
        model="dall-e-3",
        parameters={},
        n=len(failures),
        queued_at=NOW,
    )
    sent = Attempt(generation_guid="g", number=1, part=0, n=1, image_guids=("i",), sent_at=NOW)
    attempts = [
        end_attempt(sent.model_copy(update={"number": part + 1, "part": part}), (), failure)
        for part, failure in enumerate(failures)
    ]
    seen = dict(enumerate(failures)) if has_seen_it else {}
    ended = end_generation(generation, attempts, seen, None)
    assert ended.error is not None
    assert (ended.status, ended.error.code) == (status, code)


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

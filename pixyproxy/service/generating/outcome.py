"""What attempts and generations come to: from what happened to what is told of it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pixyproxy.core.exceptions import (
    BY_CODE,
    INTERNAL_ERROR_CODE,
    ConstraintViolationError,
    FieldFault,
    GenerationCancelledError,
    GeneratorTimeoutError,
    PixyProxyException,
    PromptRejectedError,
    default_message,
)
from pixyproxy.core.models import (
    Attempt,
    AttemptStatus,
    Generation,
    GenerationError,
    GenerationStatus,
    ImageDetail,
)


def end_attempt(
    attempt: Attempt, images: Sequence[ImageDetail], failure: Exception | None
) -> Attempt:
    """Return the attempt as it has ended, with what it gave or why it did not give all."""
    match failure:
        case _ if images:
            status = AttemptStatus.SUCCEEDED
        case PromptRejectedError():
            status = AttemptStatus.REFUSED
        case PixyProxyException(sent=False):
            status = AttemptStatus.UNSENT
        case PixyProxyException() if not isinstance(failure, GeneratorTimeoutError):
            status = AttemptStatus.FAILED
        case _:
            status = AttemptStatus.UNKNOWN
    code = getattr(failure, "code", INTERNAL_ERROR_CODE) if failure is not None else None
    ended_at = datetime.now(UTC)
    return attempt.model_copy(update={"status": status, "error_code": code, "ended_at": ended_at})


def end_generation(
    generation: Generation,
    attempts: Sequence[Attempt],
    failures: Mapping[int, PixyProxyException],
    stored_at: datetime | None,
) -> Generation:
    """Return the generation as its attempts, the oldest first, have left it.

    `failures` are those of the parts whose end this process has seen.
    """
    # Of a part the last try counts: those before it were not accepted.
    per_part = {a.part: a for a in attempts if a.part is not None}
    current = per_part.values()
    statuses = {attempt.status for attempt in current}
    statuses |= {AttemptStatus.SUCCEEDED} & {attempt.status for attempt in attempts}
    status = GenerationStatus.FAILED
    for candidate in ("succeeded", "unknown", "refused"):
        if AttemptStatus(candidate) in statuses:
            status = GenerationStatus(candidate)
            break
    error = _tell(status, per_part, failures)
    answers = [attempt.answer for attempt in current if attempt.answer is not None]
    answered_at = [attempt.answered_at for attempt in current if attempt.answered_at]
    return generation.model_copy(
        update={
            "status": status,
            "error": error,
            "model_served": answers[-1].model if answers else None,
            "upstream_request_id": answers[-1].request_id if answers else None,
            "usage": sum_usages([answer.usage for answer in answers if answer.usage]),
            "answered_at": max(answered_at, default=None),
            "stored_at": stored_at,
            "finished_at": datetime.now(UTC),
        }
    )


def _tell(
    status: GenerationStatus,
    per_part: Mapping[int, Attempt],
    failures: Mapping[int, PixyProxyException],
) -> GenerationError | None:
    """Return the failure that the status is of, if there is one, or else the first part's."""
    codes = {part: a.error_code for part, a in per_part.items() if a.error_code is not None}
    told = sorted(codes)
    if status is not GenerationStatus.SUCCEEDED:
        told = [part for part in told if per_part[part].status.value == status.value] or told
    if not told:  # a part that could not even begin has no attempt
        return describe(failures[min(failures)]) if failures else None
    part = told[0]
    if part in failures:
        return describe(failures[part])
    return GenerationError(code=codes[part], message=default_message(codes[part]))


def describe(failure: PixyProxyException) -> GenerationError:
    """Return what a client is told of a failure."""
    faults = failure.faults if isinstance(failure, ConstraintViolationError) else ()
    return GenerationError(
        code=failure.code,
        message=failure.message,
        errors=[fault.as_dict() for fault in faults] or None,
    )


def failure_of(generation: Generation) -> Exception:
    """Return the error that an ended generation without an image means for who waits for it."""
    error = generation.error
    if generation.status is GenerationStatus.CANCELLED:
        return GenerationCancelledError()
    if error is None or error.code not in BY_CODE:
        return RuntimeError(f"generation {generation.guid} failed unforeseen")
    if error.code == ConstraintViolationError.code:
        faults = [
            FieldFault(fault["field"], fault["message"], tuple(fault.get("allowed", ())) or None)
            for fault in error.errors or ()
        ]
        return ConstraintViolationError(faults)
    return BY_CODE[error.code](error.message)


def sum_usages(usages: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return the sums of the numbers in several usages; None where there is none."""
    total: dict[str, Any] = {}
    for usage in usages:
        for name, value in usage.items():
            before = total.get(name)
            if isinstance(value, Mapping):
                inner = before if isinstance(before, Mapping) else {}
                total[name] = sum_usages([inner, value]) or {}
            else:
                total[name] = value + (before if isinstance(before, int | float) else 0)
    return total or None

"""The invariants can be violated, and it is found."""

from dataclasses import replace
from typing import Any

import pytest

from tests.reliability.invariants import State
from tests.support.model_server import LedgerEntry


def generation(status: str = "succeeded", **fields: Any) -> dict[str, Any]:
    return {"guid": "g", "status": status, "n": 1, "error": None, **fields}


def attempt(status: str = "succeeded", number: int = 1, part: int | None = 0) -> dict[str, Any]:
    return {"generation_guid": "g", "number": number, "part": part, "status": status}


def accepted(number: int = 1) -> LedgerEntry:
    return LedgerEntry(f"g-{number}", "a fox", 1, charged=True)


GOOD = State(
    generations=[generation()],
    attempts=[attempt("unsent"), attempt(number=2)],
    images=[{"guid": "i", "sha256": "5", "generation_guid": "g"}],
    files={"i": "5"},
    ledger=[accepted(2)],
)
GONE: dict[str, Any] = {"images": [], "files": {}}
BAD: dict[str, tuple[str, dict[str, Any]]] = {
    "queued": ("(e)", {"generations": [generation("queued")], **GONE}),
    "running": ("(e)", {"generations": [generation("running")], **GONE}),
    "foreign call": ("(b)", {"ledger": [accepted(2), accepted(7)]}),
    "accepted twice": ("(b)", {"ledger": [accepted(2), accepted(2)]}),
    "not accepted": ("(b)", {"ledger": []}),
    "unsent but accepted": ("(b)", {"ledger": [accepted(1), accepted(2)]}),
    "never settled": ("(b)", {"attempts": [attempt("sent"), attempt(number=2)]}),
    "no image": ("(c)", GONE),
    "too few": ("(c)", {"generations": [generation(n=2)]}),
    "unknown, with image": ("(c)", {"generations": [generation("unknown")]}),
    "no file": ("(c)", {"files": {}}),
    "another file": ("(c)", {"files": {"i": "6"}}),
    "no row": ("(c)", {"files": {"i": "5", "j": "6"}}),
    "cancelled, and charged": (
        "(f)",
        {"generations": [generation("cancelled")], "attempts": [attempt("unknown", 2)], **GONE},
    ),
    "charged twice": (
        "(d)",
        {"attempts": [attempt("unknown"), attempt(number=2)], "ledger": [accepted(1), accepted(2)]},
    ),
}


def test_what_holds_is_no_violation() -> None:
    assert GOOD.find_violations() == []
    retried = [attempt("unknown", part=None), attempt(number=2)]
    both = [accepted(1), accepted(2)]
    assert replace(GOOD, attempts=retried, ledger=both).find_violations() == []


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_hold_is_found(name: str) -> None:
    letter, change = BAD[name]
    (violation, *_) = replace(GOOD, **change).find_violations()
    assert violation.startswith(letter)

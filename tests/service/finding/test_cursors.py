"""Cursors: they come back as ids, and nobody can make or read one without the key."""

import string
from base64 import urlsafe_b64encode

import pytest

from pixyproxy.core.exceptions import ConstraintViolationError
from pixyproxy.service.finding.cursors import MAX_CURSOR_CHARS, Cursors

KEY = bytes(range(32))
IDS = [1, 2, 3, 255, 256, 10**6, 2**31, 2**48, 2**63 - 1]
ALPHABET = string.ascii_letters + string.digits + "-_"
cursors = Cursors(KEY)


@pytest.mark.parametrize("id_", IDS)
def test_a_cursor_comes_back_as_its_id(id_: int) -> None:
    cursor = cursors.make(id_)
    assert cursors.read(cursor, "after") == id_
    assert len(cursor) == 32 <= MAX_CURSOR_CHARS
    assert set(cursor) <= set(ALPHABET)


def test_the_same_place_has_the_same_cursor_whoever_makes_it() -> None:
    for id_ in IDS:
        assert Cursors(KEY).make(id_) == cursors.make(id_)


def test_cursors_of_ids_that_are_alike_are_not() -> None:
    made = [cursors.make(id_) for id_ in range(1, 1001)]
    for start in (0, 20):
        assert len({cursor[start : start + 8] for cursor in made}) == 1000
    assert made != sorted(made)


def test_a_cursor_that_was_altered_is_refused() -> None:
    cursor = cursors.make(12345)
    for place, letter in enumerate(cursor):
        other = ALPHABET[(ALPHABET.index(letter) + 1) % 64]
        with pytest.raises(ConstraintViolationError):
            cursors.read(cursor[:place] + other + cursor[place + 1 :], "after")


@pytest.mark.parametrize(
    "cursor",
    [
        Cursors(bytes(32)).make(5),
        Cursors(KEY[::-1]).make(1),
        "",
        "nonsense",
        "AAAAAAAAAAA",
        "nje5f0p8fBU",  # as versions before made them
        cursors.make(5)[:-1],
        cursors.make(5)[:-4],
        cursors.make(5) + "A",
        cursors.make(5) + "AAAA",
        cursors.make(5) + "=",
        cursors.make(5)[:16] + "\n" + cursors.make(5)[16:],
        cursors.make(5)[:-1] + "ä",
        urlsafe_b64encode(bytes(24)).decode(),
        "x" * 10_000,
    ],
)
def test_what_this_database_has_not_given_is_refused(cursor: str) -> None:
    with pytest.raises(ConstraintViolationError) as caught:
        cursors.read(cursor, "before")
    (fault,) = caught.value.faults
    assert fault.field == "before"
    assert "cursor" in fault.message

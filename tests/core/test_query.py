"""The language of searches: what a text is taken for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixyproxy.core.query import Clause, parse_query


def word(text: str, **options: bool) -> Clause:
    return Clause((text,), **options)


@pytest.mark.parametrize(
    ("text", "clauses"),
    [
        ("Red  FOX red", [word("red"), word("fox")]),
        ("ca* a* *", [word("ca", is_prefix=True), word("a")]),
        (
            "-dog -ca* - -- -@",
            [word("dog", excluded=True), word("ca", is_prefix=True, excluded=True)],
        ),
        ('"snow Fox" "cat" ""', [Clause(("snow", "fox"), phrase=True), word("cat")]),
        ('-"big cat"', [Clause(("big", "cat"), phrase=True, excluded=True)]),
        ('"never closed', [Clause(("never", "closed"), phrase=True)]),
        ("“smart quotes”", [Clause(("smart", "quotes"), phrase=True)]),
        ('"a star* within"', [Clause(("a", "star", "within"), phrase=True)]),
        ("well-known", [word("well"), word("known")]),
        ("-well-known", [Clause(("well", "known"), excluded=True)]),
        ("well-kno*", [word("well"), word("kno", is_prefix=True)]),
        ("日本*", [word("日"), word("本")]),
        ("C++ @ cat) 100% a_b \\ ' AND", list(map(word, ["c", "cat", "100", "a", "b", "and"]))),
        ("", []),
        ('@ % _ " * - -"" "-"', []),
    ],
)
def test_a_text_has_these_clauses(text: str, clauses: list[Clause]) -> None:
    assert list(parse_query(text)) == clauses


@given(st.text())
def test_no_text_is_an_error(text: str) -> None:
    for clause in parse_query(text):
        assert clause.words
        assert all(clause.words)

"""Queries in words: what they demand of the words of a row, and which postings they need.

The language is that of `core.query`; rows hold their words as `core.text.searchable` cuts them.
"""

from collections.abc import Sequence
from itertools import pairwise

import sqlalchemy as sa

from pixyproxy.core.query import Clause, parse_query
from pixyproxy.data.search import postings
from pixyproxy.data.search.conditions import Bind
from pixyproxy.data.search.plan import NOTHING, Adjacent, AllOf, AnyOf, Has, Key, Node, TermRange
from pixyproxy.data.search.postings import Field


def text_condition(
    text: str, columns: Sequence[sa.Column[str]], bind: Bind
) -> sa.ColumnElement[bool]:
    """Return what a text demands of any of the columns. One without words is found nowhere."""

    def stands(what: str) -> sa.ColumnElement[bool]:
        bound = bind(what)
        return sa.or_(*(sa.func.instr(column, bound) > 0 for column in columns))

    def meets(clause: Clause) -> sa.ColumnElement[bool]:
        if clause.phrase:
            return stands(f" {' '.join(clause.words)} ")
        ends = [" "] * (len(clause.words) - 1) + ["" if clause.is_prefix else " "]
        return sa.and_(
            *(stands(f" {word}{end}") for word, end in zip(clause.words, ends, strict=True))
        )

    demands = [
        sa.not_(meets(clause)) if clause.excluded else meets(clause) for clause in parse_query(text)
    ]
    return sa.and_(*demands) if demands else sa.false()


def text_nodes(
    text: str, fields: Sequence[Field], block_size: int
) -> tuple[list[Node], list[Node]]:
    """Return what postings a text requires, and which ones rule an image out."""
    clauses = parse_query(text)
    required = [_node(clause, fields, block_size) for clause in clauses if not clause.excluded]
    excluded = [
        _node(clause, fields, block_size)
        for clause in clauses
        if clause.excluded and _is_exact(clause)
    ]
    return required if clauses else [NOTHING], excluded


def _node(clause: Clause, fields: Sequence[Field], block_size: int) -> Node:
    if clause.phrase:
        return AnyOf([_phrase(clause.words, field, block_size) for field in fields])
    *whole, last = clause.words
    nodes: list[Node] = [
        AnyOf([Has(postings.word_term(field, word)) for field in fields]) for word in whole
    ]
    if clause.is_prefix:
        nodes.append(AnyOf([Has(_prefix_key(field, last)) for field in fields]))
    else:
        nodes.append(AnyOf([Has(postings.word_term(field, last)) for field in fields]))
    return nodes[0] if len(nodes) == 1 else AllOf(nodes)


def _phrase(words: Sequence[str], field: Field, block_size: int) -> Node:
    return AllOf(
        [
            Adjacent(
                postings.word_term(field, first),
                postings.word_term(field, second),
                postings.pair_term(field, first, second),
                postings.frequent_in(block_size),
            )
            for first, second in pairwise(words)
        ]
    )


def _prefix_key(field: Field, prefix: str) -> Key:
    first, end = postings.prefix_terms(field, prefix)
    return first if end is None else TermRange(first, end)


def _is_exact(clause: Clause) -> bool:
    """Tell whether the clause's postings are of images that are sure to have it."""
    *whole, last = clause.words
    ends_exactly = postings.is_exact_prefix if clause.is_prefix else postings.is_exact
    return not clause.phrase and ends_exactly(last) and all(map(postings.is_exact, whole))

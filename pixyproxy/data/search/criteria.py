"""What images are searched for: as conditions on their rows, and as a plan of where to look.

The rows decide. The plan only rules out, by postings, images whose rows need not be asked; it may
let through too many, never too few. So a search gives the same answer with and without postings.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Literal, Protocol

import orjson
import sqlalchemy as sa

from pixyproxy.core.guid import is_guid
from pixyproxy.core.query import Clause, parse_query
from pixyproxy.data.search import postings
from pixyproxy.data.search.postings import FIELDS, FILENAME, PROMPT, Field
from pixyproxy.data.tables import images

Orientation = Literal["landscape", "portrait", "square"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSearch:
    """What is searched for. Criteria combine; one that is None does not count.

    `query` looks in prompt and filename, or is a GUID; `prompt` and `filename` look in one of them.
    They are in the language of `core.query`. All `tags` must be there; `created_before` is not
    included. Times have an offset.
    """

    query: str | None = None
    prompt: str | None = None
    filename: str | None = None
    guid: str | None = None
    model: str | None = None
    content_type: str | None = None
    size: tuple[int, int] | None = None
    orientation: Orientation | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    tags: tuple[str, ...] = ()

    @property
    def is_of_all(self) -> bool:
        """Whether nothing is asked for that an image could lack."""
        return self == ImageSearch()

    @property
    def guids(self) -> set[str]:
        """The GUIDs that are searched for."""
        return {text for text in (self.guid, self.query) if text is not None and is_guid(text)}


@dataclass(frozen=True, slots=True, order=True)
class TermRange:
    """All terms from the first to below the end."""

    first: bytes
    end: bytes


Key = bytes | TermRange | int
"""What postings are needed of: a term, a range of terms; or an image, by its id."""
Lookup = Callable[[Key], int]
"""Gives the postings of one block: bits."""


class Node(Protocol):
    """A part of a plan."""

    def needs(self) -> Iterator[Key]:
        """Yield what must be looked up."""

    def bits(self, lookup: Lookup) -> int:
        """Return the images of a block that may do."""


@dataclass(frozen=True, slots=True)
class _Has:
    key: Key

    def needs(self) -> Iterator[Key]:
        yield self.key

    def bits(self, lookup: Lookup) -> int:
        return lookup(self.key)


@dataclass(frozen=True, slots=True)
class _Any:
    nodes: Sequence[Node]

    def needs(self) -> Iterator[Key]:
        for node in self.nodes:
            yield from node.needs()

    def bits(self, lookup: Lookup) -> int:
        found = 0
        for node in self.nodes:
            found |= node.bits(lookup)
        return found


@dataclass(frozen=True, slots=True)
class _All(_Any):
    def bits(self, lookup: Lookup) -> int:
        found = -1
        for node in self.nodes:
            found &= node.bits(lookup)
            if not found:
                break
        return found


@dataclass(frozen=True, slots=True)
class _Adjacent:
    """Two words, one after the other: their pair has postings where both are frequent."""

    first: bytes
    second: bytes
    pair: bytes
    frequent: int

    def needs(self) -> Iterator[Key]:
        yield from (self.first, self.second, self.pair)

    def bits(self, lookup: Lookup) -> int:
        first, second = lookup(self.first), lookup(self.second)
        if min(first.bit_count(), second.bit_count()) >= self.frequent:
            return lookup(self.pair)
        return first & second


_NOTHING = _Any(())


@dataclass(slots=True)
class Plan:
    """Where to look: images of a block that have all of `required` and none of `excluded`."""

    required: list[Node] = field(default_factory=list)
    excluded: list[Node] = field(default_factory=list)

    def needs(self) -> set[Key]:
        """Return what must be looked up."""
        nodes = (*self.required, *self.excluded)
        return {key for node in nodes for key in node.needs()}

    def bits(self, lookup: Lookup, span: int) -> int:
        """Return the images of a block whose rows are worth asking."""
        found = _All(self.required).bits(lookup) & ((1 << span) - 1)
        for node in self.excluded:
            if not found:
                break
            found &= ~node.bits(lookup)
        return found


_STRING = sa.String()
Bind = Callable[..., sa.BindParameter[Any]]


@dataclass(slots=True)
class Conditions:
    """The conditions that a row meets, and their named parameters."""

    clauses: list[sa.ColumnElement[bool]] = field(default_factory=list)
    parameters: dict[str, Any] = field(default_factory=dict)

    def bind(self, value: Any, type_: sa.types.TypeEngine[Any] = _STRING) -> sa.BindParameter[Any]:
        """Return a parameter with this value."""
        name = f"criterion_{len(self.parameters)}"
        self.parameters[name] = value
        return sa.bindparam(name, type_=type_)


def make_conditions(search: ImageSearch) -> Conditions:
    """Return what the rows of the images that are searched for must meet."""
    made = Conditions()
    made.clauses += _text_conditions(search, made.bind)
    made.clauses += _fact_conditions(search, made.bind)
    return made


def make_plan(search: ImageSearch, *, span: int, ids: Mapping[str, int]) -> Plan:
    """Return where to look; `ids` has those of `search.guids`, as far as there are such images."""
    plan = Plan()
    if search.guid is not None:
        plan.required.append(_Has(ids[search.guid]) if search.guid in ids else _NOTHING)
    for text, fields in _texts(search):
        clauses = parse_query(text)
        required = [_node(clause, fields, span) for clause in clauses if not clause.excluded]
        excluded = [clause for clause in clauses if clause.excluded]
        if not clauses:
            required.append(_NOTHING)
        if fields == FIELDS and text in ids:
            required = [_Any((_Has(ids[text]), _All(required)))]
        plan.required += required
        # Only what is sure to be there rules an image out.
        plan.excluded += [_node(clause, fields, span) for clause in excluded if _is_exact(clause)]
    if search.model is not None:
        plan.required.append(_Has(postings.model_term(search.model)))
    if search.content_type is not None:
        plan.required.append(_Has(postings.content_type_term(search.content_type)))
    if search.size is not None:
        plan.required.append(_Has(postings.size_term(*search.size)))
    if search.orientation is not None:
        plan.required.append(_Has(postings.orientation_term(search.orientation)))
    if search.created_after is not None or search.created_before is not None:
        plan.required.append(_between(search.created_after, search.created_before))
    plan.required += [_Has(postings.tag_term(tag)) for tag in search.tags]
    return plan


def _texts(search: ImageSearch) -> Iterator[tuple[str, Sequence[Field]]]:
    for text, fields in (
        (search.prompt, (PROMPT,)),
        (search.filename, (FILENAME,)),
        (search.query, FIELDS),
    ):
        if text is not None:
            yield text, fields


def _text_conditions(search: ImageSearch, bind: Bind) -> Iterator[sa.ColumnElement[bool]]:
    if search.guid is not None:
        yield images.c.guid == bind(search.guid) if is_guid(search.guid) else sa.false()
    for text, fields in _texts(search):
        condition = _text_condition(text, [images.c[each.column] for each in fields], bind)
        if fields == FIELDS and is_guid(text):
            condition = sa.or_(images.c.guid == bind(text), condition)
        yield condition


def _fact_conditions(search: ImageSearch, bind: Bind) -> Iterator[sa.ColumnElement[bool]]:
    columns = images.c
    if search.model is not None:
        yield columns.model == bind(search.model)
    if search.content_type is not None:
        yield columns.content_type == bind(search.content_type)
    if search.size is not None:
        width, height = search.size
        yield columns.width == bind(width, columns.width.type)
        yield columns.height == bind(height, columns.height.type)
    if search.orientation is not None:
        yield _ORIENTATIONS[search.orientation]
    if search.created_after is not None:
        yield columns.created_at >= bind(search.created_after, columns.created_at.type)
    if search.created_before is not None:
        yield columns.created_at < bind(search.created_before, columns.created_at.type)
    for tag in search.tags:
        # As JSON it has quotes around it, which within it are escaped.
        quoted = bind(orjson.dumps(tag).decode())
        yield sa.func.instr(sa.type_coerce(columns.tags, sa.String), quoted) > 0


_ORIENTATIONS: dict[Orientation, sa.ColumnElement[bool]] = {
    "landscape": images.c.width > images.c.height,
    "portrait": images.c.width < images.c.height,
    "square": images.c.width == images.c.height,
}


def _text_condition(
    text: str, columns: Sequence[sa.Column[str]], bind: Bind
) -> sa.ColumnElement[bool]:
    """Return what a text demands. One without words is found nowhere."""

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


def _node(clause: Clause, fields: Sequence[Field], span: int) -> Node:
    if clause.phrase:
        return _Any([_phrase(clause.words, field, span) for field in fields])
    *whole, last = clause.words
    nodes: list[Node] = [
        _Any([_Has(postings.word_term(field, word)) for field in fields]) for word in whole
    ]
    if clause.is_prefix:
        nodes.append(_Any([_Has(_prefix_key(field, last)) for field in fields]))
    else:
        nodes.append(_Any([_Has(postings.word_term(field, last)) for field in fields]))
    return nodes[0] if len(nodes) == 1 else _All(nodes)


def _phrase(words: Sequence[str], field: Field, span: int) -> Node:
    return _All(
        [
            _Adjacent(
                postings.word_term(field, first),
                postings.word_term(field, second),
                postings.pair_term(field, first, second),
                span // postings.FREQUENT,
            )
            for first, second in pairwise(words)
        ]
    )


def _prefix_key(field: Field, prefix: str) -> Key:
    first, end = postings.prefix_terms(field, prefix)
    return first if end is None else TermRange(first, end)


def _is_exact(clause: Clause) -> bool:
    *whole, last = clause.words
    ends_exactly = postings.is_exact_prefix if clause.is_prefix else postings.is_exact
    return not clause.phrase and ends_exactly(last) and all(map(postings.is_exact, whole))


def _between(after: datetime | None, before: datetime | None) -> Node:
    """Return the whole days of a span of time, and at its two ends the hours."""
    after = after.astimezone(UTC) if after else _FIRST
    before = before.astimezone(UTC) if before else _LAST
    first, last = postings.hour_term(after), postings.hour_term(before)
    days = TermRange(postings.day_term(min(after, _LAST - _DAY) + _DAY), postings.day_term(before))
    first_day = TermRange(first, min(postings.end_of_day(after), last + b"\0"))
    last_day = TermRange(max(postings.beginning_of_day(before), first), last + b"\0")
    return _Any([_Has(key) for key in (days, first_day, last_day)])


_DAY = timedelta(days=1)
_FIRST = datetime.min.replace(tzinfo=UTC)
_LAST = datetime.max.replace(tzinfo=UTC)

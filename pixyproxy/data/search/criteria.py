"""What each criterion demands of an image's row, and which postings say where to look.

A new criterion gets its condition in `_CONDITIONS`. To be fast among very many images it also gets
a term, built in `postings`, and that term a place in the plan: in `_TERMS` or in `make_plan`.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import sqlalchemy as sa

from pixyproxy.core.criteria import ImageCriteria, Orientation
from pixyproxy.core.guid import is_guid
from pixyproxy.data.search import postings
from pixyproxy.data.search.conditions import Bind, Conditions
from pixyproxy.data.search.plan import NOTHING, AllOf, AnyOf, Has, Node, SearchPlan, TermRange
from pixyproxy.data.search.postings import FIELDS, FILENAME, PROMPT, Field
from pixyproxy.data.search.texts import text_condition, text_nodes
from pixyproxy.data.tables import images

Condition = sa.ColumnElement[bool]


def make_conditions(criteria: ImageCriteria) -> Conditions:
    """Return what the rows of the images that are searched for must meet."""
    made = Conditions()
    for name, value in criteria.given.items():
        made.clauses.append(_CONDITIONS[name](value, made.bind))
    return made


def guids_in(criteria: ImageCriteria) -> set[str]:
    """Return the GUIDs that are searched for."""
    return {text for text in (criteria.guid, criteria.query) if text is not None and is_guid(text)}


def make_plan(criteria: ImageCriteria, *, block_size: int, ids: Mapping[str, int]) -> SearchPlan:
    """Return where to look; `ids` has those of `guids_in`, as far as there are such images."""
    given, plan = criteria.given, SearchPlan()
    if criteria.guid is not None:
        plan.required.append(Has(ids[criteria.guid]) if criteria.guid in ids else NOTHING)
    for name, fields in _TEXTS.items():
        if (text := given.get(name)) is None:
            continue
        required, excluded = text_nodes(text, fields, block_size)
        if name == "query" and text in ids:
            required = [AnyOf((Has(ids[text]), AllOf(required)))]
        plan.required += required
        plan.excluded += excluded
    plan.required += [Has(term(given[name])) for name, term in _TERMS.items() if name in given]
    plan.required += [Has(postings.tag_term(tag)) for tag in criteria.tags or ()]
    if criteria.created_after is not None or criteria.created_before is not None:
        plan.required.append(_between(criteria.created_after, criteria.created_before))
    return plan


_TEXTS: Mapping[str, Sequence[Field]] = {
    "prompt": (PROMPT,),
    "filename": (FILENAME,),
    "query": FIELDS,
}
"""The columns that a text is looked for in."""

_TERMS: Mapping[str, Callable[[Any], bytes]] = {
    "model": postings.model_term,
    "content_type": postings.content_type_term,
    "dimensions": postings.dimensions_term,
    "orientation": postings.orientation_term,
}
"""The terms of criteria that have just one."""


def _of_query(text: str, bind: Bind) -> Condition:
    condition = _of_text(text, FIELDS, bind)
    return sa.or_(images.c.guid == bind(text), condition) if is_guid(text) else condition


def _of_text(text: str, fields: Sequence[Field], bind: Bind) -> Condition:
    return text_condition(text, [images.c[each.column] for each in fields], bind)


def _of_guid(guid: str, bind: Bind) -> Condition:
    return images.c.guid == bind(guid) if is_guid(guid) else sa.false()


def _of_dimensions(dimensions: str, bind: Bind) -> Condition:
    width, height = map(int, dimensions.split("x"))
    return sa.and_(
        images.c.width == bind(width, images.c.width.type),
        images.c.height == bind(height, images.c.height.type),
    )


def _of_tags(tags: Sequence[str], bind: Bind) -> Condition:
    stored = sa.type_coerce(images.c.tags, sa.String)
    # As JSON a tag has quotes around it, which within it are escaped.
    return sa.and_(*(sa.func.instr(stored, bind(orjson.dumps(tag).decode())) > 0 for tag in tags))


_ORIENTATIONS: Mapping[Orientation, Condition] = {
    Orientation.LANDSCAPE: images.c.width > images.c.height,
    Orientation.PORTRAIT: images.c.width < images.c.height,
    Orientation.SQUARE: images.c.width == images.c.height,
}
_TIME = images.c.created_at.type

_CONDITIONS: Mapping[str, Callable[[Any, Bind], Condition]] = {
    "query": _of_query,
    "prompt": lambda text, bind: _of_text(text, (PROMPT,), bind),
    "filename": lambda text, bind: _of_text(text, (FILENAME,), bind),
    "guid": _of_guid,
    "model": lambda model, bind: images.c.model == bind(model),
    "content_type": lambda content_type, bind: images.c.content_type == bind(content_type),
    "dimensions": _of_dimensions,
    "orientation": lambda orientation, _bind: _ORIENTATIONS[orientation],
    "created_after": lambda moment, bind: images.c.created_at >= bind(moment, _TIME),
    "created_before": lambda moment, bind: images.c.created_at < bind(moment, _TIME),
    "tags": _of_tags,
}
"""What each criterion demands of a row."""


def _between(after: datetime | None, before: datetime | None) -> Node:
    """Return the whole days between two times, and at both ends the hours."""
    after = after.astimezone(UTC) if after else _FIRST
    before = before.astimezone(UTC) if before else _LAST
    first, last = postings.hour_term(after), postings.hour_term(before)
    days = TermRange(postings.day_term(min(after, _LAST - _DAY) + _DAY), postings.day_term(before))
    first_day = TermRange(first, min(postings.end_of_day(after), last + b"\0"))
    last_day = TermRange(max(postings.beginning_of_day(before), first), last + b"\0")
    return AnyOf([Has(key) for key in (days, first_day, last_day)])


_DAY = timedelta(days=1)
_FIRST = datetime.min.replace(tzinfo=UTC)
_LAST = datetime.max.replace(tzinfo=UTC)

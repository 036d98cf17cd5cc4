"""Finding images: recent ones by their rows, older ones by the postings of their blocks."""

import time
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from functools import cache, partial
from itertools import chain, repeat
from typing import Any

import sqlalchemy as sa

from pixyproxy.core.exceptions import ConstraintViolationError, FieldFault
from pixyproxy.core.models import Count
from pixyproxy.data.context import DatabaseContext
from pixyproxy.data.search.criteria import (
    Conditions,
    ImageSearch,
    Key,
    Plan,
    TermRange,
    make_conditions,
    make_plan,
)
from pixyproxy.data.search.postings import SPAN, decode, ids_of
from pixyproxy.data.tables import archive_blocks, images, search_postings

MAX_ROWS_ASKED = 30_000
"""So many rows may be asked in vain before a search is refused."""
MAX_POSTINGS = 60_000
"""So many postings may be read at once; a prefix of very many words has more."""
MAX_COUNTED = 1_000
"""Matches are counted one by one up to here; beyond, their number is an estimate."""

_WINDOWS = (8, 500)
"""How many blocks are looked through at once: few at first, since most searches end there."""
_MAX_LOOKUPS = 8_000
"""More at once (blocks times terms), and MariaDB would rather read everything than plan that."""
_SPARE = 20
_MAX_CHUNK = 1000
"""How many rows more than wanted are asked at first, and how many at once after."""
_TRUST_S = 5.0
"""So long it is taken for granted that no block was added, and no image deleted in one: more rows
are asked for it, and the answer is the same."""

_TOO_BROAD = (
    "too many images come near what is searched for; add a word, a longer prefix or a filter"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Which images are looked at, and in which order: ids between the two, both not included."""

    above: int = 0
    below: int = 2**62
    newest_first: bool = True


class SearchIndex:
    """Finds the ids of images. All it remembers is which blocks there are, for a while."""

    def __init__(self, span: int = SPAN) -> None:
        self.span = span
        self._blocks = 0
        self._deleted: dict[int, int] = {}
        self._trusted_until = float("-inf")

    async def find(
        self, context: DatabaseContext, search: ImageSearch, within: Span, *, limit: int
    ) -> list[int]:
        """Return the ids of the first `limit` images that meet all criteria, in order.

        Raises ConstraintViolationError where the search would look at too much.
        """
        conditions = make_conditions(search)
        if search.is_of_all:
            return await self._ask(context, conditions, within, limit)
        border = await self._count_blocks(context) * self.span
        recent = Span(
            above=max(within.above, border - 1),
            below=within.below,
            newest_first=within.newest_first,
        )
        found: list[int] = []
        if within.newest_first:
            found += await self._ask(context, conditions, recent, limit)
        if len(found) < limit and within.above < border:
            found += await self._find_in_blocks(
                context, search, conditions, within, border=border, limit=limit - len(found)
            )
        if not within.newest_first and len(found) < limit:
            found += await self._ask(context, conditions, recent, limit - len(found))
        return found

    async def count(self, context: DatabaseContext, search: ImageSearch) -> Count:
        """Return how many images meet all criteria; beyond MAX_COUNTED about how many."""
        if search.is_of_all:
            return Count(value=await self._count_all(context), is_estimate=False)
        found = await self.find(context, search, Span(), limit=MAX_COUNTED + 1)
        if len(found) <= MAX_COUNTED:
            return Count(value=len(found), is_estimate=False)
        border = await self._count_blocks(context) * self.span
        conditions = make_conditions(search)
        ((count,),) = await context.execute(
            _COUNT_RECENT.where(*conditions.clauses), conditions.parameters | {"border": border}
        )
        plan = await self._plan(context, search)
        for window in _windows(range(border // self.span), len(plan.needs())):
            found_in = await self._read(context, plan, window)
            count += sum(found_in(block).bit_count() for block in window)
        return Count(value=max(count, len(found)), is_estimate=True)

    async def skip(self, context: DatabaseContext, count: int) -> tuple[Span, int]:
        """Return where to begin among all images, newest first, and how many to skip from there.

        Blocks know how many images they have: most are skipped unread.
        """
        if count <= self.span:
            return Span(), count
        border = await self._count_blocks(context) * self.span
        ((recent,),) = await context.execute(_COUNT_RECENT, {"border": border})
        if count < recent:
            return Span(), count
        count, below = count - recent, border
        for block, images_ in await context.execute(_COUNTS, {"end": border // self.span}):
            if count < images_:
                break
            count, below = count - images_, block * self.span
        return Span(below=below), count

    async def _count_all(self, context: DatabaseContext) -> int:
        border = await self._count_blocks(context) * self.span
        ((recent,),) = await context.execute(_COUNT_RECENT, {"border": border})
        ((older,),) = await context.execute(_SUM, {"end": border // self.span})
        return int(recent) + int(older or 0)

    async def _count_blocks(self, context: DatabaseContext) -> int:
        now = time.monotonic()
        if now >= self._trusted_until:
            self._blocks = await count_blocks(context)
            self._deleted = {
                block: decode(deleted, self.span)
                for block, deleted in await context.execute(_DELETED)
            }
            self._trusted_until = now + _TRUST_S
        return self._blocks

    async def _ask(
        self, context: DatabaseContext, conditions: Conditions, within: Span, limit: int
    ) -> list[int]:
        """Return the ids of the rows within a span that meet the conditions."""
        order = images.c.id.desc() if within.newest_first else images.c.id
        statement = (
            sa.select(images.c.id)
            .where(
                images.c.id > sa.bindparam("above"),
                images.c.id < sa.bindparam("below"),
                *conditions.clauses,
            )
            .order_by(order)
            .limit(sa.bindparam("limit", type_=sa.Integer))
        )
        bounds = {"above": within.above, "below": within.below, "limit": limit}
        return [row[0] for row in await context.execute(statement, conditions.parameters | bounds)]

    async def _find_in_blocks(
        self,
        context: DatabaseContext,
        search: ImageSearch,
        conditions: Conditions,
        within: Span,
        *,
        border: int,
        limit: int,
    ) -> list[int]:
        plan = await self._plan(context, search)
        statement = sa.select(images.c.id).where(
            images.c.id.in_(sa.bindparam("ids", expanding=True)), *conditions.clauses
        )
        candidates = self._candidates(context, plan, within, border, at_least=limit + _SPARE)
        found: list[int] = []
        in_vain = 0
        async with aclosing(candidates):
            async for ids in candidates:
                for start, end in _chunks(len(ids), limit - len(found)):
                    chunk = ids[start:end]
                    rows = await context.execute(statement, conditions.parameters | {"ids": chunk})
                    found += sorted((row[0] for row in rows), reverse=within.newest_first)
                    in_vain += len(chunk) - len(rows)
                    if len(found) >= limit:
                        return found[:limit]
                    if in_vain > MAX_ROWS_ASKED:
                        raise ConstraintViolationError([FieldFault("query", _TOO_BROAD)])
        return found

    async def _candidates(
        self, context: DatabaseContext, plan: Plan, within: Span, border: int, *, at_least: int
    ) -> AsyncGenerator[list[int], None]:
        """Yield the ids of the images whose rows are worth asking, in order: few at first."""
        ids: list[int] = []
        blocks = range(within.above // self.span, -(-min(within.below, border) // self.span))
        for window in _windows(blocks[::-1] if within.newest_first else blocks, len(plan.needs())):
            found_in = await self._read(context, plan, window)
            for block in window:
                bits = self._cut(found_in(block), block, within)
                ids += ids_of(bits, block, self.span, newest_first=within.newest_first)
                if len(ids) >= at_least:
                    yield ids
                    ids, at_least = [], _MAX_CHUNK
        if ids:
            yield ids

    def _cut(self, bits: int, block: int, within: Span) -> int:
        """Return the bits of a block that are within the span."""
        above = max(0, within.above + 1 - block * self.span)
        below = max(0, min(self.span, within.below - block * self.span))
        return bits >> above << above & (1 << below) - 1

    async def _read(
        self, context: DatabaseContext, plan: Plan, window: range
    ) -> Callable[[int], int]:
        """Read the postings of a window; return what gives the bits of one of its blocks."""
        keys = plan.needs()
        parameters: dict[str, Any] = {
            "blocks": list(window),
            "terms": sorted(key for key in keys if isinstance(key, bytes)),
            "limit": MAX_POSTINGS + 1,
        }
        ranges = sorted(key for key in keys if isinstance(key, TermRange))
        selects = [_OF_TERMS]
        for number, each in enumerate(ranges):
            parameters |= {f"first_{number}": each.first, f"end_{number}": each.end}
            selects.append(_of_range(number))
        rows = await context.execute(sa.union_all(*selects).limit(_LIMIT), parameters)
        if len(rows) > MAX_POSTINGS:
            raise ConstraintViolationError([FieldFault("query", _TOO_BROAD)])
        stored: dict[tuple[int, Key], list[bytes]] = defaultdict(list)
        for number, term, block, bits in rows:
            stored[block, term if number < 0 else ranges[number]].append(bits)

        def look_up(block: int, key: Key) -> int:
            if isinstance(key, int):
                return 1 << key % self.span if key // self.span == block else 0
            found = 0
            for bits in stored.get((block, key), ()):
                found |= decode(bits, self.span)
            return found

        def find_in(block: int) -> int:
            return plan.bits(partial(look_up, block), self.span) & ~self._deleted.get(block, 0)

        return find_in

    async def _plan(self, context: DatabaseContext, search: ImageSearch) -> Plan:
        ids = {}
        if search.guids:
            rows = await context.execute(_IDS, {"guids": sorted(search.guids)})
            ids = {row[1]: row[0] for row in rows}
        return make_plan(search, span=self.span, ids=ids)


async def count_blocks(context: DatabaseContext) -> int:
    """Return how many blocks there are: they begin with the oldest images, without a gap."""
    ((last,),) = await context.execute(_LAST_BLOCK)
    return 0 if last is None else last + 1


_LIMIT = sa.bindparam("limit", type_=sa.Integer)
_LAST_BLOCK = sa.select(sa.func.max(archive_blocks.c.block))
_DELETED = sa.select(archive_blocks.c.block, archive_blocks.c.deleted).where(
    archive_blocks.c.deleted.is_not(None)
)
_SUM = sa.select(sa.func.sum(archive_blocks.c.image_count)).where(
    archive_blocks.c.block < sa.bindparam("end")
)
_COUNTS = (
    sa.select(archive_blocks.c.block, archive_blocks.c.image_count)
    .where(archive_blocks.c.block < sa.bindparam("end"))
    .order_by(archive_blocks.c.block.desc())
)
_COUNT_RECENT = (
    sa.select(sa.func.count()).select_from(images).where(images.c.id >= sa.bindparam("border"))
)
_IDS = sa.select(images.c.id, images.c.guid).where(
    images.c.guid.in_(sa.bindparam("guids", expanding=True))
)
_IN_WINDOW = search_postings.c.block.in_(sa.bindparam("blocks", expanding=True))
_OF_TERMS = sa.select(
    sa.literal_column("-1").label("number"),
    search_postings.c.term,
    search_postings.c.block,
    search_postings.c.images,
).where(search_postings.c.term.in_(sa.bindparam("terms", expanding=True)), _IN_WINDOW)


@cache
def _of_range(number: int) -> sa.Select[Any]:
    return sa.select(
        sa.literal_column(str(number)).label("number"),
        search_postings.c.term,
        search_postings.c.block,
        search_postings.c.images,
    ).where(
        search_postings.c.term >= sa.bindparam(f"first_{number}"),
        search_postings.c.term < sa.bindparam(f"end_{number}"),
        _IN_WINDOW,
    )


def _windows(blocks: range, keys: int) -> Iterator[range]:
    """Yield the blocks in growing windows."""
    for size in chain(_WINDOWS, repeat(_WINDOWS[-1])):
        if not blocks:
            return
        window = blocks[: min(size, max(1, _MAX_LOOKUPS // max(1, keys)))]
        yield window
        blocks = blocks[len(window) :]


def _chunks(count: int, wanted: int) -> Iterator[tuple[int, int]]:
    """Yield from where to where rows are asked at once: few more than are wanted, then many."""
    start, size = 0, wanted + _SPARE
    while start < count:
        yield start, start + size
        start, size = start + size, _MAX_CHUNK

"""Finding images: recent ones by their rows, older ones by the postings of their blocks."""

import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass

import sqlalchemy as sa

from pixyproxy.core.criteria import ImageCriteria
from pixyproxy.core.exceptions import ConstraintViolationError, FieldFault
from pixyproxy.core.statistics import Count
from pixyproxy.data.context import DatabaseContext
from pixyproxy.data.search.conditions import Conditions
from pixyproxy.data.search.criteria import guids_in, make_conditions, make_plan
from pixyproxy.data.search.plan import SearchPlan
from pixyproxy.data.search.postings import BLOCK_SIZE, decode, ids_of
from pixyproxy.data.search.reading import TOO_BROAD, read_window, windows
from pixyproxy.data.tables import archive_blocks, images

MAX_ROWS_ASKED = 30_000
"""A search that asked more rows than this in vain is refused."""
MAX_COUNTED = 1_000
"""Matches are counted one by one up to here; beyond, their number is an estimate."""

_SPARE = 20
_MAX_CHUNK = 1000
"""How many rows more than wanted are asked at first, and how many at once after."""
_TRUST_S = 5.0
"""How long it is believed that no block was added and no image in one was deleted. Where one was,
the answer is the same, but more rows are asked for it; one that another process has restored may be
missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdRange:
    """Which images are looked at, and in which order: ids between the two, both not included."""

    above: int = 0
    below: int = 2**62
    newest_first: bool = True


class SearchIndex:
    """Finds the ids of images. All it remembers is which blocks there are, for a while."""

    def __init__(self, block_size: int = BLOCK_SIZE) -> None:
        self._block_size = block_size
        self._blocks = 0
        self._deleted: dict[int, int] = {}
        self._trusted_until = float("-inf")

    async def find(
        self, context: DatabaseContext, criteria: ImageCriteria, within: IdRange, *, limit: int
    ) -> list[int]:
        """Return the ids of the first `limit` images that meet all criteria, in order.

        Raises ConstraintViolationError where the search would look at too much.
        """
        conditions = make_conditions(criteria)
        if criteria.is_of_all:
            return await self._ask(context, conditions, within, limit)
        border = await self._count_blocks(context) * self._block_size
        recent = IdRange(
            above=max(within.above, border - 1),
            below=within.below,
            newest_first=within.newest_first,
        )
        found: list[int] = []
        if within.newest_first:
            found += await self._ask(context, conditions, recent, limit)
        if len(found) < limit and within.above < border:
            found += await self._find_in_blocks(
                context, criteria, conditions, within, border=border, limit=limit - len(found)
            )
        if not within.newest_first and len(found) < limit:
            found += await self._ask(context, conditions, recent, limit - len(found))
        return found

    async def count(self, context: DatabaseContext, criteria: ImageCriteria) -> Count:
        """Return how many images meet all criteria; beyond MAX_COUNTED about how many."""
        if criteria.is_of_all:
            return Count(value=await self._count_all(context), is_estimate=False)
        found = await self.find(context, criteria, IdRange(), limit=MAX_COUNTED + 1)
        if len(found) <= MAX_COUNTED:
            return Count(value=len(found), is_estimate=False)
        border = await self._count_blocks(context) * self._block_size
        conditions = make_conditions(criteria)
        ((count,),) = await context.execute(
            _COUNT_RECENT.where(*conditions.clauses), conditions.parameters | {"border": border}
        )
        plan = await self._plan(context, criteria)
        for window in windows(range(border // self._block_size), plan):
            found_in = await self._read(context, plan, window)
            count += sum(found_in(block).bit_count() for block in window)
        return Count(value=max(count, len(found)), is_estimate=True)

    async def skip(self, context: DatabaseContext, count: int) -> tuple[IdRange, int]:
        """Return where to begin among all images, newest first, and how many to skip from there.

        Blocks know how many images they have: most are skipped unread.
        """
        if count <= self._block_size:
            return IdRange(), count
        border = await self._count_blocks(context) * self._block_size
        ((recent,),) = await context.execute(_COUNT_RECENT, {"border": border})
        if count < recent:
            return IdRange(), count
        count, below = count - recent, border
        for block, images_ in await context.execute(_COUNTS, {"end": border // self._block_size}):
            if count < images_:
                break
            count, below = count - images_, block * self._block_size
        return IdRange(below=below), count

    def look_anew(self) -> None:
        """Believe nothing of what is remembered: an image that was deleted is back."""
        self._trusted_until = float("-inf")

    async def _count_all(self, context: DatabaseContext) -> int:
        border = await self._count_blocks(context) * self._block_size
        ((recent,),) = await context.execute(_COUNT_RECENT, {"border": border})
        ((older,),) = await context.execute(_SUM, {"end": border // self._block_size})
        return int(recent) + int(older or 0)

    async def _count_blocks(self, context: DatabaseContext) -> int:
        now = time.monotonic()
        if now >= self._trusted_until:
            self._blocks = await count_blocks(context)
            self._deleted = {
                block: decode(deleted, self._block_size)
                for block, deleted in await context.execute(_DELETED)
            }
            self._trusted_until = now + _TRUST_S
        return self._blocks

    async def _ask(
        self, context: DatabaseContext, conditions: Conditions, within: IdRange, limit: int
    ) -> list[int]:
        """Return the ids of the rows in a range that meet the conditions."""
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
        criteria: ImageCriteria,
        conditions: Conditions,
        within: IdRange,
        *,
        border: int,
        limit: int,
    ) -> list[int]:
        plan = await self._plan(context, criteria)
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
                        raise ConstraintViolationError([FieldFault("query", TOO_BROAD)])
        return found

    async def _candidates(
        self,
        context: DatabaseContext,
        plan: SearchPlan,
        within: IdRange,
        border: int,
        *,
        at_least: int,
    ) -> AsyncGenerator[list[int], None]:
        """Yield the ids of the images whose rows are worth asking, in order: few at first."""
        ids: list[int] = []
        blocks = range(
            within.above // self._block_size, -(-min(within.below, border) // self._block_size)
        )
        for window in windows(blocks[::-1] if within.newest_first else blocks, plan):
            found_in = await self._read(context, plan, window)
            for block in window:
                bits = self._cut(found_in(block), block, within)
                ids += ids_of(bits, block, self._block_size, newest_first=within.newest_first)
                if len(ids) >= at_least:
                    yield ids
                    ids, at_least = [], _MAX_CHUNK
        if ids:
            yield ids

    def _cut(self, bits: int, block: int, within: IdRange) -> int:
        """Return the bits of a block that are within the range."""
        above = max(0, within.above + 1 - block * self._block_size)
        below = max(0, min(self._block_size, within.below - block * self._block_size))
        return bits >> above << above & (1 << below) - 1

    async def _read(
        self, context: DatabaseContext, plan: SearchPlan, window: range
    ) -> Callable[[int], int]:
        """Read the postings of some blocks; return what gives one block's images that may do."""
        bits_of = await read_window(context, plan, window, block_size=self._block_size)
        return lambda block: bits_of(block) & ~self._deleted.get(block, 0)

    async def _plan(self, context: DatabaseContext, criteria: ImageCriteria) -> SearchPlan:
        ids = {}
        if guids := guids_in(criteria):
            rows = await context.execute(_IDS, {"guids": sorted(guids)})
            ids = {row[1]: row[0] for row in rows}
        return make_plan(criteria, block_size=self._block_size, ids=ids)


async def count_blocks(context: DatabaseContext) -> int:
    """Return how many blocks there are: they begin with the oldest images, without a gap."""
    ((last,),) = await context.execute(_LAST_BLOCK)
    return 0 if last is None else last + 1


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


def _chunks(count: int, wanted: int) -> Iterator[tuple[int, int]]:
    """Yield from where to where rows are asked at once: few more than are wanted, then many."""
    start, size = 0, wanted + _SPARE
    while start < count:
        yield start, start + size
        start, size = start + size, _MAX_CHUNK

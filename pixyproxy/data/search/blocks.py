"""Blocks: older images are put into postings and counted, a range of ids at a time.

Blocks are derived from the rows of images and hold nothing else; the rows stay the truth.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from pixyproxy.core.models import ImageDetail
from pixyproxy.core.statistics import StatsEntry
from pixyproxy.data.context import DatabaseContext
from pixyproxy.data.search.index import count_blocks
from pixyproxy.data.search.postings import (
    BLOCK_SIZE,
    IndexedRow,
    build_postings,
    decode,
    encode,
    tag_term,
)
from pixyproxy.data.tables import archive_blocks, images, search_postings, trashed_images

_ROWS_AT_ONCE = 5_000


class SearchBlocks:
    """Keeps blocks and postings true to the rows of images.

    A block is made when its last id was given out a while ago, longer than any transaction lives:
    no row is added to it any more, but out of the trash. What is changed later is marked by the
    transaction that changes the row. Postings have the images in the trash too, marked as deleted:
    one that is restored has only to be counted again.
    """

    def __init__(
        self, open_context: Callable[[], DatabaseContext], *, block_size: int = BLOCK_SIZE
    ) -> None:
        self._open_context = open_context
        self._block_size = block_size

    async def add_block(self, settled_id: int) -> bool:
        """Make the next block, if all its ids are `settled_id` or lower; else return False.

        Where another process makes it first, or one of its rows changes meanwhile, nothing is made
        and True is returned.
        """
        async with self._open_context() as context:
            block = await count_blocks(context)
            if settled_id < (block + 1) * self._block_size - 1:
                return False
            ids = {"first": block * self._block_size, "last": (block + 1) * self._block_size - 1}
            state = await context.execute(_STATE, ids)
            rows = [IndexedRow(*row) for row in await context.execute(_ROWS, ids)]
            # Whatever moves between the two meanwhile changes the state.
            trashed = [IndexedRow(*row) for row in await context.execute(_TRASHED_ROWS, ids)]
        made = await asyncio.to_thread(_make_block, block, rows, trashed, self._block_size)
        async with self._open_context() as context:
            await context.begin_transaction()
            # On MySQL this also holds back who is about to change one of the rows.
            if await context.execute(_LOCKED_STATE, ids) != state:
                return True
            try:
                await context.execute(_INSERT_BLOCK, made.row)
            except IntegrityError:
                return True
            for start in range(0, len(made.postings), _ROWS_AT_ONCE):
                await context.execute(
                    _INSERT_POSTINGS, made.postings[start : start + _ROWS_AT_ONCE]
                )
            await context.commit_transaction()
        return True

    async def mark_tagged(self, context: DatabaseContext, id_: int, tags: Iterable[str]) -> None:
        """Have an image be found by tags that it was just given, in the same transaction.

        Nothing must have been read in the transaction before the image's row was locked.
        """
        block = id_ // self._block_size
        if block < await count_blocks(context):
            for tag in sorted(tags):
                await self._add_posting(context, block, tag_term(tag), id_)

    async def mark_deleted(self, context: DatabaseContext, id_: int, image: ImageDetail) -> None:
        """Count an image no more that was just deleted, in the same transaction.

        Nothing must have been read in the transaction before the image's row was locked.
        """
        await self._recount(context, id_, image, is_there=False)

    async def mark_restored(self, context: DatabaseContext, id_: int, image: ImageDetail) -> None:
        """Count an image again that was just restored, in the same transaction.

        Nothing must have been read in the transaction before the image's row was added.
        """
        await self._recount(context, id_, image, is_there=True)

    async def get_stats(self, context: DatabaseContext) -> list[StatsEntry]:
        """Return counts and bytes by day, model and format, the newest day first."""
        counts: Counts = defaultdict(Counted)
        border = await count_blocks(context) * self._block_size
        for (stats,) in await context.execute(_STATS):
            for kind, counted in _read_stats(stats).items():
                counts[kind] += counted
        for day, model, content_type, image_count, byte_size in await context.execute(
            _RECENT_STATS, {"border": border}
        ):
            counts[str(day), model, content_type] += Counted(image_count, int(byte_size))
        return [
            StatsEntry(
                day=date.fromisoformat(day),
                model=model,
                content_type=content_type,
                image_count=counted.images,
                byte_size=counted.bytes,
            )
            for (day, model, content_type), counted in sorted(counts.items(), reverse=True)
            if counted.images
        ]

    async def _recount(
        self, context: DatabaseContext, id_: int, image: ImageDetail, *, is_there: bool
    ) -> None:
        block = id_ // self._block_size
        if block >= await count_blocks(context):
            return
        ((stats, deleted),) = await context.execute(_LOCKED_BLOCK, {"number": block})
        counts = _read_stats(stats)
        change = 1 if is_there else -1
        counts[_kind(image)] += Counted(change, change * image.byte_size)
        bit = 1 << id_ % self._block_size
        bits = decode(deleted or b"", self._block_size)
        bits = bits & ~bit if is_there else bits | bit
        changed = {
            "change": change,
            "stats": _write_stats(counts),
            "bits": encode(bits, self._block_size),
        }
        await context.execute(_RECOUNT, {"number": block} | changed)

    async def _add_posting(
        self, context: DatabaseContext, block: int, term: bytes, id_: int
    ) -> None:
        key = {"number": block, "name": term}
        bits = 1 << id_ % self._block_size
        try:
            new = {"block": block, "term": term, "images": encode(bits, self._block_size)}
            await context.execute(_INSERT_POSTINGS, new)
        except IntegrityError:
            ((stored,),) = await context.execute(_LOCKED_POSTING, key)
            merged = encode(decode(stored, self._block_size) | bits, self._block_size)
            await context.execute(_UPDATE_POSTING, key | {"merged": merged})


@dataclass(frozen=True, slots=True)
class Counted:
    """How many images, and how large their files are together."""

    images: int = 0
    bytes: int = 0

    def __add__(self, other: "Counted") -> "Counted":
        return Counted(self.images + other.images, self.bytes + other.bytes)


Kind = tuple[str, str, str]
"""A day as in 2026-11-20, a model and a media type."""
Counts = dict[Kind, Counted]


@dataclass(frozen=True, slots=True)
class _Block:
    row: dict[str, Any]
    postings: list[dict[str, Any]]


def _make_block(
    block: int, rows: Sequence[IndexedRow], trashed: Sequence[IndexedRow], block_size: int
) -> _Block:
    deleted = sum(1 << row.id % block_size for row in trashed)
    counts: Counts = defaultdict(Counted)
    for row in rows:
        counts[_kind(row)] += Counted(1, row.byte_size)
    return _Block(
        {
            "block": block,
            "image_count": len(rows),
            "stats": _write_stats(counts),
            "deleted": encode(deleted, block_size) if deleted else None,
        },
        [
            {"block": block, "term": term, "images": stored}
            for term, stored in build_postings([*rows, *trashed], block_size)
        ],
    )


def _kind(image: IndexedRow | ImageDetail) -> Kind:
    return image.created_at.date().isoformat(), image.model, str(image.content_type)


def _read_stats(stats: Iterable[Sequence[Any]]) -> Counts:
    return defaultdict(Counted, {(a, b, c): Counted(n, size) for a, b, c, n, size in stats})


def _write_stats(counts: Counts) -> list[Any]:
    return [(*kind, counted.images, counted.bytes) for kind, counted in sorted(counts.items())]


_IN_BLOCK = images.c.id.between(sa.bindparam("first"), sa.bindparam("last"))
_IT = archive_blocks.c.block == sa.bindparam("number")
_THAT_POSTING = sa.and_(
    search_postings.c.block == sa.bindparam("number"),
    search_postings.c.term == sa.bindparam("name"),
)
_ROWS = (
    sa.select(*(images.c[field.name] for field in fields(IndexedRow)))
    .where(_IN_BLOCK)
    .order_by(images.c.id)
)
_TRASHED_ROWS = sa.select(
    trashed_images.c.image_id,
    *(trashed_images.c[field.name] for field in fields(IndexedRow) if field.name != "id"),
).where(trashed_images.c.image_id.between(sa.bindparam("first"), sa.bindparam("last")))
_STATE = sa.select(sa.func.count(), sa.func.max(images.c.updated_at)).where(_IN_BLOCK)
_LOCKED_STATE = _STATE.with_for_update(read=True)
_INSERT_BLOCK = sa.insert(archive_blocks)
_INSERT_POSTINGS = sa.insert(search_postings)
_LOCKED_POSTING = sa.select(search_postings.c.images).where(_THAT_POSTING).with_for_update()
_UPDATE_POSTING = (
    sa.update(search_postings).where(_THAT_POSTING).values(images=sa.bindparam("merged"))
)
_STATS = sa.select(archive_blocks.c.stats)
_LOCKED_BLOCK = (
    sa.select(archive_blocks.c.stats, archive_blocks.c.deleted).where(_IT).with_for_update()
)
_RECOUNT = (
    sa.update(archive_blocks)
    .where(_IT)
    .values(
        image_count=archive_blocks.c.image_count + sa.bindparam("change", type_=sa.Integer),
        stats=sa.bindparam("stats"),
        deleted=sa.bindparam("bits"),
    )
)
_DAY = sa.func.date(images.c.created_at)
_RECENT_STATS = (
    sa.select(
        _DAY,
        images.c.model,
        images.c.content_type,
        sa.func.count(),
        sa.func.sum(images.c.byte_size),
    )
    .where(images.c.id >= sa.bindparam("border"))
    .group_by(_DAY, images.c.model, images.c.content_type)
)

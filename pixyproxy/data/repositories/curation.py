"""Changes of kept images: their tags, and their end. Methods run in the context they are given."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from pixyproxy.core.models import ContentType, ImageDetail
from pixyproxy.core.statistics import Tag
from pixyproxy.data.context import DatabaseContext
from pixyproxy.data.repositories.images import DETAILS, to_model
from pixyproxy.data.search.blocks import SearchBlocks
from pixyproxy.data.tables import UtcDateTime, deleted_images, images, tags, trashed_images


class CurationRepository:
    """The repository for MySQL, MariaDB and SQLite.

    In a transaction the image is locked first, then tags in their order, then its block: so
    nobody waits in a circle.
    """

    def __init__(self, open_context: Callable[[], DatabaseContext], blocks: SearchBlocks) -> None:
        self._open_context = open_context
        self._blocks = blocks

    def open_context(self) -> DatabaseContext:
        """Return a new context, for a short use."""
        return self._open_context()

    async def lock_image(
        self, context: DatabaseContext, guid: str
    ) -> tuple[int, ImageDetail] | None:
        """Return an image and its id, for changing it in this transaction, which begins with it."""
        rows = await context.execute(_LOCKED, {"guid": guid})
        return (rows[0][0], to_model(rows[0][1:])) if rows else None

    async def add_tags(self, context: DatabaseContext, names: Iterable[str]) -> None:
        """Have a row for each tag, in no transaction: without one, two who add it would collide."""
        wanted = sorted(names)
        known = {row[0] for row in await context.execute(_KNOWN_TAGS, {"names": wanted})}
        for name in wanted:
            if name not in known:
                with suppress(IntegrityError):
                    await context.execute(_INSERT_TAG, {"name": name, "image_count": 0})

    async def count_tags(self, context: DatabaseContext, changes: Mapping[str, int]) -> None:
        """Count so many images more or less for each tag, all of which have a row."""
        for name, change in sorted(changes.items()):
            await context.execute(_COUNT_TAG, {"of": name, "change": change})

    async def set_tags(
        self, context: DatabaseContext, id_: int, image: ImageDetail, new: Iterable[str]
    ) -> None:
        """Write down an image's tags and when they changed; `new` are those it did not have."""
        parameters = {"of": id_, "names": list(image.tags) or None, "now": image.updated_at}
        await context.execute(_SET_TAGS, parameters)
        await self._blocks.mark_tagged(context, id_, new)

    async def delete(
        self,
        context: DatabaseContext,
        id_: int,
        image: ImageDetail,
        now: datetime,
        *,
        kept_until: datetime | None = None,
    ) -> None:
        """Put a tombstone in the place of an image's row. Its bytes are still there.

        With `kept_until` its row goes into the trash instead.
        """
        if kept_until is None:
            await self.put_tombstone(context, image, now)
        else:
            times = {"of": id_, "now": now, "until": kept_until}
            await context.execute(_PUT_INTO_TRASH, times)
        await context.execute(_DELETE, {"of": id_})
        await self.count_tags(context, dict.fromkeys(image.tags, -1))
        await self._blocks.mark_deleted(context, id_, image)

    async def put_tombstone(
        self, context: DatabaseContext, image: ImageDetail, now: datetime
    ) -> None:
        """Write down that an image was deleted for good, and that its bytes are to go."""
        tombstone = {
            "guid": image.guid,
            "content_type": image.content_type.value,
            "deleted_at": now,
            "bytes_gone": False,
        }
        await context.execute(_INSERT_TOMBSTONE, tombstone)

    async def list_unfinished(
        self, context: DatabaseContext, before: datetime, limit: int
    ) -> list[tuple[str, ContentType]]:
        """Return images that were deleted by then, and whose bytes may still be there."""
        rows = await context.execute(_UNFINISHED, {"before": before, "limit": limit})
        return [(row[0], ContentType(row[1])) for row in rows]

    async def finish(self, context: DatabaseContext, guid: str) -> None:
        """Write down that the bytes of a deleted image are gone."""
        await context.execute(_FINISH, {"of": guid})

    async def list_tags(self, context: DatabaseContext, *, prefix: str, first: int) -> list[Tag]:
        """Return the tags that begin so, the most used first."""
        statement = _TAGS
        if prefix:
            statement = statement.where(
                tags.c.name >= sa.bindparam("prefix"), tags.c.name < sa.bindparam("end")
            )
        parameters = {"limit": first}
        bounds = {"prefix": prefix, "end": prefix + chr(0x10FFFF)} if prefix else {}
        rows = await context.execute(statement, parameters | bounds)
        return [Tag(name=row[0], image_count=row[1]) for row in rows]


_LOCKED = (
    sa.select(images.c.id, *DETAILS.selected_columns)
    .where(images.c.guid == sa.bindparam("guid"))
    .with_for_update()
)
_KNOWN_TAGS = sa.select(tags.c.name).where(tags.c.name.in_(sa.bindparam("names", expanding=True)))
_INSERT_TAG = sa.insert(tags)
_COUNT_TAG = (
    sa.update(tags)
    .where(tags.c.name == sa.bindparam("of"))
    .values(image_count=tags.c.image_count + sa.bindparam("change", type_=sa.BigInteger))
)
_SET_TAGS = (
    sa.update(images)
    .where(images.c.id == sa.bindparam("of"))
    .values(tags=sa.bindparam("names"), updated_at=sa.bindparam("now"))
)
_INSERT_TOMBSTONE = sa.insert(deleted_images)
_MOVED = [column.name for column in images.c if column.name != "id"]
_PUT_INTO_TRASH = sa.insert(trashed_images).from_select(
    [*_MOVED, "image_id", "deleted_at", "kept_until"],
    sa.select(
        *(images.c[name] for name in _MOVED),
        images.c.id,
        sa.bindparam("now", type_=UtcDateTime()),
        sa.bindparam("until", type_=UtcDateTime()),
    ).where(images.c.id == sa.bindparam("of")),
)
_DELETE = sa.delete(images).where(images.c.id == sa.bindparam("of"))
_UNFINISHED = (
    sa.select(deleted_images.c.guid, deleted_images.c.content_type)
    .where(
        deleted_images.c.bytes_gone == sa.false(),  # IS would not use the index on MySQL
        deleted_images.c.deleted_at < sa.bindparam("before"),
    )
    .order_by(deleted_images.c.id)
    .limit(sa.bindparam("limit", type_=sa.Integer))
)
_FINISH = (
    sa.update(deleted_images)
    .where(deleted_images.c.guid == sa.bindparam("of"))
    .values(bytes_gone=True)
)
_TAGS = (
    sa.select(tags.c.name, tags.c.image_count)
    .where(tags.c.image_count > 0)
    .order_by(tags.c.image_count.desc(), tags.c.name)
    .limit(sa.bindparam("limit", type_=sa.Integer))
)

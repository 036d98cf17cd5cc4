"""The trash: rows of images that were deleted, and can be put back until a time.

What is there beyond its time is there no more for anybody but housekeeping.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from pixyproxy.core.guid import is_guid
from pixyproxy.core.trash import TrashedImage
from pixyproxy.data.context import DatabaseContext
from pixyproxy.data.repositories.curation import CurationRepository
from pixyproxy.data.search.blocks import SearchBlocks
from pixyproxy.data.tables import UtcDateTime, images, trashed_images


class TrashRepository:
    """The repository for MySQL, MariaDB and SQLite. Methods run in the context they are given.

    In a transaction the row in the trash is locked first, then the image's, tags and its block.
    """

    def __init__(
        self,
        open_context: Callable[[], DatabaseContext],
        curation: CurationRepository,
        blocks: SearchBlocks,
    ) -> None:
        self._open_context = open_context
        self._curation = curation
        self._blocks = blocks

    def open_context(self) -> DatabaseContext:
        """Return a new context, for a short use."""
        return self._open_context()

    async def list_images(
        self, context: DatabaseContext, now: datetime, *, below: int, limit: int
    ) -> list[tuple[int, TrashedImage]]:
        """Return images with their ids in the trash, below one: what was deleted last is first."""
        bounds = {"now": now, "below": below, "limit": limit}
        rows = await context.execute(_PAGE, bounds)
        return [(row[0], _to_model(row[2:])) for row in rows]

    async def count(self, context: DatabaseContext, now: datetime) -> int:
        """Return how many images can be restored."""
        ((count,),) = await context.execute(_COUNT, {"now": now})
        return int(count)

    async def get_image(self, context: DatabaseContext, guid: str) -> TrashedImage | None:
        """Return an image, if it is in the trash."""
        rows = await context.execute(_BY_GUID, {"guid": guid}) if is_guid(guid) else ()
        return _to_model(rows[0][2:]) if rows else None

    async def lock_image(
        self, context: DatabaseContext, guid: str
    ) -> tuple[int, TrashedImage] | None:
        """Return an image and the id that it had, for taking it out in this transaction."""
        rows = await context.execute(_LOCKED, {"guid": guid}) if is_guid(guid) else ()
        return (rows[0][1], _to_model(rows[0][2:])) if rows else None

    async def restore(
        self, context: DatabaseContext, id_: int, image: TrashedImage, now: datetime
    ) -> None:
        """Put a locked image's row back where it was. Its tags must have rows."""
        changed = max(now, image.updated_at + timedelta(microseconds=1))
        parameters = {"guid": image.guid, "now": changed}
        is_in_place = True
        try:
            await context.execute(_PUT_BACK, parameters)
        except IntegrityError:
            # Some servers give the highest id anew once its row is gone and they were restarted.
            is_in_place = False
            await context.execute(_PUT_BACK_AS_NEW, parameters)
        await context.execute(_REMOVE, {"guid": image.guid})
        await self._curation.count_tags(context, dict.fromkeys(image.tags, 1))
        if is_in_place:
            await self._blocks.mark_restored(context, id_, image)

    async def destroy(self, context: DatabaseContext, image: TrashedImage, now: datetime) -> None:
        """Put a tombstone in the place of a locked image's row. Its bytes are still there."""
        await self._curation.put_tombstone(context, image, now)
        await context.execute(_REMOVE, {"guid": image.guid})

    async def list_expired(self, context: DatabaseContext, now: datetime, limit: int) -> list[str]:
        """Return the GUIDs of images whose time is over."""
        rows = await context.execute(_EXPIRED, {"now": now, "limit": limit})
        return [row[0] for row in rows]

    async def expire_all(self, context: DatabaseContext, now: datetime) -> int:
        """End the time of all images; return of how many it was not over yet."""
        return await context.change(_EXPIRE, {"now": now, "until": now})


def _to_model(row: Sequence[Any]) -> TrashedImage:
    return TrashedImage.model_validate(dict(zip(_FIELDS, row, strict=True)))


_FIELDS = tuple(TrashedImage.model_fields)
_MOVED = [column.name for column in images.c if column.name not in {"id", "updated_at"}]
_NOW = sa.bindparam("now", type_=UtcDateTime())
_LIMIT = sa.bindparam("limit", type_=sa.Integer)
_THAT_ONE = trashed_images.c.guid == sa.bindparam("guid")
_IS_THERE = trashed_images.c.kept_until > _NOW
_IMAGES = sa.select(
    trashed_images.c.id, trashed_images.c.image_id, *(trashed_images.c[name] for name in _FIELDS)
)
_PAGE = (
    _IMAGES.where(_IS_THERE, trashed_images.c.id < sa.bindparam("below"))
    .order_by(trashed_images.c.id.desc())
    .limit(_LIMIT)
)
_COUNT = sa.select(sa.func.count()).select_from(trashed_images).where(_IS_THERE)
_BY_GUID = _IMAGES.where(_THAT_ONE)
_LOCKED = _BY_GUID.with_for_update()
_COPIED = (*(trashed_images.c[name] for name in _MOVED), _NOW)
_PUT_BACK = sa.insert(images).from_select(
    ["id", *_MOVED, "updated_at"], sa.select(trashed_images.c.image_id, *_COPIED).where(_THAT_ONE)
)
_PUT_BACK_AS_NEW = sa.insert(images).from_select(
    [*_MOVED, "updated_at"], sa.select(*_COPIED).where(_THAT_ONE)
)
_REMOVE = sa.delete(trashed_images).where(_THAT_ONE)
_EXPIRED = (
    sa.select(trashed_images.c.guid)
    .where(trashed_images.c.kept_until <= _NOW)
    .order_by(trashed_images.c.kept_until)
    .limit(_LIMIT)
)
_EXPIRE = (
    sa.update(trashed_images)
    .where(_IS_THERE)
    .values(kept_until=sa.bindparam("until", type_=UtcDateTime()))
)

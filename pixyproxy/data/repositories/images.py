"""Rows of images: the models become dictionaries here, and come back from them."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from pixyproxy.core.criteria import ImageCriteria
from pixyproxy.core.guid import is_guid
from pixyproxy.core.models import ContentType, ImageDetail
from pixyproxy.core.statistics import Count
from pixyproxy.core.text import searchable
from pixyproxy.data.context import DatabaseContext
from pixyproxy.data.search.index import IdRange, SearchIndex
from pixyproxy.data.search.postings import BLOCK_SIZE
from pixyproxy.data.tables import deleted_images, generations, images, trashed_images


@dataclass(frozen=True, slots=True)
class ImageFile:
    """What a row says of its image's file."""

    guid: str
    content_type: ContentType
    byte_size: int
    sha256: str
    lacks_generation: bool
    """The row names a generation that there is not."""


class ImageRepositoryInterface(Protocol):
    """Where rows of images are kept. Each method runs in the context that it is given."""

    def open_context(self) -> DatabaseContext:
        """Return a new context, for a short use."""

    async def create_image(self, context: DatabaseContext, image: ImageDetail) -> bool:
        """Add a row, as `add_images` does; return whether it was added."""

    async def add_images(self, context: DatabaseContext, images: Sequence[ImageDetail]) -> set[str]:
        """Add rows in this order, but for images whose GUID has a row already or was deleted.

        Returns the GUIDs of the rows that were added. It must be in a transaction, unless there is
        one image at most, and nothing must have been read in the transaction before.
        """

    async def get_images(self, context: DatabaseContext, guids: Sequence[str]) -> list[ImageDetail]:
        """Return the images with exactly these GUIDs, in any order; those that there are."""

    async def get_images_of(
        self, context: DatabaseContext, generation_guids: Sequence[str]
    ) -> list[ImageDetail]:
        """Return the images of these generations, the oldest first."""

    async def get_deleted(self, context: DatabaseContext, guids: Sequence[str]) -> set[str]:
        """Return those of the GUIDs whose images were deleted, be they in the trash or not."""

    async def get_tombstoned(self, context: DatabaseContext, guids: Sequence[str]) -> set[str]:
        """Return those of the GUIDs whose images were deleted for good."""

    async def list_images(
        self, context: DatabaseContext, *, page: int, size: int
    ) -> list[ImageDetail]:
        """Return a page of all images, newest first; `page` counts from 1."""

    async def search_images(
        self, context: DatabaseContext, criteria: ImageCriteria, *, page: int, size: int
    ) -> list[ImageDetail]:
        """Return a page of the images that meet all criteria, newest first.

        Raises ConstraintViolationError where the search would look at too much.
        """

    async def find_images(
        self, context: DatabaseContext, criteria: ImageCriteria, within: IdRange, *, limit: int
    ) -> list[tuple[int, ImageDetail]]:
        """Return the first images within the range that meet all criteria, with their ids.

        Raises ConstraintViolationError where the search would look at too much.
        """

    async def count_images(self, context: DatabaseContext, criteria: ImageCriteria) -> Count:
        """Return how many images meet all criteria; where they are very many, about how many."""

    async def get_last_id(self, context: DatabaseContext) -> int:
        """Return the id of the newest row, 0 where there is none."""

    async def list_guids(
        self, context: DatabaseContext, *, after_id: int, limit: int
    ) -> list[tuple[int, str]]:
        """Return the ids and GUIDs of the rows that follow, in the order of their ids."""

    async def get_files(self, context: DatabaseContext, guids: Sequence[str]) -> list[ImageFile]:
        """Return what the rows with these GUIDs say of their files, in any order."""

    async def list_trashed_guids(
        self, context: DatabaseContext, *, after_id: int, limit: int
    ) -> list[tuple[int, str]]:
        """Return the ids and GUIDs that follow in the trash, in the order of their ids there."""

    async def get_trashed_id(self, context: DatabaseContext, guid: str) -> int | None:
        """Return which id an image in the trash has there; None where it is not in it."""

    async def get_trashed_files(
        self, context: DatabaseContext, guids: Sequence[str]
    ) -> list[ImageFile]:
        """Return what the rows with these GUIDs in the trash say of their files."""

    def look_anew(self) -> None:
        """Find at once what was just restored, though it is remembered as deleted."""


class ImageRepository:
    """The repository for MySQL, MariaDB and SQLite."""

    def __init__(
        self, open_context: Callable[[], DatabaseContext], *, block_size: int = BLOCK_SIZE
    ) -> None:
        self._open_context = open_context
        self._index = SearchIndex(block_size)

    def open_context(self) -> DatabaseContext:
        """Return a new context, for a short use."""
        return self._open_context()

    async def create_image(self, context: DatabaseContext, image: ImageDetail) -> bool:
        """Add a row, as `add_images` does; return whether it was added."""
        return bool(await self.add_images(context, [image]))

    async def add_images(self, context: DatabaseContext, images: Sequence[ImageDetail]) -> set[str]:
        """Add rows in this order, but for images whose GUID has a row already or was deleted."""
        added = await _insert(context, images)
        if not added:
            return added
        # Asked only now: an insertion waits for a deletion that is under way, and MySQL goes on
        # seeing the tombstones that there were when it was first asked.
        deleted = await self.get_deleted(context, sorted(added))
        if deleted:
            again = {"guids": sorted(deleted)}
            await context.execute(_REMOVE, again)
            await context.execute(_BYTES_ARE_BACK, again)
        return added - deleted

    async def get_images(self, context: DatabaseContext, guids: Sequence[str]) -> list[ImageDetail]:
        """Return the images with exactly these GUIDs, in any order; those that there are."""
        # MySQL pads with spaces, and fails on what the column cannot hold.
        possible = [guid for guid in guids if is_guid(guid)]
        if not possible:
            return []
        rows = await context.execute(_BY_GUIDS, {"guids": possible})
        return [to_model(row) for row in rows]

    async def get_images_of(
        self, context: DatabaseContext, generation_guids: Sequence[str]
    ) -> list[ImageDetail]:
        """Return the images of these generations, the oldest first."""
        rows = await context.execute(_OF_GENERATIONS, {"guids": list(generation_guids)})
        return [to_model(row) for row in rows]

    async def get_deleted(self, context: DatabaseContext, guids: Sequence[str]) -> set[str]:
        """Return those of the GUIDs whose images were deleted, be they in the trash or not."""
        rows = await context.execute(_DELETED, {"guids": list(guids)})
        return {row[0] for row in rows}

    async def get_tombstoned(self, context: DatabaseContext, guids: Sequence[str]) -> set[str]:
        """Return those of the GUIDs whose images were deleted for good."""
        rows = await context.execute(_TOMBSTONED, {"guids": list(guids)})
        return {row[0] for row in rows}

    async def list_images(
        self, context: DatabaseContext, *, page: int, size: int
    ) -> list[ImageDetail]:
        """Return a page of all images, newest first; `page` counts from 1."""
        within, skip = await self._index.skip(context, (page - 1) * size)
        parameters = {"below": within.below, "limit": size, "offset": skip}
        return [to_model(row) for row in await context.execute(_PAGE, parameters)]

    async def search_images(
        self, context: DatabaseContext, criteria: ImageCriteria, *, page: int, size: int
    ) -> list[ImageDetail]:
        """Return a page of the images that meet all criteria, newest first."""
        if criteria.is_of_all:
            return await self.list_images(context, page=page, size=size)
        ids = await self._index.find(context, criteria, IdRange(), limit=page * size)
        rows = await self._get_by_ids(context, ids[(page - 1) * size :])
        return [image for _, image in rows]

    async def find_images(
        self, context: DatabaseContext, criteria: ImageCriteria, within: IdRange, *, limit: int
    ) -> list[tuple[int, ImageDetail]]:
        """Return the first images within the range that meet all criteria, with their ids."""
        ids = await self._index.find(context, criteria, within, limit=limit)
        return await self._get_by_ids(context, ids)

    async def count_images(self, context: DatabaseContext, criteria: ImageCriteria) -> Count:
        """Return how many images meet all criteria; where they are very many, about how many."""
        return await self._index.count(context, criteria)

    async def get_last_id(self, context: DatabaseContext) -> int:
        """Return the id of the newest row, 0 where there is none."""
        ((last,),) = await context.execute(_LAST_ID)
        return last or 0

    async def list_guids(
        self, context: DatabaseContext, *, after_id: int, limit: int
    ) -> list[tuple[int, str]]:
        """Return the ids and GUIDs of the rows that follow, in the order of their ids."""
        rows = await context.execute(_GUIDS_AFTER, {"after": after_id, "limit": limit})
        return [(row[0], row[1]) for row in rows]

    async def get_files(self, context: DatabaseContext, guids: Sequence[str]) -> list[ImageFile]:
        """Return what the rows with these GUIDs say of their files, in any order."""
        return _to_files(await context.execute(_FILES, {"guids": list(guids)}))

    async def list_trashed_guids(
        self, context: DatabaseContext, *, after_id: int, limit: int
    ) -> list[tuple[int, str]]:
        """Return the ids and GUIDs that follow in the trash, in the order of their ids there."""
        rows = await context.execute(_TRASHED_AFTER, {"after": after_id, "limit": limit})
        return [(row[0], row[1]) for row in rows]

    async def get_trashed_id(self, context: DatabaseContext, guid: str) -> int | None:
        """Return which id an image in the trash has there; None where it is not in it."""
        rows = await context.execute(_TRASHED_ID, {"guid": guid}) if is_guid(guid) else ()
        return rows[0][0] if rows else None

    async def get_trashed_files(
        self, context: DatabaseContext, guids: Sequence[str]
    ) -> list[ImageFile]:
        """Return what the rows with these GUIDs in the trash say of their files."""
        return _to_files(await context.execute(_TRASHED_FILES, {"guids": list(guids)}))

    def look_anew(self) -> None:
        """Find at once what was just restored, though it is remembered as deleted."""
        self._index.look_anew()

    async def _get_by_ids(
        self, context: DatabaseContext, ids: Sequence[int]
    ) -> list[tuple[int, ImageDetail]]:
        if not ids:
            return []
        rows = {row[0]: row[1:] for row in await context.execute(_BY_IDS, {"ids": list(ids)})}
        return [(id_, to_model(rows[id_])) for id_ in ids if id_ in rows]


async def _insert(context: DatabaseContext, new: Sequence[ImageDetail]) -> set[str]:
    """Insert the rows whose GUID is not taken: all at once, or where that fails one by one."""
    if len(new) > 1:
        try:
            async with context.savepoint():
                await context.execute(_INSERT, [to_row(image) for image in new])
        except IntegrityError:
            pass
        else:
            return {image.guid for image in new}
    added = set()
    for image in new:
        with suppress(IntegrityError):
            await context.execute(_INSERT, to_row(image))
            added.add(image.guid)
    return added


_INSERT = sa.insert(images)
_FIELDS = tuple(ImageDetail.model_fields)
DETAILS = sa.select(*(images.c[name] for name in _FIELDS))
_BY_GUIDS = DETAILS.where(images.c.guid.in_(sa.bindparam("guids", expanding=True)))
_GUIDS: sa.BindParameter[Any] = sa.bindparam("guids", expanding=True)
_TOMBSTONED = sa.select(deleted_images.c.guid).where(deleted_images.c.guid.in_(_GUIDS))
_DELETED = sa.union_all(
    _TOMBSTONED, sa.select(trashed_images.c.guid).where(trashed_images.c.guid.in_(_GUIDS))
)
_REMOVE = sa.delete(images).where(images.c.guid.in_(_GUIDS))
_BYTES_ARE_BACK = (
    sa.update(deleted_images).where(deleted_images.c.guid.in_(_GUIDS)).values(bytes_gone=False)
)
_OF_GENERATIONS = DETAILS.where(
    images.c.generation_guid.in_(sa.bindparam("guids", expanding=True))
).order_by(images.c.id)
_PAGE = (
    DETAILS.where(images.c.id < sa.bindparam("below"))
    .order_by(images.c.id.desc())
    .limit(sa.bindparam("limit", type_=sa.Integer))
    .offset(sa.bindparam("offset", type_=sa.BigInteger))
)
_BY_IDS = sa.select(images.c.id, *DETAILS.selected_columns).where(
    images.c.id.in_(sa.bindparam("ids", expanding=True))
)
_LAST_ID = sa.select(sa.func.max(images.c.id))


def _guids_after(table: sa.Table) -> sa.Select[Any]:
    return (
        sa.select(table.c.id, table.c.guid)
        .where(table.c.id > sa.bindparam("after"))
        .order_by(table.c.id)
        .limit(sa.bindparam("limit", type_=sa.Integer))
    )


def _files(table: sa.Table) -> sa.Select[Any]:
    return (
        sa.select(
            table.c.guid,
            table.c.content_type,
            table.c.byte_size,
            table.c.sha256,
            sa.and_(table.c.generation_guid.is_not(None), generations.c.guid.is_(None)),
        )
        .select_from(table)
        .outerjoin(generations, generations.c.guid == table.c.generation_guid)
        .where(table.c.guid.in_(_GUIDS))
    )


_GUIDS_AFTER, _TRASHED_AFTER = _guids_after(images), _guids_after(trashed_images)
_FILES, _TRASHED_FILES = _files(images), _files(trashed_images)
_TRASHED_ID = sa.select(trashed_images.c.id).where(trashed_images.c.guid == sa.bindparam("guid"))


def _to_files(rows: Sequence[Sequence[Any]]) -> list[ImageFile]:
    return [ImageFile(row[0], ContentType(row[1]), row[2], row[3], bool(row[4])) for row in rows]


def to_row(image: ImageDetail) -> dict[str, Any]:
    """Return the row of an image, but for its id."""
    return image.model_dump() | {
        "content_type": image.content_type.value,
        "prompt_words": searchable(image.prompt),
        "filename_words": searchable(image.filename),
        "tags": list(image.tags) or None,
    }


def to_model(row: Sequence[Any]) -> ImageDetail:
    """Return the image of a row of DETAILS."""
    return ImageDetail.model_validate(dict(zip(_FIELDS, row, strict=True)))

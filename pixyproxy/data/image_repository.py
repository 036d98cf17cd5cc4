"""Rows of images: the models become dictionaries here, and come back from them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from pixyproxy.core.guid import is_guid
from pixyproxy.core.models import ContentType, ImageDetail
from pixyproxy.core.text import words
from pixyproxy.data.context import DatabaseContext
from pixyproxy.data.tables import generations, images


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSearch:
    """What is searched for. Criteria combine; one that is None does not count.

    `prompt` and `filename` match whole words, all of them, in any order, whatever the case.
    `query` does so in prompt and filename together, or is a GUID.
    """

    query: str | None = None
    prompt: str | None = None
    filename: str | None = None
    guid: str | None = None


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
        """Add a row, or return False where one has this GUID already."""

    async def get_images(self, context: DatabaseContext, guids: Sequence[str]) -> list[ImageDetail]:
        """Return the images with exactly these GUIDs, in any order; those that there are."""

    async def get_images_of(
        self, context: DatabaseContext, generation_guids: Sequence[str]
    ) -> list[ImageDetail]:
        """Return the images of these generations, the oldest first."""

    async def list_images(
        self, context: DatabaseContext, *, page: int, size: int
    ) -> list[ImageDetail]:
        """Return a page of all images, newest first; `page` counts from 1."""

    async def search_images(
        self, context: DatabaseContext, search: ImageSearch, *, page: int, size: int
    ) -> list[ImageDetail]:
        """Return a page of the images that meet all criteria, newest first."""

    async def get_last_id(self, context: DatabaseContext) -> int:
        """Return the id of the newest row, 0 where there is none."""

    async def list_guids(
        self, context: DatabaseContext, *, after_id: int, limit: int
    ) -> list[tuple[int, str]]:
        """Return the ids and GUIDs of the rows that follow, in the order of their ids."""

    async def get_files(self, context: DatabaseContext, guids: Sequence[str]) -> list[ImageFile]:
        """Return what the rows with these GUIDs say of their files, in any order."""


class ImageRepository:
    """The repository for MySQL, MariaDB and SQLite."""

    def __init__(self, open_context: Callable[[], DatabaseContext]) -> None:
        self._open_context = open_context

    def open_context(self) -> DatabaseContext:
        """Return a new context, for a short use."""
        return self._open_context()

    async def create_image(self, context: DatabaseContext, image: ImageDetail) -> bool:
        """Add a row, or return False where one has this GUID already."""
        try:
            await context.execute(_INSERT, _to_row(image))
        except IntegrityError:
            return False
        return True

    async def get_images(self, context: DatabaseContext, guids: Sequence[str]) -> list[ImageDetail]:
        """Return the images with exactly these GUIDs, in any order; those that there are."""
        # MySQL pads with spaces, and fails on what the column cannot hold.
        possible = [guid for guid in guids if is_guid(guid)]
        if not possible:
            return []
        rows = await context.execute(_BY_GUIDS, {"guids": possible})
        return [_to_model(row) for row in rows]

    async def get_images_of(
        self, context: DatabaseContext, generation_guids: Sequence[str]
    ) -> list[ImageDetail]:
        """Return the images of these generations, the oldest first."""
        rows = await context.execute(_OF_GENERATIONS, {"guids": list(generation_guids)})
        return [_to_model(row) for row in rows]

    async def list_images(
        self, context: DatabaseContext, *, page: int, size: int
    ) -> list[ImageDetail]:
        """Return a page of all images, newest first; `page` counts from 1."""
        return await self.search_images(context, ImageSearch(), page=page, size=size)

    async def search_images(
        self, context: DatabaseContext, search: ImageSearch, *, page: int, size: int
    ) -> list[ImageDetail]:
        """Return a page of the images that meet all criteria, newest first."""
        conditions, parameters = _criteria(search)
        rows = await context.execute(
            _NEWEST_FIRST.where(*conditions),
            parameters | {"limit": size, "offset": (page - 1) * size},
        )
        return [_to_model(row) for row in rows]

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
        rows = await context.execute(_FILES, {"guids": list(guids)})
        return [
            ImageFile(row[0], ContentType(row[1]), row[2], row[3], bool(row[4])) for row in rows
        ]


_INSERT = sa.insert(images)
_FIELDS = tuple(ImageDetail.model_fields)
_DETAILS = sa.select(*(images.c[name] for name in _FIELDS))
_BY_GUIDS = _DETAILS.where(images.c.guid.in_(sa.bindparam("guids", expanding=True)))
_OF_GENERATIONS = _DETAILS.where(
    images.c.generation_guid.in_(sa.bindparam("guids", expanding=True))
).order_by(images.c.id)
_NEWEST_FIRST = (
    _DETAILS.order_by(images.c.id.desc())
    .limit(sa.bindparam("limit", type_=sa.Integer))
    .offset(sa.bindparam("offset", type_=sa.BigInteger))
)
_LAST_ID = sa.select(sa.func.max(images.c.id))
_GUIDS_AFTER = (
    sa.select(images.c.id, images.c.guid)
    .where(images.c.id > sa.bindparam("after"))
    .order_by(images.c.id)
    .limit(sa.bindparam("limit", type_=sa.Integer))
)
_FILES = (
    sa.select(
        images.c.guid,
        images.c.content_type,
        images.c.byte_size,
        images.c.sha256,
        sa.and_(images.c.generation_guid.is_not(None), generations.c.guid.is_(None)),
    )
    .select_from(images)
    .outerjoin(generations, generations.c.guid == images.c.generation_guid)
    .where(images.c.guid.in_(sa.bindparam("guids", expanding=True)))
)


def _criteria(search: ImageSearch) -> tuple[list[sa.ColumnElement[bool]], dict[str, Any]]:
    """Return the WHERE conditions and their named parameters."""
    conditions: list[sa.ColumnElement[bool]] = []
    parameters: dict[str, Any] = {}

    def bind(value: str) -> sa.BindParameter[str]:
        name = f"term_{len(parameters)}"
        parameters[name] = value
        return sa.bindparam(name, type_=sa.String)

    def all_words(text: str, *columns: sa.Column[str]) -> sa.ColumnElement[bool]:
        """Each word stands, whole, in one of the columns. Text without words stands nowhere."""
        wanted = [bind(f" {word} ") for word in dict.fromkeys(words(text))]
        if not wanted:
            return sa.false()
        return sa.and_(
            *(sa.or_(*(sa.func.instr(column, word) > 0 for column in columns)) for word in wanted)
        )

    if search.guid is not None:
        exact = is_guid(search.guid)
        conditions.append(images.c.guid == bind(search.guid) if exact else sa.false())
    if search.prompt is not None:
        conditions.append(all_words(search.prompt, images.c.prompt_words))
    if search.filename is not None:
        conditions.append(all_words(search.filename, images.c.filename_words))
    if search.query is not None:
        somewhere = all_words(search.query, images.c.prompt_words, images.c.filename_words)
        if is_guid(search.query):
            somewhere = sa.or_(images.c.guid == bind(search.query), somewhere)
        conditions.append(somewhere)
    return conditions, parameters


def _to_row(image: ImageDetail) -> dict[str, Any]:
    return image.model_dump() | {
        "content_type": image.content_type.value,
        "prompt_words": _searchable(image.prompt),
        "filename_words": _searchable(image.filename),
    }


def _to_model(row: sa.Row[Any]) -> ImageDetail:
    return ImageDetail.model_validate(dict(zip(_FIELDS, row, strict=True)))


def _searchable(text: str) -> str:
    return f" {' '.join(words(text))} "

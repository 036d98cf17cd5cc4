"""What else than images is moved from one archive to another: generations and tombstones."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict
from sqlalchemy.exc import IntegrityError

from pixyproxy.core.models import Attempt, ContentType, Generation, GenerationStatus
from pixyproxy.data.context import DatabaseContext
from pixyproxy.data.repositories.generations import attempt_row
from pixyproxy.data.tables import attempts, deleted_images, generations


class MovedGeneration(Generation):
    """A generation with all that is known of it, but for who runs it."""

    caller: str
    idempotency_key: str | None = None
    fingerprint: str
    max_n: int
    attempts: tuple[Attempt, ...] = ()


class Tombstone(BaseModel):
    """An image that was deleted."""

    model_config = ConfigDict(frozen=True)

    guid: str
    content_type: ContentType
    deleted_at: datetime


class TransferRepository:
    """The repository for MySQL, MariaDB and SQLite. Methods run in the context they are given."""

    def __init__(self, open_context: Callable[[], DatabaseContext]) -> None:
        self._open_context = open_context

    def open_context(self) -> DatabaseContext:
        """Return a new context, for a short use."""
        return self._open_context()

    async def list_tombstones(
        self, context: DatabaseContext, *, after_id: int, limit: int
    ) -> list[tuple[int, Tombstone]]:
        """Return the tombstones that follow, with their ids, in the order of these."""
        rows = await context.execute(_TOMBSTONES, {"after": after_id, "limit": limit})
        return [(row[0], Tombstone.model_validate(_as_dict(row))) for row in rows]

    async def get_tombstoned(
        self, context: DatabaseContext, guids: Collection[str], *, last_id: int = 2**62
    ) -> set[str]:
        """Return those of the GUIDs whose images were deleted; up to this tombstone's id."""
        parameters = {"guids": list(guids), "last": last_id}
        return {row[0] for row in await context.execute(_TOMBSTONED, parameters)}

    async def create_tombstones(
        self, context: DatabaseContext, tombstones: Sequence[Tombstone]
    ) -> bool:
        """Add rows, or return False, to be rolled back, where a GUID is taken."""
        return await _insert(
            context,
            _INSERT_TOMBSTONE,
            [
                tombstone.model_dump()
                | {"content_type": tombstone.content_type.value, "bytes_gone": True}
                for tombstone in tombstones
            ],
        )

    async def get_last_generation_id(self, context: DatabaseContext) -> int:
        """Return the id of the newest generation, 0 where there is none."""
        ((last,),) = await context.execute(_LAST_GENERATION)
        return last or 0

    async def get_unfinished(
        self, context: DatabaseContext, last_id: int, guids: Collection[str] | None = None
    ) -> set[str]:
        """Return the GUIDs of the generations that have not ended, or came after this id.

        Of these generations, or of all up to this id.
        """
        if guids is None:
            rows = await context.execute(_UNFINISHED, {"last": last_id})
        elif guids:
            rows = await context.execute(_UNFINISHED_OF, {"last": last_id, "guids": sorted(guids)})
        else:
            rows = ()
        return {row[0] for row in rows}

    async def list_generations(
        self, context: DatabaseContext, *, after_id: int, last_id: int, limit: int
    ) -> list[tuple[int, MovedGeneration]]:
        """Return the ended generations that follow, with their ids, in the order of these."""
        bounds = {"after": after_id, "last": last_id, "limit": limit}
        rows = await context.execute(_GENERATIONS, bounds)
        if not rows:
            return []
        made: dict[str, list[dict[str, Any]]] = {row.guid: [] for row in rows}
        for row in await context.execute(_ATTEMPTS, {"guids": list(made)}):
            made[row.generation_guid].append(_as_dict(row))
        return [
            (
                row[0],
                MovedGeneration.model_validate(_as_dict(row) | {"attempts": made[row.guid]}),
            )
            for row in rows
        ]

    async def get_known_generations(
        self, context: DatabaseContext, guids: Collection[str]
    ) -> set[str]:
        """Return those of the GUIDs that generations have."""
        return {row[0] for row in await context.execute(_KNOWN, {"guids": list(guids)})}

    async def get_used_keys(
        self, context: DatabaseContext, keys: Collection[str]
    ) -> set[tuple[str, str]]:
        """Return who has sent which of these idempotency keys."""
        if not keys:
            return set()
        rows = await context.execute(_USED_KEYS, {"keys": sorted(set(keys))})
        return {(row[0], row[1]) for row in rows}

    async def create_generations(
        self, context: DatabaseContext, moved: Sequence[MovedGeneration]
    ) -> bool:
        """Add rows, or return False, to be rolled back, where a GUID or a key is taken."""
        made = [attempt for generation in moved for attempt in generation.attempts]
        rows = [
            generation.model_dump(exclude={"attempts"}) | {"status": generation.status.value}
            for generation in moved
        ]
        return await _insert(context, _INSERT_GENERATION, rows) and (
            not made or await _insert(context, _INSERT_ATTEMPT, [attempt_row(a) for a in made])
        )


_FINAL = [status.value for status in GenerationStatus if status.is_final]
_AFTER: sa.BindParameter[int] = sa.bindparam("after")
_LAST: sa.BindParameter[int] = sa.bindparam("last")
_LIMIT = sa.bindparam("limit", type_=sa.Integer)
_GUIDS: sa.BindParameter[Any] = sa.bindparam("guids", expanding=True)

_TOMBSTONES = (
    sa.select(deleted_images.c.id, *(deleted_images.c[name] for name in Tombstone.model_fields))
    .where(deleted_images.c.id > _AFTER)
    .order_by(deleted_images.c.id)
    .limit(_LIMIT)
)
_TOMBSTONED = sa.select(deleted_images.c.guid).where(
    deleted_images.c.guid.in_(_GUIDS), deleted_images.c.id <= _LAST
)
_INSERT_TOMBSTONE = sa.insert(deleted_images)
_LAST_GENERATION = sa.select(sa.func.max(generations.c.id))
_UNFINISHED = sa.select(generations.c.guid).where(
    generations.c.status.not_in(_FINAL), generations.c.id <= _LAST
)
_UNFINISHED_OF = sa.select(generations.c.guid).where(
    generations.c.guid.in_(_GUIDS),
    sa.or_(generations.c.status.not_in(_FINAL), generations.c.id > _LAST),
)
_GENERATIONS = (
    sa.select(
        generations.c.id,
        *(generations.c[name] for name in MovedGeneration.model_fields if name in generations.c),
    )
    .where(generations.c.id > _AFTER, generations.c.id <= _LAST, generations.c.status.in_(_FINAL))
    .order_by(generations.c.id)
    .limit(_LIMIT)
)
_KNOWN = sa.select(generations.c.guid).where(generations.c.guid.in_(_GUIDS))
_USED_KEYS = sa.select(generations.c.caller, generations.c.idempotency_key).where(
    generations.c.idempotency_key.in_(sa.bindparam("keys", expanding=True))
)
_INSERT_GENERATION = sa.insert(generations)
_ATTEMPTS = (
    sa.select(attempts)
    .where(attempts.c.generation_guid.in_(_GUIDS))
    .order_by(attempts.c.generation_guid, attempts.c.number)
)
_INSERT_ATTEMPT = sa.insert(attempts)


async def _insert(
    context: DatabaseContext, statement: sa.Insert, rows: Sequence[Mapping[str, Any]]
) -> bool:
    try:
        await context.execute(statement, rows)
    except IntegrityError:
        return False
    return True


def _as_dict(row: sa.Row[Any]) -> dict[str, Any]:
    return dict(row._mapping)  # noqa: SLF001

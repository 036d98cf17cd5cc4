"""Rows of generations and of their attempts: what was asked for, tried, and what came of it.

Every change of state names the state that it expects, so that of several processes on one database
one does it and the others see that it was done.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from pixyproxy.core.guid import is_guid
from pixyproxy.core.models import (
    NEVER_CHARGED_FOR,
    Attempt,
    AttemptStatus,
    Generation,
    GenerationStatus,
)
from pixyproxy.data.context import DatabaseContext
from pixyproxy.data.tables import attempts, generations


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a generation comes from: nobody is told it."""

    caller: str
    fingerprint: str
    """Tells requests apart, in hexadecimal."""
    idempotency_key: str | None = None
    max_n: int = 1
    """How many images one call of its model draws."""


@dataclass(frozen=True, slots=True)
class Lease:
    """Who runs a generation, and until when nobody else may take it over."""

    runner: str
    until: datetime


@dataclass(frozen=True, slots=True)
class LeasedGeneration:
    """A running generation, by its GUID, and who is to run it."""

    guid: str
    lease: Lease


class GenerationRepository:
    """The repository for MySQL, MariaDB and SQLite. Methods run in the context they are given."""

    def __init__(self, open_context: Callable[[], DatabaseContext]) -> None:
        self._open_context = open_context

    def open_context(self) -> DatabaseContext:
        """Return a new context, for a short use."""
        return self._open_context()

    async def create_generation(
        self,
        context: DatabaseContext,
        generation: Generation,
        origin: Origin,
        lease: Lease | None = None,
    ) -> bool:
        """Add a row, or return False where the caller has used this idempotency key before."""
        row = {
            **generation.model_dump(),
            "status": generation.status.value,
            "caller": origin.caller,
            "fingerprint": origin.fingerprint,
            "idempotency_key": origin.idempotency_key,
            "max_n": origin.max_n,
            "runner": lease and lease.runner,
            "lease_until": lease and lease.until,
        }
        try:
            await context.execute(_INSERT, row)
        except IntegrityError:
            return False
        return True

    async def get_generations(
        self, context: DatabaseContext, guids: Sequence[str]
    ) -> list[Generation]:
        """Return the generations with exactly these GUIDs, in any order; those that there are."""
        possible = [guid for guid in guids if is_guid(guid)]
        if not possible:
            return []
        return _models(await context.execute(_BY_GUIDS, {"guids": possible}))

    async def find_by_key(
        self, context: DatabaseContext, caller: str, key: str
    ) -> tuple[Generation, str] | None:
        """Return what the caller sent with this idempotency key, and its fingerprint."""
        rows = await context.execute(_BY_KEY, {"caller": caller, "key": key})
        return (_model(rows[0][1:]), rows[0][0]) if rows else None

    async def get_origin(self, context: DatabaseContext, guid: str) -> Origin:
        """Return where the generation comes from."""
        (row,) = await context.execute(_ORIGIN, {"guid": guid})
        return Origin(**row._mapping)  # noqa: SLF001

    async def list_generations(
        self, context: DatabaseContext, status: GenerationStatus | None, *, page: int, size: int
    ) -> list[Generation]:
        """Return a page of the generations, newest first; of one status or of all."""
        statement = _NEWEST_FIRST
        if status is not None:
            statement = statement.where(generations.c.status == status.value)
        parameters = {"limit": size, "offset": (page - 1) * size}
        return _models(await context.execute(statement, parameters))

    async def count_queued(self, context: DatabaseContext) -> int:
        """Return how many generations wait for their turn."""
        ((count,),) = await context.execute(_COUNT_QUEUED)
        return int(count)

    async def list_queued(self, context: DatabaseContext, limit: int) -> list[str]:
        """Return the GUIDs of the generations that have waited longest."""
        return [row[0] for row in await context.execute(_QUEUED, {"limit": limit})]

    async def list_stale(
        self, context: DatabaseContext, now: datetime, limit: int
    ) -> list[LeasedGeneration]:
        """Return the running generations whose runner has let its lease run out."""
        rows = await context.execute(_STALE, {"now": now, "limit": limit})
        return [LeasedGeneration(row[0], Lease(row[1], row[2])) for row in rows]

    async def claim(self, context: DatabaseContext, guid: str, lease: Lease, now: datetime) -> bool:
        """Take up a queued generation, or return False where it is not queued any more."""
        parameters = {"guid_": guid, "runner_": lease.runner, "until": lease.until, "now": now}
        return await context.change(_CLAIM, parameters) == 1

    async def take_over(
        self, context: DatabaseContext, leased: LeasedGeneration, lease: Lease
    ) -> bool:
        """Take over a running generation, or return False where somebody else has."""
        parameters = {
            "guid_": leased.guid,
            "old_runner": leased.lease.runner,
            "old_until": leased.lease.until,
            "runner_": lease.runner,
            "until": lease.until,
        }
        return await context.change(_TAKE_OVER, parameters) == 1

    async def renew(self, context: DatabaseContext, guid: str, lease: Lease) -> bool:
        """Go on running a generation, or return False where it was taken away."""
        parameters = {"guid_": guid, "runner_": lease.runner, "until": lease.until}
        return await context.change(_RENEW, parameters) == 1

    async def put_back(self, context: DatabaseContext, guid: str, runner: str) -> None:
        """Queue a generation again that this runner has, and of which calls are still to make."""
        await context.execute(_PUT_BACK, {"guid_": guid, "runner_": runner})

    async def requeue(
        self, context: DatabaseContext, guid: str, statuses: Sequence[GenerationStatus]
    ) -> bool:
        """Queue an ended generation again, all of it, if it has one of these statuses."""
        parameters = {"guid_": guid, "statuses": [status.value for status in statuses]}
        if await context.change(_REQUEUE, parameters) != 1:
            return False
        await context.execute(_SUPERSEDE_ATTEMPTS, {"guid_": guid})
        return True

    async def cancel(self, context: DatabaseContext, guid: str, now: datetime) -> bool:
        """Cancel a queued generation of which nothing is paid for; else return False."""
        return await context.change(_CANCEL, {"guid_": guid, "now": now}) == 1

    async def revive(self, context: DatabaseContext, guid: str, lease: Lease) -> None:
        """Have a generation run again that was unknown, in whole or in part: a late answer came."""
        parameters = {"guid_": guid, "runner_": lease.runner, "until": lease.until}
        await context.execute(_REVIVE, parameters)

    async def finish(self, context: DatabaseContext, generation: Generation, runner: str) -> bool:
        """Write down the end of a generation that this runner has.

        Of one that somebody else has ended or queued, only better news: that its outcome is not
        unknown, or that there are images. Returns False where there is nothing to write.
        """
        parameters = {
            "guid_": generation.guid,
            "runner_": runner,
            "status": generation.status.value,
            **generation.model_dump(include=_OUTCOME),
        }
        return await context.change(_FINISH, parameters) == 1

    async def create_attempt(self, context: DatabaseContext, attempt: Attempt) -> None:
        """Add a row, which must be committed before the call is sent."""
        with suppress(IntegrityError):  # it was committed by a try that failed after
            await context.execute(_INSERT_ATTEMPT, attempt_row(attempt))

    async def get_attempts(self, context: DatabaseContext, guid: str) -> list[Attempt]:
        """Return the generation's attempts, the oldest first."""
        rows = await context.execute(_ATTEMPTS, {"guid": guid})
        return [Attempt.model_validate(dict(row._mapping)) for row in rows]  # noqa: SLF001

    async def update_attempt(self, context: DatabaseContext, attempt: Attempt) -> None:
        """Write down what the model has answered, and what became of the call."""
        row = attempt_row(attempt)
        key = {"guid_": row.pop("generation_guid"), "number_": row.pop("number")}
        await context.execute(_UPDATE_ATTEMPT, key | {name: row[name] for name in _PROGRESS})


_FIELDS = tuple(Generation.model_fields)
_OUTCOME = {
    "error",
    "model_served",
    "upstream_request_id",
    "usage",
    "answered_at",
    "stored_at",
    "finished_at",
}
_GENERATIONS = sa.select(*(generations.c[name] for name in _FIELDS))
_BY_GUIDS = _GENERATIONS.where(generations.c.guid.in_(sa.bindparam("guids", expanding=True)))
_BY_KEY = sa.select(generations.c.fingerprint, *_GENERATIONS.selected_columns).where(
    generations.c.caller == sa.bindparam("caller"),
    generations.c.idempotency_key == sa.bindparam("key"),
)
_ORIGIN = sa.select(
    generations.c.caller,
    generations.c.fingerprint,
    generations.c.idempotency_key,
    generations.c.max_n,
).where(generations.c.guid == sa.bindparam("guid"))
_NEWEST_FIRST = (
    _GENERATIONS.order_by(generations.c.id.desc())
    .limit(sa.bindparam("limit", type_=sa.Integer))
    .offset(sa.bindparam("offset", type_=sa.BigInteger))
)
_LIMIT = sa.bindparam("limit", type_=sa.Integer)
_IS_QUEUED = generations.c.status == GenerationStatus.QUEUED.value
_IS_RUNNING = generations.c.status == GenerationStatus.RUNNING.value
_IS_UNKNOWN = generations.c.status == GenerationStatus.UNKNOWN.value
_IT = generations.c.guid == sa.bindparam("guid_")
_MINE = generations.c.runner == sa.bindparam("runner_")
_TAKEN: dict[str, Any] = {
    "status": GenerationStatus.RUNNING.value,
    "runner": sa.bindparam("runner_"),
    "lease_until": sa.bindparam("until"),
}
_FREED: dict[str, Any] = {"runner": None, "lease_until": None}
_BACK: dict[str, Any] = {"status": GenerationStatus.QUEUED.value, "started_at": None, **_FREED}
_UPDATE = sa.update(generations)

_INSERT = sa.insert(generations)
_COUNT_QUEUED = sa.select(sa.func.count()).select_from(generations).where(_IS_QUEUED)
_QUEUED = sa.select(generations.c.guid).where(_IS_QUEUED).order_by(generations.c.id).limit(_LIMIT)
_STALE = (
    sa.select(generations.c.guid, generations.c.runner, generations.c.lease_until)
    .where(_IS_RUNNING, generations.c.lease_until < sa.bindparam("now"))
    .order_by(generations.c.id)
    .limit(_LIMIT)
)
_CLAIM = _UPDATE.where(_IT, _IS_QUEUED).values(started_at=sa.bindparam("now"), **_TAKEN)
_TAKE_OVER = _UPDATE.where(
    _IT,
    _IS_RUNNING,
    generations.c.runner == sa.bindparam("old_runner"),
    generations.c.lease_until == sa.bindparam("old_until"),
).values(_TAKEN)
_RENEW = _UPDATE.where(_IT, _IS_RUNNING, _MINE).values(lease_until=sa.bindparam("until"))
_PUT_BACK = _UPDATE.where(_IT, _IS_RUNNING, _MINE).values(_BACK)
_REQUEUE = _UPDATE.where(
    _IT, generations.c.status.in_(sa.bindparam("statuses", expanding=True))
).values(error=None, finished_at=None, stored_at=None, **_BACK)
_MAY_BE_CHARGED_FOR = sa.exists().where(
    attempts.c.generation_guid == sa.bindparam("guid_"),
    attempts.c.part.is_not(None),
    *(attempts.c[name].is_distinct_from(value) for name, value in NEVER_CHARGED_FOR.items()),
)
"""A part of the generation may be charged for, as Attempt.may_be_charged_for tells."""
_CANCEL = _UPDATE.where(_IT, _IS_QUEUED, ~_MAY_BE_CHARGED_FOR).values(
    status=GenerationStatus.CANCELLED.value, finished_at=sa.bindparam("now")
)
_REVIVE = _UPDATE.where(
    _IT, sa.or_(_IS_UNKNOWN, generations.c.status == GenerationStatus.SUCCEEDED.value)
).values(_TAKEN)
_IS_BETTER_NEWS = sa.and_(
    sa.bindparam("status", type_=sa.String) == GenerationStatus.SUCCEEDED.value,
    generations.c.status != GenerationStatus.RUNNING.value,
)
_FINISH = _UPDATE.where(
    _IT, sa.or_(sa.and_(_IS_RUNNING, _MINE), _IS_UNKNOWN, _IS_BETTER_NEWS)
).values({name: sa.bindparam(name) for name in ("status", *_OUTCOME)} | _FREED)

_INSERT_ATTEMPT = sa.insert(attempts)
_ATTEMPTS = (
    sa.select(attempts)
    .where(attempts.c.generation_guid == sa.bindparam("guid"))
    .order_by(attempts.c.number)
)
_THAT_ATTEMPT = sa.update(attempts).where(
    attempts.c.generation_guid == sa.bindparam("guid_"),
    attempts.c.number == sa.bindparam("number_"),
)
_SUPERSEDE_ATTEMPTS = (
    sa.update(attempts).where(attempts.c.generation_guid == sa.bindparam("guid_")).values(part=None)
)
_PROGRESS = ("status", "image_guids", "answer", "error_code", "answered_at", "ended_at")
# What has succeeded stays so, though a process that took it over thinks it lost.
_UPDATE_ATTEMPT = _THAT_ATTEMPT.where(
    sa.or_(
        attempts.c.status != AttemptStatus.SUCCEEDED.value,
        sa.bindparam("status", type_=sa.String) == AttemptStatus.SUCCEEDED.value,
    )
).values({name: sa.bindparam(name) for name in _PROGRESS})


def _model(row: Sequence[Any]) -> Generation:
    return Generation.model_validate(dict(zip(_FIELDS, row, strict=True)))


def _models(rows: Sequence[sa.Row[Any]]) -> list[Generation]:
    return [_model(row) for row in rows]


def attempt_row(attempt: Attempt) -> dict[str, Any]:
    """Return an attempt as it is stored."""
    return {
        **attempt.model_dump(exclude={"answer"}),
        "status": attempt.status.value,
        "answer": attempt.answer and attempt.answer.model_dump(exclude_none=True),
    }

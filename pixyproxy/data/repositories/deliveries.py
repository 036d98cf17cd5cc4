"""Which answers have reached their callers, and which another try of a client may take over.

A generation is adopted by one conditional UPDATE: of several tries, in whatever processes, one
gets it, and the others see that it is taken.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pixyproxy.core.models import GenerationStatus
from pixyproxy.data.context import DatabaseContext
from pixyproxy.data.repositories.generations import may_be_charged_for
from pixyproxy.data.tables import generations


@dataclass(frozen=True, slots=True)
class Adoption:
    """Which try has a generation, and until when nobody else may take it."""

    adopted_by: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Candidate:
    """A generation whose answer has reached nobody."""

    guid: str
    is_free: bool
    """No other try waits for it."""


class DeliveryRepository:
    """The repository for MySQL, MariaDB and SQLite. Methods run in the context they are given."""

    def __init__(self, open_context: Callable[[], DatabaseContext]) -> None:
        self._open_context = open_context

    def open_context(self) -> DatabaseContext:
        """Return a new context, for a short use."""
        return self._open_context()

    async def list_candidates(
        self, context: DatabaseContext, caller: str, request_key: str, *, since: datetime,
        now: datetime, limit: int,
    ) -> list[Candidate]:  # fmt: skip
        """Return the caller's undelivered generations of this content.

        Those whose caller is known to have gone come first, then the newest.
        """
        parameters = {
            "caller": caller, "request_key": request_key, "since": since, "now": now,
            "limit": limit,
        }  # fmt: skip
        rows = await context.execute(_CANDIDATES, parameters)
        return [Candidate(guid, bool(is_free)) for guid, is_free in rows]

    async def adopt(
        self, context: DatabaseContext, guid: str, adoption: Adoption, now: datetime
    ) -> bool:
        """Take a generation over, or return False where it is not to be had any more."""
        parameters = {
            "guid_": guid, "now": now, "adopted_by_": adoption.adopted_by, "until": adoption.until,
        }  # fmt: skip
        return await context.change(_ADOPT, parameters) == 1

    async def renew(self, context: DatabaseContext, guid: str, adoption: Adoption) -> None:
        """Go on waiting for an adopted generation."""
        parameters = {
            "guid_": guid, "adopted_by_": adoption.adopted_by, "until": adoption.until
        }  # fmt: skip
        await context.execute(_RENEW, parameters)

    async def end(
        self, context: DatabaseContext, guid: str, *, is_delivered: bool, adopted_by: str | None
    ) -> None:
        """Note whether an answer has reached its caller, of the first try or of an adopting one."""
        parameters: dict[str, Any] = {"guid_": guid, "is_delivered": is_delivered}
        if adopted_by is None:
            await context.execute(_END_FIRST, parameters)
        else:
            await context.execute(_END_ADOPTED, {**parameters, "adopted_by_": adopted_by})


_IT = generations.c.guid == sa.bindparam("guid_")
_MINE = generations.c.adopted_by == sa.bindparam("adopted_by_")
_UNDELIVERED = sa.or_(generations.c.delivered.is_(None), generations.c.delivered.is_(sa.false()))
_IS_FREE = sa.or_(
    generations.c.adopted_by.is_(None), generations.c.adopted_until < sa.bindparam("now")
)
# What failed before the model accepted anything is tried for real; what a person has cancelled is
# not answered for.
_WORTH_ADOPTING = sa.and_(
    generations.c.status != GenerationStatus.CANCELLED.value,
    sa.or_(
        generations.c.status != GenerationStatus.FAILED.value,
        may_be_charged_for(generations.c.guid),
    ),
)
_CANDIDATES = (
    sa.select(generations.c.guid, _IS_FREE)
    .where(
        generations.c.caller == sa.bindparam("caller"),
        generations.c.request_key == sa.bindparam("request_key"),
        generations.c.queued_at >= sa.bindparam("since"),
        _UNDELIVERED,
        _WORTH_ADOPTING,
    )
    .order_by(generations.c.delivered.is_(None), generations.c.id.desc())
    .limit(sa.bindparam("limit", type_=sa.Integer))
)
_ADOPT = (
    sa.update(generations)
    .where(_IT, _UNDELIVERED, _IS_FREE, _WORTH_ADOPTING)
    .values(adopted_by=sa.bindparam("adopted_by_"), adopted_until=sa.bindparam("until"))
)
_RENEW = sa.update(generations).where(_IT, _MINE).values(adopted_until=sa.bindparam("until"))
_DELIVERED = sa.bindparam("is_delivered", type_=sa.Boolean)
# That it has not reached the first caller says nothing of one that has adopted it since.
_END_FIRST = (
    sa.update(generations)
    .where(_IT, sa.or_(_DELIVERED, generations.c.delivered.is_(None)))
    .values(delivered=_DELIVERED)
)
_END_ADOPTED = (
    sa.update(generations)
    .where(_IT, _MINE)
    .values(delivered=_DELIVERED, adopted_by=None, adopted_until=None)
)

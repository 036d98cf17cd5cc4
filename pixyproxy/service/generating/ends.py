"""The one way in which generations end, and the two places where something can hang on it.

What must come with an end and never be missed (a row that says what is to be told, a cost) is done
within the transaction that ends it; what may be missed by a crash (a metric, a cache) after its
commit. Both are connected in `bootstrap`. A generation may end more than once: by a retry, by an
answer that was late, or because another process knew better.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from pixyproxy.core.exceptions import StorageException
from pixyproxy.core.models import Generation, ImageDetail
from pixyproxy.data.context import DatabaseContext
from pixyproxy.data.repositories.generations import GenerationRepository

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class End:
    """A generation at its end."""

    generation: Generation
    images: tuple[ImageDetail, ...] | None = ()
    """The images that came of it; None: they are not at hand, but in the database."""


WithinTransaction = Callable[[DatabaseContext, End], Awaitable[None]]
"""What it raises undoes the end: a StorageException has it tried again, anything else is a bug."""
AfterCommit = Callable[[End], None]
"""What it raises is logged, and harms nothing."""


class Ends:
    """Writes ends down and commits them, and calls everything that was hung on them."""

    def __init__(self, generations: GenerationRepository) -> None:
        self._generations = generations
        self._within: list[WithinTransaction] = []
        self._after: list[AfterCommit] = []
        self._in_doubt: set[str] = set()
        """The generations whose end may have been committed by a try that failed."""

    def call_within_transaction(self, listener: WithinTransaction) -> None:
        """Have this called at each end, in the transaction that writes the end down."""
        self._within.append(listener)

    def call_after_commit(self, listener: AfterCommit) -> None:
        """Have this called after each end, once it is committed."""
        self._after.append(listener)

    async def commit(self, context: DatabaseContext, end: End, runner: str) -> bool:
        """Write an end down in the open transaction, and commit all of it.

        Returns False where the generation is not this runner's to end (any more); the rest of the
        transaction is committed all the same. After a StorageException it may be tried again.
        """
        is_written = await self._was_committed(context, end)
        if not is_written:
            is_written = await self._generations.finish(context, end.generation, runner)
            if is_written:
                await self._call_within(context, end)
        await self._commit(context, end)
        if is_written:
            self._call_after(end)
        return is_written

    async def cancel(self, context: DatabaseContext, guid: str) -> Generation | None:
        """Cancel a queued generation, of which nothing is paid for, in a transaction of its own.

        Returns None where it is not queued any more, or may be charged for.
        """
        await context.begin_transaction()
        if not await self._generations.cancel(context, guid, datetime.now(UTC)):
            return None
        (generation,) = await self._generations.get_generations(context, [guid])
        end = End(generation)
        await self._call_within(context, end)
        await context.commit_transaction()
        self._call_after(end)
        return generation

    async def _commit(self, context: DatabaseContext, end: End) -> None:
        guid = end.generation.guid
        try:
            await context.commit_transaction()
        except StorageException:
            self._in_doubt.add(guid)
            raise
        self._in_doubt.discard(guid)

    async def _was_committed(self, context: DatabaseContext, end: End) -> bool:
        """Tell whether an earlier try, whose commit failed, has committed this end all the same."""
        if end.generation.guid not in self._in_doubt:
            return False
        found = await self._generations.get_generations(context, [end.generation.guid])
        return bool(found) and found[0].finished_at == end.generation.finished_at

    async def _call_within(self, context: DatabaseContext, end: End) -> None:
        for listener in self._within:
            await listener(context, end)

    def _call_after(self, end: End) -> None:
        for listener in self._after:
            try:
                listener(end)
            except Exception:
                logger.exception("what follows the end of %s failed", end.generation.guid)

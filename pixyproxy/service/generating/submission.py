"""Submission: what is asked for is checked and written down, before anything is paid."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from weakref import WeakValueDictionary

import orjson
from pydantic import BaseModel

from pixyproxy.core import make_guid
from pixyproxy.core.exceptions import (
    IdempotencyConflictError,
    OverloadedError,
    StorageException,
)
from pixyproxy.core.fields import IdempotencyKey
from pixyproxy.core.models import (
    Attempt,
    AttemptStatus,
    Generation,
    GenerationCreate,
    GenerationStatus,
    ImageDetailCreate,
)
from pixyproxy.data.context import DatabaseContext
from pixyproxy.data.repositories.generations import Origin
from pixyproxy.service.generating.dependencies import Dependencies, Limits
from pixyproxy.service.generating.ends import End
from pixyproxy.service.generating.outcome import describe
from pixyproxy.service.generating.record import GenerationRecord
from pixyproxy.service.generating.run import GenerationRun
from pixyproxy.service.generating.state import ProcessState
from pixyproxy.service.generating.terms import Submitted, Terms
from pixyproxy.service.keeping.retrying import retry_until_stored
from pixyproxy.service.validation import validate

WAITING_PER_RUNNING = 2
OVERLOADED_RETRY_AFTER_S = 10


class _Key(BaseModel):
    idempotency_key: IdempotencyKey | None


class Submission:
    """Takes requests for images: the one door that all of them come through."""

    def __init__(self, dependencies: Dependencies, limits: Limits, state: ProcessState) -> None:
        self._dependencies = dependencies
        self._generations = dependencies.generations
        self._leases = dependencies.leases
        self._store = dependencies.keeper.store
        self._limits = limits
        self._state = state
        self._max_waiting = WAITING_PER_RUNNING * limits.max_concurrent
        self._turns: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    async def submit(
        self,
        request: ImageDetailCreate,
        terms: Terms,
        *,
        is_waited_for: bool = False,
        runs_here: bool = True,
    ) -> Submitted:
        """Write a generation down and return it: running where there is a free slot, else queued.

        With `is_waited_for` the caller waits, and is refused where too many do; without
        `runs_here` it is left to a process that shares in the work.
        With a key that the caller has sent before, return that generation. Raises
        ConstraintViolationError, IdempotencyConflictError, OverloadedError, a StorageException,
        and GeneratorUnavailableError where a caller would wait for a server that is not there.
        """
        validate(_Key, {"idempotency_key": terms.idempotency_key})
        checked = check_request(request)
        # One at a time: the others find what the first has written down, and take no slot.
        key = (terms.caller, terms.idempotency_key or make_guid())
        async with self._turns.setdefault(key, asyncio.Lock()):
            origin = Origin(
                caller=terms.caller,
                fingerprint=_fingerprint(checked),
                idempotency_key=terms.idempotency_key,
            )
            known = await self._find_known(origin)
            if known is not None:
                return Submitted(known, replayed=True)
            # What is written down is begun, though the caller goes away meanwhile.
            new = self._submit_new(
                checked, origin, is_waited_for=is_waited_for, runs_here=runs_here
            )
            return await asyncio.shield(asyncio.create_task(new))

    async def check_queue(self, context: DatabaseContext, more: int = 0) -> None:
        """Raise OverloadedError where as many generations are queued as may be, and `more`."""
        if await self._generations.count_queued(context) >= self._limits.max_queued + more:
            raise OverloadedError(retry_after_s=OVERLOADED_RETRY_AFTER_S)

    async def _submit_new(
        self, create: GenerationCreate, origin: Origin, *, is_waited_for: bool, runs_here: bool
    ) -> Submitted:
        state = self._state
        prepared = self._dependencies.provider.prepare(create)
        if is_waited_for:
            await state.circuit.check()
            if state.slots.locked() and len(state.waiting) >= self._max_waiting:
                raise OverloadedError(retry_after_s=OVERLOADED_RETRY_AFTER_S)
        generation = Generation(
            guid=make_guid(),
            status=GenerationStatus.QUEUED,
            prompt=prepared.prompt,
            model=prepared.model,
            parameters=dict(prepared.parameters),
            n=create.n,
            queued_at=datetime.now(UTC),
        )
        origin = replace(origin, max_n=prepared.max_n)
        if runs_here and not state.waiting and state.may_begin:
            return await self._submit_running(generation, origin, is_waited_for=is_waited_for)
        return await self._submit_queued(generation, origin, is_waited_for=is_waited_for)

    async def _submit_running(
        self, generation: Generation, origin: Origin, *, is_waited_for: bool
    ) -> Submitted:
        """Write the generation down together with its first call, and make it."""
        await self._state.slots.acquire()  # which is free: nobody comes between
        lease = self._leases.make()
        generation = generation.model_copy(
            update={"status": GenerationStatus.RUNNING, "started_at": generation.queued_at}
        )
        record = GenerationRecord(self._dependencies, generation, origin, lease.runner)
        first = record.make_attempt()
        try:
            async with (
                self._generations.open_context() as context,
                self._storage_check() as checked,
            ):
                context.check_space()
                await context.begin_transaction()
                is_new = await self._generations.create_generation(
                    context, generation, origin, lease
                )
                if is_new:
                    await self._generations.create_attempt(context, first)
                    await checked
                    await self._commit(context, generation, lease.runner, first)
        except BaseException:
            self._state.free_slot()
            raise
        if not is_new:
            self._state.free_slot()
            return await self._replay(origin)
        run = GenerationRun(
            record, self._dependencies, self._limits, self._state, is_waited_for=is_waited_for
        )
        self._state.launch(generation.guid, run.run(first))
        return Submitted(generation, replayed=False)

    async def _submit_queued(
        self, generation: Generation, origin: Origin, *, is_waited_for: bool
    ) -> Submitted:
        waiting = self._state.waiting
        if is_waited_for:
            waiting[generation.guid] = False
        try:
            await self._store.check_writable()
            async with self._generations.open_context() as context:
                context.check_space()
                await self.check_queue(context, self._max_waiting if is_waited_for else 0)
                await context.begin_transaction()
                is_new = await self._generations.create_generation(context, generation, origin)
                await self._commit(context, generation, self._leases.make().runner)
        except BaseException:
            waiting.pop(generation.guid, None)
            raise
        if not is_new:
            waiting.pop(generation.guid, None)
            return await self._replay(origin)
        if is_waited_for:
            waiting[generation.guid] = True
        self._state.wake()
        return Submitted(generation, replayed=False)

    async def _find_known(self, origin: Origin) -> Generation | None:
        """Return what the caller's key was sent with before, if there is a key and it was."""
        if origin.idempotency_key is None:
            return None
        async with self._generations.open_context() as context:
            known = await self._generations.find_by_key(
                context, origin.caller, origin.idempotency_key
            )
        if known is None:
            return None
        generation, its_fingerprint = known
        if its_fingerprint != origin.fingerprint:
            raise IdempotencyConflictError
        return generation

    async def _replay(self, origin: Origin) -> Submitted:
        """Return what another request with the same key has just written down."""
        known = await self._find_known(origin)
        assert known is not None, "the key is taken"
        return Submitted(known, replayed=True)

    async def _commit(
        self,
        context: DatabaseContext,
        generation: Generation,
        runner: str,
        first: Attempt | None = None,
    ) -> None:
        """Commit a new generation. Where that fails it may be there: then it is to end unpaid."""
        try:
            await context.commit_transaction()
        except StorageException as error:
            self._state.launch_late(self._withdraw(generation, runner, first, error))
            raise

    async def _withdraw(
        self, generation: Generation, runner: str, first: Attempt | None, error: StorageException
    ) -> None:
        """Have a generation read failed whose caller is told that nothing came of it."""
        now = datetime.now(UTC)
        failed = generation.model_copy(
            update={
                "status": GenerationStatus.FAILED,
                "error": describe(error),
                "finished_at": now,
            }
        )

        async def write() -> None:
            generations = self._generations
            async with generations.open_context() as context:
                await context.begin_transaction()
                if first is None:
                    await generations.claim(context, failed.guid, self._leases.make(runner), now)
                else:
                    unsent = {"status": AttemptStatus.UNSENT, "ended_at": now}
                    await generations.update_attempt(context, first.model_copy(update=unsent))
                await self._dependencies.ends.commit(context, End(failed), runner)

        await retry_until_stored(f"the record of {failed.guid}", write)

    @asynccontextmanager
    async def _storage_check(self) -> AsyncGenerator[asyncio.Task[None], None]:
        """Look whether an image could be kept, while something else is done."""
        check = asyncio.create_task(self._store.check_writable())
        try:
            yield check
        finally:
            await asyncio.gather(check, return_exceptions=True)


def check_request(request: ImageDetailCreate) -> GenerationCreate:
    """Return the request, checked as if it came from outside: it may have been made unchecked.

    A request of no more than a prompt becomes one that leaves everything else to the model.
    """
    if isinstance(request, GenerationCreate):
        return validate(GenerationCreate, request)
    prompt = {name: value for name, value in request if name in ImageDetailCreate.model_fields}
    return validate(GenerationCreate, prompt)


def _fingerprint(create: GenerationCreate) -> str:
    asked = create.model_dump(exclude_none=True)
    return hashlib.sha256(orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)).hexdigest()

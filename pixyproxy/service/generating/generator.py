"""From prompt to kept image: what is wished for is written down, drawn once, and kept."""

import asyncio
import hashlib
import logging
import os
import random
import socket
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import orjson
from pydantic import BaseModel

from pixyproxy.core import make_guid
from pixyproxy.core.exceptions import (
    IdempotencyConflictError,
    ImageGoneError,
    OverloadedError,
    StillRunningError,
    StorageException,
)
from pixyproxy.core.models import (
    Attempt,
    AttemptStatus,
    Generation,
    GenerationCreate,
    GenerationStatus,
    IdempotencyKey,
    ImageDetail,
    ImageDetailCreate,
)
from pixyproxy.core.tasks import end_tasks
from pixyproxy.data.context import DatabaseContext
from pixyproxy.data.files.folder import FolderStore
from pixyproxy.data.files.store import ImageStore
from pixyproxy.data.repositories.generations import GenerationRepository, Held, Origin
from pixyproxy.data.repositories.images import ImageRepositoryInterface
from pixyproxy.service.generating.circuit import Circuit
from pixyproxy.service.generating.outcome import describe, failure_of
from pixyproxy.service.generating.run import GenerationRun, Tools
from pixyproxy.service.generating.watch import GenerationWatch, Progress
from pixyproxy.service.keeping.fetcher import ImageFetcher
from pixyproxy.service.keeping.keeper import ImageKeeper, patiently
from pixyproxy.service.providers import ImageProvider
from pixyproxy.service.validation import validate

logger = logging.getLogger(__name__)

WAITING_PER_RUNNING = 2
OVERLOADED_RETRY_AFTER_S = 10
POLL_S = 1.0
CANDIDATES = 5
"""So many queued generations are tried, for other processes may be quicker with the first ones."""
SETTLED_AT_ONCE = 20
KEEP_AT_STOP_S = 3.0
"""So long what is paid for is still tried to be kept when everything else has stopped."""


@dataclass(slots=True)
class Terms:
    """Who asks for a generation, and on what terms. The service sets `replayed`."""

    caller: str = "anonymous"
    idempotency_key: str | None = None
    wait_s: float | None = None
    """How long an answer is waited for; None: to the end."""
    replayed: bool = False
    """The key was sent before: nothing new was begun."""
    request_key: str | None = None

    def check(self) -> None:
        """Raise ConstraintViolationError unless the idempotency key is one."""
        validate(_Key, {"idempotency_key": self.idempotency_key})


class _Key(BaseModel):
    idempotency_key: IdempotencyKey | None


class ImageGenerator:
    """Takes wishes for images, runs them, and shares the work with other processes.

    Of the calls to the model `max_concurrent` are in flight; twice as many callers may wait for
    their turn, and more are refused. What is submitted without waiting is queued in the database,
    up to `max_queued`. A generation goes on when its caller goes away: what the model returns is
    kept all the same.
    """

    def __init__(
        self,
        repository: ImageRepositoryInterface,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        generations: GenerationRepository | None = None,
        provider: ImageProvider | None = None,
        store: ImageStore | None = None,
        fetcher: ImageFetcher | None = None,
        default_model: str = "gpt-image-2",
        timeout_s: float = 300,
        max_concurrent: int = 8,
        max_queued: int = 10_000,
        lease_s: float = 30,
    ) -> None:
        if provider is None:
            # The SDK takes 13 MB of memory, which a server that draws otherwise need not hold.
            from pixyproxy.service.providers.openai import OpenAIProvider  # noqa: PLC0415

            provider = OpenAIProvider(
                base_url=base_url,
                api_key=api_key,
                default_model=default_model,
                timeout_s=2 * timeout_s,  # an answer that is late is still listened for
            )
        self._generations = generations or GenerationRepository(repository.open_context)
        self._repository = repository
        self._max_waiting = WAITING_PER_RUNNING * max_concurrent
        self._max_queued = max_queued
        self._runs: dict[str, asyncio.Task[None]] = {}
        self._turns: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()
        self._waiting: dict[str, bool] = {}
        """The queued generations that a caller of this process waits for; True: they are written
        down."""
        self._has_more = False
        """Generations were queued when last looked for."""
        self._work: list[asyncio.Task[None]] = []
        self._wake = asyncio.Event()
        self.circuit = Circuit()
        self.watch = GenerationWatch(self._generations, self._runs.__contains__)
        self._tools = Tools(
            repository=repository,
            generations=self._generations,
            keeper=ImageKeeper(
                store or FolderStore(Path("images"), min_free_mb=256),
                fetcher or ImageFetcher(base_url=base_url, api_key=api_key),
            ),
            provider=provider,
            circuit=self.circuit,
            slots=asyncio.Semaphore(max_concurrent),
            process=f"{socket.gethostname()[:80]}-{os.getpid()}-{os.urandom(4).hex()}",
            lease_s=lease_s,
            timeout_s=timeout_s,
            announce=self.watch.announce,
        )

    async def generate_image(
        self,
        image_create_request: ImageDetailCreate,
        model: str | None = None,
        style: str | None = None,
        quality: str | None = None,
        size: str | None = None,
    ) -> ImageDetail:
        """Draw an image, keep it, and return it. What is given beside the request wins over it.

        Raises ConstraintViolationError, OverloadedError and a StorageException before anything
        is sent to the model, then what ImageProvider.generate raises.
        """
        given = {"model": model, "style": style, "quality": quality, "size": size}
        update = {name: value for name, value in given.items() if value is not None}
        wish = validate(GenerationCreate, dict(image_create_request) | update)
        return await self.draw(wish, Terms())

    async def draw(self, wish: GenerationCreate, terms: Terms) -> ImageDetail:
        """Have one image drawn and wait for it, as long as `terms` say.

        Raises what `submit` raises, StillRunningError when the time is over, and else why there
        is no image.
        """
        generation = await self.submit(wish, terms, is_waited_for=True)
        try:
            progress = await self._wait(generation, terms.wait_s)
        finally:
            if not terms.replayed:
                self._waiting.pop(generation.guid, None)
        ended = progress.generation
        if ended.status is not GenerationStatus.SUCCEEDED:
            raise progress.failure or failure_of(ended)
        images = progress.images
        if images is None:
            async with self._repository.open_context() as context:
                images = tuple(await self._repository.get_images_of(context, [ended.guid]))
        if not images:
            raise ImageGoneError  # it was kept, so it has been deleted since
        return images[0]

    async def submit(
        self,
        wish: GenerationCreate,
        terms: Terms,
        *,
        is_waited_for: bool = False,
        runs_here: bool = True,
    ) -> Generation:
        """Write a generation down and return it: running where there is a free slot, else queued.

        With `is_waited_for` the caller waits, and is refused where too many do; without
        `runs_here` it is left to a process that shares in the work.
        With a key that the caller has sent before, return that generation. Raises
        ConstraintViolationError, IdempotencyConflictError, OverloadedError, a StorageException,
        and GeneratorUnavailableError where a caller would wait for a server that is not there.
        """
        # One at a time: the others find what the first has written down, and take no slot.
        key = (terms.caller, terms.idempotency_key or make_guid())
        async with self._turns.setdefault(key, asyncio.Lock()):
            origin = Origin(
                caller=terms.caller,
                fingerprint=_fingerprint(wish),
                idempotency_key=terms.idempotency_key,
                request_key=terms.request_key,
            )
            known = await self._replay(terms, origin)
            if known is not None:
                return known
            # What is written down is begun, though the caller goes away meanwhile.
            new = self._submit_new(
                wish, terms, origin, is_waited_for=is_waited_for, runs_here=runs_here
            )
            return await asyncio.shield(asyncio.create_task(new))

    async def _submit_new(
        self,
        wish: GenerationCreate,
        terms: Terms,
        origin: Origin,
        *,
        is_waited_for: bool,
        runs_here: bool,
    ) -> Generation:
        request = self._tools.provider.prepare(wish)
        if is_waited_for:
            await self.circuit.check()
            if self._tools.slots.locked() and len(self._waiting) >= self._max_waiting:
                raise OverloadedError(retry_after_s=OVERLOADED_RETRY_AFTER_S)
        generation = Generation(
            guid=make_guid(),
            status=GenerationStatus.QUEUED,
            prompt=request.prompt,
            model=request.model,
            parameters=dict(request.parameters),
            n=wish.n,
            queued_at=datetime.now(UTC),
        )
        origin = replace(origin, max_n=request.max_n)
        if runs_here and not self._waiting and self._may_begin():
            return await self._submit_running(generation, origin, terms)
        return await self._submit_queued(generation, origin, terms, is_waited_for=is_waited_for)

    def wake(self) -> None:
        """Look for work now: something was queued."""
        self._wake.set()

    def start(self) -> None:
        """Begin to share in the work that is queued, and to settle what dead processes left."""
        self._work = [
            asyncio.create_task(self._take_up_work()),
            asyncio.create_task(self._settle()),
        ]

    def drain(self) -> None:
        """Take up nothing that is queued: the service is to stop. It is left to the next start."""
        self._tools.draining.set()
        self.watch.stop()

    def give_up_drawing(self) -> None:
        """Stop waiting for the model. Callers get a GeneratorTimeoutError."""
        self.drain()
        self._tools.give_up()

    async def aclose(self) -> None:
        """End what runs: at once, or when `give_up_drawing` is called where it drains already."""
        if not self._tools.draining.is_set():
            self.give_up_drawing()
        await end_tasks(self._work)
        if keeping := self._at_work():
            ended = asyncio.create_task(asyncio.wait(keeping))
            await self._tools.wait_for(ended)
            ended.cancel()
        self._tools.give_up()
        if keeping := self._at_work():
            _, unkept = await asyncio.wait(keeping, timeout=KEEP_AT_STOP_S)
            await end_tasks(unkept)
        await self.watch.aclose()
        await self._tools.provider.aclose()
        await self._tools.keeper.aclose()

    def _at_work(self) -> list[asyncio.Task[None]]:
        return [*self._runs.values(), *self._tools.late]

    # Submitting

    async def _replay(self, terms: Terms, origin: Origin) -> Generation | None:
        """Return what the caller's key was sent with before, if there is a key and it was."""
        if terms.idempotency_key is None:
            return None
        async with self._generations.open_context() as context:
            known = await self._generations.find_by_key(
                context, terms.caller, terms.idempotency_key
            )
        if known is None:
            return None
        generation, its_fingerprint = known
        if its_fingerprint != origin.fingerprint:
            raise IdempotencyConflictError
        terms.replayed = True
        return generation

    async def _submit_running(
        self, generation: Generation, origin: Origin, terms: Terms
    ) -> Generation:
        """Write the generation down together with its first call, and make it."""
        await self._tools.slots.acquire()  # which is free: nobody comes between
        lease = self._tools.lease()
        generation = generation.model_copy(
            update={"status": GenerationStatus.RUNNING, "started_at": generation.queued_at}
        )
        run = GenerationRun(self._tools, generation, origin, lease.runner)
        first = run.make_attempt()
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
            self._free_slot()
            raise
        if not is_new:
            self._free_slot()
            return await self._known(terms, origin)
        self._launch(run, run.run(first))
        return generation

    async def _submit_queued(
        self, generation: Generation, origin: Origin, terms: Terms, *, is_waited_for: bool
    ) -> Generation:
        if is_waited_for:
            self._waiting[generation.guid] = False
        try:
            await self._tools.keeper.store.check_writable()
            async with self._generations.open_context() as context:
                context.check_space()
                await self.check_queue(context, self._max_waiting if is_waited_for else 0)
                await context.begin_transaction()
                is_new = await self._generations.create_generation(context, generation, origin)
                await self._commit(context, generation, self._tools.lease().runner)
        except BaseException:
            self._waiting.pop(generation.guid, None)
            raise
        if not is_new:
            self._waiting.pop(generation.guid, None)
            return await self._known(terms, origin)
        if is_waited_for:
            self._waiting[generation.guid] = True
        self.wake()
        return generation

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
            withdrawing = asyncio.create_task(self._withdraw(generation, runner, first, error))
            self._tools.late.add(withdrawing)
            withdrawing.add_done_callback(self._tools.late.discard)
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
                    await generations.claim(context, failed.guid, self._tools.lease(runner), now)
                else:
                    unsent = {"status": AttemptStatus.UNSENT, "ended_at": now}
                    await generations.update_attempt(context, first.model_copy(update=unsent))
                await generations.finish(context, failed, runner)
                await context.commit_transaction()

        await patiently(f"the record of {failed.guid}", write)

    @asynccontextmanager
    async def _storage_check(self) -> AsyncGenerator[asyncio.Task[None], None]:
        """Look whether an image could be kept, while something else is done."""
        check = asyncio.create_task(self._tools.keeper.store.check_writable())
        try:
            yield check
        finally:
            await asyncio.gather(check, return_exceptions=True)

    async def check_queue(self, context: DatabaseContext, more: int = 0) -> None:
        """Raise OverloadedError where as many generations are queued as may be, and `more`."""
        if await self._generations.count_queued(context) >= self._max_queued + more:
            raise OverloadedError(retry_after_s=OVERLOADED_RETRY_AFTER_S)

    async def _known(self, terms: Terms, origin: Origin) -> Generation:
        """Return what another request with the same key has just written down."""
        known = await self._replay(terms, origin)
        assert known is not None, "the key is taken"
        return known

    async def _wait(self, generation: Generation, wait_s: float | None) -> Progress:
        """Wait for the generation's end. Raises StillRunningError."""
        try:
            async with asyncio.timeout(wait_s), aclosing(self.watch.follow(generation)) as follow:
                async for progress in follow:
                    if progress.generation.status.is_final:
                        return progress
        except TimeoutError:
            pass
        raise StillRunningError(generation.guid)

    # Running

    def _launch(self, run: GenerationRun, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Have a generation run of which this process has the lease."""
        guid = run.generation.guid

        def ended(task: asyncio.Task[None]) -> None:
            if self._runs.get(guid) is task:
                del self._runs[guid]
            if not task.cancelled() and (error := task.exception()):
                logger.error("the run of %s failed unforeseen", guid, exc_info=error)
            if self._has_more or self._waiting:
                self.wake()

        task = self._runs[guid] = asyncio.create_task(work)
        task.add_done_callback(ended)
        return task

    def _free_slot(self) -> None:
        self._tools.slots.release()
        self.wake()

    async def _take_up_work(self) -> None:
        """Take up queued generations whenever a slot is free, whoever queued them."""
        while True:
            try:
                while await self._take_up_next():
                    pass
            except StorageException as error:
                logger.warning("queued generations must wait: %s: %s", error.code, error.reason)
            except Exception:
                logger.exception("queued generations could not be taken up")
            pause_s = POLL_S * random.uniform(0.5, 1.5)  # noqa: S311  it is no secret
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._wake.wait()
            self._wake.clear()

    async def _take_up_next(self) -> bool:
        """Take up the next generation, or return False where there is none, or no slot."""
        if not self._may_begin():
            return False
        guids = [guid for guid, is_written in self._waiting.items() if is_written][:1]
        async with self._generations.open_context() as context:
            guids += await self._generations.list_queued(context, CANDIDATES)
        self._has_more = bool(guids)
        if guids:
            await self._tools.keeper.store.check_writable()
        for guid in guids:
            if not self._may_begin():
                return False
            if await self.take_up(guid):
                return True
        return False

    def _may_begin(self) -> bool:
        tools = self._tools
        return not (tools.draining.is_set() or tools.slots.locked() or self.circuit.wait_s)

    async def take_up(self, guid: str) -> bool:
        """Run a queued generation once a slot is free; False where it is not queued any more."""
        await self._tools.slots.acquire()
        run = None
        try:
            run = await self._claim(guid)
        finally:
            if run is None:
                self._tools.slots.release()
        self._waiting.pop(guid, None)
        if run is None:
            return False
        self._launch(run, run.run())
        self.watch.announce(Progress(run.generation))
        return True

    async def _claim(self, guid: str) -> GenerationRun | None:
        """Claim a queued generation; None where another process was quicker."""
        lease = self._tools.lease()
        async with self._generations.open_context() as context:
            if not await self._generations.claim(context, guid, lease, datetime.now(UTC)):
                return None
        return await self._load_run(guid, lease.runner)

    async def _load_run(self, guid: str, runner: str) -> GenerationRun:
        generations = self._generations
        async with generations.open_context() as context:
            (generation,) = await generations.get_generations(context, [guid])
            origin = await generations.get_origin(context, guid)
            attempts = await generations.get_attempts(context, guid)
        return GenerationRun(self._tools, generation, origin, runner, attempts)

    # Settling what dead processes left

    async def _settle(self) -> None:
        """Settle at the start, and again whenever a lease may have run out."""
        while True:
            try:
                await self._begin_to_settle()
            except StorageException as error:
                logger.warning("nothing can be settled: %s: %s", error.code, error.reason)
                # Others, too, could not say that they live. They have the next pause to do so.
                await self._storage_answers()
            except Exception:
                logger.exception("settling failed unforeseen")
            await asyncio.sleep(self._tools.lease_s)

    async def _storage_answers(self) -> None:
        while True:
            with suppress(StorageException):
                await self._tools.keeper.store.check_writable()
                async with self._generations.open_context() as context:
                    return await context.check()
            await asyncio.sleep(POLL_S)

    async def settle(self) -> None:
        """Find out what became of what dead processes left, and return when it is all known."""
        await asyncio.gather(*await self._begin_to_settle())

    async def _begin_to_settle(self) -> list[asyncio.Task[None]]:
        try:
            await self._tools.keeper.store.sweep()
        except StorageException as error:
            logger.warning("nothing can be swept: %s: %s", error.code, error.reason)
        settling: list[asyncio.Task[None]] = []
        while True:
            async with self._generations.open_context() as context:
                stale = await self._generations.list_stale(
                    context, datetime.now(UTC), SETTLED_AT_ONCE
                )
            left = [held for held in stale if held.guid not in self._runs]
            runs = [run for held in left if (run := await self._take_over(held))]
            if not runs:
                return settling
            settling += [self._launch(run, run.settle()) for run in runs]

    async def _take_over(self, held: Held) -> GenerationRun | None:
        """Take over what a dead process left; None where another process was quicker."""
        lease = self._tools.lease()
        async with self._generations.open_context() as context:
            if not await self._generations.take_over(context, held, lease):
                return None
        logger.warning("settling generation %s, which %s left", held.guid, held.lease.runner)
        return await self._load_run(held.guid, lease.runner)


def _fingerprint(wish: GenerationCreate) -> str:
    asked = wish.model_dump(exclude_none=True)
    return hashlib.sha256(orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)).hexdigest()

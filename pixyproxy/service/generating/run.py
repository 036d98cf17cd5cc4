"""One generation, run by this process: its calls, what they gave, and its end.

Whatever is to happen next is written down first, so that where this process dies another one knows
what it left: not sent, sent, answered, or stored.
"""

import asyncio
import itertools
import logging
from collections.abc import (
    AsyncIterator,
    Callable,
    Iterable,
    Iterator,
    Sequence,
)
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from typing import Any

from pixyproxy.core import make_guid
from pixyproxy.core.exceptions import (
    BadGeneratorResponseError,
    GeneratorBusyError,
    GeneratorTimeoutError,
    GeneratorUnavailableError,
    PixyProxyException,
    StorageException,
)
from pixyproxy.core.models import (
    Answer,
    AnsweredImage,
    Attempt,
    AttemptStatus,
    Generation,
    GenerationStatus,
    ImageDetail,
)
from pixyproxy.core.tasks import end_tasks
from pixyproxy.data.repositories.generations import GenerationRepository, Lease, Origin
from pixyproxy.data.repositories.images import ImageRepositoryInterface
from pixyproxy.service.generating.circuit import Circuit
from pixyproxy.service.generating.outcome import end_attempt, end_generation
from pixyproxy.service.generating.watch import Progress
from pixyproxy.service.keeping.keeper import ImageKeeper
from pixyproxy.service.keeping.retrying import patiently, pauses
from pixyproxy.service.providers import (
    GenerationRequest,
    ImageProvider,
    ProviderAnswer,
    ProviderImage,
)

logger = logging.getLogger(__name__)

STOPPED_MESSAGE = (
    "The service stopped before the image model answered. Whether it drew (and charged for) "
    "the image is unknown."
)
SOON_S = 0.25
REACHED_AFTER_S = 15
"""A call that lasts longer than any attempt to connect has reached its server."""
TOO_FEW_MESSAGE = "The image model gave fewer images than were asked for."
PARTLY_LOST_MESSAGE = (
    "The service was cut off before it had stored every image of the model's answer."
)
DIED_MESSAGE = (
    "The service was cut off before it had the image model's whole answer. Whether the model drew "
    "(and charged for) the image is unknown."
)


class End(Enum):
    """How the drawing of a part ended."""

    RECORDED = auto()
    NOT_BEGUN = auto()
    """The service stops: another process is to draw it."""
    TAKEN_OVER = auto()


class LeaseLostError(Exception):
    """Another process has taken the generation over."""


@dataclass(slots=True)
class Tools:
    """What the runs of one process work with."""

    repository: ImageRepositoryInterface
    generations: GenerationRepository
    keeper: ImageKeeper
    provider: ImageProvider
    circuit: Circuit
    slots: asyncio.Semaphore
    """A call holds one from before it is sent until its images are kept."""
    process: str
    """This process's name among all that share the database."""
    lease_s: float
    timeout_s: float
    announce: Callable[[Progress], None]
    has_given_up: bool = False
    """Whether the service has stopped waiting for the model."""
    draining: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the service is to stop: nothing queued is taken up, nothing is tried again."""
    late: set[asyncio.Task[None]] = field(default_factory=set)
    """What listens for answers that did not come in time, or keeps what they bring."""
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _giving_up: asyncio.Future[None] | None = None

    async def wait_for(self, task: asyncio.Task[Any], timeout_s: float | None = None) -> None:
        """Wait until the task is done, for so long, and until the service gives up."""
        if self._giving_up is None:
            self._giving_up = asyncio.get_running_loop().create_future()
        if not self.has_given_up:
            await asyncio.wait(
                (task, self._giving_up), timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED
            )

    def give_up(self) -> None:
        """End all waiting by `wait_for`, now and later."""
        self.has_given_up = True
        if self._giving_up is not None and not self._giving_up.done():
            self._giving_up.set_result(None)

    def lease(self, runner: str | None = None) -> Lease:
        """Return a lease from now on, for a new runner or one that has had one.

        Each run is a runner of its own: an earlier one of the same generation is none.
        """
        runner = runner or f"{self.process}-{next(self._numbers)}"
        return Lease(runner, _now() + timedelta(seconds=self.lease_s))


def cut_into_calls(n: int, max_n: int) -> list[int]:
    """Return how many images each call is to draw: `n` in all, at most `max_n` at once."""
    return [min(max_n, n - done) for done in range(0, n, max_n)]


class GenerationRun:
    """Brings one running generation, which this process has the lease of, to its end."""

    def __init__(
        self,
        tools: Tools,
        generation: Generation,
        origin: Origin,
        runner: str,
        attempts: Sequence[Attempt] = (),
    ) -> None:
        self._tools = tools
        self._runner = runner
        self.generation = generation
        self._has_all_images = not attempts
        self._sizes = cut_into_calls(generation.n, origin.max_n)
        self._attempts = {attempt.number: attempt for attempt in attempts}
        self._images: list[ImageDetail] = []
        self._stored_at: datetime | None = None
        self._failures: dict[int, PixyProxyException] = {}
        self._recording = asyncio.Lock()
        self._open_parts = self._parts_to_draw()
        """The parts of which it is not written down yet what became of them."""

    def make_attempt(self, part: int = 0) -> Attempt:
        """Return a new attempt at a part, to be written down before its call is sent."""
        number = max(self._attempts, default=0) + 1
        attempt = self._attempts[number] = Attempt(
            generation_guid=self.generation.guid,
            number=number,
            part=part,
            n=self._sizes[part],
            image_guids=tuple(make_guid() for _ in range(self._sizes[part])),
            sent_at=_now(),
        )
        return attempt

    async def run(self, first: Attempt | None = None) -> None:
        """Draw what is not drawn yet.

        The caller holds a slot for the first call, and may have written that one down.
        """
        async with self._leased():
            calls = [
                self._hold_slot(part, first if index == 0 else None, is_held=index == 0)
                for index, part in enumerate(sorted(self._open_parts))
            ]
            if not calls:
                self._tools.slots.release()
                await self._record(None)
            # What goes wrong with one call must not cut off another, which is paid for.
            ends = await asyncio.gather(*calls, return_exceptions=True)
            for error in (end for end in ends if isinstance(end, BaseException)):
                logger.error("%s failed unforeseen", self.generation.guid, exc_info=error)
            if End.NOT_BEGUN in ends and End.TAKEN_OVER not in ends:
                await self._put_back()
            self._announce()
        await self._drop_sidecars()

    async def settle(self) -> None:
        """Find out what became of calls that a dead process made; then queue what it did not."""
        async with self._leased():
            sent = [
                attempt
                for attempt in self._attempts.values()
                if attempt.status is AttemptStatus.SENT
            ]
            undrawn = bool(self._open_parts)
            self._open_parts |= {attempt.part for attempt in sent if attempt.part is not None}
            for attempt in sent:
                await self._settle_attempt(attempt)
            if undrawn:
                await self._put_back()
            elif not self.generation.status.is_final:
                await self._record(None)
            self._announce()
        await self._drop_sidecars()

    def _parts_to_draw(self) -> set[int]:
        """Return the parts of which nothing was sent, or nothing that was accepted."""
        begun = {
            attempt.part
            for attempt in self._attempts.values()
            if attempt.status is not AttemptStatus.UNSENT
            and attempt.error_code != GeneratorBusyError.code
        }
        return set(range(len(self._sizes))) - begun

    # Drawing

    async def _hold_slot(self, part: int, attempt: Attempt | None, *, is_held: bool) -> End:
        if not is_held:
            await self._tools.slots.acquire()
        try:
            return await self._draw_part(part, attempt)
        except LeaseLostError:
            logger.warning("generation %s was taken over by another process", self.generation.guid)
            return End.TAKEN_OVER
        finally:
            self._tools.slots.release()

    async def _draw_part(self, part: int, attempt: Attempt | None) -> End:
        """Make one call, again only where it is certain that nothing was accepted."""
        loop = asyncio.get_running_loop()
        ends_at = 0.0
        for pause_s in pauses():
            if attempt is None:
                if self._tools.draining.is_set():
                    return End.NOT_BEGUN
                attempt = await self._begin(part)
            ends_at = ends_at or loop.time() + self._tools.timeout_s
            try:
                answer = await self._call(attempt, ends_at)
                await self._keep(attempt, answer, ends_at)
            except PixyProxyException as error:
                wait_s = self._wait_before_next(error, pause_s)
                if wait_s is None or loop.time() + wait_s >= ends_at:
                    await self._record(attempt, failure=error)
                    return End.RECORDED
                await self._end_in_vain(attempt, error)
                if await self._is_draining_within(wait_s):
                    return End.NOT_BEGUN
                attempt = None
            except Exception as error:
                logger.exception("call %s failed unforeseen", attempt.guid)
                await self._record(attempt, failure=error)
                return End.RECORDED
            else:
                return End.RECORDED
        raise AssertionError("pauses have no end")

    async def _begin(self, part: int) -> Attempt:
        """Write an attempt down, as long as this process has the generation."""
        attempt = self.make_attempt(part)
        generations = self._tools.generations

        async def begin() -> None:
            async with generations.open_context() as context:
                await context.begin_transaction()
                if not await generations.renew(
                    context, self.generation.guid, self._tools.lease(self._runner)
                ):
                    raise LeaseLostError
                await generations.create_attempt(context, attempt)
                await context.commit_transaction()

        await patiently(f"the record of {attempt.guid}", begin)
        return attempt

    async def _call(self, attempt: Attempt, ends_at: float) -> ProviderAnswer:
        """Call the model, and note whether it could be reached."""
        timeout_s = ends_at - asyncio.get_running_loop().time()
        if timeout_s <= 0 or not self._tools.circuit.claim_try():
            raise GeneratorUnavailableError(sent=False)
        logger.info("generation sent call=%s model=%s", attempt.guid, self.generation.model)
        request = GenerationRequest(
            model=self.generation.model,
            prompt=self.generation.prompt,
            parameters=self.generation.parameters,
            n=attempt.n,
        )
        call = asyncio.create_task(self._tools.provider.generate(request, call_guid=attempt.guid))
        reached = asyncio.get_running_loop().call_later(
            REACHED_AFTER_S, self._tools.circuit.connected
        )
        try:
            await self._tools.wait_for(call, timeout_s)
        except asyncio.CancelledError:
            call.cancel()
            raise
        finally:
            reached.cancel()
        if not call.done():
            if self._tools.has_given_up:
                call.cancel()
                raise GeneratorTimeoutError(STOPPED_MESSAGE)
            logger.warning("call %s was not answered within %.0f s", attempt.guid, timeout_s)
            listening = asyncio.create_task(self._listen(attempt, call))
            self._tools.late.add(listening)
            listening.add_done_callback(self._tools.late.discard)
            raise GeneratorTimeoutError
        try:
            answer = call.result()
        except PixyProxyException as error:
            if getattr(error, "sent", True):
                self._tools.circuit.connected()
            else:
                self._tools.circuit.failed()
            raise
        self._tools.circuit.connected()
        logger.info("call %s answered upstream-request-id=%s", attempt.guid, answer.request_id)
        return answer

    def _wait_before_next(self, error: PixyProxyException, pause_s: float) -> float | None:
        """Return how long to wait before another try; None where there must be none."""
        match error:
            case GeneratorBusyError():
                return max(pause_s, float(error.retry_after_s or 0))
            case GeneratorUnavailableError(sent=False):
                return max(pause_s, self._tools.circuit.wait_s)
        return None

    async def _end_in_vain(self, attempt: Attempt, error: PixyProxyException) -> None:
        """Write down that this try was not accepted; another one follows."""
        sent = getattr(error, "sent", True)
        logger.info("call %s was not accepted: %s", attempt.guid, error.code)
        ended = attempt.model_copy(
            update={
                "status": AttemptStatus.FAILED if sent else AttemptStatus.UNSENT,
                "error_code": error.code,
                "ended_at": _now(),
            }
        )
        self._attempts[attempt.number] = ended
        await patiently(f"the record of {attempt.guid}", lambda: self._write_attempt(ended))

    async def _write_attempt(self, attempt: Attempt) -> None:
        async with self._tools.generations.open_context() as context:
            await self._tools.generations.update_attempt(context, attempt)

    async def _is_draining_within(self, wait_s: float) -> bool:
        try:
            async with asyncio.timeout(wait_s):
                await self._tools.draining.wait()
        except TimeoutError:
            return False
        return True

    async def _listen(self, attempt: Attempt, call: asyncio.Task[ProviderAnswer]) -> None:
        """Wait once more as long for an answer that is late, and keep what it brings."""
        await self._tools.wait_for(call, self._tools.timeout_s)
        if not call.done():
            call.cancel()
            return
        try:
            answer = call.result()
        except PixyProxyException:
            return
        except Exception:
            logger.exception("call %s failed unforeseen", attempt.guid)
            return
        logger.info("call %s answered late", attempt.guid)
        attempt = self._answered(attempt, answer)
        assert attempt.part is not None
        self._open_parts.add(attempt.part)
        self._failures.pop(attempt.part, None)
        await patiently(f"the record of {attempt.guid}", lambda: self._write_late_answer(attempt))
        async with self._leased():
            ends_at = asyncio.get_running_loop().time() + self._tools.timeout_s
            kept = await self._keep_images(attempt, answer.images, ends_at)
            await self._record_kept(attempt, kept)
            self._announce()
        await self._drop_sidecars()

    # Keeping

    async def _keep(self, attempt: Attempt, answer: ProviderAnswer, ends_at: float) -> None:
        """Write down that there is an answer, and keep its images' files, then their rows.

        URLs must not be forgotten, so they are written down first. Bytes are on disk before
        their answer could be: it is written down by itself only where that takes longer.
        """
        prepared = len(attempt.image_guids)
        attempt = self._answered(attempt, answer)
        is_urgent = len(attempt.image_guids) > prepared or any(image.url for image in answer.images)
        if is_urgent:
            await self._write_answer(attempt)
        async with asyncio.TaskGroup() as group:
            keeping = group.create_task(self._keep_images(attempt, answer.images, ends_at))
            await asyncio.wait({keeping}, timeout=SOON_S)
            if not (is_urgent or keeping.done()):
                await self._write_answer(attempt)
        await self._record_kept(attempt, keeping.result())

    async def _write_answer(self, attempt: Attempt) -> None:
        name = f"the record of {attempt.guid}"
        await patiently(name, lambda: self._write_attempt(attempt))

    def _answered(self, attempt: Attempt, answer: ProviderAnswer) -> Attempt:
        """Return the attempt with what the model has answered, and a GUID for each image."""
        more = (make_guid() for _ in range(len(answer.images) - len(attempt.image_guids)))
        images = (
            AnsweredImage(url=image.url, revised_prompt=image.revised_prompt)
            for image in answer.images
        )
        attempt = attempt.model_copy(
            update={
                "answer": Answer(
                    model=answer.model,
                    request_id=answer.request_id,
                    usage=answer.usage,
                    images=tuple(images),
                ),
                "image_guids": (*attempt.image_guids, *more),
                "answered_at": _now(),
            }
        )
        self._attempts[attempt.number] = attempt
        return attempt

    async def _write_late_answer(self, attempt: Attempt) -> None:
        generations = self._tools.generations
        async with generations.open_context() as context:
            await context.begin_transaction()
            await generations.revive(context, self.generation.guid, self._tools.lease(self._runner))
            await generations.update_attempt(context, attempt)
            await context.commit_transaction()

    async def _keep_images(
        self, attempt: Attempt, images: Iterable[ProviderImage], ends_at: float
    ) -> list[ImageDetail | PixyProxyException]:
        return await asyncio.gather(
            *(
                self._keep_image(attempt, guid, image, ends_at)
                for guid, image in zip(attempt.image_guids, images, strict=False)
            )
        )

    async def _keep_image(
        self, attempt: Attempt, guid: str, image: ProviderImage, ends_at: float
    ) -> ImageDetail | PixyProxyException:
        assert attempt.answer is not None
        return await self._tools.keeper.keep(
            image, guid, self.generation, model=attempt.answer.model, ends_at=ends_at
        )

    async def _record_kept(
        self, attempt: Attempt, kept: Sequence[ImageDetail | PixyProxyException]
    ) -> None:
        images = [image for image in kept if isinstance(image, ImageDetail)]
        if images:
            self._stored_at = _now()
        faults = [image for image in kept if isinstance(image, PixyProxyException)]
        if not faults and len(images) < attempt.n:
            faults.append(BadGeneratorResponseError(TOO_FEW_MESSAGE))
        await self._record(attempt, images, faults[0] if faults else None)

    # Settling what a dead process left

    async def _settle_attempt(self, attempt: Attempt) -> None:
        """Keep what is on disk, fetch what was given by URL, and tell what is lost."""
        found = await asyncio.gather(*map(self._tools.keeper.find, attempt.image_guids))
        kept: list[ImageDetail | PixyProxyException] = [image for image in found if image]
        ends_at = asyncio.get_running_loop().time() + self._tools.timeout_s
        answered = attempt.answer.images if attempt.answer else ()
        for guid, image, stored in zip(attempt.image_guids, answered, found, strict=False):
            if image.url is not None and stored is None:
                given = ProviderImage(url=image.url, revised_prompt=image.revised_prompt)
                kept.append(await self._keep_image(attempt, guid, given, ends_at))
        if not kept:
            kept.append(GeneratorTimeoutError(DIED_MESSAGE))
        elif len(kept) < attempt.n:
            kept.append(BadGeneratorResponseError(PARTLY_LOST_MESSAGE))
        await self._record_kept(attempt, kept)

    # Ending

    async def _record(
        self,
        attempt: Attempt | None,
        images: Sequence[ImageDetail] = (),
        failure: Exception | None = None,
    ) -> None:
        """Write down what became of a call; with the last one, what became of the generation."""
        # One after the other: the generation must not end before all of its calls have.
        async with self._recording:
            if attempt is not None:
                attempt = self._end(attempt, images, failure)
            if not self._open_parts:
                self.generation = end_generation(
                    self.generation, list(self._attempts.values()), self._failures, self._stored_at
                )
            ended = attempt
            name = f"the record of {ended.guid if ended else self.generation.guid}"
            is_written = True

            async def write() -> None:
                nonlocal is_written
                is_written = await self._write_record(ended, images)

            await patiently(name, write)
        for image in images:
            logger.info("image kept guid=%s bytes=%d", image.guid, image.byte_size)
        if images and not is_written:
            await self._insist()

    def _end(
        self, attempt: Attempt, images: Sequence[ImageDetail], failure: Exception | None
    ) -> Attempt:
        attempt = end_attempt(attempt, images, failure)
        self._attempts[attempt.number] = attempt
        self._images += images
        if attempt.part is not None:
            if isinstance(failure, PixyProxyException):
                self._failures[attempt.part] = failure
            self._open_parts.discard(attempt.part)
        return attempt

    async def _drop_sidecars(self) -> None:
        for image in self._images:
            with suppress(StorageException):  # one too many does no harm
                await self._tools.keeper.store.drop_sidecar(image.guid)

    async def _write_record(self, attempt: Attempt | None, images: Sequence[ImageDetail]) -> bool:
        """Return False where the generation is not this process's to end any more."""
        generations = self._tools.generations
        is_written = True
        async with generations.open_context() as context:
            await context.begin_transaction()
            # A row that is there already, or was deleted since, was committed by a try that failed
            # after.
            await self._tools.repository.add_images(context, images)
            if attempt is not None:
                await generations.update_attempt(context, attempt)
            if self.generation.status.is_final:
                is_written = await generations.finish(context, self.generation, self._runner)
            await context.commit_transaction()
        return is_written

    async def _insist(self) -> None:
        """Have a generation read succeeded, once who else runs it has come to its end."""
        generations = self._tools.generations
        ends_at = asyncio.get_running_loop().time() + 2 * self._tools.timeout_s
        for pause_s in pauses():
            await asyncio.sleep(pause_s)
            with suppress(StorageException):
                async with generations.open_context() as context:
                    if await generations.finish(context, self.generation, self._runner):
                        return
            if asyncio.get_running_loop().time() > ends_at or self._tools.draining.is_set():
                return

    async def _put_back(self) -> None:
        generations = self._tools.generations

        async def put_back() -> None:
            async with generations.open_context() as context:
                await generations.put_back(context, self.generation.guid, self._runner)

        await patiently(f"the record of {self.generation.guid}", put_back)
        self.generation = self.generation.model_copy(
            update={"status": GenerationStatus.QUEUED, "started_at": None}
        )

    def _announce(self) -> None:
        failure = self._failures[min(self._failures)] if self._failures else None
        images = tuple(self._images) if self._has_all_images else None
        self._tools.announce(Progress(self.generation, images, failure))

    @asynccontextmanager
    async def _leased(self) -> AsyncIterator[None]:
        """Renew the lease as long as the generation is run."""
        renewing: list[asyncio.Task[None]] = []
        first = asyncio.get_running_loop().call_later(
            self._tools.lease_s / 3, lambda: renewing.append(asyncio.create_task(self._renew()))
        )
        try:
            yield
        finally:
            first.cancel()
            await end_tasks(renewing)

    async def _renew(self) -> None:
        generations = self._tools.generations
        while True:
            try:
                async with generations.open_context() as context:
                    await generations.renew(
                        context, self.generation.guid, self._tools.lease(self._runner)
                    )
            except StorageException as error:
                logger.warning("a lease was not renewed: %s: %s", error.code, error.reason)
            await asyncio.sleep(self._tools.lease_s / 3)


def _now() -> datetime:
    return datetime.now(UTC)

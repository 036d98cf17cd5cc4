"""From the model's answer to kept images, in time, late, or after a process has died."""

import asyncio
from collections.abc import Iterable, Sequence

from pixyproxy.core.exceptions import BadGeneratorResponseError, PixyProxyException
from pixyproxy.core.models import Attempt, ImageDetail
from pixyproxy.service.generating.dependencies import Dependencies, Limits
from pixyproxy.service.generating.record import GenerationRecord
from pixyproxy.service.generating.state import ProcessState
from pixyproxy.service.keeping.retrying import pauses
from pixyproxy.service.providers import ProviderAnswer, ProviderImage

SOON_S = 0.25
TOO_FEW_MESSAGE = "The image model gave fewer images than were asked for."


class AnswerKeeper:
    """Keeps the images of a generation's answers, and writes down what became of each call."""

    def __init__(
        self,
        record: GenerationRecord,
        dependencies: Dependencies,
        limits: Limits,
        state: ProcessState,
    ) -> None:
        self._record = record
        self._keeper = dependencies.keeper
        self._leases = dependencies.leases
        self._limits = limits
        self._state = state

    async def keep(self, attempt: Attempt, answer: ProviderAnswer, ends_at: float) -> None:
        """Write down that there is an answer, and keep its images' files, then their rows.

        URLs must not be forgotten, so they are written down first. Bytes are on disk before
        their answer could be: it is written down by itself only where that takes longer.
        """
        prepared = len(attempt.image_guids)
        attempt = self._record.note_answer(attempt, answer)
        is_urgent = len(attempt.image_guids) > prepared or any(image.url for image in answer.images)
        if is_urgent:
            await self._record.write(attempt)
        async with asyncio.TaskGroup() as group:
            keeping = group.create_task(self._keep_images(attempt, answer.images, ends_at))
            await asyncio.wait({keeping}, timeout=SOON_S)
            if not (is_urgent or keeping.done()):
                await self._record.write(attempt)
        await self.end_call(attempt, keeping.result())

    async def keep_late(self, attempt: Attempt, answer: ProviderAnswer) -> None:
        """Keep the images of an answer whose generation has been told as unknown."""
        attempt = self._record.note_answer(attempt, answer)
        await self._record.reopen(attempt)
        async with self._leases.held(self._record.guid, self._record.runner):
            ends_at = asyncio.get_running_loop().time() + self._limits.timeout_s
            await self.end_call(attempt, await self._keep_images(attempt, answer.images, ends_at))
            self._record.announce()
        await self._record.drop_sidecars()

    async def keep_image(
        self, attempt: Attempt, guid: str, image: ProviderImage, ends_at: float
    ) -> ImageDetail | PixyProxyException:
        """Return the image once its file is safe, or why it is none."""
        assert attempt.answer is not None
        return await self._keeper.keep(
            image, guid, self._record.generation, attempt.answer, ends_at=ends_at
        )

    async def end_call(
        self, attempt: Attempt, kept: Sequence[ImageDetail | PixyProxyException]
    ) -> None:
        """Write down what an answered call gave: its images, or the first reason why not all."""
        images = [image for image in kept if isinstance(image, ImageDetail)]
        failures = [failure for failure in kept if isinstance(failure, PixyProxyException)]
        if not failures and len(images) < attempt.n:
            failures.append(BadGeneratorResponseError(TOO_FEW_MESSAGE))
        failure = failures[0] if failures else None
        is_written = await self._record.end_call(attempt, images, failure)
        if images and not is_written:
            await self._insist()

    async def _keep_images(
        self, attempt: Attempt, images: Iterable[ProviderImage], ends_at: float
    ) -> list[ImageDetail | PixyProxyException]:
        return await asyncio.gather(
            *(
                self.keep_image(attempt, guid, image, ends_at)
                for guid, image in zip(attempt.image_guids, images, strict=False)
            )
        )

    async def _insist(self) -> None:
        """Have a generation read succeeded, once who else runs it has come to its end."""
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + 2 * self._limits.timeout_s
        for pause_s in pauses():
            await asyncio.sleep(pause_s)
            if await self._record.insist():
                return
            if loop.time() > ends_at or self._state.draining.is_set():
                return

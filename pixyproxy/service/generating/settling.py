"""Settling: finding out what became of the calls that a dead process made for a generation."""

import asyncio

from pixyproxy.core.exceptions import (
    BadGeneratorResponseError,
    GeneratorTimeoutError,
    PixyProxyException,
)
from pixyproxy.core.models import Attempt, ImageDetail
from pixyproxy.service.generating.answers import AnswerKeeper
from pixyproxy.service.generating.dependencies import Dependencies, Limits
from pixyproxy.service.generating.record import GenerationRecord
from pixyproxy.service.generating.state import ProcessState
from pixyproxy.service.providers import ProviderImage

PARTLY_LOST_MESSAGE = (
    "The service was cut off before it had stored every image of the model's answer."
)
DIED_MESSAGE = (
    "The service was cut off before it had the image model's whole answer. Whether the model drew "
    "(and charged for) the image is unknown."
)


class Settlement:
    """Settles one generation, which this process has taken the lease of."""

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
        self._timeout_s = limits.timeout_s
        self._answers = AnswerKeeper(record, dependencies, limits, state)

    async def settle(self) -> None:
        """Find out what became of the calls; then queue what was not sent, or end it all."""
        record = self._record
        async with self._leases.held(record.guid, record.runner):
            sent = record.sent_attempts
            is_undrawn = bool(record.open_parts)
            record.open_parts |= {attempt.part for attempt in sent if attempt.part is not None}
            for attempt in sent:
                await self._settle_attempt(attempt)
            if is_undrawn:
                await record.put_back()
            elif not record.generation.status.is_final:
                await record.end()
            record.announce()
        await record.drop_sidecars()

    async def _settle_attempt(self, attempt: Attempt) -> None:
        """Keep what is on disk, fetch what was given by URL, and tell what is lost."""
        found = await asyncio.gather(*map(self._keeper.find, attempt.image_guids))
        kept: list[ImageDetail | PixyProxyException] = [image for image in found if image]
        ends_at = asyncio.get_running_loop().time() + self._timeout_s
        answered = attempt.answer.images if attempt.answer else ()
        for guid, image, stored in zip(attempt.image_guids, answered, found, strict=False):
            if image.url is not None and stored is None:
                given = ProviderImage(url=image.url, revised_prompt=image.revised_prompt)
                kept.append(await self._answers.keep_image(attempt, guid, given, ends_at))
        if not kept:
            kept.append(GeneratorTimeoutError(DIED_MESSAGE))
        elif len(kept) < attempt.n:
            kept.append(BadGeneratorResponseError(PARTLY_LOST_MESSAGE))
        await self._answers.end_call(attempt, kept)

"""Keeping images: from what an answer gives to a file that is safe, with all that its row needs."""

import asyncio
import hashlib
import logging
import random
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime

from pixyproxy.core.exceptions import (
    BadGeneratorResponseError,
    GeneratorUnavailableError,
    PixyProxyException,
    StorageException,
)
from pixyproxy.core.models import Generation, ImageDetail
from pixyproxy.core.text import make_filename
from pixyproxy.data.files.store import ImageStore
from pixyproxy.service.keeping.fetcher import ImageFetcher
from pixyproxy.service.pictures.check import ImageFacts, check_image
from pixyproxy.service.pictures.rendering import placeholder
from pixyproxy.service.providers import ProviderImage

logger = logging.getLogger(__name__)

FETCH_TIMEOUT_S = 20
KEEP_AGAIN_S = 0.5
HASHED_AT_ONCE = 2
"""So many images are decoded at once: one of 50 megapixels takes 200 MB."""
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 20.0
FETCH_FAILED_MESSAGE = (
    "The image was drawn, but the URL that the model's server gave did not answer."
)


class ImageKeeper:
    """Keeps what the model gave. A file comes first, with its row beside it; the row later."""

    def __init__(self, store: ImageStore, fetcher: ImageFetcher) -> None:
        self.store = store
        self._fetcher = fetcher
        self._hashing = asyncio.Semaphore(HASHED_AT_ONCE)

    async def keep(
        self,
        image: ProviderImage,
        guid: str,
        generation: Generation,
        *,
        model: str,
        ends_at: float,
    ) -> ImageDetail | PixyProxyException:
        """Return the image once its file is safe, or why it is none."""
        try:
            data = image.data if image.data is not None else await self._fetch(image.url, ends_at)
            facts, sha256 = await asyncio.to_thread(_inspect, data)
        except PixyProxyException as error:
            return error
        except Exception:
            logger.exception("image %s could not be checked", guid)
            return BadGeneratorResponseError()
        now = datetime.now(UTC)
        detail = ImageDetail(
            guid=guid,
            filename=make_filename(generation.prompt, now, guid, facts.content_type.extension),
            prompt=generation.prompt,
            created_at=now,
            updated_at=now,
            content_type=facts.content_type,
            width=facts.width,
            height=facts.height,
            byte_size=len(data),
            sha256=sha256,
            model=model,
            revised_prompt=image.revised_prompt,
            parameters=generation.parameters,
            generation_guid=generation.guid,
            has_content_credentials=facts.has_content_credentials,
        )
        sidecar = detail.model_dump_json().encode()
        # What is paid for does not wait on disk for what is found out of it.
        hashing = asyncio.create_task(self._with_placeholder(detail, data))
        try:
            await patiently(
                f"paid image {guid}",
                lambda: self.store.write(guid, facts.content_type, data, sidecar),
            )
            return await hashing
        finally:
            hashing.cancel()

    async def find(self, guid: str) -> ImageDetail | None:
        """Return an image that has no row yet, if its file and its sidecar are whole."""
        sidecar = await self.store.read_sidecar(guid)
        if sidecar is None:
            return None
        try:
            image = ImageDetail.model_validate_json(sidecar)
            data = await self.store.read(image.guid, image.content_type)
        except (ValueError, StorageException):
            return None
        digest = await asyncio.to_thread(lambda: hashlib.sha256(data).hexdigest())
        if image.guid != guid or digest != image.sha256:
            return None
        return await self._with_placeholder(image, data)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._fetcher.aclose()

    async def _with_placeholder(self, image: ImageDetail, data: bytes | memoryview) -> ImageDetail:
        async with self._hashing:
            hashed = await asyncio.to_thread(placeholder, data, image.content_type)
        return image.model_copy(update={"thumbhash": hashed})

    async def _fetch(self, url: str | None, ends_at: float) -> bytes:
        if url is None:
            raise BadGeneratorResponseError
        # It is paid for: also an answer in the last second is given time.
        loop = asyncio.get_running_loop()
        ends_at = max(ends_at, loop.time() + FETCH_TIMEOUT_S)
        for pause_s in pauses():
            try:
                async with asyncio.timeout_at(ends_at):
                    return await self._fetcher.fetch(url)
            except (GeneratorUnavailableError, TimeoutError):
                logger.warning("a drawn image was not fetched")
                if loop.time() + pause_s >= ends_at:
                    break
                await asyncio.sleep(pause_s)
        # The fetcher's code could mean that nothing was drawn, and invite another, paid try.
        raise BadGeneratorResponseError(FETCH_FAILED_MESSAGE)


async def patiently(name: str, keep: Callable[[], Awaitable[None]]) -> None:
    """Do it again while disk or database fails: what it is about is paid for, or will be."""
    try:
        while True:
            try:
                await keep()
            except StorageException as error:
                logger.warning("%s cannot be kept yet: %s: %s", name, error.code, error.reason)
                await asyncio.sleep(KEEP_AGAIN_S)
            else:
                return
    except asyncio.CancelledError:
        logger.error("%s was not kept: the service stopped", name)  # noqa: TRY400
        raise


def pauses() -> Iterator[float]:
    """Yield growing, jittered pauses between tries, in seconds, without end."""
    pause_s = FIRST_PAUSE_S
    while True:
        yield pause_s * random.uniform(0.5, 1.5)  # noqa: S311  it is no secret
        pause_s = min(LONGEST_PAUSE_S, pause_s * 2)


def _inspect(data: bytes) -> tuple[ImageFacts, str]:
    return check_image(data), hashlib.sha256(data).hexdigest()

"""Keeping images: from what an answer gives to a file that is safe, with all that its row needs."""

import asyncio
import logging
from datetime import UTC, datetime

from pixyproxy.core.exceptions import (
    BadGeneratorResponseError,
    GeneratorUnavailableError,
    PixyProxyException,
    StorageException,
)
from pixyproxy.core.models import Answer, Generation, ImageDetail
from pixyproxy.data.files.store import ImageStore
from pixyproxy.service.keeping.describe import Thumbhasher, digest_of, examine
from pixyproxy.service.keeping.fetcher import ImageFetcher
from pixyproxy.service.keeping.retrying import pauses, retry_until_stored
from pixyproxy.service.providers import ProviderImage

logger = logging.getLogger(__name__)

FETCH_TIMEOUT_S = 20
"""How many seconds an image has at least to be fetched in, however late the answer came."""
FETCH_FAILED_MESSAGE = (
    "The image was drawn, but the URL that the model's server gave did not answer."
)


class ImageKeeper:
    """Keeps what the model gave. A file comes first, with its row beside it; the row later."""

    def __init__(self, store: ImageStore, fetcher: ImageFetcher) -> None:
        self.store = store
        self._fetcher = fetcher
        self._thumbhasher = Thumbhasher()

    async def keep(
        self,
        image: ProviderImage,
        guid: str,
        generation: Generation,
        answer: Answer,
        *,
        ends_at: float,
    ) -> ImageDetail | PixyProxyException:
        """Return the image once its file is safe, or why it is none."""
        try:
            data = image.data if image.data is not None else await self._fetch(image.url, ends_at)
            facts = await asyncio.to_thread(examine, data)
        except PixyProxyException as error:
            return error
        except Exception:
            logger.exception("image %s could not be checked", guid)
            return BadGeneratorResponseError()
        detail = facts.describe(
            guid=guid,
            prompt=generation.prompt,
            model=answer.model,
            created_at=datetime.now(UTC),
            parameters={
                name: value
                for name, value in generation.parameters.items()
                if name not in answer.left_out
            },
            revised_prompt=image.revised_prompt,
            generation_guid=generation.guid,
        )
        sidecar = detail.model_dump_json().encode()
        # What is paid for does not wait on disk for what is found out of it.
        hashing = asyncio.create_task(self._thumbhasher.add(detail, data))
        try:
            await retry_until_stored(
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
        digest = await asyncio.to_thread(digest_of, data)
        if image.guid != guid or digest.sha256 != image.sha256:
            return None
        return await self._thumbhasher.add(image, data)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._fetcher.aclose()

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

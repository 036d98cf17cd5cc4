"""The originals, read: what is known of an image, and its bytes as the model gave them."""

import time
from collections.abc import AsyncGenerator, Iterable, Sequence
from functools import partial

from pixyproxy.core.cache import BoundedCache
from pixyproxy.core.exceptions import (
    DatabaseUnavailableError,
    ImageNotFoundError,
    ImageStoreError,
    MissingFileError,
)
from pixyproxy.core.guid import is_guid
from pixyproxy.core.models import ImageDetail
from pixyproxy.data.files.store import ImageStore
from pixyproxy.data.repositories.images import ImageRepositoryInterface
from pixyproxy.service.absence import why_absent
from pixyproxy.service.serving.content import MAX_WHOLE_BYTES, Content
from pixyproxy.service.serving.loader import ImageLoader

TRUSTED_S = 5.0
"""How long what is in memory is not compared with the database."""

_AWAY_S = 1.0
"""How long a database that gave no answer is not asked again for what is in memory."""
_LONG_AGO = 0.0
"""Before anything was forgotten, by the monotonic clock."""
_CACHE_ENTRIES = 10_000
_CACHE_BYTES = 32 * 2**20
_DETAIL_BYTES = 2_000
"""About what an ImageDetail takes in memory, beside its prompts."""


class ImageReader:
    """Reads images for all faces. Raises leaves of PixyProxyException."""

    def __init__(
        self,
        repository: ImageRepositoryInterface,
        *,
        store: ImageStore,
    ) -> None:
        self._repository = repository
        self._store = store
        self._loader = ImageLoader(self._load_images)
        self._cache: BoundedCache[str, ImageDetail] = BoundedCache(
            max_entries=_CACHE_ENTRIES, max_bytes=_CACHE_BYTES
        )
        self._forgotten: BoundedCache[str, float] = BoundedCache(
            max_entries=_CACHE_ENTRIES, max_bytes=_CACHE_ENTRIES
        )
        self._away_until = float("-inf")

    async def get_image(self, guid: str) -> ImageDetail:
        """Return the image with exactly this GUID. Raises ImageNotFoundError, ImageGoneError.

        What another process has changed or deleted may be TRUSTED_S seconds old.
        """
        image = self._cache.get(guid, max_age_s=TRUSTED_S)
        if image is not None:
            return image
        if not is_guid(guid):
            raise ImageNotFoundError
        # While nothing can be asked, what was known last is better than nothing.
        if time.monotonic() < self._away_until and (image := self._cache.get(guid)):
            return image
        try:
            return await self._ask(guid)
        except DatabaseUnavailableError:
            self._away_until = time.monotonic() + _AWAY_S
            image = self._cache.get(guid)
            if image is None:
                raise
            return image

    def forget(self, guid: str) -> None:
        """Ask the database again: the image was changed or deleted."""
        self._cache.drop(guid)
        self._forgotten.put(guid, time.monotonic(), size=1)

    def remember_new(self, images: Iterable[ImageDetail]) -> None:
        """Have images at hand that were just kept: they are about to be asked for."""
        for image in images:
            self._remember(image, asked_at=_LONG_AGO)

    async def read_content(self, image: ImageDetail) -> memoryview:
        """Return the image's bytes, as the model gave them.

        Raises ImageStoreError, and ImageGoneError where another process has just deleted them.
        """
        try:
            content = await self._store.read(image.guid, image.content_type)
        except MissingFileError:
            await self._ask(image.guid)
            raise
        if len(content) != image.byte_size:
            raise ImageStoreError from OSError(f"{image.guid} has {len(content)} bytes")
        return content

    def locate_content(self, image: ImageDetail) -> str:
        """Return where the image's file lies in the folder of the images.

        Raises ImageStoreError.
        """
        path, size = self._store.locate(image.guid, image.content_type)
        if size != image.byte_size:
            raise ImageStoreError from OSError(f"{image.guid} has {size} bytes")
        return path

    async def open_content(self, image: ImageDetail) -> Content:
        """Return the image's bytes, as the model gave them, whole where they are few.

        Raises ImageStoreError; of a large image only when the first of its bytes are asked for.
        """
        if image.byte_size <= MAX_WHOLE_BYTES:
            return Content(image.byte_size, await self.read_content(image))
        return Content(image.byte_size, stream=partial(self._stream, image))

    async def aclose(self) -> None:
        """Wait for reads whose callers have gone away."""
        await self._loader.aclose()

    async def _ask(self, guid: str) -> ImageDetail:
        image = await self._loader.load(guid)
        if image is None:
            self._cache.drop(guid)
            raise await why_absent(self._repository, guid)
        return image

    async def _stream(
        self, image: ImageDetail, start: int, length: int
    ) -> AsyncGenerator[bytes, None]:
        chunks = self._store.stream(image.guid, image.content_type, start=start, length=length)
        try:
            async for chunk in chunks:
                length -= len(chunk)
                yield chunk
        finally:
            if isinstance(chunks, AsyncGenerator):
                await chunks.aclose()
        if length:
            raise ImageStoreError from OSError(f"{image.guid} lacks {length} bytes")

    async def _load_images(self, guids: Sequence[str]) -> dict[str, ImageDetail]:
        asked_at = time.monotonic()
        async with self._repository.open_context() as context:
            images = await self._repository.get_images(context, guids)
        for image in images:
            self._remember(image, asked_at, since=asked_at)
        return {image.guid: image for image in images}

    def _remember(self, image: ImageDetail, asked_at: float, *, since: float | None = None) -> None:
        """Keep an image in memory, unless it was changed or deleted after it was asked for."""
        if (self._forgotten.get(image.guid) or float("-inf")) >= asked_at:
            return
        text_bytes = 4 * (len(image.prompt) + len(image.revised_prompt or ""))
        self._cache.put(image.guid, image, size=_DETAIL_BYTES + text_bytes, since=since)

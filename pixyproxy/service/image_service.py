"""The images: made, found and read. Both faces show this one service."""

from collections.abc import AsyncGenerator, Sequence
from functools import partial

from pydantic import BaseModel, ConfigDict, Field

from pixyproxy.core.cache import BoundedCache
from pixyproxy.core.exceptions import (
    ConstraintViolationError,
    FieldFault,
    ImageNotFoundError,
    ImageStoreError,
)
from pixyproxy.core.guid import is_guid
from pixyproxy.core.models import ImageDetail, ImageDetailCreate, Text
from pixyproxy.core.text import words
from pixyproxy.data.image_repository import ImageRepositoryInterface, ImageSearch
from pixyproxy.data.image_store import ImageStore
from pixyproxy.service.content import MAX_WHOLE_BYTES, Content
from pixyproxy.service.image_generator import ImageGenerator, Terms
from pixyproxy.service.image_loader import ImageLoader
from pixyproxy.service.validation import validate

MAX_PAGE = 2**31 - 1
"""The largest integer of GraphQL; REST has the same bound."""
MAX_PAGE_SIZE = 100
MAX_QUERY_CHARS = 1000
MAX_QUERY_WORDS = 50
"""More words than this, and databases take more time to plan the search than to run it."""

_CACHE_ENTRIES = 10_000
_CACHE_BYTES = 32 * 2**20
_DETAIL_BYTES = 2_000
"""About what an ImageDetail takes in memory, beside its prompts."""


class Paging(BaseModel):
    """Which part of a list is asked for."""

    model_config = ConfigDict(strict=True)

    page: int = Field(ge=1, le=MAX_PAGE)
    size: int = Field(ge=1, le=MAX_PAGE_SIZE)


class SearchCriteria(BaseModel):
    """What is searched for, as a caller gives it."""

    model_config = ConfigDict(strict=True)

    query: Text | None = Field(None, max_length=MAX_QUERY_CHARS)
    prompt: Text | None = Field(None, max_length=MAX_QUERY_CHARS)
    filename: Text | None = Field(None, max_length=MAX_QUERY_CHARS)
    guid: Text | None = Field(None, max_length=MAX_QUERY_CHARS)


class ImageService:
    """What both faces offer. Raises leaves of PixyProxyException."""

    def __init__(
        self,
        repository: ImageRepositoryInterface,
        *,
        store: ImageStore,
        generator: ImageGenerator,
    ) -> None:
        self._repository = repository
        self._store = store
        self._generator = generator
        self._loader = ImageLoader(self._load_images)
        self._cache: BoundedCache[str, ImageDetail] = BoundedCache(
            max_entries=_CACHE_ENTRIES, max_bytes=_CACHE_BYTES
        )

    async def create_image(
        self, image: ImageDetailCreate, terms: Terms | None = None
    ) -> ImageDetail:
        """Check what is asked for once more, have it drawn, keep it and return it.

        Raises StillRunningError where `terms` do not wait as long as it takes.
        """
        terms = terms or Terms()
        terms.check()
        detail = await self._generator.draw(validate(ImageDetailCreate, dict(image)), terms)
        self._remember(detail)
        return detail

    async def get_image(self, guid: str) -> ImageDetail:
        """Return the image with exactly this GUID. Raises ImageNotFoundError."""
        image = self._cache.get(guid)
        if image is not None:
            return image
        if not is_guid(guid):
            raise ImageNotFoundError
        image = await self._loader.load(guid)
        if image is None:
            raise ImageNotFoundError
        return image

    async def list_images(self, *, page: int, size: int) -> list[ImageDetail]:
        """Return a page of all images, newest first; beyond the end it is empty."""
        paging = validate(Paging, {"page": page, "size": size})
        async with self._repository.open_context() as context:
            return await self._repository.list_images(context, page=paging.page, size=paging.size)

    async def search_images(
        self,
        *,
        query: str | None = None,
        prompt: str | None = None,
        filename: str | None = None,
        guid: str | None = None,
        page: int,
        size: int,
    ) -> list[ImageDetail]:
        """Return a page of the images that meet all criteria, newest first; with none, of all."""
        paging = validate(Paging, {"page": page, "size": size})
        given = {"query": query, "prompt": prompt, "filename": filename, "guid": guid}
        # Forms send fields that were left empty: blank is no criterion.
        criteria = {
            name: text for name, text in validate(SearchCriteria, given) if text and text.strip()
        }
        faults = [
            FieldFault(name, f"must have at most {MAX_QUERY_WORDS} words")
            for name, text in criteria.items()
            if len(words(text)) > MAX_QUERY_WORDS
        ]
        if faults:
            raise ConstraintViolationError(faults)
        search = ImageSearch(**criteria)
        async with self._repository.open_context() as context:
            return await self._repository.search_images(
                context, search, page=paging.page, size=paging.size
            )

    async def read_content(self, image: ImageDetail) -> memoryview:
        """Return the image's bytes, as the model gave them. Raises ImageStoreError."""
        content = await self._store.read(image.guid, image.content_type)
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
        async with self._repository.open_context() as context:
            images = await self._repository.get_images(context, guids)
        for image in images:
            self._remember(image)
        return {image.guid: image for image in images}

    def _remember(self, image: ImageDetail) -> None:
        text_bytes = 4 * (len(image.prompt) + len(image.revised_prompt or ""))
        self._cache.put(image.guid, image, size=_DETAIL_BYTES + text_bytes)

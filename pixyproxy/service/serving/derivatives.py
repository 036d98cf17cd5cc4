"""Derivatives: made once, off the event loop, and kept until others are used more."""

import asyncio
import hashlib
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial

from pixyproxy.core.cache import BoundedCache
from pixyproxy.core.exceptions import (
    BadGeneratorResponseError,
    ImageStoreError,
    OverloadedError,
)
from pixyproxy.core.models import ContentType, ImageDetail
from pixyproxy.data.files.derivatives import DerivativeFile, DerivativeStore
from pixyproxy.data.files.streaming import stream_file
from pixyproxy.data.repositories.images import ImageRepositoryInterface
from pixyproxy.service.pictures.check import check_image
from pixyproxy.service.pictures.rendering import DerivativeSpec, recipe, render
from pixyproxy.service.serving.content import MAX_WHOLE_BYTES, Content

MAX_AT_ONCE = 4
MAX_WAITING = 100
LARGE_PIXELS = 12_000_000
"""Of images with more, one is decoded at a time: 50 megapixels take 200 MB, and a copy as much."""
RETRY_AFTER_S = 2
OVERLOADED_MESSAGE = "Too many images are being resized. Try again later."
_MEMORY_BYTES = 32 * 2**20
_MEMORY_ENTRIES = 10_000
_ENTRY_BYTES = 500
_MAX_REMEMBERED_BYTES = 256 * 1024
_TOUCH_S = 600
"""What is served from memory is used, too: how often the disk is told."""
_ROWS_AT_ONCE = 500
_SHA256_CHARS = 16


@dataclass(slots=True)
class _Remembered:
    data: bytes
    touch_at: float


@dataclass(frozen=True, slots=True)
class Pruned:
    """What is left of the derivatives, and what was removed."""

    kept: int
    kept_bytes: int
    removed: int
    removed_bytes: int


class Derivatives:
    """Serves derivatives of images, from memory or disk, or makes them.

    As many are made at once as there are processors, up to MAX_AT_ONCE; MAX_WAITING may wait.
    What is asked for by several at once is made once. Whether the image is still there its caller
    must have asked.
    """

    def __init__(
        self,
        store: DerivativeStore,
        read_content: Callable[[ImageDetail], Awaitable[memoryview]],
        repository: ImageRepositoryInterface,
    ) -> None:
        self._store = store
        self._read_content = read_content
        self._repository = repository
        self._recipe = hashlib.sha256(recipe().encode()).hexdigest()[:8]
        at_once = min(MAX_AT_ONCE, os.cpu_count() or 1)
        self._pool = ThreadPoolExecutor(at_once, thread_name_prefix="derivatives")
        self._slots = asyncio.Semaphore(at_once)
        self._turn_of_large = asyncio.Lock()
        self._waiting = 0
        self._making: dict[tuple[str, str], asyncio.Task[Content]] = {}
        self._memory: BoundedCache[tuple[str, str], _Remembered] = BoundedCache(
            max_entries=_MEMORY_ENTRIES, max_bytes=_MEMORY_BYTES
        )

    def name_of(self, image: ImageDetail, spec: DerivativeSpec) -> str:
        """Return the derivative's name: other bytes would have another one."""
        return f"{image.sha256[:_SHA256_CHARS]}-{self._recipe}-{spec.name}"

    async def get(self, image: ImageDetail, spec: DerivativeSpec) -> Content:
        """Return the derivative.

        Raises OverloadedError, UnreadableImageError, and ImageStoreError where the image's own
        file cannot be read.
        """
        key = (image.guid, self.name_of(image, spec))
        remembered = self._memory.get(key)
        if remembered is not None:
            now = asyncio.get_running_loop().time()
            if remembered.touch_at < now:
                remembered.touch_at = now + _TOUCH_S
                await asyncio.to_thread(self._store.touch, *key)
            return Content(len(remembered.data), remembered.data)
        making = self._making.get(key)
        if making is None:
            making = asyncio.create_task(self._find_or_make(key, image, spec))
            self._making[key] = making
            making.add_done_callback(partial(self._made, key))
        return await asyncio.shield(making)

    async def remove(self, guid: str) -> None:
        """Remove all derivatives of an image, those that are being made too."""
        making = [task for key, task in self._making.items() if key[0] == guid]
        await asyncio.gather(*making, return_exceptions=True)
        self._memory.drop_where(lambda key: key[0] == guid)
        try:
            await asyncio.to_thread(self._store.remove, guid)
        except OSError as error:
            raise ImageStoreError from error

    async def prune(self, *, everything: bool = False) -> Pruned:
        """Remove what is stale, or has no image any more, or is beyond the bound; or everything.

        Raises ImageStoreError and DatabaseUnavailableError.
        """
        try:
            guids = await asyncio.to_thread(self._store.list_guids)
            wanted = set() if everything else await self._names(guids)
            kept, removed = await asyncio.to_thread(
                self._store.prune,
                lambda one: (one.guid, "-".join(one.name.split("-", 2)[:2])) in wanted,
            )
        except OSError as error:
            raise ImageStoreError from error
        return Pruned(len(kept), _bytes_of(kept), len(removed), _bytes_of(removed))

    async def aclose(self) -> None:
        """Wait for what is being made."""
        await asyncio.gather(*self._making.values(), return_exceptions=True)
        self._pool.shutdown()

    async def _names(self, guids: Collection[str]) -> set[tuple[str, str]]:
        """Return, of each image that there is, its GUID and how its derivatives' names begin."""
        every = list(guids)
        names = set()
        for start in range(0, len(every), _ROWS_AT_ONCE):
            async with self._repository.open_context() as context:
                files = await self._repository.get_files(
                    context, every[start : start + _ROWS_AT_ONCE]
                )
            names |= {
                (file.guid, f"{file.sha256[:_SHA256_CHARS]}-{self._recipe}") for file in files
            }
        return names

    async def _find_or_make(
        self, key: tuple[str, str], image: ImageDetail, spec: DerivativeSpec
    ) -> Content:
        data = await asyncio.to_thread(self._find, key, spec.content_type)
        is_kept = data is not None
        if data is None:
            if self._waiting >= MAX_WAITING:
                raise OverloadedError(OVERLOADED_MESSAGE, retry_after_s=RETRY_AFTER_S)
            is_large = image.width * image.height > LARGE_PIXELS
            self._waiting += 1
            async with self._turn_of_large if is_large else nullcontext(), self._slots:
                self._waiting -= 1
                data, is_kept = await self._make(key, image, spec)
        if len(data) <= _MAX_REMEMBERED_BYTES:
            touch_at = asyncio.get_running_loop().time() + _TOUCH_S
            self._memory.put(key, _Remembered(data, touch_at), size=len(data) + _ENTRY_BYTES)
        if is_kept and len(data) > MAX_WHOLE_BYTES:
            return Content(len(data), stream=partial(self._stream, key))
        return Content(len(data), data)

    async def _make(
        self, key: tuple[str, str], image: ImageDetail, spec: DerivativeSpec
    ) -> tuple[bytes, bool]:
        original = await self._read_content(image)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, self._render, key, image, spec, original)

    def _render(
        self, key: tuple[str, str], image: ImageDetail, spec: DerivativeSpec, original: memoryview
    ) -> tuple[bytes, bool]:
        with self._store.lock(*key):
            # Another process may just have made it.
            made = self._find(key, spec.content_type)
            if made is not None:
                return made, True
            made = render(original, image.content_type, spec)
            return made, self._store.write(*key, made)

    def _find(self, key: tuple[str, str], content_type: ContentType) -> bytes | None:
        """Return a derivative that is kept, and whole."""
        data = self._store.read(*key)
        try:
            is_whole = data is not None and check_image(data).content_type is content_type
        except BadGeneratorResponseError:
            is_whole = False
        return data if is_whole else None

    async def _stream(
        self, key: tuple[str, str], start: int, length: int
    ) -> AsyncGenerator[bytes, None]:
        try:
            descriptor = await asyncio.to_thread(self._store.open, *key)
            try:
                async for chunk in stream_file(descriptor, start=start, length=length):
                    yield chunk
            finally:
                os.close(descriptor)
        except OSError as error:
            raise ImageStoreError from error

    def _made(self, key: tuple[str, str], task: "asyncio.Task[Content]") -> None:
        self._making.pop(key, None)
        if not task.cancelled():
            task.exception()  # whoever asked may have gone away


def _bytes_of(files: Collection[DerivativeFile]) -> int:
    return sum(kept.byte_size for kept in files)

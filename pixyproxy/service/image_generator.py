"""From prompt to kept image: the model is called once, and what it draws is kept."""

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

from pixyproxy.core import make_guid
from pixyproxy.core.exceptions import (
    BadGeneratorResponseError,
    GeneratorTimeoutError,
    GeneratorUnavailableError,
    OverloadedError,
    StorageException,
)
from pixyproxy.core.models import ImageDetail, ImageDetailCreate
from pixyproxy.core.text import make_filename
from pixyproxy.data.image_repository import ImageRepositoryInterface
from pixyproxy.data.image_store import ImageStore
from pixyproxy.service.image_check import ImageFacts, check_image
from pixyproxy.service.image_fetcher import ImageFetcher
from pixyproxy.service.providers import GenerationRequest, ImageProvider, ProviderImage

logger = logging.getLogger(__name__)

WAITING_PER_RUNNING = 2
OVERLOADED_RETRY_AFTER_S = 10
FETCH_TIMEOUT_S = 60
RETRY_S = 0.5
NOT_KEPT_MESSAGE = (
    "The image was drawn (and charged for), but it could not be kept: another try may be charged "
    "for again. The service's log names it."
)
STOPPED_MESSAGE = (
    "The service stopped before the image model answered. Whether it drew (and charged for) "
    "the image is unknown."
)


class ImageGenerator:
    """Orchestrates one generation: call, fetch, store, row.

    Of concurrent generations `max_concurrent` run, twice as many wait, and more are refused.
    A generation goes on when its caller goes away: what the model returns is kept all the same.
    """

    def __init__(
        self,
        repository: ImageRepositoryInterface,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        provider: ImageProvider | None = None,
        store: ImageStore | None = None,
        fetcher: ImageFetcher | None = None,
        default_model: str = "gpt-image-2",
        timeout_s: float = 300,
        max_concurrent: int = 8,
        keep_patience_s: float = 30,
    ) -> None:
        self._repository = repository
        if provider is None:
            # The SDK takes 13 MB of memory, which a server that draws otherwise need not hold.
            from pixyproxy.service.providers.openai import OpenAIProvider  # noqa: PLC0415

            provider = OpenAIProvider(
                base_url=base_url, api_key=api_key, default_model=default_model, timeout_s=timeout_s
            )
        self._provider = provider
        self._fetcher = fetcher or ImageFetcher(base_url=base_url, api_key=api_key)
        self._store = store or ImageStore(Path("images"), min_free_mb=256)
        self._timeout_s = timeout_s
        self._keep_patience_s = keep_patience_s
        self._running = asyncio.Semaphore(max_concurrent)
        self._max_admitted = max_concurrent * (1 + WAITING_PER_RUNNING)
        self._admitted: set[asyncio.Task[ImageDetail]] = set()
        self._drawing: set[asyncio.Task[ImageDetail]] = set()

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
        request = self._provider.prepare(image_create_request.model_copy(update=update))
        if len(self._admitted) >= self._max_admitted:
            raise OverloadedError(retry_after_s=OVERLOADED_RETRY_AFTER_S)
        task = asyncio.create_task(self._generate(request))
        self._admitted.add(task)
        self._drawing.add(task)
        task.add_done_callback(self._finished)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise GeneratorTimeoutError(STOPPED_MESSAGE) from None
            raise

    def give_up_drawing(self) -> None:
        """Stop waiting for the model: the service stops. Callers get a GeneratorTimeoutError."""
        for task in self._drawing:
            task.cancel()

    async def aclose(self) -> None:
        """Give up what the model has not answered, and wait for what is being kept."""
        self.give_up_drawing()
        await asyncio.gather(*self._admitted, return_exceptions=True)
        await self._provider.aclose()
        await self._fetcher.aclose()

    def _finished(self, task: asyncio.Task[ImageDetail]) -> None:
        self._admitted.discard(task)
        self._drawing.discard(task)
        if task.cancelled():
            logger.warning("generation given up: the service stops")
        else:
            task.exception()  # retrieved here too, since its caller may have gone away

    async def _generate(self, request: GenerationRequest) -> ImageDetail:
        ends_at = asyncio.get_running_loop().time() + self._timeout_s
        try:
            # With less than half its time left it might be paid for and not be waited for.
            async with asyncio.timeout(self._timeout_s / 2):
                await self._running.acquire()
        except TimeoutError:
            raise OverloadedError(retry_after_s=OVERLOADED_RETRY_AFTER_S) from None
        try:
            await self._check_storage()
            drawn, data = await self._draw(request, ends_at)
            return await self._keep(request, drawn, data)
        finally:
            self._running.release()

    async def _check_storage(self) -> None:
        """Raise a StorageException now, while nothing is paid for."""
        await self._store.check_writable()
        async with self._repository.open_context() as context:
            await context.check()

    async def _draw(
        self, request: GenerationRequest, ends_at: float
    ) -> tuple[ProviderImage, bytes]:
        logger.info("generation sent model=%s provider=%s", request.model, self._provider.name)
        try:
            async with asyncio.timeout_at(ends_at):
                drawn = await self._provider.generate(request)
        except TimeoutError:
            logger.warning("generation timed out after %s s", self._timeout_s)
            raise GeneratorTimeoutError from None
        logger.info("generation answered upstream-request-id=%s", drawn.request_id or "-")
        self._drawing.discard(_current_task())  # from here on it is kept, though the service stop
        if drawn.data is not None:
            return drawn, drawn.data
        if drawn.url is not None:
            return drawn, await self._fetch(drawn.url, ends_at)
        raise BadGeneratorResponseError

    async def _fetch(self, url: str, ends_at: float) -> bytes:
        ends_at = min(ends_at, asyncio.get_running_loop().time() + FETCH_TIMEOUT_S)
        try:
            async with asyncio.timeout_at(ends_at):
                return await self._fetcher.fetch(url)
        except (GeneratorUnavailableError, TimeoutError):
            # Their codes could mean that nothing was drawn, and would invite another, paid try.
            logger.warning("a drawn image could not be fetched")
            raise BadGeneratorResponseError(
                "The image was drawn, but the URL that the model's server gave did not answer."
            ) from None

    async def _keep(
        self, request: GenerationRequest, drawn: ProviderImage, data: bytes
    ) -> ImageDetail:
        facts, sha256 = await asyncio.to_thread(_inspect, data)
        guid, now = make_guid(), datetime.now(UTC)
        image = ImageDetail(
            guid=guid,
            filename=make_filename(request.prompt, now, guid, facts.content_type.extension),
            prompt=request.prompt,
            created_at=now,
            updated_at=now,
            content_type=facts.content_type,
            width=facts.width,
            height=facts.height,
            byte_size=len(data),
            sha256=sha256,
            model=request.model,
            revised_prompt=drawn.revised_prompt,
            parameters=dict(request.parameters),
        )
        await self._patiently(guid, lambda: self._store.write(guid, image.content_type, data))
        await self._patiently(guid, lambda: self._write_row(image))
        logger.info("image kept guid=%s bytes=%d model=%s", guid, len(data), request.model)
        return image

    async def _write_row(self, image: ImageDetail) -> None:
        async with self._repository.open_context() as context:
            await context.begin_transaction()
            # A row that is there already was committed by an attempt that failed after.
            await self._repository.create_image(context, image)
            await context.commit_transaction()

    async def _patiently(self, guid: str, keep: Callable[[], Awaitable[None]]) -> None:
        """Try again while disk or database fails: the image is paid for."""
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + self._keep_patience_s
        while True:
            try:
                await keep()
            except StorageException as error:
                told = (guid, error.code, error.reason)
                if loop.time() >= ends_at:
                    logger.error("paid image %s was not kept: %s: %s", *told)  # noqa: TRY400
                    raise type(error)(NOT_KEPT_MESSAGE) from error.__cause__
                logger.warning("paid image %s cannot be kept yet: %s: %s", *told)
                await asyncio.sleep(RETRY_S)
            else:
                return


def _inspect(data: bytes) -> tuple[ImageFacts, str]:
    return check_image(data), hashlib.sha256(data).hexdigest()


def _current_task() -> "asyncio.Task[ImageDetail]":
    task = asyncio.current_task()
    assert task is not None
    return task

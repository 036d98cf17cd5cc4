"""The specification's generator: from a prompt to a kept image, without a service around it."""

from pathlib import Path
from typing import Any

from pixyproxy.core.models import ImageDetail, ImageDetailCreate
from pixyproxy.data.files.folder import FolderStore
from pixyproxy.data.repositories.generations import GenerationRepository
from pixyproxy.data.repositories.images import ImageRepositoryInterface
from pixyproxy.service.generating.dependencies import Limits
from pixyproxy.service.generating.engine import GenerationEngine
from pixyproxy.service.generating.generations import GenerationService
from pixyproxy.service.generating.submission import check_request
from pixyproxy.service.keeping.fetcher import ImageFetcher
from pixyproxy.service.keeping.keeper import ImageKeeper
from pixyproxy.service.providers import (
    DEFAULT_PROVIDER,
    ImageProvider,
    ProviderOptions,
    make_provider,
)

FOLDER = Path("images")
DEFAULT_MODEL = "gpt-image-2"
MIN_FREE_MB = 256
LIMITS = Limits(timeout_s=300, max_concurrent=8, max_queued=10_000, lease_s=30)


class ImageGenerator:
    """Draws images for a script, and keeps them in the folder `images` and in `repository`.

    `base_url` and `api_key` are those of the default provider; `provider` puts another one in its
    place. An adapter: the classes behind it are the service's own, and its bounds are the defaults
    of the settings.
    """

    def __init__(
        self,
        repository: ImageRepositoryInterface,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        provider: ImageProvider | None = None,
    ) -> None:
        self.repo = repository
        self.client: Any = None
        """The OpenAI SDK's client of the default provider; None with another one."""
        if provider is None:
            options = ProviderOptions(
                base_url=base_url,
                api_key=api_key,
                default_model=DEFAULT_MODEL,
                timeout_s=LIMITS.timeout_s,
            )
            provider = make_provider(DEFAULT_PROVIDER, options)
            self.client = getattr(provider, "client", None)
        self._engine = GenerationEngine(
            repository,
            GenerationRepository(repository.open_context),
            provider=provider,
            keeper=ImageKeeper(
                FolderStore(FOLDER, min_free_mb=MIN_FREE_MB),
                ImageFetcher(base_url=base_url, api_key=api_key),
            ),
            limits=LIMITS,
        )
        self._generations = GenerationService(self._engine)

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
        named = {"model": model, "style": style, "quality": quality, "size": size}
        given = {name: value for name, value in named.items() if value is not None}
        request = check_request(image_create_request).model_copy(update=given)
        return await self._generations.create_image(request)

    async def aclose(self) -> None:
        """Stop, and close the connections of the provider; the repository's stay open."""
        await self._engine.aclose()

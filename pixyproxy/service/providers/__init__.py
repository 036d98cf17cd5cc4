"""Who draws: one Protocol, and a module for each provider."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pixyproxy.core.models import ImageDetailCreate


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """What a provider is to draw, already checked against the model's profile."""

    model: str
    prompt: str
    parameters: Mapping[str, Any]
    """Exactly the parameters to send: size, quality, style, background, output_format,
    output_compression, moderation; what is not in it is left to the model."""


@dataclass(frozen=True, slots=True)
class ProviderImage:
    """What a provider gave: the image's bytes, or a URL that they must be fetched from."""

    data: bytes | None = None
    url: str | None = None
    revised_prompt: str | None = None
    request_id: str | None = None


class ImageProvider(Protocol):
    """Draws an image. Stateless but for its connections; safe for concurrent use."""

    name: str

    def prepare(self, image: ImageDetailCreate) -> GenerationRequest:
        """Check what is asked for against the model's profile, and add the profile's defaults.

        Costs nothing and sends nothing. Raises ConstraintViolationError with a fault for each
        field that the model would refuse.
        """

    async def generate(self, request: GenerationRequest) -> ProviderImage:
        """Draw, by at most one paid call.

        Raises a leaf of ImagePromptException or of ImageGenerationException.
        """

    async def aclose(self) -> None:
        """Close the provider's connections."""

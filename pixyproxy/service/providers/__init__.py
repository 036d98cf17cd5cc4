"""Who draws: one Protocol, and a module for each provider."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pixyproxy.core.models import GenerationCreate


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """What a provider is to draw, already checked against the model's profile."""

    model: str
    prompt: str
    parameters: Mapping[str, Any]
    """Exactly the parameters to send: size, quality, style, background, output_format,
    output_compression, moderation; what is not in it is left to the model."""
    n: int = 1
    """How many images one call is to draw."""
    max_n: int = 1
    """How many images this model draws in one call at most."""


@dataclass(frozen=True, slots=True)
class ProviderImage:
    """One image of an answer: its bytes, or a URL that they must be fetched from."""

    data: bytes | None = None
    url: str | None = None
    revised_prompt: str | None = None


@dataclass(frozen=True, slots=True)
class ProviderAnswer:
    """What a provider gave: at least one image, and what it said of the call."""

    images: tuple[ProviderImage, ...]
    model: str
    """The model that answered, as the answer says; else the one that was asked."""
    request_id: str | None = None
    usage: dict[str, Any] | None = None


class ImageProvider(Protocol):
    """Draws an image. Stateless but for its connections; safe for concurrent use."""

    name: str

    def prepare(self, image: GenerationCreate) -> GenerationRequest:
        """Check what is asked for against the model's profile, and add the profile's defaults.

        Costs nothing and sends nothing. Raises ConstraintViolationError with a fault for each
        field that the model would refuse.
        """

    async def generate(self, request: GenerationRequest, *, call_guid: str) -> ProviderAnswer:
        """Draw `request.n` images, by at most one paid call, which `call_guid` names.

        Raises a leaf of ImagePromptException or of ImageGenerationException. A
        GeneratorUnavailableError says whether anything was sent.
        """

    async def aclose(self) -> None:
        """Close the provider's connections."""

"""Who draws: one Protocol, a module for each provider, and the one list of them all."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

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

    def describe(self) -> str:
        """Say for people what draws, in a few words and without any secret."""

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

    async def check(self) -> str:
        """Say for an operator that it could draw, and what with. Nothing is drawn or paid.

        Raises a leaf of ImageGenerationException.
        """

    async def aclose(self) -> None:
        """Close the provider's connections."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderOptions:
    """What an operator can set of a provider. Each takes what concerns it."""

    base_url: str | None
    api_key: str | None
    default_model: str
    timeout_s: float
    """How long a caller waits for a generation; an answer is listened for twice as long."""


def make_provider(name: str, options: ProviderOptions) -> ImageProvider:
    """Return the provider of this name, and import no other: some libraries are large.

    Raises ValueError for options that will not do.
    """
    return _MAKERS[name](options)


def _make_openai(options: ProviderOptions) -> ImageProvider:
    from pixyproxy.service.providers.openai import OpenAIProvider  # noqa: PLC0415

    return OpenAIProvider(
        base_url=options.base_url,
        api_key=options.api_key,
        default_model=options.default_model,
        timeout_s=2 * options.timeout_s,
    )


def _make_sketch(_options: ProviderOptions) -> ImageProvider:
    from pixyproxy.service.providers.sketch import SketchProvider  # noqa: PLC0415

    return SketchProvider()


DEFAULT_PROVIDER: Final = "openai"
_MAKERS: Final[Mapping[str, Callable[[ProviderOptions], ImageProvider]]] = {
    "openai": _make_openai,
    "sketch": _make_sketch,
}

"""Who draws: one Protocol, a module for each provider, and the one list of them all."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Final, Protocol

from pixyproxy.core.models import GenerationCreate

if TYPE_CHECKING:
    from pixyproxy.service.providers.profiles import Profile


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """What a provider is to draw, already checked against the model's profile."""

    model: str
    prompt: str
    parameters: Mapping[str, Any]
    """Exactly the parameters to send: those that profiles name, partial_images where it is to
    stream, and what the caller has set that we do not know; the rest is left to the model.
    `asked_for` among them is kept, and not sent."""
    n: int = 1
    """How many images one call is to draw."""
    max_n: int = 1
    """How many images this model draws in one call at most."""
    on_partial: "OnPartial | None" = field(default=None, compare=False, repr=False)
    """Is told of each image that the model shows while it draws."""


@dataclass(frozen=True, slots=True)
class ProviderPartial:
    """An image as it looks while it is drawn; the model counts them from 0."""

    step: int
    data: bytes


OnPartial = Callable[[ProviderPartial], None]


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
    left_out: tuple[str, ...] = ()
    """The parameters that were not sent in the end, since the model's server refuses them."""


@dataclass(frozen=True, slots=True)
class OfferedModel:
    """A model that callers of this service may ask for."""

    name: str
    is_default: bool = False
    stands_for: str | None = None
    """The model that is asked in its place, by the operator's map."""
    shutdown: date | None = None
    """When its server stops drawing by it; None where it is not known to."""

    @property
    def created(self) -> int:
        """When it came out, in seconds since 1970, where its name ends with a day; else 0."""
        try:
            day = date.fromisoformat(self.name[-len("2026-04-21") :])
        except ValueError:
            return 0
        return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


class ModelList(Protocol):
    """The models of a provider: by what names they are asked for, and until when."""

    owner: str
    """Whose they are, as clients of OpenAI's API show it."""

    def resolve(self, name: str | None) -> str:
        """Return the model that is asked where `name` is asked for; None: the default one."""

    def offered(self) -> tuple[OfferedModel, ...]:
        """Return the models that may be asked for, the default one first."""

    def profile_of(self, name: str) -> "Profile":
        """Return what the model takes that is asked where `name` is asked for."""

    def warnings(self) -> list[str]:
        """Return what to tell the operator at start, a sentence for each model."""

    def verdict(self) -> str:
        """Return `ok`, or a code of what is to come of the operator's own choices."""


class ImageProvider(Protocol):
    """Draws an image. Stateless but for its connections; safe for concurrent use."""

    name: str

    @property
    def models(self) -> ModelList:
        """What may be asked for."""

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
    model_map: Mapping[str, str] = field(default_factory=dict)
    """The model that is asked in the place of another."""
    allow_gif: bool = False
    """Whether OpenAI's models may be asked for GIFs."""


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
        model_map=options.model_map,
        allow_gif=options.allow_gif,
    )


def _make_sketch(_options: ProviderOptions) -> ImageProvider:
    from pixyproxy.service.providers.sketch import SketchProvider  # noqa: PLC0415

    return SketchProvider()


DEFAULT_PROVIDER: Final = "openai"
_MAKERS: Final[Mapping[str, Callable[[ProviderOptions], ImageProvider]]] = {
    "openai": _make_openai,
    "sketch": _make_sketch,
}

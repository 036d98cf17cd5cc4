"""Which derivatives there are: what is asked for is brought to the nearest of a few.

Anybody may ask for a derivative, so there must not be many: widths, heights and qualities come
from short ladders, and nothing is made larger than its image.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Any, get_type_hints
from urllib.parse import urlencode

from pixyproxy.core.exceptions import ConstraintViolationError, FieldFault
from pixyproxy.core.models import ContentType, ImageDetail
from pixyproxy.service.pictures.rendering import DerivativeSpec

SIDES = (32, 64, 96, 128, 160, 240, 320, 480, 640, 800, 960, 1280, 1600, 1920, 2560)
QUALITIES = (40, 60, 75, 90)
MAX_SIDE = 16_384
"""The largest width or height that a request may name."""
_QUALITY_OF = {ContentType.AVIF: 60, ContentType.WEBP: 75, ContentType.JPEG: 75}
_MAX_ACCEPT_CHARS = 1000


class ImageFit(StrEnum):
    """How an image fills a box of another shape."""

    COVER = "cover"
    CONTAIN = "contain"


class ImageFormat(StrEnum):
    """The formats that an image can be had in."""

    AUTO = "auto"
    """The best that the client accepts."""
    WEBP = "webp"
    AVIF = "avif"
    JPEG = "jpeg"
    PNG = "png"


@dataclass(frozen=True, slots=True, kw_only=True)
class Option(ABC):
    """A parameter of derivatives: all that the faces, and the reading of a URL, know of it."""

    description: str
    """For REST's document."""
    argument: str | None
    """The description in GraphQL's schema; None: GraphQL has no such argument."""

    @property
    @abstractmethod
    def kind(self) -> type:
        """The type of its values."""

    @property
    @abstractmethod
    def schema(self) -> dict[str, Any]:
        """The JSON schema of its values."""

    @abstractmethod
    def read(self, name: str, text: str) -> Any:
        """Return the value that the text stands for. Raises ConstraintViolationError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberOption(Option):
    """A whole number from 1, brought to the nearest rung of a ladder."""

    maximum: int
    ladder: tuple[int, ...]

    @property
    def kind(self) -> type[int]:
        """The type of its values."""
        return int

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of what may be asked for."""
        return {"type": "integer", "minimum": 1, "maximum": self.maximum}

    def read(self, name: str, text: str) -> int:
        """Return the rung. Raises ConstraintViolationError."""
        if text.isascii() and text.isdigit() and len(text) <= len(str(self.maximum)):
            value = int(text)
            if 1 <= value <= self.maximum:
                return nearest(value, self.ladder)
        fault = FieldFault(name, f"must be a whole number from 1 to {self.maximum}")
        raise ConstraintViolationError([fault])


@dataclass(frozen=True, slots=True, kw_only=True)
class WordOption(Option):
    """One of a few words."""

    default: StrEnum

    @property
    def kind(self) -> type[StrEnum]:
        """The type of its values; its docstring describes it in GraphQL's schema."""
        return type(self.default)

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of its values."""
        return {"type": "string", "enum": [*self.kind], "default": self.default}

    def read(self, name: str, text: str) -> StrEnum:
        """Return the choice. Raises ConstraintViolationError."""
        try:
            return self.kind(text)
        except ValueError:
            values = tuple(map(str, self.kind))
        fault = FieldFault(name, f"must be one of {', '.join(values)}", values)
        raise ConstraintViolationError([fault])


def _nearest_of(ladder: Sequence[int]) -> str:
    return f"The nearest of {', '.join(map(str, ladder))} serves"


_SIDE_ARGUMENT = "In pixels. The nearest of some sizes serves, and never more than the image's own."


@dataclass(frozen=True, slots=True)
class DerivativeRequest:
    """What a caller asks for, each number on its ladder. None: as the image has it.

    A field is a parameter of the bytes' URL, in both faces: its `Option` is all they know of it.
    """

    width: Annotated[
        int | None,
        NumberOption(
            description=f"Width in pixels. {_nearest_of(SIDES)}; never more than the image.",
            argument=_SIDE_ARGUMENT,
            maximum=MAX_SIDE,
            ladder=SIDES,
        ),
    ] = None
    height: Annotated[
        int | None,
        NumberOption(
            description="Height in pixels, likewise.",
            argument=_SIDE_ARGUMENT,
            maximum=MAX_SIDE,
            ladder=SIDES,
        ),
    ] = None
    fit: Annotated[
        ImageFit,
        WordOption(
            description="With both: `cover` fills the box and cuts what stands out, `contain` "
            "shows all.",
            argument="How the image fills width and height; else `COVER`.",
            default=ImageFit.COVER,
        ),
    ] = ImageFit.COVER
    format: Annotated[
        ImageFormat,
        WordOption(
            description="`auto`: AVIF or WebP where `Accept` names it, else PNG or JPEG.",
            argument="The format; else `AUTO`.",
            default=ImageFormat.AUTO,
        ),
    ] = ImageFormat.AUTO
    quality: Annotated[
        int | None,
        NumberOption(
            description=f"1 to 100, of what loses some. {_nearest_of(QUALITIES)}.",
            argument=None,
            maximum=100,
            ladder=QUALITIES,
        ),
    ] = None

    def as_query(self) -> str:
        """Return the query of a URL that expresses it."""
        values: dict[str, Any] = {name: getattr(self, name) for name in OPTIONS}
        if not (self.width and self.height):
            del values["fit"]
        if (self.width or self.height) and self.format is ImageFormat.AUTO:
            del values["format"]
        return urlencode(
            {
                name: value
                for name, value in values.items()
                if name in _ALWAYS_TOLD or value != getattr(_DEFAULTS, name)
            }
        )


_ALWAYS_TOLD = {"fit", "format"}
"""Told even as they are by default, as they always were: caches know images by these URLs."""
_DEFAULTS = DerivativeRequest()


OPTIONS: Mapping[str, Option] = {
    name: hint.__metadata__[0]
    for name, hint in get_type_hints(DerivativeRequest, include_extras=True).items()
}
"""The parameters that ask for a derivative, by their names."""


def read_request(given: Mapping[str, str]) -> DerivativeRequest | None:
    """Return what a URL's parameters ask for; None where none of them asks for a derivative.

    Raises ConstraintViolationError.
    """
    values: dict[str, Any] = {}
    faults: list[FieldFault] = []
    for name, option in OPTIONS.items():
        if text := given.get(name):
            try:
                values[name] = option.read(name, text)
            except ConstraintViolationError as error:
                faults += error.faults
    if faults:
        raise ConstraintViolationError(faults)
    return DerivativeRequest(**values) if values else None


def nearest(value: int, ladder: Sequence[int]) -> int:
    """Return the nearest rung, the higher one of two."""
    return min(reversed(ladder), key=lambda rung: abs(rung - value))


def specify(image: ImageDetail, request: DerivativeRequest, accept: str) -> DerivativeSpec:
    """Return the derivative that serves the request of a client that accepts these types."""
    width, height = _box(image, request)
    if request.format is ImageFormat.AUTO:
        content_type = _best(accept) or _fallback(image.content_type)
    else:
        content_type = ContentType(f"image/{request.format}")
    default = _QUALITY_OF.get(content_type)
    return DerivativeSpec(
        width, height, content_type, (request.quality or default) if default else 0
    )


_QUERIES = {rung: DerivativeRequest(width=rung).as_query() for rung in SIDES}


def srcset_of(image: ImageDetail, widths: Sequence[int] | None = None) -> dict[int, str]:
    """Return how wide the image can be had, the narrowest first, and the URL's query for each.

    Without `widths`, all that there are. Raises ConstraintViolationError.
    """
    if widths is None:
        rungs = set(SIDES)
    else:
        if len(widths) > len(SIDES) or not all(1 <= width <= MAX_SIDE for width in widths):
            message = f"must be at most {len(SIDES)} whole numbers from 1 to {MAX_SIDE}"
            raise ConstraintViolationError([FieldFault("widths", message)])
        rungs = {nearest(width, SIDES) for width in widths}
    served = {
        _box(image, DerivativeRequest(width=rung))[0]: rung for rung in sorted(rungs, reverse=True)
    }
    return {width: _QUERIES[rung] for width, rung in sorted(served.items())}


def _box(image: ImageDetail, request: DerivativeRequest) -> tuple[int, int]:
    """Return the size: of the shape that is asked for, and no larger than the image."""
    if request.width and request.height and request.fit is ImageFit.COVER:
        scale = min(1, image.width / request.width, image.height / request.height)
        size = request.width * scale, request.height * scale
    else:
        scale = min(
            1,
            (request.width or SIDES[-1]) / image.width,
            (request.height or SIDES[-1]) / image.height,
        )
        size = image.width * scale, image.height * scale
    return max(1, round(size[0])), max(1, round(size[1]))


def _fallback(content_type: ContentType) -> ContentType:
    """Return what every client can show: without loss where the image has none."""
    lossless = {ContentType.PNG, ContentType.GIF}
    return ContentType.PNG if content_type in lossless else ContentType.JPEG


def _best(accept: str) -> ContentType | None:
    return _accepted(accept) if len(accept) <= _MAX_ACCEPT_CHARS else None


@lru_cache(maxsize=256)
def _accepted(accept: str) -> ContentType | None:
    """Return AVIF or WebP where the client names it: `*/*` is also said by those that cannot."""
    weights = {}
    for item in accept.split(","):
        name, *parameters = (part.strip().lower() for part in item.split(";"))
        weights[name] = next((_weight(one[2:]) for one in parameters if one[:2] == "q="), 1.0)
    offered = (ContentType.AVIF, ContentType.WEBP)
    best = max(offered, key=lambda content_type: weights.get(content_type, 0))
    return best if weights.get(best, 0) else None


def _weight(text: str) -> float:
    try:
        return min(1.0, max(0.0, float(text)))
    except ValueError:
        return 0.0

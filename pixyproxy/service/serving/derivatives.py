"""Which derivatives there are: what is wished for is brought to the nearest of a few.

Anybody may ask for a derivative, so there must not be many: widths, heights and qualities come
from short ladders, and nothing is made larger than its image.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from pixyproxy.core.exceptions import ConstraintViolationError, FieldFault
from pixyproxy.core.models import ContentType, ImageDetail
from pixyproxy.service.pictures.rendering import Plan

SIDES = (32, 64, 96, 128, 160, 240, 320, 480, 640, 800, 960, 1280, 1600, 1920, 2560)
QUALITIES = (40, 60, 75, 90)
MAX_SIDE = 16_384
"""More than this is not taken for a wish."""
_QUALITY_OF = {ContentType.AVIF: 60, ContentType.WEBP: 75, ContentType.JPEG: 75}
_MAX_ACCEPT_CHARS = 1000


class Fit(StrEnum):
    """How an image fills a box of another shape."""

    COVER = "cover"
    CONTAIN = "contain"


class ImageFormat(StrEnum):
    """The formats of derivatives; `auto` is the best that the client accepts."""

    AUTO = "auto"
    WEBP = "webp"
    AVIF = "avif"
    JPEG = "jpeg"
    PNG = "png"


@dataclass(frozen=True, slots=True)
class Wish:
    """What a caller asks for, each value on its ladder. None: as the image has it."""

    width: int | None = None
    height: int | None = None
    fit: Fit = Fit.COVER
    format: ImageFormat = ImageFormat.AUTO
    quality: int | None = None

    def as_parameters(self) -> dict[str, str]:
        """Return the parameters of a URL that express it."""
        is_boxed, is_sized = self.width and self.height, self.width or self.height
        values = {
            "width": self.width,
            "height": self.height,
            "fit": self.fit if is_boxed else None,
            "format": None if is_sized and self.format is ImageFormat.AUTO else self.format,
            "quality": self.quality,
        }
        return {name: str(value) for name, value in values.items() if value}


def read_wish(given: Mapping[str, str]) -> Wish | None:
    """Return the wish that a URL's parameters express; None where none of them is one.

    Raises ConstraintViolationError.
    """
    faults: list[FieldFault] = []

    def number(name: str, maximum: int, ladder: Sequence[int]) -> int | None:
        text = given.get(name, "")
        if not text:
            return None
        if text.isascii() and text.isdigit() and len(text) <= len(str(maximum)):
            value = int(text)
            if 1 <= value <= maximum:
                return nearest(value, ladder)
        faults.append(FieldFault(name, f"must be a whole number from 1 to {maximum}"))
        return None

    def choice(name: str, default: str, allowed: Iterable[str]) -> str:
        text = given.get(name) or default
        if text in allowed:
            return text
        values = tuple(map(str, allowed))
        faults.append(FieldFault(name, f"must be one of {', '.join(values)}", values))
        return default

    wish = Wish(
        width=number("width", MAX_SIDE, SIDES),
        height=number("height", MAX_SIDE, SIDES),
        fit=Fit(choice("fit", Fit.COVER, [*Fit])),
        format=ImageFormat(choice("format", ImageFormat.AUTO, [*ImageFormat])),
        quality=number("quality", 100, QUALITIES),
    )
    if faults:
        raise ConstraintViolationError(faults)
    return wish if any(given.get(name) for name in PARAMETERS) else None


PARAMETERS = ("width", "height", "fit", "format", "quality")


def nearest(value: int, ladder: Sequence[int]) -> int:
    """Return the nearest rung, the higher one of two."""
    return min(reversed(ladder), key=lambda rung: abs(rung - value))


def plan_for(image: ImageDetail, wish: Wish, accept: str) -> Plan:
    """Return the derivative that serves the wish of a client that accepts these types."""
    width, height = _box(image, wish)
    if wish.format is ImageFormat.AUTO:
        content_type = _best(accept) or _fallback(image.content_type)
    else:
        content_type = ContentType(f"image/{wish.format}")
    default = _QUALITY_OF.get(content_type)
    return Plan(width, height, content_type, (wish.quality or default) if default else 0)


def srcset_of(image: ImageDetail, widths: Sequence[int] | None = None) -> dict[int, int]:
    """Return how wide the image can be had, the narrowest first, and the width to ask for then.

    Without `widths`, all that there are. Raises ConstraintViolationError.
    """
    if widths is None:
        rungs = set(SIDES)
    else:
        if len(widths) > len(SIDES) or not all(1 <= width <= MAX_SIDE for width in widths):
            message = f"must be at most {len(SIDES)} whole numbers from 1 to {MAX_SIDE}"
            raise ConstraintViolationError([FieldFault("widths", message)])
        rungs = {nearest(width, SIDES) for width in widths}
    served = {_box(image, Wish(width=rung))[0]: rung for rung in sorted(rungs, reverse=True)}
    return dict(sorted(served.items()))


def _box(image: ImageDetail, wish: Wish) -> tuple[int, int]:
    """Return the size: of the wished shape, and no larger than the image."""
    if wish.width and wish.height and wish.fit is Fit.COVER:
        scale = min(1, image.width / wish.width, image.height / wish.height)
        size = wish.width * scale, wish.height * scale
    else:
        scale = min(
            1,
            (wish.width or SIDES[-1]) / image.width,
            (wish.height or SIDES[-1]) / image.height,
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

"""What each family of models takes, as data: the one place where models differ.

Source: the types and docstrings of the installed `openai` package (`ImageGenerateParams`). GIF
output is open to some accounts only, so no profile offers it unless the operator says so; SVG is
never kept, so it is never asked for.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from types import MappingProxyType
from typing import Any, Final

from pixyproxy.core.exceptions import ConstraintViolationError, FaultKind, FieldFault
from pixyproxy.core.fields import MAX_IMAGES, MAX_PROMPT_CHARS
from pixyproxy.core.models import GenerationCreate
from pixyproxy.service.providers import GenerationRequest

PARAMETERS: Final = (
    "size",
    "quality",
    "style",
    "background",
    "output_format",
    "output_compression",
    "moderation",
    "complexity",
    "frame_count",
    "frame_duration_ms",
)
"""The fields of GenerationCreate that are sent to a model beside its name and the prompt."""

STREAM: Final = "stream"
PARTIAL_IMAGES: Final = "partial_images"
"""Sent where it is more than 0, and the model can stream: then the call asks for a stream."""

CHOICES: Final = (
    "quality",
    "style",
    "background",
    "output_format",
    "moderation",
    "complexity",
)
"""The parameters that a model takes a list of words for."""

_WIDTH_X_HEIGHT = re.compile(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})")
_COMPRESSIBLE = ("jpeg", "webp")
_WITH_ALPHA = ("png", "webp")
_FRAMES = ("frame_count", "frame_duration_ms")
_MAX_FRAMES = 16
_NO_SVG = "SVG is not kept, since it can hold scripts; ask for png, jpeg or webp"


@dataclass(frozen=True, slots=True)
class FreeSize:
    """Any WIDTHxHEIGHT within limits, in pixels."""

    max_edge: int
    max_pixels: int
    min_pixels: int = 1
    min_edge: int = 1
    multiple_of: int = 1
    max_aspect: int | None = None
    """The long edge is at most so many times the short one."""

    def holds(self, size: str) -> bool:
        """Whether `size` is WIDTHxHEIGHT within the limits."""
        match = _WIDTH_X_HEIGHT.fullmatch(size)
        if match is None:
            return False
        short, long = sorted(int(edge) for edge in match.groups())
        return (
            self.min_edge <= short
            and long <= self.max_edge
            and self.min_pixels <= short * long <= self.max_pixels
            and short % self.multiple_of == long % self.multiple_of == 0
            and (self.max_aspect is None or long <= short * self.max_aspect)
        )

    def __str__(self) -> str:
        rules = [f"edges of {self.min_edge} to {self.max_edge} pixels"]
        if self.multiple_of > 1:
            rules.append(f"both divisible by {self.multiple_of}")
        if self.max_aspect is not None:
            rules.append(f"an aspect ratio between 1:{self.max_aspect} and {self.max_aspect}:1")
        pixels = f"at most {self.max_pixels:,}"
        if self.min_pixels > 1:
            pixels = f"{self.min_pixels:,} to {self.max_pixels:,}"
        return f"WIDTHxHEIGHT with {', '.join(rules)}, and {pixels} pixels"


@dataclass(frozen=True, slots=True)
class Profile:
    """What one family of models takes.

    Of a parameter's values, None means that any will do and () that the family does not know it.
    """

    size: tuple[str, ...] | None = None
    free_size: FreeSize | None = None
    """Sizes that will do beside the ones in `size`."""
    quality: tuple[str, ...] | None = None
    style: tuple[str, ...] | None = None
    background: tuple[str, ...] | None = None
    output_format: tuple[str, ...] | None = None
    moderation: tuple[str, ...] | None = None
    complexity: tuple[str, ...] | None = None
    can_animate: bool = True
    """Whether it may be asked for GIFs, and for their frames."""
    streams: bool = True
    """Whether it may be asked for a stream, to show images while it draws."""
    takes_any: bool = False
    """Whether parameters that we do not know are sent."""
    max_prompt_chars: int = MAX_PROMPT_CHARS
    max_n: int = MAX_IMAGES
    """How many images one call draws at most."""
    defaults: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """What is sent where the caller leaves a parameter out; the model decides the rest."""

    def prepare(self, image: GenerationCreate, model: str) -> GenerationRequest:
        """What to send to `model` for `image`: what the caller set, and this profile's defaults.

        Raises ConstraintViolationError with a fault for each field that the model would refuse.
        """
        if faults := list(self._faults(image)):
            raise ConstraintViolationError(faults)
        parameters: dict[str, Any] = {}
        for name in PARAMETERS:
            value = getattr(image, name)
            if value is None:
                value = self.defaults.get(name)
            if value is not None:
                parameters[name] = value
        if image.partial_images and self.streams and image.output_format != "gif":
            parameters[PARTIAL_IMAGES] = image.partial_images
        parameters |= image.extra or {}
        return GenerationRequest(
            model=model, prompt=image.prompt, parameters=parameters, max_n=self.max_n
        )

    def _faults(self, image: GenerationCreate) -> Iterator[FieldFault]:
        if len(image.prompt) > self.max_prompt_chars:
            yield FieldFault(
                "prompt",
                f"has {len(image.prompt):,} characters; this model takes at most "
                f"{self.max_prompt_chars:,}",
                kind=FaultKind.TOO_LONG,
            )
        yield from self._size_faults(image.size)
        for name in CHOICES:
            if (name, image.output_format) != ("output_format", "svg"):
                yield from _choice_faults(name, getattr(image, name), self._choices(name))
        yield from self._format_faults(image)
        yield from self._frame_faults(image)
        yield from self._extra_faults(image.extra or {})

    def _choices(self, name: str) -> tuple[str, ...] | None:
        choices: tuple[str, ...] | None = getattr(self, name)
        if name == "output_format" and choices and self.can_animate:
            return (*choices, "gif")
        return choices

    def _size_faults(self, size: str | None) -> Iterator[FieldFault]:
        if size is None or self.size is None or size in self.size:
            return
        if self.free_size is None:
            yield from _choice_faults("size", size, self.size)
        elif not self.free_size.holds(size):
            named = "".join(f"'{name}' or " for name in self.size)
            yield FieldFault("size", f"must be {named}{self.free_size}")

    def _format_faults(self, image: GenerationCreate) -> Iterator[FieldFault]:
        """What does not go with the output format, which is PNG where the caller names none."""
        if image.output_format == "svg":
            yield FieldFault("output_format", _NO_SVG, self.output_format)
        if self.output_format is None:
            return
        output_format = image.output_format or "png"
        if image.output_compression is not None:
            if not self.output_format:
                yield _unknown("output_compression")
            elif output_format not in _COMPRESSIBLE:
                yield FieldFault("output_compression", "needs output_format 'jpeg' or 'webp'")
        formats = self._choices("output_format") or ()
        opaque_format = output_format in formats and output_format not in _WITH_ALPHA
        if image.background == "transparent" and opaque_format:
            yield FieldFault("background", "'transparent' needs output_format 'png' or 'webp'")

    def _frame_faults(self, image: GenerationCreate) -> Iterator[FieldFault]:
        for name in _FRAMES:
            if getattr(image, name) is None or self.output_format is None:
                continue
            if not self.can_animate:
                yield _unknown(name)
            elif image.output_format != "gif":
                yield FieldFault(name, "needs output_format 'gif'")
            elif name == "frame_count" and (image.frame_count or 0) > _MAX_FRAMES:
                yield FieldFault(name, f"must be 2 to {_MAX_FRAMES}")

    def _extra_faults(self, extra: Mapping[str, Any]) -> Iterator[FieldFault]:
        for name in extra:
            if name == "svg":
                yield FieldFault(name, _NO_SVG)
            elif not self.takes_any:
                yield _unknown(name)


def _unknown(name: str) -> FieldFault:
    return FieldFault(name, "this model does not know it; leave it out", (), FaultKind.UNKNOWN)


def _choice_faults(
    name: str, value: str | None, allowed: tuple[str, ...] | None
) -> Iterator[FieldFault]:
    if value is None or allowed is None or value in allowed:
        return
    yield (
        FieldFault(name, f"must be one of {', '.join(allowed)}", allowed)
        if allowed
        else _unknown(name)
    )


UNKNOWN: Final = Profile(takes_any=True)
"""A model of which nothing is known: just what the caller sets is sent, and nothing is checked."""

# The SDK's "maximum supported resolution is 3840x2160" is read as pixels, and so upright too; the
# "current pixel and edge limits" beyond it are the model's to tell, but for the fewest pixels:
# Microsoft's page on the same models names them.
_UP_TO_4K = FreeSize(
    max_edge=3840, min_pixels=655_360, max_pixels=3840 * 2160, multiple_of=16, max_aspect=3
)

DALL_E_2: Final = Profile(
    size=("256x256", "512x512", "1024x1024"),
    quality=("standard",),
    style=(),
    background=(),
    output_format=(),
    moderation=(),
    complexity=(),
    can_animate=False,
    streams=False,
    max_prompt_chars=1_000,
    defaults=MappingProxyType({"size": "1024x1024"}),
)
DALL_E_3: Final = Profile(
    size=("1024x1024", "1792x1024", "1024x1792"),
    quality=("standard", "hd"),
    style=("vivid", "natural"),
    background=(),
    output_format=(),
    moderation=(),
    complexity=(),
    can_animate=False,
    streams=False,
    max_prompt_chars=4_000,
    max_n=1,
    defaults=MappingProxyType({"size": "1024x1024", "quality": "hd", "style": "vivid"}),
)
GPT_IMAGE_1: Final = Profile(
    size=("auto", "1024x1024", "1536x1024", "1024x1536"),
    quality=("low", "medium", "high", "auto"),
    style=(),
    background=("transparent", "opaque", "auto"),
    output_format=("png", "jpeg", "webp"),
    moderation=("low", "auto"),
    complexity=(),
    can_animate=False,
)
GPT_IMAGE_2: Final = replace(GPT_IMAGE_1, size=("auto",), free_size=_UP_TO_4K)
GPT_IMAGE_2_5: Final = replace(
    GPT_IMAGE_2, quality=("low", "medium", "high", "xhigh", "max", "auto")
)
# The SDK names 2.6, and grants `xhigh` and `max` to 2.5 alone; `complexity` came with 2.6.
GPT_IMAGE_2_6: Final = replace(GPT_IMAGE_2, complexity=("low", "medium", "high"))

FAMILIES: Final[Mapping[str, Profile]] = MappingProxyType(
    {
        "dall-e-2": DALL_E_2,
        "dall-e-3": DALL_E_3,
        "gpt-image-1": GPT_IMAGE_1,
        "gpt-image-1.5": GPT_IMAGE_1,
        "chatgpt-image": GPT_IMAGE_1,
        "gpt-image-2": GPT_IMAGE_2,
        "gpt-image-2.5": GPT_IMAGE_2_5,
        "gpt-image-2.6": GPT_IMAGE_2_6,
    }
)
"""A family's name is a model's whole name, or what stands before its variant or date."""


def profile_for(model: str, *, allow_gif: bool = False) -> Profile:
    """The profile of the family that `model` belongs to, or UNKNOWN.

    `allow_gif`: the operator's account may ask OpenAI's newer models for GIFs.
    """
    for family, profile in FAMILIES.items():
        if model == family or model.startswith(f"{family}-"):
            may_animate = allow_gif and profile.free_size is not None
            return replace(profile, can_animate=True) if may_animate else profile
    return UNKNOWN


def _any_family_knows(name: str) -> tuple[str, ...]:
    """Each value that some family takes for a parameter, once."""
    values = chain.from_iterable(getattr(profile, name) or () for profile in FAMILIES.values())
    return tuple(dict.fromkeys(values))


SKETCH: Final = Profile(
    size=("auto",),
    free_size=FreeSize(min_edge=64, max_edge=4096, max_pixels=16_000_000),
    quality=_any_family_knows("quality"),
    style=_any_family_knows("style"),
    background=_any_family_knows("background"),
    output_format=_any_family_knows("output_format"),
    moderation=_any_family_knows("moderation"),
    complexity=_any_family_knows("complexity"),
    can_animate=False,
    streams=False,
)
"""The embedded painter, which takes whatever a model it stands in for would take."""

"""The models that may be asked for: which are known, when they end, and what stands for them."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

from pixyproxy.core.exceptions import ConstraintViolationError, FieldFault
from pixyproxy.core.models import GenerationCreate
from pixyproxy.core.parameters import ASKED_FOR
from pixyproxy.service.providers import OfferedModel
from pixyproxy.service.providers.profiles import (
    DALL_E_2,
    DALL_E_3,
    UNKNOWN,
    Profile,
    profile_for,
)

DEFAULT_BASE_URL: Final = "https://api.openai.com/v1"
RETIRING: Final = "model-retiring"
RETIRED: Final = "model-retired"
WARN_DAYS: Final = 90
"""So long before its end a model is warned about."""

_NEWEST = ("gpt-image-2.6-sunburst", "gpt-image-2.6-flare")
_DATED = re.compile(r"(.+)-\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A model of OpenAI's."""

    name: str
    shutdown: date | None = None
    """From this day on OpenAI does not draw by it."""
    instead: tuple[str, ...] = _NEWEST


KNOWN_MODELS: Final[Mapping[str, KnownModel]] = MappingProxyType(
    {
        model.name: model
        for model in (
            KnownModel("gpt-image-2"),
            KnownModel("gpt-image-2-2026-04-21"),
            KnownModel("gpt-image-2.5-sunburst"),
            KnownModel("gpt-image-2.5-sunburst-2026-09-08"),
            KnownModel("gpt-image-2.5-flare"),
            KnownModel("gpt-image-2.5-flare-2026-09-08"),
            KnownModel("gpt-image-2.6-sunburst"),
            KnownModel("gpt-image-2.6-flare"),
            KnownModel("gpt-image-1.5", date(2026, 12, 1)),
            KnownModel("gpt-image-1-mini", date(2026, 12, 1)),
            KnownModel("chatgpt-image-latest", date(2026, 12, 1)),
            KnownModel("gpt-image-1", date(2026, 10, 23)),
            KnownModel("dall-e-3", date(2026, 5, 12)),
            KnownModel("dall-e-2", date(2026, 5, 12)),
        )
    }
)
"""Source: the installed `openai` package (`ImageModel` and its notes), and OpenAI's page of
deprecations."""


def known_model(name: str) -> KnownModel | None:
    """Return the model of this name, or the one that a dated name is a snapshot of."""
    if name in KNOWN_MODELS:
        return KNOWN_MODELS[name]
    match = _DATED.fullmatch(name)
    return KNOWN_MODELS.get(match[1]) if match else None


def today() -> date:
    """Return the day, in UTC."""
    return datetime.now(UTC).date()


class ModelNames:
    """The models of one configuration: by what names they are asked for, and until when.

    `model_map` names the model to ask in the place of another; `base_url` None is OpenAI's server.
    """

    def __init__(
        self,
        *,
        default_model: str,
        base_url: str | None = None,
        model_map: Mapping[str, str] = MappingProxyType({}),
        allow_gif: bool = False,
        today: Callable[[], date] = today,
    ) -> None:
        self.default_model = default_model
        self._map = model_map
        self._allow_gif = allow_gif
        self._today = today
        self.owner = urlsplit(base_url or DEFAULT_BASE_URL).hostname or ""
        self.is_openai = self.owner == urlsplit(DEFAULT_BASE_URL).hostname
        """Whether the upstream is OpenAI's own."""

    def resolve(self, name: str | None) -> str:
        """Return the model that is asked where `name` is asked for; None: the default one."""
        name = name or self.default_model
        return self._map.get(name, name)

    def offered(self) -> tuple[OfferedModel, ...]:
        """Return the models that may be asked for, the default one first.

        Of servers that are not OpenAI's own only the operator's names are known. What OpenAI has
        switched off already is not listed, unless something stands for it.
        """
        known = [model for model in KNOWN_MODELS if self.is_openai and not self._has_ended(model)]
        names = dict.fromkeys((self.default_model, *self._map, *known))
        return tuple(
            OfferedModel(
                name,
                is_default=name == self.default_model,
                stands_for=self._map.get(name),
                shutdown=self._shutdown_of(self.resolve(name)),
            )
            for name in names
        )

    def profile_of(self, name: str) -> Profile:
        """Return what the model takes that is asked where `name` is asked for."""
        return profile_for(self.resolve(name), allow_gif=self._allow_gif)

    def check(self, model: str) -> None:
        """Raise ConstraintViolationError where OpenAI is asked, and has switched the model off."""
        if not (self.is_openai and self._has_ended(model)):
            return
        known = known_model(model)
        assert known is not None
        message = (
            f"OpenAI has switched off '{model}' on {known.shutdown}; use {_one_of(known.instead)}"
        )
        raise ConstraintViolationError([FieldFault("model", message, known.instead)])

    def verdict(self) -> str:
        """Return `ok`, or what is to come of the operator's own choices: for readiness."""
        if not self.is_openai:
            return "ok"
        chosen = self._chosen()
        if any(self._has_ended(name) for name in chosen):
            return RETIRED
        return RETIRING if any(self._ends_soon(name) for name in chosen) else "ok"

    def warnings(self) -> list[str]:
        """Return what to tell the operator at start, a sentence for each model."""
        told = []
        for name in self._chosen():
            known = known_model(name)
            if known is None or not (self._has_ended(name) or self._ends_soon(name)):
                continue
            verb = "has switched off" if self._has_ended(name) else "will switch off"
            where = "" if self.is_openai else " (this server may still have it)"
            told.append(
                f"OpenAI {verb} the model {name} on {known.shutdown}{where}; "
                f"use {_one_of(known.instead)}"
            )
        return told

    def _chosen(self) -> list[str]:
        """Return the models that are asked where callers name none, or one of the map."""
        return list(dict.fromkeys((self.resolve(None), *self._map.values())))

    def _shutdown_of(self, name: str) -> date | None:
        known = known_model(name)
        return known.shutdown if known is not None and self.is_openai else None

    def _has_ended(self, name: str) -> bool:
        known = known_model(name)
        return bool(known and known.shutdown and known.shutdown <= self._today())

    def _ends_soon(self, name: str) -> bool:
        known = known_model(name)
        if known is None or known.shutdown is None:
            return False
        return (known.shutdown - self._today()).days <= WARN_DAYS


def _one_of(names: tuple[str, ...]) -> str:
    return " or ".join(names)


_QUALITIES: Final = MappingProxyType({"hd": "high", "standard": "medium"})
_SIZES: Final = MappingProxyType(
    {
        "256x256": "1024x1024",
        "512x512": "1024x1024",
        "1792x1024": "1536x1024",
        "1024x1792": "1024x1536",
    }
)
"""To the nearest of the sizes that all of OpenAI's newer models take."""


def translate(image: GenerationCreate, asked: str, model: str) -> GenerationCreate:
    """Return what is asked of `model` in the place of `asked`, in words that it knows.

    Only DALL-E's words are translated, for models that are not DALL-E; and sizes only for models
    of which it is known which ones they take.
    """
    profile = profile_for(model)
    if not _is_dall_e(profile_for(asked)) or _is_dall_e(profile):
        return image
    changes: dict[str, Any] = {"style": None}
    if image.quality is not None:
        changes["quality"] = _QUALITIES.get(image.quality, image.quality)
    if image.size is not None and profile is not UNKNOWN:
        changes["size"] = _SIZES.get(image.size, image.size)
    return image.model_copy(update=changes)


def note_asked_for(
    image: GenerationCreate, sent: GenerationCreate, asked: str, model: str
) -> dict[str, Any]:
    """Return, as a parameter that is kept and not sent, what was asked for and not sent."""
    if asked == model:
        return {}
    names = ("size", "quality", "style")
    changed = {
        name: getattr(image, name) for name in names if getattr(image, name) != getattr(sent, name)
    }
    return {ASKED_FOR: {"model": asked, **changed}}


def _is_dall_e(profile: Profile) -> bool:
    return profile in (DALL_E_2, DALL_E_3)

"""The models that may be asked for by name, as OpenAI's clients list them."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

DEFAULT_BASE_URL: Final = "https://api.openai.com/v1"
OFFERED_BY_OPENAI: Final = (
    "gpt-image-2",
    "gpt-image-2-2026-04-21",
    "gpt-image-2.5-sunburst",
    "gpt-image-2.5-sunburst-2026-09-08",
    "gpt-image-2.5-flare",
    "gpt-image-2.5-flare-2026-09-08",
    "gpt-image-2.6-sunburst",
    "gpt-image-2.6-flare",
    "gpt-image-1.5",
    "gpt-image-1-mini",
    "chatgpt-image-latest",
)
SKETCH: Final = "sketch"
_DATE_CHARS = len("2026-04-21")


@dataclass(frozen=True, slots=True)
class Model:
    """A model that may be asked for."""

    id: str
    owned_by: str

    @property
    def created(self) -> int:
        """When it came out, in seconds since 1970, where its name tells; else 0."""
        try:
            day = datetime.strptime(self.id[-_DATE_CHARS:], "%Y-%m-%d").replace(tzinfo=UTC)
        except ValueError:
            return 0
        return int(day.timestamp())


class ModelCatalogue:
    """What one configuration can draw with: the default model, and what is known to work.

    Of servers that are not OpenAI's own nothing is known: their lists name hundreds of models that
    draw nothing.
    """

    def __init__(self, *, generator: str, default_model: str, base_url: str | None) -> None:
        if generator == SKETCH:
            names = [SKETCH]
            owner = "pixyproxy"
        else:
            owner = urlsplit(base_url or DEFAULT_BASE_URL).hostname or ""
            is_openai = owner == urlsplit(DEFAULT_BASE_URL).hostname
            names = [default_model, *(OFFERED_BY_OPENAI if is_openai else ())]
        self._models = {name: Model(name, owner) for name in names}
        self.default = names[0]

    def list_models(self) -> list[Model]:
        """Return the models, the default one first."""
        return list(self._models.values())

    def get_model(self, name: str) -> Model | None:
        """Return the model of this name, if it may be asked for."""
        return self._models.get(name)

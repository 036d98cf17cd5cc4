"""On whose behalf a generation is asked for, and what a submission comes to."""

from dataclasses import dataclass

from pixyproxy.core.models import Generation


@dataclass(frozen=True, slots=True)
class Terms:
    """Who asks for a generation, and under which key, so that nobody pays twice for one request."""

    caller: str = "anonymous"
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class Submitted:
    """A generation that is written down."""

    generation: Generation
    replayed: bool
    """The caller has sent the key before: nothing new was begun."""

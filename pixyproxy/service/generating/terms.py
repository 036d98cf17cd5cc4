"""On whose behalf a generation is asked for, and what a submission comes to."""

from dataclasses import dataclass

from pixyproxy.core.models import Generation


@dataclass(frozen=True, slots=True)
class ClientTry:
    """One of the tries of a client that tries again by itself, and tells which try it is."""

    request_key: str
    """The same for the same content, in hexadecimal."""
    number: int = 0
    """How many tries went before; 0: this is the first."""
    patience_s: float = 0
    """How long the client waits for an answer; 0: it does not say."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Who asks for a generation, and under which key, so that nobody pays twice for one request."""

    caller: str = "anonymous"
    idempotency_key: str | None = None
    client_try: ClientTry | None = None
    """For what a client may send again without a key; a key makes it void."""


@dataclass(frozen=True, slots=True)
class Submitted:
    """A generation that is written down."""

    generation: Generation
    replayed: bool
    """The caller has sent the key before, or this is another try: nothing new was begun."""
    is_tracked: bool = False
    """Whether it is noted that the answer has reached its caller."""
    adopted_by: str | None = None
    """Another try has taken the generation over, under this name."""

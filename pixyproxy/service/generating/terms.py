"""On whose behalf a generation is asked for, and what a submission comes to."""

from dataclasses import dataclass

from pixyproxy.core.models import Generation


@dataclass(frozen=True, slots=True)
class ClientTry:
    """One of the tries of a client that sends a request again by itself, and numbers its tries."""

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
    """Of what may be sent again without a key; with one, it is the key that counts."""


@dataclass(frozen=True, slots=True)
class Submitted:
    """A generation that is written down."""

    generation: Generation
    replayed: bool
    """Nothing new was begun: the key was sent before, or a further try took over an earlier one."""
    is_tracked: bool = False
    """Whether it is written down if the answer reaches its caller."""
    adopted_by: str | None = None
    """The name under which a further try holds it."""

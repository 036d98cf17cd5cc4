"""What the lifespan opens and hands to every request."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from starlette.requests import HTTPConnection

from pixyproxy.bootstrap import Services
from pixyproxy.web.access import Access
from pixyproxy.web.content import Representations
from pixyproxy.web.limits import RequestPace
from pixyproxy.web.session import Sessions

_KEY = "application"


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The state of one application; of settings, those that requests depend on."""

    services: Services
    access: Access
    sessions: Sessions
    representations: Representations
    request_pace: RequestPace
    content_requires_key: bool
    accel_redirect: str | None
    public_base_url: str | None
    sync_wait_s: float
    openai_response: Literal["auto", "url", "b64_json"]

    def as_lifespan_state(self) -> dict[str, Any]:
        """Return the mapping that the server copies into the scope of each request."""
        return {_KEY: self}


def state_in(lifespan_state: Mapping[str, Any]) -> State:
    """Return the application's state out of the mapping that the server was given."""
    state: State = lifespan_state[_KEY]
    return state


def state_of(connection: HTTPConnection) -> State:
    """Return the state of the application that a request or WebSocket is served by."""
    return state_in(connection.scope["state"])  # `connection.state` makes an object each time


def services_of(connection: HTTPConnection) -> Services:
    """Return the services that a request or WebSocket is served by."""
    return state_of(connection).services

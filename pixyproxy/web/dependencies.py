"""What routes depend on. Every route has `public` or `authenticate` among its dependencies."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from pixyproxy.core.urls import Urls
from pixyproxy.service.curating.curation import Curation
from pixyproxy.service.finding.finder import ImageFinder
from pixyproxy.service.generating.generations import GenerationService
from pixyproxy.service.health import Health
from pixyproxy.web.parameters import check_parameters
from pixyproxy.web.session import COOKIE
from pixyproxy.web.state import services_of, state_of

_HOST = re.compile(r"[A-Za-z0-9._~:\[\]-]+")


async def public(connection: HTTPConnection) -> None:
    """Let anybody in, and tell the request log which route was taken."""
    scope = connection.scope
    scope["state"]["route"] = getattr(scope.get("route"), "path", None)


async def authenticate(connection: HTTPConnection) -> None:
    """Let in who has a key, and tell the request log who it was and which route was taken."""
    await public(connection)
    connection.scope["state"]["caller"] = state_of(connection).access.identify(connection)


async def authenticate_content(connection: HTTPConnection) -> None:
    """Let in for an image's bytes: anybody, unless the operator wants a key for them too."""
    if not state_of(connection).content_requires_key:
        await public(connection)
    elif (owner := _owner_of_session(connection)) is not None:
        await public(connection)
        connection.scope["state"]["caller"] = owner
    else:
        await authenticate(connection)


def _owner_of_session(connection: HTTPConnection) -> str | None:
    """Return whose session the request has. It counts only where no key is sent."""
    headers = connection.headers
    if "authorization" in headers or "x-api-key" in headers:
        return None
    return state_of(connection).sessions.owner(connection.cookies.get(COOKIE, ""))


def urls_of(connection: HTTPConnection) -> Urls:
    """Return what makes this service's absolute URLs. Raises HTTPException."""
    base = state_of(connection).public_base_url
    if base is None:
        scheme = connection.scope["scheme"].replace("ws", "http")
        host = connection.headers.get("host") or "localhost"
        if not _HOST.fullmatch(host):
            raise HTTPException(400, "The Host header holds what no host has.")
        base = f"{scheme}://{host}{connection.scope.get('root_path', '')}"
    return Urls(base)


def paths_of(connection: HTTPConnection) -> Urls:
    """Return what makes our paths as callers see them, for headers that need no more."""
    base = state_of(connection).public_base_url
    root = connection.scope.get("root_path", "") if base is None else urlsplit(base).path
    return Urls(root)


async def known_parameters(connection: HTTPConnection) -> None:
    """Refuse a query parameter that the route does not have: its writer counts on it.

    Raises ConstraintViolationError.
    """
    if connection.scope["query_string"]:
        check_parameters(connection)


# FastAPI runs a dependency that is no coroutine in a thread.


async def _urls(connection: HTTPConnection) -> Urls:
    return urls_of(connection)


async def _finder(connection: HTTPConnection) -> ImageFinder:
    return services_of(connection).finder


async def _curation(connection: HTTPConnection) -> Curation:
    return services_of(connection).curation


async def _generations(connection: HTTPConnection) -> GenerationService:
    return services_of(connection).generations


async def _health(connection: HTTPConnection) -> Health:
    return services_of(connection).health


AbsoluteUrls = Annotated[Urls, Depends(_urls)]
Finder = Annotated[ImageFinder, Depends(_finder)]
Curator = Annotated[Curation, Depends(_curation)]
Generations = Annotated[GenerationService, Depends(_generations)]
HealthOfService = Annotated[Health, Depends(_health)]
Public = Depends(public)
Authenticated = Depends(authenticate)
KnownParameters = Depends(known_parameters)
AuthenticatedContent = Depends(authenticate_content)

"""What routes depend on. Every route has `public` or `authenticate` among its dependencies."""

import re
from collections.abc import Callable
from typing import Annotated

from fastapi import Depends
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from pixyproxy.service.curating.curation import Curation
from pixyproxy.service.finding.finder import ImageFinder
from pixyproxy.service.generating.generations import GenerationService
from pixyproxy.service.health import Health
from pixyproxy.service.serving.originals import ImageService
from pixyproxy.web.access import Access
from pixyproxy.web.session import COOKIE, Sessions

_HOST = re.compile(r"[A-Za-z0-9._~:\[\]-]+")


async def public(connection: HTTPConnection) -> None:
    """Let anybody in, and tell the request log which route was taken."""
    scope = connection.scope  # `connection.state` makes an object each time
    scope["state"]["route"] = getattr(scope.get("route"), "path", None)


async def authenticate(connection: HTTPConnection) -> None:
    """Let in who has a key, and tell the request log who it was and which route was taken."""
    await public(connection)
    access: Access = connection.app.state.access
    connection.state.caller = access.identify(connection)


async def authenticate_content(connection: HTTPConnection) -> None:
    """Let in for an image's bytes: anybody, unless the operator wants a key for them too."""
    if not connection.app.state.content_requires_key:
        await public(connection)
    elif (owner := _owner_of_session(connection)) is not None:
        await public(connection)
        connection.state.caller = owner
    else:
        await authenticate(connection)


def _owner_of_session(connection: HTTPConnection) -> str | None:
    """Return whose session the request has. It counts only where no key is sent."""
    headers = connection.headers
    if "authorization" in headers or "x-api-key" in headers:
        return None
    sessions: Sessions = connection.app.state.sessions
    return sessions.owner(connection.cookies.get(COOKIE, ""))


async def make_image_url(connection: HTTPConnection) -> Callable[[str], str]:
    """Return what makes the absolute URL of an image's bytes from its GUID."""
    base: str | None = connection.app.state.public_base_url
    if base is None:
        scheme = connection.scope["scheme"].replace("ws", "http")
        host = connection.headers.get("host") or "localhost"
        if not _HOST.fullmatch(host):
            raise HTTPException(400, "The Host header holds what no host has.")
        base = f"{scheme}://{host}{connection.scope.get('root_path', '')}"
    return lambda guid: f"{base}/image/{guid}/content"


def images_of(connection: HTTPConnection) -> ImageService:
    """Return the service that the application was started with."""
    images: ImageService = connection.scope["state"]["services"].images
    return images


async def _images(connection: HTTPConnection) -> ImageService:
    return images_of(connection)


async def _finder(connection: HTTPConnection) -> ImageFinder:
    finder: ImageFinder = connection.state.services.finder
    return finder


async def _curator(connection: HTTPConnection) -> Curation:
    curation: Curation = connection.state.services.curation
    return curation


async def _generations(connection: HTTPConnection) -> GenerationService:
    generations: GenerationService = connection.state.services.generations
    return generations


async def _health(connection: HTTPConnection) -> Health:
    health: Health = connection.state.services.health
    return health


Images = Annotated[ImageService, Depends(_images)]
Curator = Annotated[Curation, Depends(_curator)]
Finder = Annotated[ImageFinder, Depends(_finder)]
Generations = Annotated[GenerationService, Depends(_generations)]
HealthOfService = Annotated[Health, Depends(_health)]
ImageUrl = Annotated[Callable[[str], str], Depends(make_image_url)]
Public = Depends(public)
Authenticated = Depends(authenticate)
AuthenticatedContent = Depends(authenticate_content)

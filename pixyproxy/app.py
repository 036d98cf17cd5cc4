"""The application: routers, the exception handler, middleware, and the lifespan of everything."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypedDict

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from pixyproxy import __version__
from pixyproxy.bootstrap import Services, open_services
from pixyproxy.core.exceptions import PixyProxyException
from pixyproxy.drain import drain_on_sigterm
from pixyproxy.log import configure_logging
from pixyproxy.schema.errors import graphql_body
from pixyproxy.schema.router import GRAPHQL_PATH, make_graphql_router
from pixyproxy.settings import Settings
from pixyproxy.web import health_routes, image_routes
from pixyproxy.web.access import Access
from pixyproxy.web.dependencies import authenticate, make_image_url, public
from pixyproxy.web.errors import ExceptionHandler
from pixyproxy.web.request_log import RequestLog


class State(TypedDict):
    """What the lifespan hands to every request."""

    services: Services


def create_app(settings: Settings) -> FastAPI:
    """Return the application; what it needs is opened when it is started."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[State]:
        async with open_services(settings) as services:
            with drain_on_sigterm(services.health, settings.drain_s):
                yield State(services=services)

    app = FastAPI(
        title="PixyProxy",
        version=__version__,
        summary="Generates images by a model and keeps them, with their prompts, for good.",
        lifespan=lifespan,
        redirect_slashes=False,
        redoc_url=None,
    )
    app.state.access = Access(
        [key.get_secret_value() for key in settings.api_keys],
        allow_anonymous=settings.allow_anonymous,
    )
    app.state.content_requires_key = settings.content_requires_key
    app.state.public_base_url = settings.public_base_url

    app.include_router(image_routes.router)
    app.include_router(health_routes.router)
    app.include_router(
        make_graphql_router(
            authenticate=authenticate, public=public, make_image_url=make_image_url
        ),
        include_in_schema=False,
    )

    answer = ExceptionHandler(graphql_path=GRAPHQL_PATH, graphql_body=graphql_body)
    for kind in (PixyProxyException, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, answer)

    # The last one added is the outermost.
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", "X-API-Key"],
            expose_headers=["Link", "Location", "X-Request-ID"],
        )
    app.add_middleware(RequestLog, answer=answer)
    app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=list(settings.trusted_proxies))
    return app


def create_app_from_environment() -> FastAPI:
    """Return the application for a server process that was told nothing else."""
    settings = Settings()
    configure_logging(settings.log_level)
    return create_app(settings)

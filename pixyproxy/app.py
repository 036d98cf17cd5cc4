"""The application: routers, the exception handler, middleware, and the lifespan of everything."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from pixyproxy import __version__
from pixyproxy.bootstrap import Services, open_services
from pixyproxy.core.exceptions import PixyProxyException
from pixyproxy.core.tasks import end_tasks
from pixyproxy.core.urls import GRAPHQL, origin_of
from pixyproxy.drain import drain_on_signal
from pixyproxy.log import configure_logging
from pixyproxy.schema.errors import graphql_body
from pixyproxy.schema.limits import Limits
from pixyproxy.schema.router import Door, make_graphql_router
from pixyproxy.schema.sockets import Sockets
from pixyproxy.settings import Settings
from pixyproxy.web import (
    batch_routes,
    content_routes,
    curation_routes,
    generation_routes,
    health_routes,
    image_routes,
    model_routes,
    partial_routes,
    session_routes,
    trash_routes,
)
from pixyproxy.web.access import Access
from pixyproxy.web.content import Representations
from pixyproxy.web.dependencies import authenticate, public, urls_of
from pixyproxy.web.errors import AnswerErrors, ExceptionHandler
from pixyproxy.web.forwarding import FirstForwardedProto
from pixyproxy.web.limits import RequestLimits, RequestPace
from pixyproxy.web.openai import routes as openai_routes
from pixyproxy.web.openai.headers import ASKED_HEADERS, TOLD_HEADERS
from pixyproxy.web.openapi import complete_document
from pixyproxy.web.request_log import RequestLog
from pixyproxy.web.routing import add_routes
from pixyproxy.web.session import Sessions
from pixyproxy.web.state import State, services_of
from pixyproxy.web.ui_routes import make_ui_router


def create_app(settings: Settings, *, when_started: Callable[[], None] = lambda: None) -> FastAPI:
    """Return the application; what it needs is opened when it is started.

    `when_started` is called once all is open, before the first request.
    """
    sockets = Sockets()

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        async with open_services(settings) as services:

            def drain() -> None:
                sockets.drain()
                services.engine.drain()

            with drain_on_signal(
                services.health,
                drain_s=settings.drain_s,
                grace_s=settings.shutdown_grace_s,
                drain=drain,
                give_up=services.engine.give_up_drawing,
            ):
                services.engine.start()
                services.housekeeping.start()
                when_started()
                looking = []
                if isinstance(settings.images, str):  # a folder is made where there is none
                    looking = [asyncio.create_task(services.health.look_at("images"))]
                try:
                    yield make_state(settings, services).as_lifespan_state()
                finally:
                    await end_tasks(looking)

    app = FastAPI(
        title="PixyProxy",
        version=__version__,
        summary="Generates images by a model and keeps them, with their prompts, for good.",
        lifespan=lifespan,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    ui_router, graphiql = make_ui_router(
        gallery=settings.ui,
        docs=settings.docs,
        graphiql=settings.graphql_graphiql,
        needs_key=bool(settings.api_keys),
        has_trash=settings.trash_days > 0,
    )
    add_routes(
        app,
        content_routes.bare_router,  # which is asked for most, and so is looked at first
        image_routes.router,
        image_routes.bare_router,
        curation_routes.router,
        batch_routes.router,
        trash_routes.router,
        model_routes.router,
        session_routes.router,
        ui_router,
        generation_routes.router,
        generation_routes.events_router,
        partial_routes.router,
        openai_routes.router,
        health_routes.router,
        make_graphql_router(
            Door(authenticate, public, services_of, urls_of),
            limits=graphql_limits(settings),
            graphiql=graphiql,
            sync_wait_s=settings.sync_wait_s,
            sockets=sockets,
            allowed_origins=_origins(settings),
            max_message_bytes=settings.graphql_max_body_kib * 1024,
        ),
    )
    complete_document(app, public_base_url=settings.public_base_url)

    answer = ExceptionHandler(graphql_body=graphql_body)
    for kind in (PixyProxyException, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, answer)

    # The last one added is the outermost.
    app.add_middleware(
        RequestLimits,
        max_body_bytes=settings.max_body_kib * 1024,
        max_body_bytes_by_path={GRAPHQL: settings.graphql_max_body_kib * 1024},
    )
    app.add_middleware(AnswerErrors, answer=answer)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["DELETE", "GET", "PATCH", "POST"],
            allow_headers=[
                "Authorization",
                "Content-Type",
                "Idempotency-Key",
                "Last-Event-ID",
                "Prefer",
                "X-API-Key",
                *ASKED_HEADERS,
            ],
            expose_headers=[
                "Idempotency-Replayed",
                "Link",
                "Location",
                "Preference-Applied",
                "Retry-After",
                "X-Request-ID",
                *TOLD_HEADERS,
            ],
        )
    app.add_middleware(RequestLog)
    app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=list(settings.trusted_proxies))
    app.add_middleware(FirstForwardedProto)
    return app


def make_state(settings: Settings, services: Services) -> State:
    """Return what every request is handed."""
    keys = [key.get_secret_value() for key in settings.api_keys]
    return State(
        services=services,
        access=Access(keys, allow_anonymous=settings.allow_anonymous),
        sessions=Sessions(keys),
        representations=Representations(),
        request_pace=RequestPace(settings.request_timeout_s),
        content_requires_key=settings.content_requires_key,
        accel_redirect=settings.accel_redirect,
        public_base_url=settings.public_base_url,
        sync_wait_s=settings.sync_wait_s,
        openai_response=settings.openai_response,
    )


def _origins(settings: Settings) -> list[str]:
    """Return the origins whose pages may open WebSockets, beside the one that is asked."""
    base = settings.public_base_url
    return [*settings.cors_origins, *([origin_of(base)] if base else [])]


def graphql_limits(settings: Settings) -> Limits:
    """Return what GraphQL documents may hold."""
    return Limits(
        max_depth=settings.graphql_max_depth,
        max_aliases=settings.graphql_max_aliases,
        max_tokens=settings.graphql_max_tokens,
        max_directives=settings.graphql_max_directives,
        max_generations=settings.graphql_max_generations,
        introspection=settings.graphql_introspection,
        suggestions=settings.graphql_suggestions,
    )


def create_app_from_environment() -> FastAPI:
    """Return the application for a server process that was told nothing else."""
    settings = Settings()
    configure_logging(settings.log_level)
    return create_app(settings, when_started=_calm_garbage_collector)


def _calm_garbage_collector() -> None:
    # Looking through all that was imported, again and again, took a fifth of the time of reads.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 1000)

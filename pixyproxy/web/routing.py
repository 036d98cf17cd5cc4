"""How routes are put together, with as little as possible between a request and its answer."""

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.requests import HTTPConnection, Request
from starlette.types import Receive, Scope, Send


class BareRoute(APIRoute):
    """A route that is asked so often that FastAPI's way of calling it would cost the most.

    Its endpoint takes the request and the parameters of the path, as text, and makes the answer
    itself. Each of its dependencies takes the connection and returns nothing; all are called
    first. The OpenAPI document declares it like any other route.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._checks: list[Callable[[HTTPConnection], Awaitable[None]]] = [
            depends.dependency for depends in self.dependencies if depends.dependency is not None
        ]
        self.app = self._answer

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        for check in self._checks:
            await check(request)
        response = await self.endpoint(request, **scope["path_params"])
        await response(scope, receive, send)


def add_routes(app: FastAPI, *routers: APIRouter) -> None:
    """Add the routers' routes as the application's own.

    `include_router` would match each request twice, for what these routers do not need.
    """
    app.router.routes[:0] = [route for router in routers for route in router.routes]

"""REST: sessions, by which a page that has a key may show pictures that ask for one."""

from fastapi import APIRouter, Request, Response

from pixyproxy.web.access import ANONYMOUS
from pixyproxy.web.dependencies import Authenticated, Public
from pixyproxy.web.openapi import NEEDS_KEY, header, problems
from pixyproxy.web.session import COOKIE, SESSION_S
from pixyproxy.web.state import state_of

router = APIRouter(prefix="/session", tags=["sessions"])


@router.post(
    "",
    status_code=204,
    dependencies=[Authenticated],
    openapi_extra={**NEEDS_KEY},
    responses={204: {"headers": {"Set-Cookie": header("The session.")}}, **problems(401)},
    operation_id="beginSession",
    summary="Begin a session",
)
async def begin_session(request: Request) -> Response:
    """Exchange the key for a cookie that lets this browser read images' bytes, and nothing else.

    An `<img>` can send no key. No script can read the cookie, no other site can have it sent, and
    it ends after 12 hours, or when the key is taken away. Where no keys are set there is none.
    """
    response = Response(status_code=204)
    caller: str = request.state.caller
    if caller != ANONYMOUS:
        response.set_cookie(
            COOKIE,
            state_of(request).sessions.begin(caller),
            max_age=SESSION_S,
            path=_path(request),
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )
    return response


@router.delete(
    "",
    status_code=204,
    dependencies=[Public],
    responses=problems(),
    operation_id="endSession",
    summary="End a session",
)
async def end_session(request: Request) -> Response:
    """Have the browser forget its session."""
    response = Response(status_code=204)
    response.delete_cookie(
        COOKIE,
        path=_path(request),
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
    return response


def _path(request: Request) -> str:
    return f"{request.scope.get('root_path', '')}/image"

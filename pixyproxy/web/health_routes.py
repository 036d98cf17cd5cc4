"""REST: whether the service lives and is ready, for whatever watches over it."""

from fastapi import APIRouter, Response

from pixyproxy.web.dependencies import HealthOfService, Public
from pixyproxy.web.models import Live, Ready
from pixyproxy.web.openapi import problems

router = APIRouter(prefix="/health", tags=["health"], dependencies=[Public])


@router.get(
    "/live",
    responses=problems(),
    operation_id="getLiveness",
    summary="Does the process answer?",
)
async def live() -> Live:
    """Answer, which is all that is asked."""
    return Live()


@router.get(
    "/ready",
    responses={
        503: {"model": Ready, "description": "It cannot do its work now."},
        **problems(),
    },
    operation_id="getReadiness",
    summary="Can the service do its work?",
)
async def ready(health: HealthOfService, response: Response) -> Ready:
    """Ask the database and the image folder; fail while the service stops.

    Without the image model's server it is `degraded` only: what is kept is found and served. So it
    is where OpenAI is about to switch off a model that the operator has chosen (`model`).
    """
    checks = await health.check()
    if all(verdict == "ok" for verdict in checks.values()):
        return Ready(status="ok", checks=checks)
    if health.is_ready(checks):
        return Ready(status="degraded", checks=checks)
    response.status_code = 503
    return Ready(status="unavailable", checks=checks)

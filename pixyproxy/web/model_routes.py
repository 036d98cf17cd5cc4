"""REST: the models that can be asked to draw."""

from fastapi import APIRouter, Request

from pixyproxy.service.providers.choices import ModelChoices, list_choices
from pixyproxy.web.dependencies import Authenticated, KnownParameters
from pixyproxy.web.openapi import NEEDS_KEY, problems
from pixyproxy.web.state import services_of

router = APIRouter(tags=["generations"], dependencies=[Authenticated, KnownParameters])


@router.get(
    "/models",
    openapi_extra={**NEEDS_KEY},
    responses=problems(401),
    operation_id="listModels",
    summary="List models",
)
async def list_models(request: Request) -> list[ModelChoices]:
    """Return what can be chosen of each model that is offered, the default model first."""
    return list_choices(services_of(request).models)

"""GraphQL: what has a GUID is a Node, and is found by it alone, after Relay's specification."""

from collections.abc import Sequence

import strawberry

from pixyproxy.core.exceptions import (
    ConstraintViolationError,
    FieldFault,
    ImageGoneError,
    ImageNotFoundError,
)
from pixyproxy.core.models import Generation, ImageDetail
from pixyproxy.schema.context import Context
from pixyproxy.service.finding.finder import MAX_PAGE_SIZE

Found = ImageDetail | Generation


@strawberry.interface(description="What has an id of its own in all of this service.")
class Node:
    """Relay's Node."""

    @strawberry.field(description="The GUID, under the name by which clients' caches know things.")
    def id(self) -> strawberry.ID:
        """Return the GUID."""
        return read_id(self)


def read_id(source: object, *_given: object) -> strawberry.ID:
    """Return the GUID of what has one."""
    return strawberry.ID(source.guid)  # type: ignore[attr-defined]


async def load_node(context: Context, guid: str) -> Found | None:
    """Return what has this GUID, or None; an image is found by the same hot read as ever."""
    try:
        return await context.services.images.get_image(guid)
    except (ImageNotFoundError, ImageGoneError):
        return await context.generation_by_guid.load(guid)


async def load_nodes(context: Context, guids: Sequence[str]) -> list[Found | None]:
    """Return what has these GUIDs, each in its place: one statement for each kind there is.

    Raises ConstraintViolationError.
    """
    if len(guids) > MAX_PAGE_SIZE:
        fault = FieldFault("ids", f"must be at most {MAX_PAGE_SIZE} ids")
        raise ConstraintViolationError([fault])
    found: dict[str, Found] = {
        image.guid: image for image in await context.services.finder.get_images(guids)
    }
    if others := [guid for guid in dict.fromkeys(guids) if guid not in found]:
        found |= await context.services.generations.get_generations(others)
    return [found.get(guid) for guid in guids]

"""What resolvers find in their context."""

from collections.abc import Callable
from dataclasses import dataclass, field

from strawberry.types import Info

from pixyproxy.service.image_service import ImageService


@dataclass(frozen=True, slots=True)
class Context:
    """The context of one GraphQL request."""

    images: ImageService
    image_url: Callable[[str], str]
    kept: list[str] = field(default_factory=list)
    """The GUIDs of the images that were generated for this request."""


PixyInfo = Info[Context, None]

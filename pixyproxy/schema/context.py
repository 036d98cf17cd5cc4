"""What resolvers find in their context."""

from collections.abc import Callable
from dataclasses import dataclass

from strawberry.types import Info

from pixyproxy.service.image_service import ImageService


@dataclass(frozen=True, slots=True)
class Context:
    """The context of one GraphQL request."""

    images: ImageService
    image_url: Callable[[str], str]


PixyInfo = Info[Context, None]

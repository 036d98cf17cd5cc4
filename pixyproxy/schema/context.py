"""What resolvers find in their context."""

from collections.abc import Callable

from strawberry.fastapi import BaseContext
from strawberry.types import Info

from pixyproxy.service.image_service import ImageService


class Context(BaseContext):
    """The context of one GraphQL request."""

    def __init__(self, *, images: ImageService, image_url: Callable[[str], str]) -> None:
        super().__init__()
        self.images = images
        self.image_url = image_url


PixyInfo = Info[Context, None]

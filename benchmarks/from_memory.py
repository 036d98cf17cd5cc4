"""The yardstick: the same answers by FastAPI and Strawberry as they come, from memory.

It is written plainly and apart from the service's own faces, so that it stays where it is when
those are made faster.
"""

import os
import secrets
from datetime import datetime
from typing import Annotated, get_type_hints

import strawberry
from fastapi import Depends, FastAPI, Header, HTTPException
from strawberry.extensions import ParserCache, ValidationCache
from strawberry.fastapi import GraphQLRouter
from strawberry.scalars import JSON

from benchmarks.examples import example_image
from pixyproxy.core.models import ImageDetail

KEY_VARIABLE = "BENCHMARK_KEY"
_CACHED_DOCUMENTS = 1000


class Image(ImageDetail):
    """What REST answers with."""

    url: str


@strawberry.type(name="ImageDetail")
class ImageType:
    """What GraphQL answers with."""

    guid: strawberry.ID
    filename: str
    prompt: str
    created_at: datetime
    updated_at: datetime
    content_type: str
    width: int
    height: int
    byte_size: int
    sha256: str
    model: str
    revised_prompt: str | None
    parameters: JSON
    tags: list[str]
    thumbhash: str | None
    has_content_credentials: bool | None

    @strawberry.field
    def url(self) -> str:
        """Return the URL of the bytes."""
        return f"http://127.0.0.1:8000/image/{self.guid}/content"


_detail = dict(example_image(0))
_image = Image(**_detail, url=f"http://127.0.0.1:8000/image/{_detail['guid']}/content")
_images = [
    ImageType(**{name: getattr(image, name) for name in get_type_hints(ImageType)})
    for image in map(example_image, range(100))
]


@strawberry.type
class Query:
    """The queries that are measured."""

    @strawberry.field
    async def image(self, guid: strawberry.ID) -> ImageType | None:
        """Return an image, whatever the GUID."""
        return _images[0]

    @strawberry.field
    async def images(self, page: int = 1, size: int = 20) -> list[ImageType]:
        """Return `size` images, whatever the page."""
        return _images[:size]


async def authenticate(authorization: Annotated[str, Header()] = "") -> None:
    """Let in who has the key."""
    if not secrets.compare_digest(authorization, f"Bearer {os.environ[KEY_VARIABLE]}"):
        raise HTTPException(401)


app = FastAPI()


@app.get("/image/{guid}", dependencies=[Depends(authenticate)])
async def get_image(guid: str) -> Image:  # noqa: ARG001  it is part of what is measured
    """Return an image, whatever the GUID."""
    return _image


_schema = strawberry.Schema(
    query=Query,
    extensions=[
        lambda: ParserCache(maxsize=_CACHED_DOCUMENTS),
        lambda: ValidationCache(maxsize=_CACHED_DOCUMENTS),
    ],
)
app.include_router(GraphQLRouter(_schema, path="/graphql", dependencies=[Depends(authenticate)]))

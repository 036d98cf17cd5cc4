"""What REST answers with, beside the models of core."""

from collections.abc import Callable, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from pixyproxy.core.models import Generation, ImageDetail

_IMAGE: JsonDict = {
    "guid": "5f2b8c1e-9d3a-4e57-8b60-2f1c7a9e4d05",
    "filename": "a-red-fox-in-the-snow-20261120T091500-5f2b8c1e.png",
    "prompt": "a red fox in the snow",
    "created_at": "2026-11-20T09:15:00.123456Z",
    "updated_at": "2026-11-20T09:15:00.123456Z",
    "content_type": "image/png",
    "width": 1024,
    "height": 1024,
    "byte_size": 1482113,
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "model": "gpt-image-2",
    "revised_prompt": "A red fox stands in fresh snow, looking into the camera",
    "parameters": {"size": "1024x1024"},
    "generation_guid": "c8d1e6f0-2b47-4a95-9e13-6d0f8b2a7c54",
    "tags": ["animals", "winter"],
    "thumbhash": "1QcSHQRnh493V4dIh4eXh1h4kJUI",
    "has_content_credentials": True,
    "url": "http://127.0.0.1:8000/image/5f2b8c1e-9d3a-4e57-8b60-2f1c7a9e4d05/content",
}
_GENERATION: JsonDict = {
    "guid": "c8d1e6f0-2b47-4a95-9e13-6d0f8b2a7c54",
    "status": "succeeded",
    "prompt": "a red fox in the snow",
    "model": "gpt-image-2",
    "parameters": {"size": "1024x1024"},
    "n": 2,
    "model_served": "gpt-image-2",
    "upstream_request_id": "req_7d1f0c2b9e8a4635",
    "usage": {"input_tokens": 14, "output_tokens": 1056, "total_tokens": 1070},
    "error": {
        "code": "bad-generator-response",
        "message": "The image model gave fewer images than were asked for.",
    },
    "queued_at": "2026-11-20T09:14:36.004211Z",
    "started_at": "2026-11-20T09:14:36.004211Z",
    "answered_at": "2026-11-20T09:15:00.101542Z",
    "stored_at": "2026-11-20T09:15:00.131907Z",
    "finished_at": "2026-11-20T09:15:00.131907Z",
    "images": [_IMAGE],
}


class ImageDetailWithUrl(ImageDetail):
    """A kept image, with the URL of its bytes."""

    model_config = ConfigDict(
        title="ImageDetail",
        json_schema_extra={"examples": [_IMAGE]},
        json_schema_serialization_defaults_required=True,
    )

    url: str = Field(description="Where the image's bytes are served, for good.")

    @classmethod
    def of(cls, image: ImageDetail, url: str) -> "ImageDetailWithUrl":
        """Return `image` with its URL; its fields are valid already."""
        return cls.model_construct(**image.__dict__, url=url)


class GenerationDetail(Generation):
    """A generation, with the images that came of it so far."""

    model_config = ConfigDict(
        title="Generation",
        json_schema_extra={"examples": [_GENERATION]},
        json_schema_serialization_defaults_required=True,
    )

    images: list[ImageDetailWithUrl] = Field(description="The images, the oldest first.")

    @classmethod
    def of(
        cls,
        generation: Generation,
        images: Sequence[ImageDetail],
        image_url: Callable[[str], str],
    ) -> "GenerationDetail":
        """Return `generation` with its images; its fields are valid already."""
        with_urls = [ImageDetailWithUrl.of(image, image_url(image.guid)) for image in images]
        return cls.model_construct(**generation.__dict__, images=with_urls)


class FieldFaultBody(BaseModel):
    """One field that will not do."""

    field: str = Field(description="The field's name.")
    message: str = Field(description="Why it will not do.")
    allowed: list[str] | None = Field(None, description="The values that would do.")


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str = Field("about:blank", description="Always `about:blank`: `code` tells the kind.")
    title: str = Field(description="The HTTP status, in words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What went wrong and what to do, for people.")
    code: str = Field(description="What went wrong, for programs: it never changes.")
    request_id: str = Field(description="Names the request in this service's log.")
    errors: list[FieldFaultBody] | None = Field(None, description="Each field that will not do.")


class Live(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Ready(BaseModel):
    """Whether the service can do its work now, part by part."""

    status: Literal["ok", "degraded", "unavailable"]
    checks: dict[str, str] = Field(description="Each part: `ok`, or the code of what is wrong.")

"""What OpenAI's clients send for images, made into what the service is asked for."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import Headers

from pixyproxy.core.fields import MAX_PARTIAL_IMAGES, Text
from pixyproxy.core.models import GenerationCreate
from pixyproxy.service.generating.terms import ClientTry
from pixyproxy.service.validation import validate

Form = Literal["url", "b64_json"]
FormSetting = Literal["auto", "url", "b64_json"]
_ANSWERED_BY_URL = "dall-e-"
"""Who reads nothing but `url` asks for these models; of all others more read only `b64_json`."""

RETRY_COUNT = "x-stainless-retry-count"
_TIMEOUTS = ("x-stainless-read-timeout", "x-stainless-timeout")
_IDENTIFIER = Annotated[Text, Field(max_length=512)]


class AnswerOptions(BaseModel):
    """The fields that say how to answer, and for whom; a model is told none of them."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    response_format: Form | None = Field(
        None, description="How to answer: by `url`, or with the bytes, `b64_json`."
    )
    stream: bool = Field(default=False, description="Answer by server-sent events.")
    partial_images: int = Field(
        0, ge=0, le=MAX_PARTIAL_IMAGES, description="How many images to be shown while it is drawn."
    )
    user: _IDENTIFIER | None = Field(None, description="Taken, and not used.")
    safety_identifier: _IDENTIFIER | None = Field(None, description="Comes back in the answer.")


@dataclass(frozen=True, slots=True)
class ImagesRequest:
    """A request for images, checked."""

    generation: GenerationCreate
    options: AnswerOptions
    request_key: str
    """The same for the same content: what a client sends when it tries again."""


def read_images_request(
    body: Mapping[str, Any], *, route: str, deployment: str | None = None
) -> ImagesRequest:
    """Return what `body` asks for at `route`; null is the same as nothing.

    Azure's deployment stands for the model. Raises ConstraintViolationError.
    """
    given = {name: value for name, value in body.items() if value is not None}
    if deployment is not None:
        given["model"] = deployment
    options = {name: given[name] for name in AnswerOptions.model_fields if name in given}
    asked = {name: value for name, value in given.items() if name not in options}
    checked = validate(AnswerOptions, options)
    if checked.stream and checked.partial_images:
        asked["partial_images"] = checked.partial_images
    return ImagesRequest(
        generation=validate(GenerationCreate, asked),
        options=checked,
        request_key=_request_key(route, given),
    )


def form_of(request: ImagesRequest, *, setting: FormSetting, default_model: str) -> Form:
    """Return which of the two an image is answered by, never both."""
    if request.options.response_format is not None:
        return request.options.response_format
    if setting != "auto":
        return setting
    model = request.generation.model or default_model
    return "url" if model.startswith(_ANSWERED_BY_URL) else "b64_json"


def client_try(headers: Headers, request_key: str) -> ClientTry:
    """Return which of the client's tries this is; OpenAI's own SDKs say so."""
    count = headers.get(RETRY_COUNT, "")
    timeouts_s = [_seconds(headers.get(name, "")) for name in _TIMEOUTS]
    return ClientTry(
        request_key=request_key,
        number=int(count) if count.isascii() and count.isdecimal() and len(count) < 10 else 0,  # noqa: PLR2004
        patience_s=max(timeouts_s),
    )


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        return 0
    return seconds if math.isfinite(seconds) and seconds > 0 else 0


def _request_key(route: str, given: Mapping[str, Any]) -> str:
    canonical = json.dumps([route, given], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()

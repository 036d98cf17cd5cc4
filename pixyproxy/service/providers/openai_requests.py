"""What is sent to a server that speaks OpenAI's API, and what it may be sent without."""

from dataclasses import replace
from typing import Any

import openai

from pixyproxy.core.exceptions import ConstraintViolationError
from pixyproxy.core.parameters import ASKED_FOR
from pixyproxy.service.providers import GenerationRequest
from pixyproxy.service.providers.profiles import (
    PARAMETERS,
    PARTIAL_IMAGES,
    STREAM,
    profile_for,
)


def arguments_of(request: GenerationRequest) -> dict[str, Any]:
    """Return the arguments by which OpenAI's SDK sends the request."""
    parameters = dict(request.parameters)
    parameters.pop(ASKED_FOR, None)
    partial_images = parameters.pop(PARTIAL_IMAGES, None)
    known: dict[str, Any] = {
        name: parameters.pop(name) for name in PARAMETERS if name in parameters
    }
    if partial_images:
        known |= {STREAM: True, PARTIAL_IMAGES: partial_images}
    return {
        "model": request.model,
        "prompt": request.prompt,
        "n": request.n if request.n > 1 else openai.omit,
        **known,
        "extra_body": parameters or None,
    }


def without_refused(
    request: GenerationRequest, refusal: ConstraintViolationError
) -> GenerationRequest | None:
    """Return the request without what was refused, if that is ours; None: it is the caller's.

    Ours are a stream, which is asked for only where it can be had, and the defaults of the
    model's profile: a server that refuses one of those is of another kind, and has its own. What
    has the value of a default counts as one.
    """
    refused = {fault.field for fault in refusal.faults}
    defaults = profile_for(request.model).defaults
    ours = {name for name, value in defaults.items() if request.parameters.get(name) == value}
    if PARTIAL_IMAGES in request.parameters and refused & {STREAM, PARTIAL_IMAGES}:
        left_out = {PARTIAL_IMAGES}
    elif refused & ours:
        left_out = ours
    else:
        return None
    kept = {name: value for name, value in request.parameters.items() if name not in left_out}
    return replace(request, parameters=kept)

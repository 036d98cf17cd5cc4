"""What comes with a request for images: the body, the idempotency key, what is preferred."""

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any
from urllib.request import parse_http_list

from fastapi import Depends, Header, Request
from pydantic import Field
from starlette.exceptions import HTTPException

from pixyproxy.core.exceptions import ConstraintViolationError, FieldFault
from pixyproxy.core.fields import IdempotencyKey
from pixyproxy.core.models import GenerationCreate
from pixyproxy.core.strict_json import parse_json
from pixyproxy.service.generating.generations import GenerationService
from pixyproxy.service.generating.terms import Submitted, Terms
from pixyproxy.service.validation import validate

JSON = "application/json"
RESPOND_ASYNC = "respond-async"
_IDEMPOTENCY_KEY = "Idempotency-Key"
_EXAMPLES = {
    "prompt": {"value": {"prompt": "a red fox in the snow"}},
    "size": {"value": {"prompt": "a lighthouse at night", "size": "1024x1024"}},
}


def document_body(**more_examples: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what an operation declares that takes such a request as its body."""
    examples = _EXAMPLES | {name: {"value": body} for name, body in more_examples.items()}
    schema = GenerationCreate.model_json_schema()
    content = {JSON: {"schema": schema, "examples": examples}}
    return {"requestBody": {"required": True, "content": content}}


async def read_object(request: Request, example: str) -> dict[str, Any]:
    """Read the body here, not by FastAPI, which would read it before asking for the key."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != JSON:
        raise HTTPException(415, "Send the body as Content-Type: application/json.")
    try:
        body = parse_json(await request.body())
    except ValueError as error:
        raise HTTPException(400, f"Send a JSON object; {error}.") from None
    if not isinstance(body, dict):
        fault = FieldFault("body", f"must be a JSON object, such as {example}")
        raise ConstraintViolationError([fault])
    return body


async def _read_body(request: Request) -> GenerationCreate:
    return validate(GenerationCreate, await read_object(request, '{"prompt": "a red fox"}'))


_KeyHeader = Annotated[
    Annotated[IdempotencyKey, Field(json_schema_extra={"pattern": "^[!-~]{1,255}$"})] | None,
    Header(
        alias=_IDEMPOTENCY_KEY,
        description="Names the request: sent again, by the same caller and with the same body, "
        "it gives the same generation, and nothing is paid for twice.",
    ),
]
_PreferHeader = Annotated[
    list[str] | None,
    Header(
        alias="Prefer",
        description="`respond-async`: answer 202 at once with the generation, as "
        "`POST /generation` does (RFC 7240).",
    ),
]


async def _make_terms(request: Request, idempotency_key: _KeyHeader = None) -> Terms:
    if len(request.headers.getlist(_IDEMPOTENCY_KEY)) > 1:
        raise ConstraintViolationError([FieldFault(_IDEMPOTENCY_KEY, "must be sent once only")])
    return Terms(caller=request.state.caller, idempotency_key=idempotency_key)


async def _prefers_async(prefer: _PreferHeader = None) -> bool:
    return RESPOND_ASYNC in preferences(prefer or ())


def preferences(headers: Iterable[str]) -> set[str]:
    """Return the names of the preferences in these `Prefer` headers, in lower case."""
    return {
        re.split("[;=]", preference, maxsplit=1)[0].strip().lower()
        for preference in parse_http_list(",".join(headers))
    }


async def submit(
    request: Request,
    body: GenerationCreate,
    terms: Terms,
    generations: GenerationService,
    *,
    is_waited_for: bool = False,
) -> Submitted:
    """Submit a generation, and note for every answer to come whether it was sent before."""
    submitted = await generations.submit(body, terms, is_waited_for=is_waited_for)
    request.state.replayed = submitted.replayed
    return submitted


def replay_headers(request: Request) -> dict[str, str]:
    """Return the header that says that the answer is to what was sent before."""
    return {"Idempotency-Replayed": "true"} if getattr(request.state, "replayed", False) else {}


GenerationBody = Annotated[GenerationCreate, Depends(_read_body)]
SubmissionTerms = Annotated[Terms, Depends(_make_terms)]
PrefersAsync = Annotated[bool, Depends(_prefers_async)]

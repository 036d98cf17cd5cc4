"""Draws by any server that speaks OpenAI's images API, through the official SDK.

One generation is one POST that is accepted: neither the SDK nor the HTTP client retries or follows
a redirect.
What the server says is matched by status, code and type. None of its words reach a caller or the
log, and no more of its answer is read than an image needs.
"""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, suppress
from dataclasses import replace
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final, NoReturn, TypeGuard

import httpx2
import openai

from pixyproxy.core.exceptions import (
    ConstraintViolationError,
    GeneratorAccountError,
    GeneratorTimeoutError,
    GeneratorUnavailableError,
)
from pixyproxy.core.models import GenerationCreate
from pixyproxy.service.outbound import BoundedTransport, tls_context
from pixyproxy.service.providers import GenerationRequest, ProviderAnswer, ProviderImage
from pixyproxy.service.providers.model_names import (
    DEFAULT_BASE_URL,
    ModelNames,
    note_asked_for,
    translate,
)
from pixyproxy.service.providers.openai_answers import (
    LARGE_BYTES,
    MAX_ANSWER_BYTES,
    read_answer,
    read_object,
    read_usage,
)
from pixyproxy.service.providers.openai_failures import (
    beginning_of,
    failure_of_answer,
    failure_of_connection,
    watch_sending,
)
from pixyproxy.service.providers.openai_requests import arguments_of, without_refused
from pixyproxy.service.providers.openai_streams import Stream, peek, read_stream
from pixyproxy.service.providers.profiles import PARTIAL_IMAGES
from pixyproxy.service.providers.proxies import proxy_for

logger = logging.getLogger(__name__)

EVENT_STREAM: Final = "text/event-stream"
CHECK_TIMEOUT_S = 10.0
_MODELS_TOLD = 10
_BROKEN = (httpx2.RequestError, OSError)
"""What reading may raise; an OSError where TLS breaks half-way."""
_NO_KEY = "none"
"""The SDK wants a key; servers that ask for none ignore it."""
_CONNECT_TIMEOUT_S = 10.0
# How many run at once is bounded by who calls. Servers close idle connections after some 5 s; a
# request sent into one that is closing would leave its outcome unknown.
_LIMITS = httpx2.Limits(max_connections=None, keepalive_expiry=2)

_TOKEN = re.compile(r"[A-Za-z0-9_.:\[\]-]{1,100}")


class OpenAIProvider:
    """An ImageProvider over OpenAI's images API.

    `base_url` None is OpenAI's own server; `api_key` None is for servers that ask for none.
    `timeout_s` bounds each wait for bytes, not the whole: bound that outside. Of the environment
    only the proxy variables and SSL_CERT_FILE/SSL_CERT_DIR count, since an operator may have no
    other way out; loopback is always direct. Raises ValueError for a key no header can carry and
    for a proxy variable that names no HTTP proxy.
    """

    name = "openai"

    def __init__(
        self,
        *,
        base_url: str | None,
        api_key: str | None,
        default_model: str,
        timeout_s: float | None,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
        model_map: Mapping[str, str] = MappingProxyType({}),
        allow_gif: bool = False,
    ) -> None:
        self._key = (api_key or "").strip()
        if not re.fullmatch(r"[!-~]*", self._key):
            raise ValueError("The API key must be printable ASCII without spaces.")
        self.models = ModelNames(
            default_model=default_model,
            base_url=base_url,
            model_map=model_map,
            allow_gif=allow_gif,
        )
        self._server = base_url or "OpenAI"
        url = httpx2.URL(base_url or DEFAULT_BASE_URL)
        self.client = openai.AsyncOpenAI(
            base_url=url,
            api_key=self._key or _NO_KEY,
            # An empty string keeps the SDK from reading the environment.
            admin_api_key="",
            organization="",
            project="",
            webhook_secret="",
            max_retries=0,
            http_client=httpx2.AsyncClient(
                transport=BoundedTransport(
                    httpx2.AsyncHTTPTransport(
                        verify=tls_context(), proxy=proxy_for(url), limits=_LIMITS
                    ),
                    max_bytes=max_answer_bytes,
                ),
                timeout=httpx2.Timeout(
                    timeout_s, connect=min(_CONNECT_TIMEOUT_S, timeout_s or _CONNECT_TIMEOUT_S)
                ),
                follow_redirects=False,
                trust_env=False,
                event_hooks={"request": [watch_sending], "response": [self._raise_refusal]},
            ),
        )
        self.client.organization = self.client.project = None
        self.client._custom_headers = {}  # noqa: SLF001  the SDK puts OPENAI_CUSTOM_HEADERS here

    def describe(self) -> str:
        """Name the server and the default model."""
        return f"{self._server}, model {self.models.resolve(None)}"

    def prepare(self, image: GenerationCreate) -> GenerationRequest:
        """Check against the profile of the model asked for, or else of the default model.

        Where the operator's map names another model, that one is asked, in words that it knows.
        """
        asked = image.model or self.models.default_model
        model = self.models.resolve(image.model)
        self.models.check(model)
        sent = translate(image, asked, model)
        prepared = self.models.profile_of(asked).prepare(sent, model)
        noted = note_asked_for(image, sent, asked, model)
        return replace(prepared, parameters={**prepared.parameters, **noted}) if noted else prepared

    async def generate(self, request: GenerationRequest, *, call_guid: str) -> ProviderAnswer:
        """Draw by one POST that is accepted; `call_guid` goes with it as a header.

        Only what was refused, and so is free, is sent again, once, without what only we have set.
        """
        asked = request
        try:
            async with AsyncExitStack() as stack:
                try:
                    response = await stack.enter_async_context(self._post(request, call_guid))
                except ConstraintViolationError as refusal:
                    lighter = without_refused(request, refusal)
                    if lighter is None:
                        raise
                    request = lighter
                    logger.info("It is sent again without what only we have set.")
                    response = await stack.enter_async_context(self._post(request, call_guid))
                answer = await self._read(response.http_response, request)
        except openai.APIConnectionError as error:
            logger.warning("No answer from the model's server: %s", type(error.__cause__).__name__)
            raise failure_of_connection(error.request, error.__cause__) from None
        left_out = tuple(sorted(set(asked.parameters) - set(request.parameters)))
        return replace(answer, left_out=left_out)

    def _post(
        self, request: GenerationRequest, call_guid: str
    ) -> AbstractAsyncContextManager[openai.AsyncAPIResponse[Any]]:
        return self.client.images.with_streaming_response.generate(
            **arguments_of(request), extra_headers={"X-Client-Request-Id": call_guid}
        )

    async def _read(self, response: httpx2.Response, request: GenerationRequest) -> ProviderAnswer:
        try:
            return await self._read_body(response, request)
        except _BROKEN as error:
            logger.warning("No whole answer from the model's server: %s", type(error).__name__)
            raise failure_of_connection(response.request, error) from None

    async def _read_body(
        self, response: httpx2.Response, request: GenerationRequest
    ) -> ProviderAnswer:
        """Read an answer, or the stream that was asked for; many servers know no streams."""
        request_id = self._readable(response.headers.get("x-request-id"))
        if PARTIAL_IMAGES in request.parameters:
            async with aclosing(response.aiter_bytes()) as pieces:
                beginning, is_stream = await peek(pieces)
                media_type = response.headers.get("content-type", "").partition(";")[0].strip()
                if is_stream or (not beginning and media_type == EVENT_STREAM):
                    return await self._read_stream(beginning, pieces, request, request_id)
                body = b"".join([beginning, *[piece async for piece in pieces]])
        else:
            body = await response.aread()
        if len(body) > LARGE_BYTES:
            answer, items = await asyncio.to_thread(read_answer, body)
        else:
            answer, items = read_answer(body)
        images = tuple(image for image in items if image is not None)
        if not images:
            self._raise_for_error(HTTPStatus.OK, answer, {}, request_id)
        if len(images) < len(items):
            logger.warning(
                "%d of %d items of the model's answer hold no image: request-id=%s",
                len(items) - len(images),
                len(items),
                request_id,
            )
        return self._answer(images, answer, request, request_id)

    async def _read_stream(
        self,
        beginning: bytes,
        pieces: AsyncIterator[bytes],
        request: GenerationRequest,
        request_id: str | None,
    ) -> ProviderAnswer:
        """Read events to the last image. Raises GeneratorTimeoutError where they end before one."""
        told = Stream()
        reading = read_stream(beginning, pieces, n=request.n, on_partial=request.on_partial)
        try:
            async with aclosing(reading):
                async for now in reading:
                    told = now
        except _BROKEN:
            if not told.images:
                raise
            logger.warning("A stream was cut off after %d images", len(told.images))
        if not told.images:
            if told.error is not None:
                self._raise_for_error(told.status, {"error": told.error}, {}, request_id)
            logger.warning("A stream ended without an image: request-id=%s", request_id)
            raise GeneratorTimeoutError
        return self._answer(tuple(told.images), told.told, request, request_id)

    def _answer(
        self,
        images: tuple[ProviderImage, ...],
        answer: Mapping[str, Any],
        request: GenerationRequest,
        request_id: str | None,
    ) -> ProviderAnswer:
        model = answer.get("model")
        return ProviderAnswer(
            images=tuple(map(self._with_whole_url, images)),
            model=model if self._is_readable(model) else request.model,
            request_id=request_id,
            usage=read_usage(answer.get("usage"), self._is_readable),
        )

    def _with_whole_url(self, image: ProviderImage) -> ProviderImage:
        """Return the image with a URL that is whole: some servers give one of their own paths."""
        if image.url is None or image.data is not None:
            return image
        with suppress(httpx2.InvalidURL, ValueError):
            return replace(image, url=str(self.client.base_url.join(image.url)))
        return image

    async def check(self) -> str:
        """Ask the server for its models."""
        try:
            response = await self.client.models.with_raw_response.list(timeout=CHECK_TIMEOUT_S)
        except openai.APIConnectionError as error:
            raise GeneratorUnavailableError(
                f"It cannot be reached at {self._server}: {error.__cause__ or error}."
            ) from None
        listed = read_object(response.content).get("data")
        models = [
            model["id"]
            for model in (listed if isinstance(listed, list) else ())
            if isinstance(model, dict) and self._is_readable(model.get("id"))
        ]
        default = self.models.resolve(None)
        if models and default not in models:
            some = ", ".join(models[:_MODELS_TOLD])
            raise GeneratorAccountError(
                f"It has no model {default}, which PIXYPROXY_MODEL names; it has {some}"
                f"{', ...' if len(models) > _MODELS_TOLD else ''}."
            )
        return f"{self.describe()}, {len(models)} models"

    async def aclose(self) -> None:
        """Close the connections."""
        await self.client.close()

    async def _raise_refusal(self, response: httpx2.Response) -> None:
        """Hook: raise what any status but 2xx means, before the SDK makes text of its body."""
        if not response.is_success:
            answer = read_object(await beginning_of(response))
            request_id = self._readable(response.headers.get("x-request-id"))
            self._raise_for_error(
                response.status_code,
                answer,
                response.headers,
                request_id,
                path=response.request.url.path,
            )

    def _raise_for_error(
        self,
        status: int,
        answer: Mapping[str, Any],
        headers: Mapping[str, str],
        request_id: str | None,
        *,
        path: str = "",
    ) -> NoReturn:
        nested = answer.get("error")
        error = nested if isinstance(nested, dict) else answer
        logger.warning(
            "The model's server gave no image: status=%d code=%s type=%s param=%s request-id=%s",
            status,
            self._readable(error.get("code")),
            self._readable(error.get("type")),
            self._readable(error.get("param")),
            request_id,
        )
        raise failure_of_answer(status, error, headers, path=path)

    def _readable(self, value: object) -> str | None:
        """What of the server's may be logged, or else a mask; None for nothing."""
        if value is None:
            return None
        token = str(value) if isinstance(value, str | int) else ""
        return token if self._is_readable(token) else "[masked]"

    def _is_readable(self, value: object) -> TypeGuard[str]:
        """Whether it is a short plain token that does not hold our key."""
        return (
            isinstance(value, str)
            and _TOKEN.fullmatch(value) is not None
            and not (self._key and self._key in value)
        )

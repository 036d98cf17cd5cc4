"""Draws by any server that speaks OpenAI's images API, through the official SDK.

One generation is one POST: neither the SDK nor the HTTP client retries or follows a redirect.
What the server says is matched by status, code and type. None of its words reach a caller or the
log, and no more of its answer is read than an image needs.
"""

import asyncio
import binascii
import logging
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final, NoReturn
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx2
import openai
import orjson
import pybase64

from pixyproxy.core.exceptions import BadGeneratorResponseError
from pixyproxy.core.models import MAX_PROMPT_CHARS, ImageDetailCreate
from pixyproxy.service.outbound import BoundedTransport
from pixyproxy.service.providers import GenerationRequest, ProviderImage
from pixyproxy.service.providers.openai_failures import failure_of_answer, failure_of_connection
from pixyproxy.service.providers.profiles import profile_for

logger = logging.getLogger(__name__)

DEFAULT_BASE_URL: Final = "https://api.openai.com/v1"
MAX_ANSWER_BYTES: Final = 64 * 2**20
"""The longest answer that is read, decompressed: base64 of a 32 MiB image, and room to spare."""

_NO_KEY = "none"
"""The SDK wants a key; servers that ask for none ignore it."""
_CONNECT_TIMEOUT_S = 10.0
# How many run at once is bounded by who calls. Servers close idle connections after some 5 s; a
# request sent into one that is closing would leave its outcome unknown.
_LIMITS = httpx2.Limits(max_connections=None, keepalive_expiry=2)
_MAX_REFUSAL_BYTES = 64 * 2**10
_LARGE_BYTES = 4 * 2**20
_MAX_LARGE_JSON_PARTS = 100_000

_BASE64_KEY = re.compile(rb'"b64_json"\s*:\s*"')
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
    ) -> None:
        self._key = (api_key or "").strip()
        if not re.fullmatch(r"[!-~]*", self._key):
            raise ValueError("The API key must be printable ASCII without spaces.")
        self._default_model = default_model
        url = httpx2.URL(base_url or DEFAULT_BASE_URL)
        self._client = openai.AsyncOpenAI(
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
                    httpx2.AsyncHTTPTransport(proxy=_proxy_for(url), limits=_LIMITS),
                    max_bytes=max_answer_bytes,
                ),
                timeout=httpx2.Timeout(
                    timeout_s, connect=min(_CONNECT_TIMEOUT_S, timeout_s or _CONNECT_TIMEOUT_S)
                ),
                follow_redirects=False,
                trust_env=False,
                event_hooks={"response": [self._raise_refusal]},
            ),
        )
        self._client.organization = self._client.project = None
        self._client._custom_headers = {}  # noqa: SLF001  the SDK puts OPENAI_CUSTOM_HEADERS here

    def prepare(self, image: ImageDetailCreate) -> GenerationRequest:
        """Check against the profile of the model asked for, or else of the default model."""
        model = image.model or self._default_model
        return profile_for(model).prepare(image, model)

    async def generate(self, request: GenerationRequest) -> ProviderImage:
        """Draw by one POST, which is never repeated."""
        try:
            response = await self._client.images.with_raw_response.generate(
                model=request.model, prompt=request.prompt, **request.parameters
            )
        except openai.APIConnectionError as error:
            logger.warning("No answer from the model's server: %s", type(error.__cause__).__name__)
            raise failure_of_connection(error.__cause__) from None
        request_id = self._readable(response.headers.get("x-request-id"))
        answer, encoded = _parted(response.content)
        del response  # it holds the body too
        item = _first_item(answer)
        data = None
        if encoded and item.get("b64_json") == "":
            data = await self._decoded(encoded, request_id)
        url = item.get("url")
        url = url if isinstance(url, str) and url else None
        if data is None and url is None:
            self._raise_for_error(HTTPStatus.OK, answer, {}, request_id)
        revised_prompt = item.get("revised_prompt")
        if not isinstance(revised_prompt, str):
            revised_prompt = None
        return ProviderImage(
            data=data,
            url=url,
            revised_prompt=revised_prompt and revised_prompt[:MAX_PROMPT_CHARS],
            request_id=request_id,
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _raise_refusal(self, response: httpx2.Response) -> None:
        """Hook: raise what any status but 2xx means, before the SDK makes text of its body."""
        if not response.is_success:
            answer = _json_object(await _beginning(response))
            request_id = self._readable(response.headers.get("x-request-id"))
            self._raise_for_error(response.status_code, answer, response.headers, request_id)

    def _raise_for_error(
        self,
        status: int,
        answer: Mapping[str, Any],
        headers: Mapping[str, str],
        request_id: str | None,
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
        raise failure_of_answer(status, error, headers)

    async def _decoded(self, encoded: memoryview, request_id: str | None) -> bytes:
        try:
            if len(encoded) > _LARGE_BYTES:
                return await asyncio.to_thread(_from_base64, encoded)
            return _from_base64(encoded)
        except ValueError:
            logger.warning("The model's image is no valid base64: request-id=%s", request_id)
            raise BadGeneratorResponseError from None

    def _readable(self, value: object) -> str | None:
        """What of the server's may be logged: a short plain token that does not hold our key."""
        if value is None:
            return None
        token = str(value) if isinstance(value, str | int) else ""
        if not _TOKEN.fullmatch(token) or (self._key and self._key in token):
            return "[masked]"
        return token


def _proxy_for(url: httpx2.URL) -> str | None:
    if url.host in ("localhost", "127.0.0.1", "::1") or proxy_bypass(url.host):
        return None
    proxies = getproxies()
    kind = url.scheme if proxies.get(url.scheme) else "all"
    proxy = proxies.get(kind)
    if not proxy:
        return None
    if "://" not in proxy:
        proxy = f"http://{proxy}"
    try:
        parts = urlsplit(proxy)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
        httpx2.Proxy(proxy)
    except (httpx2.InvalidURL, ValueError):
        usable = False
    if not usable:
        raise ValueError(
            f"{kind.upper()}_PROXY must be the URL of an http or https proxy, "
            "such as http://proxy:3128; no other kind is supported"
        )
    return proxy


async def _beginning(response: httpx2.Response) -> bytes:
    """A refusal's body, or nothing where it is cut or too long to be one: its status tells."""
    body = bytearray()
    stream = response.aiter_bytes()
    try:
        async for piece in stream:
            body += piece
            if len(body) > _MAX_REFUSAL_BYTES:
                return b""
    except httpx2.RequestError:
        return b""
    finally:
        await stream.aclose()
    return bytes(body)


def _json_object(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`; an empty one where there is none.

    A large body that is many small parts is none either: parsed, it could take 20 times its size.
    """
    large = len(body) > _LARGE_BYTES
    if large and sum(map(body.count, (b"{", b"[", b","))) > _MAX_LARGE_JSON_PARTS:
        return {}
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _parted(body: bytes) -> tuple[dict[str, Any], memoryview | None]:
    """The answer with its first `b64_json` emptied, and what stood there, still escaped.

    Parsing that too would take three copies of it, and a quarter more time.
    """
    key = _BASE64_KEY.search(body)
    if key is None:
        return _json_object(body), None
    end = body.find(b'"', key.end())
    return _json_object(body[: key.end()] + body[end:]), memoryview(body)[key.end() : end]


def _first_item(answer: Mapping[str, Any]) -> dict[str, Any]:
    data = answer.get("data")
    item = data[0] if isinstance(data, list) and data else None
    return item if isinstance(item, dict) else {}


def _from_base64(encoded: memoryview) -> bytes:
    """Raises ValueError for what is no base64; a data: URL and line breaks are let pass."""
    try:
        data = pybase64.b64decode(encoded, validate=True)
    except binascii.Error:
        text: str = orjson.loads(b'"' + bytes(encoded) + b'"')
        if text.startswith("data:"):
            text = text.partition(",")[2]
        data = pybase64.b64decode("".join(text.split()), validate=True)
    if not data:
        raise ValueError
    return data

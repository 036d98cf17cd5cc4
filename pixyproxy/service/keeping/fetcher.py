"""Fetches a drawn image from the URL that a model's server named.

The URL comes from outside, so it may lead nowhere but to the public Internet, to the model's own
server, or to where the operator allowed.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv6Address

import httpx2

from pixyproxy.core.addresses import HOST_NAME, is_public_address, parse_allowed
from pixyproxy.core.exceptions import BadGeneratorResponseError, GeneratorUnavailableError
from pixyproxy.service.outbound import BoundedTransport, ResponseTooLargeError, tls_context
from pixyproxy.service.pictures.check import MAX_IMAGE_BYTES

logger = logging.getLogger(__name__)

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""Gives the addresses of a host name (for a port), best first; raises OSError if it has none."""

_PORTS = {"http": 80, "https": 443}
_OK = 200
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_TRANSIENT_STATUSES = frozenset({408, 425, 429, *range(500, 600)})
_ATTEMPTS = 3
"""How often a URL is tried where another try may help."""
_TIMEOUTS = httpx2.Timeout(30.0, connect=10.0).as_dict()


class _FetchError(Exception):
    """Why there is no image; `host` is fit for the log, `transient` if another try may mend it."""

    def __init__(self, reason: str, host: str = "-", *, transient: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.host = host
        self.transient = transient


async def resolve(host: str, port: int) -> Sequence[str]:
    """Ask the system's resolver, without blocking the running loop."""
    answers = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in answers]


class ImageFetcher:
    """Fetches images by URL, from allowed places only. Safe for concurrent use.

    `base_url` is the model's server: its own origin may be fetched from whatever its address, and
    it alone is sent `api_key`. `allow` names more hosts (`host` or `host:port`, IPv6 in brackets)
    whose address does not matter. `backoff_s` is the pause before the second try; it doubles.
    """

    def __init__(
        self,
        *,
        base_url: str | None,
        api_key: str | None,
        allow: Sequence[str] = (),
        max_bytes: int = MAX_IMAGE_BYTES,
        max_redirects: int = 3,
        backoff_s: float = 0.3,
        resolve: Resolver = resolve,
    ) -> None:
        self._base_url = httpx2.URL(base_url) if base_url else None
        self._base_origin = _origin(self._base_url) if self._base_url else None
        self._api_key = api_key
        self._allow = frozenset(map(parse_allowed, allow))
        self._max_redirects = max_redirects
        self._backoff_s = backoff_s
        self._resolve = resolve
        # A transport alone knows no proxies, no cookies and no redirects; of the environment it
        # reads the operator's certificates only.
        self._transport = BoundedTransport(
            httpx2.AsyncHTTPTransport(verify=tls_context()), max_bytes=max_bytes
        )

    async def aclose(self) -> None:
        """Close what is still connected."""
        await self._transport.aclose()

    async def fetch(self, url: str) -> bytes:
        """Give the body found at `url`, which may be a path at the model's server.

        The caller sets the deadline of the whole.

        The image is paid for, so what may pass (no connection, a cut answer, a 408, 425,
        429 or 5xx) is tried three times; then it is a GeneratorUnavailableError. A URL that may
        not be fetched, any other status than 200 and a body that is too large are a
        BadGeneratorResponseError.
        """
        for attempt in range(_ATTEMPTS):
            if attempt:
                await asyncio.sleep(self._backoff_s * 2 ** (attempt - 1))
            try:
                return await self._follow(url)
            except _FetchError as error:
                fault = error
                if not fault.transient:
                    break
        logger.warning("Image fetch failed: reason=%s host=%s", fault.reason, fault.host)
        if fault.transient:
            raise GeneratorUnavailableError(
                "The image was drawn, but it could not be fetched from the image model's server."
            )
        raise BadGeneratorResponseError(
            f"The image model's answer held a URL that gave no image ({fault.reason})."
        )

    async def _follow(self, text: str) -> bytes:
        url = _parse(self._absolute(text))
        for _ in range(self._max_redirects + 1):
            response_or_next = await self._hop(url)
            if isinstance(response_or_next, bytes):
                return response_or_next
            url = response_or_next
        raise _FetchError("too-many-redirects", _host(url))

    def _absolute(self, text: str) -> str:
        """Return the URL of a path at the model's server, which some give for an image."""
        is_path = text.startswith("/") and not text.startswith("//")
        return str(self._base_url.join(text)) if is_path and self._base_url else text

    async def _hop(self, url: httpx2.URL) -> bytes | httpx2.URL:
        """Give the body, or where it is said to be."""
        host = _host(url)
        try:
            response = await self._connect(url)
            try:
                if response.status_code == _OK:
                    return await response.aread()
            finally:
                await response.aclose()
        except ResponseTooLargeError:
            raise _FetchError("too-large", host) from None
        except httpx2.LocalProtocolError:
            raise _FetchError("malformed-url", host) from None
        except (httpx2.RequestError, ssl.SSLError):  # the latter where TLS breaks half-way
            raise _FetchError("broken-connection", host, transient=True) from None
        if response.status_code in _REDIRECTS and "Location" in response.headers:
            return _next_hop(url, response.headers["Location"])
        raise _FetchError(
            f"status-{response.status_code}",
            host,
            transient=response.status_code in _TRANSIENT_STATUSES,
        )

    async def _connect(self, url: httpx2.URL) -> httpx2.Response:
        """Send the request to an address that was checked, and to no other."""
        host = _host(url)
        # Connections are pooled by address: one that was made for a name must not serve another.
        headers = {"Host": url.netloc.decode("ascii"), "Connection": "close", "Accept": "*/*"}
        if self._api_key and _origin(url) == self._base_origin:
            headers["Authorization"] = f"Bearer {self._api_key}"
        extensions = {"sni_hostname": host.rstrip("."), "timeout": _TIMEOUTS}
        for address in await self._addresses(url):
            request = httpx2.Request(
                "GET", url.copy_with(host=address), headers=headers, extensions=extensions
            )
            try:
                return await self._transport.handle_async_request(request)
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                continue
        raise _FetchError("no-connection", host, transient=True)

    async def _addresses(self, url: httpx2.URL) -> Sequence[str]:
        scheme, host, port = _origin(url)
        try:
            addresses = await self._resolve(host, port)
        except OSError:
            raise _FetchError("unknown-host", host, transient=True) from None
        exempt = (scheme, host, port) == self._base_origin or not self._allow.isdisjoint(
            {(host, None), (host, port)}
        )
        if exempt:
            return addresses
        public = [address for address in addresses if is_public_address(address)]
        if addresses and not public:
            raise _FetchError("forbidden-address", host)
        return public


def _parse(text: str) -> httpx2.URL:
    try:
        return _checked(httpx2.URL(text))
    except (httpx2.InvalidURL, ValueError):
        raise _FetchError("malformed-url") from None


def _next_hop(url: httpx2.URL, location: str) -> httpx2.URL:
    try:
        target = _checked(url.join(location))
    except (httpx2.InvalidURL, ValueError):
        raise _FetchError("malformed-url", _host(url)) from None
    if (url.scheme, target.scheme) == ("https", "http"):
        raise _FetchError("redirect-to-plain-http", _host(url))
    return target


def _checked(url: httpx2.URL) -> httpx2.URL:
    if url.scheme not in _PORTS:
        raise _FetchError("forbidden-scheme")
    if url.userinfo:
        raise _FetchError("credentials-in-url")
    if not HOST_NAME.fullmatch(_host(url)):
        IPv6Address(_host(url).replace("%", "-"))  # a zone id has no business in a URL
    if url.port is not None and not 0 < url.port < 2**16:
        raise _FetchError("malformed-url")
    return url


def _host(url: httpx2.URL) -> str:
    """Give the host as it is looked up: ASCII, lower case, IPv6 without brackets."""
    return url.raw_host.decode("ascii")


def _origin(url: httpx2.URL) -> tuple[str, str, int]:
    return url.scheme, _host(url), url.port or _PORTS[url.scheme]

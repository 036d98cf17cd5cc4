"""What every connection to the outside keeps to: how much it reads, and where it may lead."""

import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network

import httpx2

_PIECE_BYTES = 256 * 1024


class ResponseTooLargeError(httpx2.TransportError):
    """The body of an answer is larger than we are ready to hold."""


class BoundedTransport(httpx2.AsyncBaseTransport):
    """Gives at most `max_bytes` of any answer's body, as sent and after decompression.

    Raises ResponseTooLargeError as soon as there is more. A body that is cut off, compressed or
    not, raises another httpx2.RequestError: it never passes for a shorter one.
    """

    def __init__(self, inner: httpx2.AsyncBaseTransport, *, max_bytes: int) -> None:
        self._inner = inner
        self._max_bytes = max_bytes

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        # Images do not shrink, and only gzip and deflate could be decoded within bounds.
        request.headers["Accept-Encoding"] = "identity"
        response = await self._inner.handle_async_request(request)
        try:
            response.stream = self._bounded(response)
        except BaseException:
            await response.aclose()
            raise
        return response

    def _bounded(self, response: httpx2.Response) -> httpx2.AsyncByteStream:
        length = response.headers.get("Content-Length", "")
        if length.isdecimal() and int(length) > self._max_bytes:
            raise ResponseTooLargeError("The answer's Content-Length is too large.")
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        coding = response.headers.get("Content-Encoding", "").strip().lower()
        if coding in ("", "identity"):
            return _BoundedStream(response.stream, None, self._max_bytes)
        decoder = _Inflater(coding)
        del response.headers["Content-Encoding"]
        response.headers.pop("Content-Length", None)
        return _BoundedStream(response.stream, decoder, self._max_bytes)

    async def aclose(self) -> None:
        await self._inner.aclose()


class _Inflater:
    """Decodes gzip (of one or more members) and deflate in pieces of bounded size."""

    def __init__(self, coding: str) -> None:
        if coding not in ("gzip", "x-gzip", "deflate"):
            raise httpx2.DecodingError("The answer has a content coding that was not asked for.")
        self._gzip = coding != "deflate"
        self._stream: zlib._Decompress | None = None

    def decode(self, data: bytes) -> Iterator[bytes]:
        try:
            while data:
                if self._stream is None or self._stream.eof:
                    self._stream = zlib.decompressobj(self._window_bits(data))
                piece = self._stream.decompress(data, _PIECE_BYTES)
                while piece:
                    yield piece
                    piece = self._stream.decompress(self._stream.unconsumed_tail, _PIECE_BYTES)
                data = self._stream.unused_data
        except zlib.error:
            raise httpx2.DecodingError("The answer's compressed body is damaged.") from None

    def _window_bits(self, data: bytes) -> int:
        if self._gzip:
            return zlib.MAX_WBITS | 16
        # Some servers send "deflate" without the zlib header, whose low four bits are 8.
        return zlib.MAX_WBITS if data[0] & 0x0F == zlib.DEFLATED else -zlib.MAX_WBITS

    def check_end(self) -> None:
        if self._stream is not None and not self._stream.eof:
            raise httpx2.DecodingError("The answer's compressed body is cut off.")


class _BoundedStream(httpx2.AsyncByteStream):
    def __init__(
        self, inner: httpx2.AsyncByteStream, decoder: _Inflater | None, max_bytes: int
    ) -> None:
        self._inner = inner
        self._decoder = decoder
        self._max_bytes = max_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        received = decoded = 0
        encoded = aiter(self._inner)
        try:
            async for data in encoded:
                received += len(data)
                self._check(received)
                for piece in self._decoder.decode(data) if self._decoder else (data,):
                    decoded += len(piece)
                    self._check(decoded)
                    yield piece
        finally:
            if isinstance(encoded, AsyncGenerator):
                await encoded.aclose()
        if self._decoder:
            self._decoder.check_end()

    def _check(self, size: int) -> None:
        if size > self._max_bytes:
            raise ResponseTooLargeError("The answer's body is too large.")

    async def aclose(self) -> None:
        await self._inner.aclose()


_GLOBAL_IPV6 = IPv6Network("2000::/3")
"""All that IANA has given out of IPv6's global unicast space; what lies outside (loopback, ULA,
link- and site-local, multicast, NAT64, IPv4-mapped and -compatible, discard) is not public."""

# IANA's special-purpose registries, and more than is_global knows: see the names at the side.
_NOT_PUBLIC_IPV6 = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # protocol assignments: Teredo, benchmarking, ORCHID
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4, which leads to any IPv4 address
            "3fff::/20",  # documentation
        ),
    )
)
_NOT_PUBLIC_IPV4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this network
            "10.0.0.0/8",  # private
            "100.64.0.0/10",  # carrier-grade NAT
            "127.0.0.0/8",  # loopback
            "168.63.129.16/32",  # Azure's virtual host, reachable from its machines only
            "169.254.0.0/16",  # link-local, cloud metadata
            "172.16.0.0/12",  # private
            "192.0.0.0/24",  # protocol assignments
            "192.0.2.0/24",  # documentation
            "192.88.99.0/24",  # 6to4 relays
            "192.168.0.0/16",  # private
            "198.18.0.0/15",  # benchmarking
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, broadcast
        ),
    )
)


def is_public_address(ip: str) -> bool:
    """Say whether `ip`, in canonical spelling, is an address of the public Internet.

    What is no address, has a scope id, or can lead to an address inside (6to4, NAT64, Teredo,
    IPv4-mapped) is not public.
    """
    try:
        v4 = IPv4Address(ip)
    except AddressValueError:
        return _is_public_ipv6(ip)
    return not any(v4 in network for network in _NOT_PUBLIC_IPV4)


def _is_public_ipv6(ip: str) -> bool:
    try:
        v6 = IPv6Address(ip)
    except AddressValueError:
        return False
    return (
        v6.scope_id is None
        and v6 in _GLOBAL_IPV6
        and not any(v6 in network for network in _NOT_PUBLIC_IPV6)
    )

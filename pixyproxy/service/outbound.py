"""What every connection to the outside keeps to: whom it trusts, and how much it reads."""

import ssl
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from functools import cache

import httpx2

_PIECE_BYTES = 256 * 1024
"""How many bytes are decompressed at a time."""


@cache
def tls_context() -> ssl.SSLContext:
    """Return what servers' certificates are held against: the system's, or SSL_CERT_FILE's.

    Reading a system's certificates takes some 80 ms, so all connections have one context.
    """
    return httpx2.create_ssl_context()


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

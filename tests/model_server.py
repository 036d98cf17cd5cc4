"""A real HTTP server that speaks OpenAI's images API on 127.0.0.1, and misbehaves on request.

    with ModelServer() as server:
        server.answer_with(error(500), image())     # the last one repeats
        ...  # POST to server.base_url + "/images/generations"
        assert server.posts == 2

By hand: `python -m tests.model_server --port 9000`.
"""

import argparse
import asyncio
import base64
import contextlib
import functools
import gzip
import io
import json
import random
import re
import socket
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from PIL import Image

_PARAMETERS = {
    "prompt", "model", "n", "size", "quality", "style", "background", "output_format",
    "output_compression", "moderation", "response_format", "user", "safety_identifier", "stream",
    "partial_images", "complexity",
}  # fmt: skip
_ONLY_DALL_E = {"style", "response_format"}
_NOT_DALL_E = {"background", "output_format", "output_compression", "moderation"}
_TLS_HANDSHAKE = b"\x16"
_GPT_QUALITIES = {"low", "medium", "high", "xhigh", "max", "auto"}


@dataclass(frozen=True)
class Received:
    """One request as it came; header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Exchange:
    """One request and the means to answer it, well or badly."""

    server: "ModelServer"
    request: Received
    writer: asyncio.StreamWriter

    async def send(
        self,
        status: int = 200,
        body: bytes = b"",
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.writer.write(head(status, len(body), content_type, headers))
        await self.raw(body)

    async def raw(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def close(self) -> None:
        self.writer.close()
        await self.writer.wait_closed()

    def abort(self) -> None:
        """Cut the connection with what is written so far."""
        self.writer.transport.abort()


Behaviour = Callable[[Exchange], Awaitable[None]]


def head(
    status: int,
    length: int | None,
    content_type: str = "application/json",
    headers: Mapping[str, str] | None = None,
) -> bytes:
    lines = {"Content-Type": content_type, "x-request-id": "req_0123456789abcdef"}
    if length is not None:
        lines["Content-Length"] = str(length)
    lines.update(headers or {})
    text = f"HTTP/1.1 {status} Status\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines.items())
    return text.encode("latin-1") + b"\r\n"


class ModelServer:
    """The server, in a thread of its own. `requests` holds whatever it received, in order."""

    def __init__(self, port: int = 0) -> None:
        self._port = port
        self._behaviours: deque[Behaviour] = deque([image()])
        self._files: dict[str, Behaviour] = {}
        self._connections: set[asyncio.Task[None]] = set()
        self._started = threading.Event()
        self._arrived = threading.Condition()
        self.requests: list[Received] = []

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def base_url(self) -> str:
        return f"{self.origin}/v1"

    @property
    def posts(self) -> int:
        return sum(request.method == "POST" for request in self.requests)

    def answer_with(self, *behaviours: Behaviour) -> None:
        """Answer the generations to come with these, one after the other; the last one stays."""
        self._behaviours = deque(behaviours)

    def serve_file(self, name: str, behaviour: Behaviour) -> str:
        """Answer GET of /files/`name` so; the URL to get it from."""
        self._files[f"/files/{name}"] = behaviour
        return f"{self.origin}/files/{name}"

    def release(self) -> None:
        """Let go whatever `hang` and `after_release` hold, now and later."""
        self._loop.call_soon_threadsafe(self.released.set)

    def wait_for_requests(self, count: int, timeout_s: float = 30) -> None:
        """Block until so many requests have arrived whole."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(self.requests) >= count, timeout_s):
                raise TimeoutError(f"{len(self.requests)} of {count} requests arrived")

    async def requests_arrived(self, count: int) -> None:
        """Wait until so many requests have arrived whole."""
        await asyncio.to_thread(self.wait_for_requests, count)

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", self._port), backlog=1024)
        self._port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._thread.start()
        self._started.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join()

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopped, self.released = asyncio.Event(), asyncio.Event()
        server = await asyncio.start_server(self._connected, sock=self._listener, limit=2**20)
        self._started.set()
        await self._stopped.wait()
        server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while not writer.is_closing():
                await self._exchange(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client is gone, or the server is to stop
        finally:
            self._connections.discard(task)
            writer.transport.abort() if self._stopped.is_set() else writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        start = await reader.readexactly(1)
        if start == _TLS_HANDSHAKE:
            writer.write(head(400, 0))
            writer.close()
            return
        received = start + await reader.readuntil(b"\r\n\r\n")
        first, *lines = received.decode("latin-1").splitlines()
        method, path, _ = first.split(" ")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines if line)
        }
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        request = Received(method, path, headers, body)
        with self._arrived:
            self.requests.append(request)
            self._arrived.notify_all()
        await self._behaviour_for(request)(Exchange(self, request, writer))

    def _behaviour_for(self, request: Received) -> Behaviour:
        if request.method == "POST" and request.path.endswith("/images/generations"):
            return self._behaviours.popleft() if len(self._behaviours) > 1 else self._behaviours[0]
        return self._files.get(request.path, error(404, type="invalid_request_error"))


# Images


@functools.lru_cache(maxsize=64)
def picture(width: int, height: int, seed: int = 0, image_format: str = "PNG") -> bytes:
    """A real image of a gradient, always the same for the same arguments."""
    gradient = Image.linear_gradient("L").resize((width, height))
    light = random.Random(seed).randrange(256)
    flat = Image.new("L", (width, height), light)
    file = io.BytesIO()
    Image.merge("RGB", (gradient, flat, gradient)).save(file, image_format)
    return file.getvalue()


def png(width: int = 64, height: int = 64, seed: int = 0) -> bytes:
    return picture(width, height, seed)


@functools.lru_cache(maxsize=4)
def noise_png(approximate_bytes: int = 1_400_000) -> bytes:
    """A PNG of noise, which does not compress."""
    side = round((approximate_bytes / 3) ** 0.5)
    noise = random.Random(0).randbytes(side * side * 3)
    file = io.BytesIO()
    Image.frombytes("RGB", (side, side), noise).save(file, "PNG", compress_level=1)
    return file.getvalue()


@functools.cache
def bomb_png(side: int = 13_000) -> bytes:
    """169 megapixels in some 20 KB."""
    file = io.BytesIO()
    Image.new("1", (side, side)).save(file, "PNG", compress_level=9)
    return file.getvalue()


TRUNCATED_PNG = png()[:-20]
TRUNCATED_JPEG = picture(64, 64, 0, "JPEG")[:-20]
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
HTML = b"<!doctype html><title>Hello</title><script>alert(1)</script>"
GIF_POLYGLOT = b"GIF89a/*\x00\x00\x00;<script>*/=1;alert(1)//</script>"


# Good behaviours


def image(
    data: bytes | None = None, *, as_url: bool = False, revised_prompt: str | None = None
) -> Behaviour:
    """What OpenAI does: check the request, then answer with base64, or with a URL for DALL-E.

    Without `data` the image has the size and format that were asked for.
    """

    async def behave(exchange: Exchange) -> None:
        asked = exchange.request.json
        fault = _fault_in(asked)
        if fault is not None:
            await fault(exchange)
            return
        is_dall_e = asked.get("model", "").startswith("dall-e")
        bytes_ = _drawn(asked) if data is None else data
        item: dict[str, Any] = {}
        if as_url or (is_dall_e and asked.get("response_format") != "b64_json"):
            name = f"{len(exchange.server.requests)}.png"
            item["url"] = exchange.server.serve_file(name, file(bytes_))
        else:
            item["b64_json"] = _base64(bytes_)
        if revised_prompt or asked.get("model") == "dall-e-3":
            item["revised_prompt"] = revised_prompt or f"{asked['prompt']}, in great detail"
        usage = {"total_tokens": 100, "input_tokens": 10, "output_tokens": 90}
        body = {"created": 1_790_000_000, "data": [item], "usage": usage}
        await exchange.send(body=json.dumps(body).encode())

    return behave


def after_release(behaviour: Behaviour) -> Behaviour:
    """Behave so, but only once `release()` has been called."""

    async def behave(exchange: Exchange) -> None:
        await exchange.server.released.wait()
        await behaviour(exchange)

    return behave


def file(data: bytes, content_type: str = "image/png") -> Behaviour:
    return answer(body=data, content_type=content_type)


def answer(
    status: int = 200,
    body: bytes | object = b"",
    content_type: str = "application/json",
    headers: Mapping[str, str] | None = None,
) -> Behaviour:
    """Send just this; a body that is no bytes goes as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def behave(exchange: Exchange) -> None:
        await exchange.send(status, data, content_type, headers)

    return behave


def item(**fields: Any) -> Behaviour:
    """An answer whose `data` is one item with these fields."""
    return answer(body={"created": 1, "data": [fields]})


# Refusals


def error(
    status: int,
    code: str | None = None,
    type: str | None = None,  # noqa: A002  OpenAI's name
    param: str | None = None,
    *,
    message: str = "UPSTREAM WORDS",
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> Behaviour:
    fields = {"message": message, "type": type, "param": param, "code": code, **more}
    return answer(status, {"error": fields}, headers=headers)


def moderation_blocked() -> Behaviour:
    return error(400, "moderation_blocked", "image_generation_user_error")


def rate_limited(retry_after: str = "7") -> Behaviour:
    return error(429, "rate_limit_exceeded", "requests", headers={"Retry-After": retry_after})


def echo_key(status: int = 401) -> Behaviour:
    """Repeat the caller's key wherever an answer can carry it."""

    async def behave(exchange: Exchange) -> None:
        key = exchange.request.headers["authorization"].removeprefix("Bearer ")
        refusal = error(
            status,
            f"code-{key}",
            f"type-{key}",
            f"param-{key}",
            message=key,
            headers={"x-request-id": f"r-{key}"},
        )
        await refusal(exchange)

    return behave


def redirect(location: str, status: int = 307) -> Behaviour:
    return answer(status, headers={"Location": location})


# Broken answers


def html(status: int = 200) -> Behaviour:
    return answer(status, HTML, "text/html")


def hang() -> Behaviour:
    return after_release(close())


def close() -> Behaviour:
    """Close the connection without a word."""

    async def behave(exchange: Exchange) -> None:
        await exchange.close()

    return behave


def raw(data: bytes) -> Behaviour:
    """Send these bytes, head and all, and close."""

    async def behave(exchange: Exchange) -> None:
        await exchange.raw(data)
        await exchange.close()

    return behave


def cut_in_head() -> Behaviour:
    return raw(head(200, 1000)[:30])


def cut_in_body(status: int = 200) -> Behaviour:
    """Also a body that is shorter than its Content-Length."""
    return raw(head(status, 1000) + b'{"data": [{"b64_json": "AAAA')


def cut_in_chunk() -> Behaviour:
    chunked = {"Transfer-Encoding": "chunked"}
    return raw(head(200, None, headers=chunked) + b'10\r\n{"data"')


def body_beyond_content_length() -> Behaviour:
    body = json.dumps({"data": [{"b64_json": _base64(png())}]}).encode()
    return raw(head(200, len(body) - 10) + body)


def drip(data: bytes, *, interval_s: float = 1) -> Behaviour:
    """Send a byte at a time."""

    async def behave(exchange: Exchange) -> None:
        await exchange.raw(head(200, len(data)))
        for byte in data:
            await asyncio.sleep(interval_s)
            await exchange.raw(bytes([byte]))

    return behave


def endless(status: int = 200, content_type: str = "application/json") -> Behaviour:
    """A body that never ends, as fast as it is read."""

    async def behave(exchange: Exchange) -> None:
        chunk = b"10000\r\n" + b"A" * 0x10000 + b"\r\n"
        await exchange.raw(head(status, None, content_type, {"Transfer-Encoding": "chunked"}))
        while True:
            await exchange.raw(chunk)

    return behave


def gzip_bomb(
    megabytes: int = 256, status: int = 200, content_type: str = "application/json"
) -> Behaviour:
    """So many megabytes of one letter, as an image in JSON, a thousandth of that on the wire."""
    return answer(
        status, _gzipped_letters(megabytes), content_type, headers={"Content-Encoding": "gzip"}
    )


def huge_error(status: int = 500, megabytes: int = 32) -> Behaviour:
    return error(status, message="UPSTREAM WORDS " * (megabytes * 2**20 // 15))


def unused_base_url() -> str:
    """A base URL that refuses connections."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}/v1"


@functools.lru_cache(maxsize=8)
def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@functools.lru_cache(maxsize=4)
def _gzipped_letters(megabytes: int) -> bytes:
    file = io.BytesIO()
    with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=6, mtime=0) as packed:
        packed.write(b'{"data": [{"b64_json": "')
        for _ in range(megabytes):
            packed.write(b"A" * 2**20)
        packed.write(b'"}]}')
    return file.getvalue()


def _drawn(asked: Mapping[str, Any]) -> bytes:
    size = asked.get("size", "auto")
    width, height = map(int, size.split("x")) if size != "auto" else (1024, 1024)
    return picture(width, height, len(asked["prompt"]), asked.get("output_format", "png").upper())


def _fault_in(asked: Any) -> Behaviour | None:
    """What OpenAI would refuse, as far as tests have use for it."""
    invalid = functools.partial(error, 400, type="invalid_request_error")
    if not isinstance(asked, dict):
        return invalid("invalid_json")
    model = asked.get("model") or ""
    unknown = set(asked) - _PARAMETERS
    if model.startswith(("gpt-image", "chatgpt-image")):
        unknown |= set(asked) & _ONLY_DALL_E
        if asked.get("quality", "auto") not in _GPT_QUALITIES:
            return invalid("invalid_value", param="quality")
    elif model.startswith("dall-e"):
        unknown |= set(asked) & _NOT_DALL_E
    if unknown:
        return invalid("unknown_parameter", param=min(unknown))
    if not isinstance(asked.get("prompt"), str) or not asked["prompt"]:
        return invalid("missing_required_parameter", param="prompt")
    if not re.fullmatch(r"auto|[1-9][0-9]{1,3}x[1-9][0-9]{1,3}", str(asked.get("size", "auto"))):
        return invalid("invalid_value", param="size")
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description="A stand-in for OpenAI's images API.")
    parser.add_argument("--port", type=int, default=9000)
    with ModelServer(parser.parse_args().port) as server, contextlib.suppress(KeyboardInterrupt):
        print(f"Serving {server.base_url}; Ctrl-C stops.")  # noqa: T201  it is for people
        threading.Event().wait()


if __name__ == "__main__":
    main()

"""A real HTTP server that speaks OpenAI's images API on 127.0.0.1, and misbehaves on request.

    with ModelServer() as server:
        server.answer_with(error(500), image())     # the last one repeats
        ...  # POST to server.base_url + "/images/generations"
        assert server.posts == 2
        assert [entry.n for entry in server.ledger] == [1]

The ledger has an entry for each call that the server accepted: one that arrived whole, with nothing
wrong in it, and that was not turned away, whatever became of the answer.

By hand: `python -m tests.support.model_server --port 9000`.
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
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self, TextIO

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

    @property
    def is_generation(self) -> bool:
        return self.method == "POST" and self.path.endswith("/images/generations")


@dataclass(frozen=True)
class LedgerEntry:
    """One call that the server accepted; `call` is the X-Client-Request-Id that came with it."""

    call: str | None
    prompt: str
    n: int
    charged: bool


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


@dataclass(frozen=True)
class Accepting:
    """A behaviour that accepts the call first, and puts it into the ledger; then it goes on so.

    A call with something wrong in it is refused instead. What is no generation, such as the
    request of a file, has no place in the ledger.
    """

    then: Behaviour
    charged: bool = True

    async def __call__(self, exchange: Exchange) -> None:
        refusal = None
        if exchange.request.is_generation:
            refusal = _fault_in(exchange.request.json)
            if refusal is None:
                exchange.server.accept(exchange.request, charged=self.charged)
        await (refusal or self.then)(exchange)


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
    """The server, in a thread of its own. `requests` holds whatever it received, in order.

    `ledger` holds the calls that it accepted; `ledger_file` has them too, each as a line of JSON.
    """

    def __init__(self, port: int = 0, *, ledger_file: Path | None = None) -> None:
        self._port = port
        self._ledger_path = ledger_file
        self._ledger_file: TextIO | None = None
        self._behaviours: deque[Behaviour] = deque([image()])
        self._files: dict[str, Behaviour] = {}
        self._connections: set[asyncio.Task[None]] = set()
        self._started = threading.Event()
        self._arrived = threading.Condition()
        self.requests: list[Received] = []
        self.ledger: list[LedgerEntry] = []

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

    def serve_models(self, *names: str) -> None:
        """Answer GET of /v1/models with these."""
        models = [{"id": name, "object": "model", "created": 0, "owned_by": "x"} for name in names]
        body = json.dumps({"object": "list", "data": models}).encode()

        async def behave(exchange: Exchange) -> None:
            await exchange.send(200, body)

        self._files["/v1/models"] = behave

    def release(self) -> None:
        """Let go whatever `hang` and `after_release` hold, now and later."""
        self._loop.call_soon_threadsafe(self.released.set)

    def accept(self, request: Received, *, charged: bool) -> None:
        """Put a call into the ledger."""
        asked = request.json
        call = request.headers.get("x-client-request-id")
        entry = LedgerEntry(call, asked["prompt"], asked.get("n") or 1, charged)
        if self._ledger_file is not None:
            print(json.dumps(asdict(entry)), file=self._ledger_file, flush=True)
        with self._arrived:
            self.ledger.append(entry)
            self._arrived.notify_all()

    def wait_for_requests(self, count: int, timeout_s: float = 30) -> None:
        """Block until so many requests have arrived whole."""
        self._wait_for(self.requests, count, timeout_s)

    async def requests_arrived(self, count: int) -> None:
        """Wait until so many requests have arrived whole."""
        await asyncio.to_thread(self.wait_for_requests, count)

    def wait_for_calls(self, count: int, timeout_s: float = 30) -> None:
        """Block until so many calls have been accepted."""
        self._wait_for(self.ledger, count, timeout_s)

    async def calls_accepted(self, count: int) -> None:
        """Wait until so many calls have been accepted."""
        await asyncio.to_thread(self.wait_for_calls, count)

    def _wait_for(self, things: list[Any], count: int, timeout_s: float) -> None:
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(things) >= count, timeout_s):
                raise TimeoutError(f"{len(things)} of {count} arrived")

    def __enter__(self) -> Self:
        if self._ledger_path is not None:
            self._ledger_file = self._ledger_path.open("a", encoding="utf-8")
        self._listener = socket.create_server(("127.0.0.1", self._port), backlog=1024)
        self._port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._thread.start()
        self._started.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join()
        if self._ledger_file is not None:
            self._ledger_file.close()

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
        if request.is_generation:
            return self._behaviours.popleft() if len(self._behaviours) > 1 else self._behaviours[0]
        return self._files.get(request.path, error(404, type="invalid_request_error"))


# Images


@functools.lru_cache(maxsize=64)
def picture(
    width: int, height: int, seed: int = 0, image_format: str = "PNG", index: int = 0
) -> bytes:
    """A real image of a gradient, always the same for the same arguments, another per index."""
    gradient = Image.linear_gradient("L").resize((width, height))
    light = (random.Random(seed).randrange(256) + 25 * index) % 256
    flat = Image.new("L", (width, height), light)
    file = io.BytesIO()
    Image.merge("RGB", (gradient, flat, gradient)).save(file, image_format)
    return file.getvalue()


def png(width: int = 64, height: int = 64, seed: int = 0) -> bytes:
    return picture(width, height, seed)


@functools.lru_cache(maxsize=4)
def noise_png(approximate_bytes: int = 1_400_000, seed: int = 0) -> bytes:
    """A PNG of noise, which does not compress."""
    side = round((approximate_bytes / 3) ** 0.5)
    noise = random.Random(seed).randbytes(side * side * 3)
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
        is_dall_e = asked.get("model", "").startswith("dall-e")
        items = []
        for index in range(asked.get("n") or 1):
            bytes_ = _drawn(asked, index) if data is None else data
            item: dict[str, Any] = {}
            if as_url or (is_dall_e and asked.get("response_format") != "b64_json"):
                item["url"] = exchange.server.serve_file(f"{uuid.uuid4()}.png", file(bytes_))
            else:
                item["b64_json"] = _base64(bytes_)
            if revised_prompt or asked.get("model") == "dall-e-3":
                item["revised_prompt"] = revised_prompt or f"{asked['prompt']}, in great detail"
            items.append(item)
        body = {"created": 1_790_000_000, "data": items, "usage": usage(len(items))}
        await exchange.send(body=json.dumps(body).encode())

    return Accepting(behave)


def usage(n: int) -> dict[str, Any]:
    """What an answer with so many images says of the tokens that it took."""
    return {
        "total_tokens": 10 + 90 * n,
        "input_tokens": 10,
        "output_tokens": 90 * n,
        "input_tokens_details": {"text_tokens": 10, "image_tokens": 0},
    }


def after_release(behaviour: Behaviour) -> Behaviour:
    """Behave so, but only once `release()` has been called; a call is accepted at once."""

    async def released(exchange: Exchange) -> None:
        await exchange.server.released.wait()

    return _preceded_by(released, behaviour)


def delayed(behaviour: Behaviour, shortest_s: float, longest_s: float) -> Behaviour:
    """Behave so after a random time; a call is accepted at once."""

    async def pause(_: Exchange) -> None:
        await asyncio.sleep(random.uniform(shortest_s, longest_s))

    return _preceded_by(pause, behaviour)


def _preceded_by(first: Behaviour, behaviour: Behaviour) -> Behaviour:
    then = behaviour.then if isinstance(behaviour, Accepting) else behaviour

    async def behave(exchange: Exchange) -> None:
        await first(exchange)
        await then(exchange)

    return replace(behaviour, then=behave) if isinstance(behaviour, Accepting) else behave


def charge_then(behaviour: Behaviour) -> Behaviour:
    """Accept the call and charge for it, then behave so: `charge_then(error(500))`."""
    return Accepting(behaviour.then if isinstance(behaviour, Accepting) else behaviour)


def randomly(seed: int, *weighted: tuple[float, Behaviour]) -> Behaviour:
    """Behave in one of these ways each time, by weight, in an order that the seed decides."""
    choose = random.Random(seed).choices
    weights, behaviours = zip(*weighted, strict=True)

    async def behave(exchange: Exchange) -> None:
        (behaviour,) = choose(behaviours, weights)
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
    """Send just this; a body that is no bytes goes as JSON. What answers 2xx has accepted."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def behave(exchange: Exchange) -> None:
        await exchange.send(status, data, content_type, headers)

    return _accepting_if_ok(status, behave)


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
    """Accepted, looked into and refused, free of charge."""
    refusal = error(400, "moderation_blocked", "image_generation_user_error")
    return Accepting(refusal, charged=False)


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


# Broken answers, but for those of another status all from a server that has accepted and charged


def html(status: int = 200) -> Behaviour:
    return answer(status, HTML, "text/html")


def hang() -> Behaviour:
    return after_release(close())


def close() -> Behaviour:
    """Close the connection without a word."""

    async def behave(exchange: Exchange) -> None:
        await exchange.close()

    return Accepting(behave)


def raw(data: bytes, status: int = 200) -> Behaviour:
    """Send these bytes, head and all, and close."""

    async def behave(exchange: Exchange) -> None:
        await exchange.raw(data)
        await exchange.close()

    return _accepting_if_ok(status, behave)


def cut_in_head() -> Behaviour:
    return raw(head(200, 1000)[:30])


def cut_in_body(status: int = 200) -> Behaviour:
    """Also a body that is shorter than its Content-Length."""
    return raw(head(status, 1000) + b'{"data": [{"b64_json": "AAAA', status)


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

    return Accepting(behave)


def endless(status: int = 200, content_type: str = "application/json") -> Behaviour:
    """A body that never ends, as fast as it is read."""

    async def behave(exchange: Exchange) -> None:
        chunk = b"10000\r\n" + b"A" * 0x10000 + b"\r\n"
        await exchange.raw(head(status, None, content_type, {"Transfer-Encoding": "chunked"}))
        while True:
            await exchange.raw(chunk)

    return _accepting_if_ok(status, behave)


def gzip_bomb(
    megabytes: int = 256, status: int = 200, content_type: str = "application/json"
) -> Behaviour:
    """Megabytes of one letter, as an image in JSON, a thousandth of that on the wire."""
    return answer(
        status, _gzipped_letters(megabytes), content_type, headers={"Content-Encoding": "gzip"}
    )


def huge_error(status: int = 500, megabytes: int = 32) -> Behaviour:
    return error(status, message="UPSTREAM WORDS " * (megabytes * 2**20 // 15))


def unused_base_url() -> str:
    """A base URL that refuses connections."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}/v1"


def _accepting_if_ok(status: int, behaviour: Behaviour) -> Behaviour:
    return Accepting(behaviour) if 200 <= status < 300 else behaviour


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


def _drawn(asked: Mapping[str, Any], index: int) -> bytes:
    size = asked.get("size", "auto")
    width, height = map(int, size.split("x")) if size != "auto" else (1024, 1024)
    image_format = asked.get("output_format", "png").upper()
    return picture(width, height, len(asked["prompt"]), image_format, index)


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
    size, n = str(asked.get("size", "auto")), asked.get("n")
    most = 1 if model == "dall-e-3" else 10
    fits = {
        "size": re.fullmatch(r"auto|[1-9][0-9]{1,3}x[1-9][0-9]{1,3}", size) is not None,
        "n": n is None or (type(n) is int and 1 <= n <= most),
    }
    bad = [param for param in fits if not fits[param]]
    return invalid("invalid_value", param=bad[0]) if bad else None


def main() -> None:
    parser = argparse.ArgumentParser(description="A stand-in for OpenAI's images API.")
    parser.add_argument("--port", type=int, default=9000)
    parser.add_argument("--ledger", type=Path, help="append accepted calls to this file, as JSON")
    parser.add_argument(
        "--delay",
        type=float,
        nargs=2,
        default=(0, 0),
        metavar=("A", "B"),
        help="answer after a random time between A and B seconds",
    )
    given = parser.parse_args()
    with (
        ModelServer(given.port, ledger_file=given.ledger) as server,
        contextlib.suppress(KeyboardInterrupt),
    ):
        server.answer_with(delayed(image(), *given.delay))
        print(f"Serving {server.base_url}; Ctrl-C stops.")  # noqa: T201  it is for people
        threading.Event().wait()


if __name__ == "__main__":
    main()

"""A model server that has its one answer ready: `python -m benchmarks.instant_model PORT TOGETHER`.

Every POST gets an image of some 1.4 MB as base64, in OpenAI's form, as soon as TOGETHER requests
wait for one.
"""

import asyncio
import base64
import sys
from typing import cast

import orjson
import uvloop

from tests.support.model_server import noise_png

IMAGE_BYTES = 1_400_000
_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = b"content-length:"


class InstantModel(asyncio.Protocol):
    """One connection, with one request at a time."""

    def __init__(self, answer: bytes, together: int, waiting: list[asyncio.Transport]) -> None:
        self._answer = answer
        self._together = together
        self._waiting = waiting
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance

    def data_received(self, data: bytes) -> None:
        """Answer when the request is whole."""
        self._received += data
        head, end, body = self._received.partition(_END_OF_HEAD)
        if not end or len(body) < int(head.lower().partition(_LENGTH)[2].split()[0]):
            return
        self._received = b""
        self._waiting.append(self._transport)
        if len(self._waiting) >= self._together:
            for transport in self._waiting:
                transport.write(self._answer)
            self._waiting.clear()


async def serve(port: int, together: int) -> None:
    """Serve until the process is ended."""
    item = {"b64_json": base64.b64encode(noise_png(IMAGE_BYTES)).decode()}
    body = orjson.dumps({"created": 1_790_000_000, "data": [item]})
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    answer = head.encode() + _END_OF_HEAD + body
    waiting: list[asyncio.Transport] = []
    server = await asyncio.get_running_loop().create_server(
        lambda: InstantModel(answer, together, waiting), "127.0.0.1", port
    )
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2])))

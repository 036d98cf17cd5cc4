"""Server-sent events, as long as there are some and somebody listens."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from fastapi.sse import KEEPALIVE_COMMENT
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

HEARTBEAT_S = 15.0
"""Proxies cut connections on which nothing comes, many of them after a minute."""


class EventStream(StreamingResponse):
    """Sends the events, with a comment every `heartbeat_s`; they are closed when it ends.

    FastAPI's own way cannot refuse or answer 204 once it has begun; Starlette's leaves the closing
    to the garbage collector.
    """

    media_type = "text/event-stream"

    def __init__(
        self, events: AsyncGenerator[bytes, None], *, heartbeat_s: float = HEARTBEAT_S
    ) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(events, headers=headers)
        self._events = events
        self._heartbeat_s = heartbeat_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the events end or the client goes away."""
        sending = asyncio.create_task(self.stream_response(send))
        beating = asyncio.create_task(self._send_heartbeats(send))
        listening = asyncio.create_task(self.listen_for_disconnect(receive))
        tasks = (sending, beating, listening)
        async with aclosing(self._events):
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        if not sending.cancelled():
            sending.result()

    async def _send_heartbeats(self, send: Send) -> None:
        while True:
            await asyncio.sleep(self._heartbeat_s)
            await send({"type": "http.response.body", "body": KEEPALIVE_COMMENT, "more_body": True})

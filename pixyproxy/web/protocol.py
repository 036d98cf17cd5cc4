"""HTTP as it comes from a socket, with bounds that uvicorn leaves open.

No client may hold a connection, or memory, by sending next to nothing or without end.
"""

import asyncio
import logging
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from pixyproxy.web.limits import MAX_HEADER_BYTES, MAX_URL_BYTES
from pixyproxy.web.state import state_in

logger = logging.getLogger(__name__)

MAX_HEAD_BYTES = 2 * (MAX_URL_BYTES + MAX_HEADER_BYTES)
"""A head that is still not whole then is refused here; RequestLimits judges smaller ones."""
MAX_DISCARDED_BYTES = 16 * 2**20
"""How much of a body is read after its answer, to keep the connection for the next request."""
MAX_PIPELINED = 100
"""Requests on one connection that may wait for the answers to those before them."""


class BoundedHttpProtocol(HttpToolsProtocol):
    """One connection. The application's state has its `request_pace`.

    Time runs out for a client that is waited for; not for one that waits for its answer or reads
    it slowly. Between requests uvicorn's own keep-alive timeout holds.
    """

    def __init__(
        self,
        config: Any,
        server_state: Any,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._pace = state_in(app_state).request_pace
        self._due_at: float | None = None
        self._clock: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._discarded_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._await_client(self._pace.timeout_s)
        self._look_at_clock()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        super().connection_lost(exc)
        self._stop_clock()

    def handle_websocket_upgrade(self) -> None:
        """Leave the connection to another protocol."""
        self._stop_clock()
        super().handle_websocket_upgrade()

    def data_received(self, data: bytes) -> None:
        """Take what has come."""
        if self._due_at is None:
            self._await_client(self._pace.timeout_s)
        else:
            self._due_at += len(data) / self._pace.bytes_per_s
        self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def on_message_begin(self) -> None:
        """Begin to wait for the rest of a request."""
        super().on_message_begin()
        self._await_client(self._pace.timeout_s + self._head_bytes / self._pace.bytes_per_s)

    def on_headers_complete(self) -> None:
        """Hand the request over to the application, if not too many wait already."""
        self._head_bytes = self._discarded_bytes = 0
        if len(self.pipeline) >= MAX_PIPELINED:
            raise ConnectionError("too many pipelined requests")  # uvicorn answers 400 and closes
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body, which may be too late to be of use."""
        self._head_bytes = 0
        super().on_body(body)
        if self.cycle.response_complete:
            self._discarded_bytes += len(body)
            if self._discarded_bytes > MAX_DISCARDED_BYTES:
                self.transport.close()

    def on_message_complete(self) -> None:
        """Stop waiting: either the client waits for its answer now, or it has it already."""
        self._head_bytes = 0
        self._due_at = None
        super().on_message_complete()
        if self.cycle is not None and self.cycle.response_complete:
            self._await_client(self.timeout_keep_alive)

    def _await_client(self, timeout_s: float) -> None:
        self._due_at = self.loop.time() + timeout_s

    def _look_at_clock(self) -> None:
        """Close the connection if its client is overdue; look again when it may next be."""
        now = self.loop.time()
        if self._due_at is not None and self._due_at <= now:
            if self._is_client_awaited():
                logger.info("connection closed: its request did not come in time")
                self.transport.close()
                return
            self._await_client(self._pace.timeout_s)
        look_at = now + self._pace.timeout_s
        if self._due_at is not None:
            look_at = min(look_at, self._due_at)
        self._clock = self.loop.call_at(look_at, self._look_at_clock)

    def _is_client_awaited(self) -> bool:
        if self.flow.read_paused:
            return False
        return self.cycle is None or self.cycle.response_complete or self.cycle.more_body

    def _stop_clock(self) -> None:
        if self._clock is not None:
            self._clock.cancel()

    def _refuse(self, status: HTTPStatus) -> None:
        head = f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-length: 0\r\nconnection: close"
        self.transport.write(f"{head}\r\n\r\n".encode())
        self.transport.close()

"""Stopping: readiness fails first, so that no new requests come; then the server stops."""

import asyncio
import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from pixyproxy.service.health import Health

SHARE_OF_GRACE_TO_DRAW = 0.9

logger = logging.getLogger(__name__)


@contextmanager
def drain_on_sigterm(
    health: Health,
    *,
    drain_s: float,
    grace_s: float,
    drain: Callable[[], None],
    give_up: Callable[[], None],
) -> Iterator[None]:
    """On SIGTERM report `draining`, and hand the signal to the server `drain_s` seconds later.

    `drain` is called at once, so that nothing new is begun. The server then gives running requests
    `grace_s` seconds before it cuts them; `give_up` is called a little earlier, so that they can
    still be answered. A second SIGTERM is handed on at once. The server's own handler must be in
    place already.
    """
    server_handler = signal.getsignal(signal.SIGTERM)
    if threading.current_thread() is not threading.main_thread() or not callable(server_handler):
        yield
        return
    loop = asyncio.get_running_loop()

    def stop(number: int, frame: FrameType | None) -> None:
        if health.draining:
            server_handler(number, frame)
            return
        health.draining = True
        logger.info("draining for %s s before the server stops", drain_s)
        loop.call_soon_threadsafe(drain)
        loop.call_soon_threadsafe(loop.call_later, drain_s, server_handler, number, frame)
        last_call_s = drain_s + grace_s * SHARE_OF_GRACE_TO_DRAW
        loop.call_soon_threadsafe(loop.call_later, last_call_s, give_up)

    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, server_handler)

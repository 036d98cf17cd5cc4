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
_SIGNALS = {signal.SIGINT, signal.SIGTERM}

logger = logging.getLogger(__name__)


@contextmanager
def drain_on_signal(
    health: Health,
    *,
    drain_s: float,
    grace_s: float,
    drain: Callable[[], None],
    give_up: Callable[[], None],
) -> Iterator[None]:
    """On SIGTERM report `draining`, and hand the signal to the server `drain_s` seconds later.

    SIGINT is handed on at once, for a person waits; so is a second signal of either kind.
    `drain` is called at once, so that nothing new is begun. The server then gives running requests
    `grace_s` seconds before it cuts them; `give_up` is called a little earlier, so that they can
    still be answered. The server's own handlers must be in place already.
    """
    handlers = {
        number: handler for number in _SIGNALS if callable(handler := signal.getsignal(number))
    }
    if threading.current_thread() is not threading.main_thread() or handlers.keys() != _SIGNALS:
        yield
        return
    loop = asyncio.get_running_loop()

    def hand_on(number: int, frame: FrameType | None) -> None:
        handlers[signal.Signals(number)](number, frame)
        loop.call_later(grace_s * SHARE_OF_GRACE_TO_DRAW, give_up)

    def stop(number: int, frame: FrameType | None) -> None:
        wait_s = 0 if health.draining or number == signal.SIGINT else drain_s
        if not health.draining:
            health.draining = True
            logger.info("draining for %s s before the server stops", wait_s)
            loop.call_soon_threadsafe(drain)
        loop.call_soon_threadsafe(loop.call_later, wait_s, hand_on, number, frame)

    for number in handlers:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)

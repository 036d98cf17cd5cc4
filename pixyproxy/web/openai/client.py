"""The client of one request, who waits, and may go away while it waits."""

import asyncio
from collections.abc import Coroutine, Iterable
from types import TracebackType
from typing import Any, Self, TypeVar

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Send

from pixyproxy.core.tasks import end_tasks

Result = TypeVar("Result")


class WaitingClient:
    """Notices within its context when the client goes away; the request's body is read before."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive

    async def __aenter__(self) -> Self:
        self._leaving = asyncio.create_task(self._listen())
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await end_tasks([self._leaving])

    @property
    def has_left(self) -> bool:
        """Whether the client has gone away."""
        return self._leaving.done()

    async def stays_for(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Return what `work` gives. Raises ClientDisconnect, and cancels it, if the client goes."""
        task = asyncio.create_task(work)
        try:
            await self.stays_while(task)
        except BaseException:
            await end_tasks([task])
            raise
        return task.result()

    async def stays_while(self, task: asyncio.Task[Any], timeout_s: float | None = None) -> bool:
        """Wait for the task, so long at most, and return whether it is done.

        Raises ClientDisconnect.
        """
        await asyncio.wait(
            (task, self._leaving), timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED
        )
        if not task.done() and self._leaving.done():
            raise ClientDisconnect
        return task.done()

    async def _listen(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass


async def send_pieces(send: Send, pieces: Iterable[bytes]) -> None:
    """Send a part of a body, of which more follows."""
    for piece in pieces:
        await send({"type": "http.response.body", "body": piece, "more_body": True})


async def send_end(send: Send, client: WaitingClient) -> bool:
    """End a body; return whether the whole of it was handed over to a client that was there.

    The server waits here until all that went before has left its buffer.
    """
    await send({"type": "http.response.body", "body": b"", "more_body": True})
    await asyncio.sleep(0)  # so that the client's leaving is noticed, if it left meanwhile
    is_whole = not client.has_left
    await send({"type": "http.response.body", "body": b"", "more_body": False})
    return is_whole

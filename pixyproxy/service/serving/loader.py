"""Reads of single images, gathered into few statements when many come at once."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any

from pixyproxy.core.models import ImageDetail

MAX_BATCH = 100
MAX_RUNNING = 2
PATIENCE_S = 0.2
"""How long a read waits for others: less than is left of 2 s after the database's deadline."""

Found = Mapping[str, ImageDetail]
LoadMany = Callable[[Sequence[str]], Coroutine[Any, Any, Found]]


class ImageLoader:
    """Loads images by GUID, in batches that form by themselves.

    A read begins at once while fewer than `max_running` batches run. Those that come meanwhile
    are the next batch. One that has waited for `patience_s` seconds begins all the same: a
    database that hangs must not hold up others than those that asked it.
    """

    def __init__(
        self,
        load_many: LoadMany,
        *,
        max_batch: int = MAX_BATCH,
        max_running: int = MAX_RUNNING,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._load_many = load_many
        self._max_batch = max_batch
        self._max_running = max_running
        self._patience_s = patience_s
        self._waiting: list[str] = []
        self._readers: dict[str, list[asyncio.Future[ImageDetail | None]]] = {}
        self._running: set[asyncio.Task[Found]] = set()
        self._patience: asyncio.TimerHandle | None = None

    async def load(self, guid: str) -> ImageDetail | None:
        """Return the image, or None where there is none. Raises what its batch raised."""
        loop = asyncio.get_running_loop()
        reader: asyncio.Future[ImageDetail | None] = loop.create_future()
        if guid in self._readers:
            self._readers[guid].append(reader)
        else:
            self._readers[guid] = [reader]
            self._waiting.append(guid)
            if len(self._running) < self._max_running:
                self._begin()
            elif self._patience is None:
                self._patience = loop.call_later(self._patience_s, self._begin_all)
        return await reader

    async def aclose(self) -> None:
        """Wait for batches whose readers have gone away."""
        while self._running:
            await asyncio.wait(self._running)

    def _begin(self) -> None:
        guids = self._waiting[: self._max_batch]
        del self._waiting[: self._max_batch]
        if not self._waiting and self._patience is not None:
            self._patience.cancel()
            self._patience = None
        batch = asyncio.create_task(self._load_many(guids))
        self._running.add(batch)
        batch.add_done_callback(partial(self._finish, guids))

    def _begin_all(self) -> None:
        while self._waiting:
            self._begin()

    def _finish(self, guids: Sequence[str], batch: "asyncio.Task[Found]") -> None:
        self._running.discard(batch)
        error = None if batch.cancelled() else batch.exception()
        for guid in guids:
            for reader in self._readers.pop(guid):
                if reader.done():  # who asked has gone away
                    continue
                if batch.cancelled():
                    reader.cancel()
                elif error is not None:
                    reader.set_exception(error)
                else:
                    reader.set_result(batch.result().get(guid))
        if self._waiting and len(self._running) < self._max_running:
            self._begin()

"""Leases: who runs a generation, so that of several processes one does, and a dead one none."""

import asyncio
import itertools
import logging
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from pixyproxy.core.exceptions import StorageException
from pixyproxy.core.tasks import end_tasks
from pixyproxy.data.repositories.generations import GenerationRepository, Lease

logger = logging.getLogger(__name__)


class LeaseLostError(Exception):
    """Another process has taken the generation over."""


class Leases:
    """Makes and renews this process's leases of `lease_s` seconds."""

    def __init__(self, generations: GenerationRepository, *, lease_s: float) -> None:
        self.lease_s = lease_s
        self._generations = generations
        # Its name among all processes that share the database.
        self._process = f"{socket.gethostname()[:80]}-{os.getpid()}-{os.urandom(4).hex()}"
        self._numbers = itertools.count()

    def make(self, runner: str | None = None) -> Lease:
        """Return a lease from now on, for a new runner or one that has had one.

        Each run is a runner of its own: an earlier one of the same generation is none.
        """
        runner = runner or f"{self._process}-{next(self._numbers)}"
        return Lease(runner, datetime.now(UTC) + timedelta(seconds=self.lease_s))

    @asynccontextmanager
    async def held(self, guid: str, runner: str) -> AsyncIterator[None]:
        """Renew the lease of a generation for as long as it is run."""
        renewing: list[asyncio.Task[None]] = []
        first = asyncio.get_running_loop().call_later(
            self.lease_s / 3,
            lambda: renewing.append(asyncio.create_task(self._renew(guid, runner))),
        )
        try:
            yield
        finally:
            first.cancel()
            await end_tasks(renewing)

    async def _renew(self, guid: str, runner: str) -> None:
        while True:
            try:
                async with self._generations.open_context() as context:
                    await self._generations.renew(context, guid, self.make(runner))
            except StorageException as error:
                logger.warning("a lease was not renewed: %s: %s", error.code, error.reason)
            await asyncio.sleep(self.lease_s / 3)

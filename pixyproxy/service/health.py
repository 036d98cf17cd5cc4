"""Whether the service can do its work now."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from pixyproxy.core.exceptions import PixyProxyException, StorageException

logger = logging.getLogger(__name__)

VERDICT_HOLDS_S = 1
"""How many seconds a verdict is given again: checks write to the disk, and anybody may ask."""


class Health:
    """Knows whether the service drains, and asks each part that it needs.

    `warnings` tell of what is to come: only where it is not `ok`, and the service stays ready.
    """

    def __init__(
        self,
        vital: Mapping[str, Callable[[], Awaitable[None]]],
        others: Mapping[str, Callable[[], Awaitable[None]]] | None = None,
        warnings: Mapping[str, Callable[[], str]] | None = None,
    ) -> None:
        self._checks = {**vital, **(others or {})}
        self._warnings = warnings or {}
        self._others = frozenset(others or ()) | frozenset(self._warnings)
        self._checking = asyncio.Lock()
        self._verdicts: dict[str, str] = {}
        self._holds_until = 0.0
        self.draining = False

    def is_ready(self, verdicts: Mapping[str, str]) -> bool:
        """Tell whether the service can do without what is wrong, if anything is."""
        return all(verdict == "ok" or name in self._others for name, verdict in verdicts.items())

    async def check(self) -> dict[str, str]:
        """Return what each part says: `ok`, or the code of what is wrong."""
        loop = asyncio.get_running_loop()
        async with self._checking:
            if loop.time() >= self._holds_until:
                verdicts = await asyncio.gather(*map(self._verdict, self._checks))
                self._verdicts = dict(zip(self._checks, verdicts, strict=True))
                self._holds_until = loop.time() + VERDICT_HOLDS_S
        told = {name: warning() for name, warning in self._warnings.items()}
        warnings = {name: verdict for name, verdict in told.items() if verdict != "ok"}
        return {"service": "draining" if self.draining else "ok", **self._verdicts, **warnings}

    async def look_at(self, name: str) -> None:
        """Have the log say at start what is wrong with a part, if anything is."""
        self._verdicts[name] = await self._verdict(name)

    async def _verdict(self, name: str) -> str:
        """Return what a part says, and log it where that is new and not `ok`."""
        try:
            await self._checks[name]()
        except PixyProxyException as error:
            if self._verdicts.get(name) != error.code:
                reason = error.reason if isinstance(error, StorageException) else error
                logger.warning("%s: %s: %s", name, error.code, reason)
            return error.code
        return "ok"

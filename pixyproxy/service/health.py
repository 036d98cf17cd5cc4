"""Whether the service can do its work now."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from pixyproxy.core.exceptions import PixyProxyException

VERDICT_HOLDS_S = 1
"""How many seconds a verdict is given again: checks write to the disk, and anybody may ask."""


class Health:
    """Knows whether the service drains, and asks each part that it needs."""

    def __init__(
        self,
        vital: Mapping[str, Callable[[], Awaitable[None]]],
        others: Mapping[str, Callable[[], Awaitable[None]]] | None = None,
    ) -> None:
        self._checks = {**vital, **(others or {})}
        self._others = frozenset(others or ())
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
                names, checks = self._checks.keys(), self._checks.values()
                verdicts = await asyncio.gather(*map(_verdict, checks))
                self._verdicts = dict(zip(names, verdicts, strict=True))
                self._holds_until = loop.time() + VERDICT_HOLDS_S
        return {"service": "draining" if self.draining else "ok", **self._verdicts}


async def _verdict(check: Callable[[], Awaitable[None]]) -> str:
    try:
        await check()
    except PixyProxyException as error:
        return error.code
    return "ok"

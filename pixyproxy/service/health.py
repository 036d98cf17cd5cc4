"""Whether the service can do its work now."""

from collections.abc import Awaitable, Callable, Mapping

from pixyproxy.core.exceptions import StorageException


class Health:
    """Knows whether the service drains, and asks each part that it needs."""

    def __init__(self, checks: Mapping[str, Callable[[], Awaitable[None]]]) -> None:
        self._checks = checks
        self.draining = False

    async def check(self) -> dict[str, str]:
        """Return what each part says: `ok`, or the code of what is wrong."""
        return {
            "service": "draining" if self.draining else "ok",
            **{name: await _verdict(check) for name, check in self._checks.items()},
        }


async def _verdict(check: Callable[[], Awaitable[None]]) -> str:
    try:
        await check()
    except StorageException as error:
        return error.code
    return "ok"

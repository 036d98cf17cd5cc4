"""The circuit to an upstream server: after repeated failures to connect it is left alone a while.

Meanwhile nothing is sent but, now and then, one call that tries it.
"""

import math
import time

from pixyproxy.core.exceptions import GeneratorUnavailableError

FAILURES_TO_OPEN = 5
REST_S = 10.0


class Circuit:
    """Closed while the server can be reached; open after `FAILURES_TO_OPEN` failures in a row."""

    def __init__(self, rest_s: float = REST_S) -> None:
        self._rest_s = rest_s
        self._failures = 0
        self._next_try_at = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the server could not be reached lately."""
        return self._failures >= FAILURES_TO_OPEN

    @property
    def wait_s(self) -> float:
        """How long it is until a call may try the server; 0: now."""
        return max(0.0, self._next_try_at - time.monotonic()) if self.is_open else 0.0

    def claim_try(self) -> bool:
        """Tell whether a call may be made now; with an open circuit, one may now and then."""
        if self.wait_s:
            return False
        self._next_try_at = time.monotonic() + self._rest_s
        return True

    def connected(self) -> None:
        """Note that the server was reached."""
        self._failures = 0

    def failed(self) -> None:
        """Note that it was not."""
        self._failures += 1
        self._next_try_at = time.monotonic() + self._rest_s

    async def check(self) -> None:
        """Raise GeneratorUnavailableError while the server is left alone."""
        if self.wait_s:
            raise GeneratorUnavailableError(
                f"The image model's server could not be reached {self._failures} times in a row. "
                "Nothing was sent to it; try again later.",
                retry_after_s=max(1, math.ceil(self.wait_s)),
                sent=False,
            )

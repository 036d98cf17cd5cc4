"""A cache that is bounded in entries and in bytes."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class BoundedCache(Generic[Key, Value]):
    """Keeps what was used last. For one event loop: it has no lock."""

    def __init__(self, *, max_entries: int, max_bytes: int) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._bytes = 0
        self._entries: OrderedDict[Key, tuple[Value, int, float]] = OrderedDict()

    def get(self, key: Key, *, max_age_s: float | None = None) -> Value | None:
        """Return the value kept under `key`, if it is still there, and not too old."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        self._entries.move_to_end(key)
        if max_age_s is not None and time.monotonic() - entry[2] > max_age_s:
            return None
        return entry[0]

    def drop(self, key: Key) -> None:
        """Forget what is kept under `key`."""
        _, size, _ = self._entries.pop(key, (None, 0, 0.0))
        self._bytes -= size

    def drop_where(self, is_meant: Callable[[Key], bool]) -> None:
        """Drop the entries whose keys are meant."""
        for key in [key for key in self._entries if is_meant(key)]:
            self.drop(key)

    def put(self, key: Key, value: Value, *, size: int, since: float | None = None) -> None:
        """Keep `value`, which takes about `size` bytes, and drop what was not used for longest.

        What is larger than the whole cache is not kept. Its age counts from `since`, by
        `time.monotonic`, or from now.
        """
        if size > self._max_bytes:
            return
        self.drop(key)
        self._bytes += size
        self._entries[key] = (value, size, time.monotonic() if since is None else since)
        while len(self._entries) > self._max_entries or self._bytes > self._max_bytes:
            self.drop(next(iter(self._entries)))

"""A cache that is bounded in entries and in bytes."""

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
        self._entries: OrderedDict[Key, tuple[Value, int]] = OrderedDict()

    def get(self, key: Key) -> Value | None:
        """Return the value kept under `key`, if it is still there."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        self._entries.move_to_end(key)
        return entry[0]

    def drop_where(self, is_meant: Callable[[Key], bool]) -> None:
        """Drop the entries whose keys are meant."""
        for key in [key for key in self._entries if is_meant(key)]:
            _, size = self._entries.pop(key)
            self._bytes -= size

    def put(self, key: Key, value: Value, *, size: int) -> None:
        """Keep `value`, which takes about `size` bytes, and drop what was not used for longest.

        What is larger than the whole cache is not kept.
        """
        if size > self._max_bytes:
            return
        _, old_size = self._entries.pop(key, (None, 0))
        self._bytes += size - old_size
        self._entries[key] = (value, size)
        while len(self._entries) > self._max_entries or self._bytes > self._max_bytes:
            _, (_, dropped) = self._entries.popitem(last=False)
            self._bytes -= dropped

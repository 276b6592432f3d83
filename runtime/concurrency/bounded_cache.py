"""A cache that is bounded in bytes, for what strangers can fill."""

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

ENTRY_BYTES = 500
"""Counted for each entry besides its value: its key, which is a digest or about as short, and its place in the cache."""


class BoundedCache(Generic[K, V]):
    """Keeps the values that were used last, up to a total size; may be used from several threads.

    Args:
        max_bytes: Size of all entries together; 0 keeps nothing.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._entries: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._held = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: K) -> bool:
        return key in self._entries

    @property
    def held(self) -> int:
        """Bytes of all entries, as they were counted."""
        return self._held

    def keys(self) -> list[K]:
        """The keys, the one that was used longest ago first."""
        with self._lock:
            return list(self._entries)

    def get(self, key: K) -> V | None:
        """The value of a key, which is used with that; None when it is not kept."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            self._entries.move_to_end(key)
            return entry[0]

    def put(self, key: K, value: V, size: int) -> None:
        """Keep a value in place of the one that its key had, and drop those that were used longest ago.

        Args:
            key: A digest, or something as short.
            value: What is kept, unless it is larger than the whole cache by itself.
            size: Bytes that the value holds in memory, besides 500 for the entry.
        """
        size += ENTRY_BYTES
        with self._lock:
            self._remove(key)
            if size > self._max_bytes:
                return
            self._entries[key] = value, size
            self._held += size
            while self._held > self._max_bytes:
                self._remove(next(iter(self._entries)))

    def pop(self, key: K) -> None:
        """Drop a key, if it is kept."""
        with self._lock:
            self._remove(key)

    def _remove(self, key: K) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._held -= entry[1]

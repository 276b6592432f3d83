"""A queue that serves clients in turn: one client's entry does not wait for all entries of another."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from heapq import heappop, heappush
from itertools import count
from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    """What waits, by client; the entries of one client and rank stay in their order."""

    def __init__(self) -> None:
        self._clients: OrderedDict[str, list[tuple[int, int, T]]] = OrderedDict()
        self._next, self._before = count(), count(-1, -1)
        self._length = 0

    def __len__(self) -> int:
        """How many entries wait."""
        return self._length

    def __iter__(self) -> Iterator[T]:
        """All of them, client by client."""
        return (entry for entries in self._clients.values() for _, _, entry in sorted(entries))

    def put(self, client: str, entry: T, *, rank: int = 0) -> None:
        """Let an entry wait.

        Args:
            client: Whose it is.
            entry: What is given when it is taken.
            rank: Its client's entries of lower ranks are taken before.
        """
        heappush(self._clients.setdefault(client, []), (rank, next(self._next), entry))
        self._length += 1

    def put_back(self, client: str, entry: T) -> None:
        """Let an entry that was taken be the next one again."""
        heappush(self._clients.setdefault(client, []), (0, next(self._before), entry))
        self._clients.move_to_end(client, last=False)
        self._length += 1

    def take_next(self, client: str, suits: Callable[[T], bool]) -> T | None:
        """The first entry of a client, where it suits; None when it does not, or nothing of the client waits."""
        entries = self._clients.get(client)
        if not entries or not suits(entries[0][2]):
            return None
        _, _, entry = heappop(entries)
        if not entries:
            del self._clients[client]
        self._length -= 1
        return entry

    def take(self) -> T | None:
        """The first entry of the client that was served longest ago; None when nothing waits."""
        if not self._clients:
            return None
        client, entries = self._clients.popitem(last=False)
        _, _, entry = heappop(entries)
        if entries:
            self._clients[client] = entries
        self._length -= 1
        return entry

"""A queue that serves clients in turn: whoever asks for one thing does not wait for all that another has asked for."""

from collections import OrderedDict, deque
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Rota(Generic[T]):
    """What waits, by client; the entries of one client stay in their order."""

    def __init__(self) -> None:
        self._clients: OrderedDict[str, deque[T]] = OrderedDict()
        self._length = 0

    def __len__(self) -> int:
        """How many entries wait."""
        return self._length

    def __iter__(self) -> Iterator[T]:
        """All of them, client by client."""
        for entries in self._clients.values():
            yield from entries

    def put(self, client: str, entry: T) -> None:
        """Let an entry wait behind those of its client."""
        self._clients.setdefault(client, deque()).append(entry)
        self._length += 1

    def put_back(self, client: str, entry: T) -> None:
        """Let an entry that was taken be the next one again."""
        self._clients.setdefault(client, deque()).appendleft(entry)
        self._clients.move_to_end(client, last=False)
        self._length += 1

    def take(self) -> T | None:
        """The first entry of the client that was served longest ago; None when nothing waits."""
        if not self._clients:
            return None
        client, entries = self._clients.popitem(last=False)
        entry = entries.popleft()
        if entries:
            self._clients[client] = entries
        self._length -= 1
        return entry

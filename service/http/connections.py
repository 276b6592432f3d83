"""The connections of clients: how many there may be, and which one gives way to a new one.

A connection whose request is answered is never closed for another. The others wait for their client: for the first bytes of a
request, for the rest of its head, for the next request, or for a body. When there are as many connections as there may be, of one
address or in all, one that waits is closed, the one of the lowest `ClosingRank` that has waited longest. Only where none waits the new one
is refused.
"""

import ipaddress
import logging
from collections.abc import Callable
from enum import IntEnum
from itertools import chain, islice
from typing import Protocol

from service.errors import ApiError
from service.http.parts import Phase
from service.telemetry.rate_limited_log import RateLimitedLog

logger = logging.getLogger(__name__)

LINGERING = 64
"""Connections that may stay open for a moment after they were refused; the others are closed at once."""
KEPT_BYTES = 64 * 1024 * 1024
"""Bytes of unfinished heads that are kept, over all connections."""
LOOKED_AT = 16
"""Waiting connections that are looked at, at most, to find one that can be closed."""


class Connection(Protocol):
    """A connection that may wait."""

    def give_way(self) -> bool:
        """Close, unless something is still on its way to the client; says whether it does."""
        ...


class ClosingRank(IntEnum):
    """Which waiting connections are closed for others, the lowest first."""

    NEW = 0
    """It never carried a request."""
    KEPT = 1
    """It waits for its next request."""
    BODY = 2
    """It carries a request whose body has yet to arrive."""


DISCARD_S = 20.0
"""Seconds that a connection waits for the rest of a body that was answered before it was complete."""


class _Waiting:
    """Connections that wait, by their rank; those of one rank in the order in which they began to."""

    def __init__(self) -> None:
        self._ranks: tuple[dict[Connection, None], ...] = tuple({} for _ in ClosingRank)

    def __bool__(self) -> bool:
        return any(self._ranks)

    def add(self, connection: Connection, rank: ClosingRank) -> None:
        self._ranks[rank][connection] = None

    def discard(self, connection: Connection) -> None:
        for rank in self._ranks:
            rank.pop(connection, None)

    def first(self, count: int) -> list[Connection]:
        """The first ones that should be closed for others."""
        return list(islice(chain(*self._ranks), count))


class Connections:
    """All connections of this process.

    Args:
        limit: Connections in all.
        per_address: Connections of one address; of IPv6, of one /64 network.
        head_timeout_s: Seconds that the head of a request may take, from the connection or from its first byte.
        idle_timeout_s: Seconds that a connection may wait for its next request.
        on_refusal: Is called with the HTTP status of each refusal on the level of connections.
    """

    def __init__(
        self,
        limit: int,
        per_address: int,
        *,
        head_timeout_s: float = 10.0,
        idle_timeout_s: float = 120.0,
        on_refusal: Callable[[int], None] = lambda status: None,
    ) -> None:
        self.limit, self.per_address = limit, per_address
        self.head_timeout_s, self.idle_timeout_s = head_timeout_s, idle_timeout_s
        self._on_refusal = on_refusal
        self._log = RateLimitedLog(logger)
        self._address: dict[Connection, str] = {}
        self._count: dict[str, int] = {}
        self._waiting = _Waiting()
        self._waiting_of: dict[str, _Waiting] = {}
        self._lingering: set[Connection] = set()
        self._kept = 0

    def __len__(self) -> int:
        return len(self._address)

    def timeout_s(self, phase: Phase) -> float:
        """Seconds that a connection may wait for its client."""
        if phase is Phase.HEAD:
            return self.head_timeout_s
        return min(DISCARD_S, self.idle_timeout_s) if phase is Phase.DISCARD else self.idle_timeout_s

    def enter(self, connection: Connection, address: str) -> ApiError | None:
        """Count a new connection, which waits; gives the answer to it where it is one too many.

        Args:
            connection: The new one.
            address: The client's IP address; empty where it has none, as on a Unix socket.
        """
        address = network_of(address)
        if address and self._count.get(address, 0) >= self.per_address:
            if not self._make_room(self._waiting_of.get(address, _Waiting())):
                message = f"your address has {self.per_address:,} connections, as many as it may; close some, or wait"
                return ApiError(429, message, code="too_many_connections")
        elif len(self._address) >= self.limit and not self._make_room(self._waiting):
            message = f"this process has {self.limit:,} connections, as many as it may; ask again"
            return ApiError(503, message, code="too_many_connections")
        self._address[connection] = address
        self._count[address] = self._count.get(address, 0) + 1
        self.wait(connection, ClosingRank.NEW)
        return None

    def wait(self, connection: Connection, rank: ClosingRank) -> None:
        """A connection waits for its client from now on; it waits anew if it waited before.

        Args:
            connection: One that was let in; others are not counted.
            rank: How soon it gives way to others.
        """
        address = self._address.get(connection)
        if address is None:
            return
        self.work(connection)
        self._waiting.add(connection, rank)
        self._waiting_of.setdefault(address, _Waiting()).add(connection, rank)

    def work(self, connection: Connection) -> None:
        """A connection has a request answered from now on."""
        address = self._address.get(connection)
        if address is None:
            return
        self._waiting.discard(connection)
        of_address = self._waiting_of.get(address)
        if of_address is not None:
            of_address.discard(connection)
            if not of_address:
                del self._waiting_of[address]

    def linger(self, connection: Connection) -> bool:
        """Whether a connection that was refused may stay open for a moment, until its client has read why."""
        if len(self._lingering) >= LINGERING:
            return False
        self._lingering.add(connection)
        return True

    def keep(self, count: int) -> bool:
        """Count bytes of unfinished heads, or fewer of them; says whether there are not too many."""
        self._kept += count
        return self._kept <= KEPT_BYTES

    def leave(self, connection: Connection) -> None:
        """A connection is closed, or about to be."""
        self._lingering.discard(connection)
        self.work(connection)
        address = self._address.pop(connection, None)
        if address is None:
            return
        self._count[address] -= 1
        if not self._count[address]:
            del self._count[address]

    def refused(self, error: ApiError) -> None:
        """Count, and log once a minute, what was refused before any application saw it."""
        self._on_refusal(error.status)
        self._log.warning(
            f"{error.status} {error.code}", f"refused with {error.status} {error.code}: {error.message}"
        )

    def _make_room(self, waiting: _Waiting) -> bool:
        """Close the connection that should be closed first, if there is one that can be."""
        for connection in waiting.first(LOOKED_AT):
            if connection.give_way():
                self.leave(connection)
                self._log.warning(
                    "closed", "there are as many connections as there may be: idle ones are closed"
                )
                return True
        return False


def network_of(address: str) -> str:
    """What counts as one address: an IPv4 address, also inside an IPv6 one, or the /64 network of an IPv6 address."""
    if ":" not in address:
        return address
    found = ipaddress.IPv6Address(address.partition("%")[0])
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    if found.is_loopback:
        return address
    return str(ipaddress.IPv6Address(int(found) >> 64 << 64)) + "/64"

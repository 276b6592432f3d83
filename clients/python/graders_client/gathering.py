"""Calls of one sample each, gathered for some milliseconds into one request."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import NamedTuple

from graders_client.calls import Call, deliver
from graders_client.graded import Graded, ungraded
from graders_client.grading import Asked
from graders_client.rows import Row

IDLE_S = 60.0
"""Seconds without calls after which the thread ends."""
QUIET = 0.25
"""Share of the gathering time without a new call after which those that have come are sent."""


class Single(NamedTuple):
    """A call of one sample.

    Attributes:
        row: What is graded.
        asked: What else is asked for.
        group: What its group is called; None where nobody has said.
        group_size: Samples of the group, which is sent when it is complete; None sends what has come.
        call: Who waits.
    """

    row: Row
    asked: Asked
    group: Hashable | None
    group_size: int | None
    call: Call[Graded]


@dataclass
class _Held:
    """A group that is not complete.

    Attributes:
        until: When it is given up, by `time.monotonic`.
        members: Those that have come.
    """

    until: float
    members: list[Single] = field(default_factory=list)


class Gatherer:
    """Gathers calls of one sample.

    Args:
        send: Sends what was gathered; it returns at once.
        gather_s: Seconds that the first call of a request may wait for others.
        most: Calls that are sent without waiting for others.
    """

    def __init__(self, send: Callable[[list[Single]], None], *, gather_s: float, most: int) -> None:
        self._send, self._gather_s, self._most = send, gather_s, most
        self._condition = threading.Condition()
        self._waiting: list[Single] = []
        self._held: dict[Hashable, _Held] = {}
        self._running = self._closed = False

    def add(self, single: Single) -> None:
        """Have a call gathered."""
        with self._condition:
            if single.group_size is None:
                self._waiting.append(single)
            else:
                self._hold(single, single.group_size)
            if not self._running:
                # a daemon: a program that forgets to close its client must still end
                threading.Thread(target=self._run, name="graders-client-gather", daemon=True).start()
                self._running = True
            elif len(self._waiting) in (1, self._most) or single.group_size is not None:
                self._condition.notify()

    def close(self) -> None:
        """Have what is gathered sent, and the thread end."""
        with self._condition:
            self._closed = True
            self._condition.notify()

    def _hold(self, single: Single, size: int) -> None:
        """Keep a member of a group until the group is complete."""
        key = (single.group, single.row.item, single.asked)
        now = time.monotonic()
        # a tenth of the time is left to answer those who wait
        held = self._held.setdefault(key, _Held(single.call.deadline - 0.1 * (single.call.deadline - now)))
        held.members.append(single)
        if len(held.members) >= size:
            del self._held[key]
            self._waiting += held.members

    def _run(self) -> None:
        while True:
            with self._condition:
                if not self._await_calls():
                    self._running = False
                    return
                self._await_quiet()
                taken, self._waiting = self._waiting, []
                given_up = self._given_up()
            for held in given_up:
                _give_up(held)
            try:
                if taken:
                    self._send(taken)
            except BaseException as error:  # noqa: BLE001  # whatever it is, those who wait must get it
                deliver(((single.call, None) for single in taken), error)

    def _await_calls(self) -> bool:
        """Wait until there is something to do; whether there is."""
        while not self._waiting and not self._closed:
            until = min((held.until for held in self._held.values()), default=None)
            timeout = IDLE_S if until is None else until - time.monotonic()
            if timeout <= 0:
                return True
            if not self._condition.wait(timeout) and until is None and not self._waiting:
                return False
        return bool(self._waiting or self._held)

    def _await_quiet(self) -> None:
        """Wait until no more calls come, there are enough, or the gathering time is over."""
        end = time.monotonic() + self._gather_s
        while not self._closed and 0 < len(self._waiting) < self._most and time.monotonic() < end:
            before = len(self._waiting)
            self._condition.wait(self._gather_s * QUIET)
            if len(self._waiting) == before:
                return

    def _given_up(self) -> list[_Held]:
        now = time.monotonic()
        over = [key for key, held in self._held.items() if self._closed or held.until <= now]
        return [self._held.pop(key) for key in over]


def _give_up(held: _Held) -> None:
    """Answer those whose group has not become complete: graded without the others they would get another reward."""
    first = held.members[0]
    graded = ungraded(
        f"only {len(held.members)} of the {first.group_size} samples of the group {first.group!r} came in time, "
        "all with the same item",
        "incomplete_group",
    )
    deliver((single.call, graded) for single in held.members)

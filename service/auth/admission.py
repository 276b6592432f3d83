"""How many gradings wait or are worked at, by what they cost: a flood of dear ones leaves room for cheap ones.

A request is refused when the queue that its gradings belong to is full, and never because of its own length: what an idle
process is asked, it does.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

from graders import Grader
from runtime import Settings
from runtime.evaluation.cost_class import COSTS, Cost, cost_of
from service.errors import Refusal

WINDOW_S = 10.0
"""Seconds over which it is counted how many gradings end."""
LONGEST_S = 60.0
"""Nobody is told to wait longer."""


@dataclass(slots=True)
class _Queue:
    limit: int
    depth: int = 0
    since: float = 0.0
    ended: int = 0


class Held:
    """Gradings of one request that wait or are worked at."""

    __slots__ = ("_left", "_queue")

    def __init__(self, queue: _Queue, gradings: int) -> None:
        self._queue, self._left = queue, gradings

    def __enter__(self) -> Self:
        """They begin to wait."""
        self._queue.depth += self._left
        return self

    def __exit__(self, *error: object) -> None:
        """Those that are left have ended, too."""
        self._end(self._left)

    def one_ended(self) -> None:
        """One of them has ended."""
        self._end(1)

    def _end(self, gradings: int) -> None:
        self._left -= gradings
        self._queue.depth -= gradings
        self._queue.ended += gradings


class Admission:
    """The queues of one process.

    Args:
        limits: How many gradings of each class there may be before further requests are refused.
        clock: Gives seconds.
    """

    def __init__(self, limits: Mapping[Cost, int], clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._queues = {cost: _Queue(limits[cost], since=clock()) for cost in COSTS}

    @classmethod
    def of(cls, settings: Settings) -> "Admission":
        """Those that an operator wants."""
        return cls(
            {
                "inline": settings.queue_inline,
                "worker": settings.queue_worker,
                "sandbox": settings.queue_sandbox,
                "judge": settings.queue_judge,
            }
        )

    @property
    def depths(self) -> Mapping[Cost, int]:
        """How many gradings there are, by class."""
        return {cost: queue.depth for cost, queue in self._queues.items()}

    def enter(self, grader: Grader, gradings: int = 1) -> Held:
        """Admit gradings by a grader; they count as waiting or running until the returned context ends.

        Raises:
            Refusal: 429, if the queue is full.
        """
        return self.enter_class(cost_of(grader), gradings)

    def enter_class(self, cost: Cost, gradings: int = 1) -> Held:
        """Admit work of a class; as `enter`.

        Raises:
            Refusal: 429, if the queue is full.
        """
        queue = self._queues[cost]
        if queue.depth >= queue.limit:
            message = f"{queue.depth:,} gradings of the class '{cost}' are waiting or being worked at already"
            raise Refusal(429, message, code="queue_full", after_s=self._patience(queue))
        return Held(queue, gradings)

    def _patience(self, queue: _Queue) -> float:
        """Seconds in which half of a queue will probably have ended."""
        now = self._clock()
        seconds = now - queue.since
        rate = queue.ended / seconds if seconds else 0.0
        if seconds > WINDOW_S:
            queue.since, queue.ended = now, 0
        return min(LONGEST_S, queue.depth / 2 / rate) if rate else LONGEST_S

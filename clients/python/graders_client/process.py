"""What belongs to one process: its threads, and the calls that they work at."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Sequence
from functools import partial

from graders_client.calls import Call, deliver
from graders_client.connection import Connection
from graders_client.gathering import Gatherer, Single
from graders_client.graded import Graded, late
from graders_client.grading import Asked, GraderRequests
from graders_client.rows import Row, requests_of
from graders_client.workers import Workers

BATCH_CHARACTERS = 8_000_000
"""Characters of the rows of one request, unless one group has more; the service takes 64 MB by itself."""


class Process:
    """The threads of one process.

    Attributes:
        requests: Sends rows.
        workers: Threads that send requests.
        gatherer: Gathers calls of one sample.
    """

    def __init__(
        self,
        requests: GraderRequests,
        connect: Callable[[], Connection],
        concurrency: int,
        *,
        gather_s: float,
        most_rows: int,
    ) -> None:
        self.requests = requests
        self.workers = Workers(concurrency, connect)
        self.gatherer = Gatherer(self._send, gather_s=gather_s, most=most_rows)
        self._most_rows = most_rows

    def _send(self, singles: list[Single]) -> None:
        """Send calls of one sample: those of a group, or with equal items, together."""
        by_asked: dict[Asked, list[Single]] = {}
        for single in singles:
            by_asked.setdefault(single.asked, []).append(single)
        for asked, alike in by_asked.items():
            rows, groups = [single.row for single in alike], _groups_of(alike, self._most_rows)
            for indexes in requests_of(rows, groups, most_rows=self._most_rows, most_bytes=BATCH_CHARACTERS):
                self.workers.submit(partial(self._grade, [alike[index] for index in indexes], asked))

    def _grade(self, singles: list[Single], asked: Asked, connection: Connection) -> None:
        rows = [single.row for single in singles]
        try:
            results = self.requests.grade(
                rows,
                [single.group for single in singles],
                asked,
                connection,
                deadline=max(single.call.deadline for single in singles),
                abandoned=lambda: all(single.call.abandoned for single in singles),
            )
        except BaseException as error:  # noqa: BLE001  # whatever it is, those who wait must get it
            deliver(((single.call, None) for single in singles), error)
        else:
            deliver(zip((single.call for single in singles), results))


class Batch:
    """The rows of one call of `grade`.

    Attributes:
        call: Who waits.
    """

    def __init__(
        self,
        read: Sequence[Row | Graded],
        groups: Sequence[Hashable] | None,
        call: Call[list[Graded]],
        most_rows: int,
    ) -> None:
        self.call = call
        self._results: list[Graded | None] = [row if isinstance(row, Graded) else None for row in read]
        self._places = [place for place, row in enumerate(read) if isinstance(row, Row)]
        self._rows = [row for row in read if isinstance(row, Row)]
        self._groups = None if groups is None else [groups[place] for place in self._places]
        self._requests = requests_of(
            self._rows, self._groups, most_rows=most_rows, most_bytes=BATCH_CHARACTERS
        )
        self._left = len(self._requests)
        self._counting = threading.Lock()

    def start(self, process: Process, asked: Asked) -> None:
        """Have it graded."""
        if not self._requests:
            deliver([(self.call, self.results_so_far())])
        for indexes in self._requests:
            process.workers.submit(partial(self._grade, process.requests, asked, indexes))

    def results_so_far(self) -> list[Graded]:
        """All results; rows without one are late."""
        return [late_one() if graded is None else graded for graded in self._results]

    def _grade(
        self, requests: GraderRequests, asked: Asked, indexes: list[int], connection: Connection
    ) -> None:
        groups = None if self._groups is None else [self._groups[index] for index in indexes]
        try:
            results = requests.grade(
                [self._rows[index] for index in indexes],
                groups,
                asked,
                connection,
                deadline=self.call.deadline,
                abandoned=lambda: self.call.abandoned,
            )
        except BaseException as error:  # noqa: BLE001  # whatever it is, the one who waits must get it
            self.call.abandoned = True
            deliver([(self.call, None)], error)
            return
        for index, graded in zip(indexes, results):
            self._results[self._places[index]] = graded
        with self._counting:
            self._left -= 1
            is_last = self._left == 0
        if is_last:
            deliver([(self.call, self.results_so_far())])


def _groups_of(singles: Sequence[Single], most: int) -> list[Hashable]:
    """What the groups of calls are called; those for which nobody has said it are together where their items are equal."""
    nameless: dict[str, int] = {}
    groups: list[Hashable] = []
    for single in singles:
        item = single.row.item
        if single.group is not None:
            groups.append((single.group, item))
        else:
            count = nameless[item] = nameless.get(item, -1) + 1
            groups.append((None, item, count // most))
    return groups


def late_one() -> Graded:
    """The result of a sample whose call was late."""
    return late("there was no result before the deadline")

"""The client: grades samples over HTTP, from threads and from any event loop."""

from __future__ import annotations

import operator
import os
import time
from collections.abc import Hashable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from graders_client.address import Address
from graders_client.answers import FIELDS
from graders_client.calls import Call
from graders_client.connection import Connection
from graders_client.exchange import Exchange
from graders_client.gathering import Single
from graders_client.graded import Graded
from graders_client.grading import Asked, GraderRequests
from graders_client.process import Batch, Process, late_one
from graders_client.rows import Row, read_row

BATCH_PATH = "/v1/grade/batch"
BATCH_ROWS = 256
DEADLINE_S = 300.0
MOST_DEADLINE_S = 604_800.0
"""Seconds of a week: what is longer, sockets and locks may not take."""
CONCURRENCY = 4
GATHER_S = 0.004


class GraderClient:
    """Grades samples at a service.

    It may be used from any number of threads and event loops; its own threads do the work, each with a connection that is
    kept. It can be pickled, and after a fork each process has its own connections. Proxies of the environment are not used.

    What goes wrong with a sample, the network or the service leaves samples *ungraded*, with the reason in `failure`.

    Args:
        url: Of the service, such as `http://127.0.0.1:8000`.
        grader: The name of a grader that is stored there, or a grader's JSON.
        api_key: Where the service wants one.
        version: Of the stored grader; None takes the current one.
        deadline_s: Seconds that one call may take, with everything that is tried again.
        concurrency: Requests at the same time, in each process.
        batch_rows: Rows of one request, unless one group has more.
        gather_s: Seconds for which calls of one sample are gathered into one request.
        compress: Whether long bodies are compressed; None compresses them unless the service is on this machine.

    Raises:
        ValueError: When an argument is wrong.
    """

    def __init__(
        self,
        url: str,
        grader: str | Mapping[str, Any],
        *,
        api_key: str | None = None,
        version: int | None = None,
        deadline_s: float = DEADLINE_S,
        concurrency: int = CONCURRENCY,
        batch_rows: int = BATCH_ROWS,
        gather_s: float = GATHER_S,
        compress: bool | None = None,
    ) -> None:
        self._arguments: dict[str, Any] = {
            "api_key": api_key,
            "version": version,
            "deadline_s": deadline_s,
            "concurrency": concurrency,
            "batch_rows": batch_rows,
            "gather_s": gather_s,
            "compress": compress,
        }
        self.url, self.grader = url, grader
        for name, number, most in (
            ("deadline_s", deadline_s, MOST_DEADLINE_S),
            ("concurrency", concurrency, 1_000),
            ("batch_rows", batch_rows, 10_000),
            ("gather_s", gather_s, 60.0),
        ):
            if not 0 < number <= most:
                raise ValueError(f"{name}: expected a number above 0, up to {most:,}, got {number!r}")
        if api_key is not None and not (api_key and all("!" <= character <= "~" for character in api_key)):
            raise ValueError("api_key: expected visible ASCII characters; is there a line's end in it?")
        self._deadline_s, self._concurrency = deadline_s, concurrency
        self._batch_rows, self._gather_s = batch_rows, gather_s
        self._address = Address.of(url)
        if compress is None:
            compress = not self._address.is_loopback
        path = f"{self._address.prefix}{BATCH_PATH}?fields={','.join(FIELDS)}"
        self._requests = GraderRequests(Exchange(api_key, compress=compress), path, grader, version)
        self._processes: dict[int, Process] = {}

    def __repr__(self) -> str:
        return f"GraderClient({self.url!r}, {self.grader!r})"  # without the key

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(GraderClient, **self._arguments), (self.url, self.grader)

    def __enter__(self) -> GraderClient:  # noqa: PYI034  # `typing.Self` came with Python 3.11
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End its threads and connections in this process, once they have no work; the next call starts them again."""
        process = self._processes.pop(os.getpid(), None)
        if process is not None:
            process.gatherer.close()
            process.workers.close()

    def grade(
        self,
        samples: Sequence[object],
        items: Sequence[Mapping[str, Any] | None] | None = None,
        *,
        groups: Sequence[Hashable] | None = None,
        split: str | None = None,
        step: int | None = None,
        deadline_s: float | None = None,
    ) -> list[Graded]:
        """Grade many samples.

        Args:
            samples: Texts, stored samples, chat completions or lists of messages.
            items: The dataset row of each sample; None where the grader reads none.
            groups: What the group of each sample is called, for graders that compare the samples of a group: they go into
                one request. None takes consecutive samples with equal items for one group, up to `batch_rows` of them.
            split: What the statistics of a stored grader count this as, `train` or `valid`.
            step: The training step that they count it for.
            deadline_s: Seconds after which samples without a result are ungraded; None takes the client's.

        Returns:
            The result of each sample, in the order of the samples.

        Raises:
            RequestRefused: When the service refuses the request: its key, its grader, its address.
            ValueError: When the arguments do not fit each other.
        """
        batch = self._batch(samples, items, groups, deadline_s)
        batch.start(self._here(), _asked(split, step))
        return batch.call.wait(batch.results_so_far)

    async def agrade(
        self,
        samples: Sequence[object],
        items: Sequence[Mapping[str, Any] | None] | None = None,
        *,
        groups: Sequence[Hashable] | None = None,
        split: str | None = None,
        step: int | None = None,
        deadline_s: float | None = None,
    ) -> list[Graded]:
        """Grade many samples without blocking the event loop; see `grade`."""
        batch = self._batch(samples, items, groups, deadline_s)
        start = partial(batch.start, self._here(), _asked(split, step))
        return await batch.call.on_loop(start, batch.results_so_far)

    def grade_one(
        self,
        sample: object,
        item: Mapping[str, Any] | None = None,
        *,
        group: Hashable | None = None,
        group_size: int | None = None,
        split: str | None = None,
        step: int | None = None,
        deadline_s: float | None = None,
    ) -> Graded:
        """Grade one sample; calls from several threads and tasks are gathered into one request.

        Args:
            sample: A text, a stored sample, a chat completion or a list of messages.
            item: The dataset row; None where the grader reads none.
            group: What its group is called, for graders that compare the samples of a group.
            group_size: Samples of the group: they are graded when all have come. A group that is not complete before its
                deadline is ungraded. None grades those together that come at the same time.
            split: What the statistics of a stored grader count this as, `train` or `valid`.
            step: The training step that they count it for.
            deadline_s: Seconds after which the sample is ungraded; None takes the client's.

        Raises:
            RequestRefused: When the service refuses the request: its key, its grader, its address.
            ValueError: When there is a `group_size` without a `group`.
        """
        call: Call[Graded] = Call(self._deadline(deadline_s))
        row = read_row(sample, item)
        if isinstance(row, Graded):
            return row
        single = _single(row, _asked(split, step), group, group_size, call)
        self._here().gatherer.add(single)
        return call.wait(late_one)

    async def agrade_one(
        self,
        sample: object,
        item: Mapping[str, Any] | None = None,
        *,
        group: Hashable | None = None,
        group_size: int | None = None,
        split: str | None = None,
        step: int | None = None,
        deadline_s: float | None = None,
    ) -> Graded:
        """Grade one sample without blocking the event loop; see `grade_one`."""
        call: Call[Graded] = Call(self._deadline(deadline_s))
        row = read_row(sample, item)
        if isinstance(row, Graded):
            return row
        single = _single(row, _asked(split, step), group, group_size, call)
        return await call.on_loop(partial(self._here().gatherer.add, single), late_one)

    def _batch(
        self,
        samples: Sequence[object],
        items: Sequence[Mapping[str, Any] | None] | None,
        groups: Sequence[Hashable] | None,
        deadline_s: float | None,
    ) -> Batch:
        deadline = self._deadline(deadline_s)
        samples = many("samples", samples)
        items = [None] * len(samples) if items is None else many("items", items, len(samples))
        groups = None if groups is None else many("groups", groups, len(samples))
        read = [read_row(sample, item) for sample, item in zip(samples, items)]
        return Batch(read, groups, Call(deadline), self._batch_rows)

    def _deadline(self, deadline_s: float | None) -> float:
        seconds = self._deadline_s if deadline_s is None else deadline_s
        if not 0 < seconds <= MOST_DEADLINE_S:
            raise ValueError(
                f"deadline_s: expected seconds above 0, up to {MOST_DEADLINE_S:,}, got {seconds!r}"
            )
        return time.monotonic() + seconds

    def _here(self) -> Process:
        """What belongs to this process. No lock: one that another thread held at a fork would never be free again."""
        pid = os.getpid()
        process = self._processes.get(pid)
        if process is None:
            connect = partial(Connection, self._address)
            made = Process(
                self._requests,
                connect,
                self._concurrency,
                gather_s=self._gather_s,
                most_rows=self._batch_rows,
            )
            process = self._processes.setdefault(pid, made)
            for other in [key for key in self._processes if key != pid]:
                forked = self._processes.pop(other, None)
                if forked is not None:
                    forked.workers.abandon()
        return process


def many(name: str, values: Iterable[Any], count: int | None = None) -> list[Any]:
    """Values as a list.

    Args:
        name: Of the argument.
        values: One for each sample.
        count: How many there must be.

    Raises:
        TypeError: When it is one value, which is for every sample or for none.
        ValueError: When there are more or fewer.
    """
    if isinstance(values, (str, bytes, Mapping)):
        raise TypeError(f"{name}: expected a list with one for each sample, got one {type(values).__name__}")
    found = list(values)
    if count is not None and len(found) != count:
        raise ValueError(f"{name}: expected one for each of the {count} samples, got {len(found)}")
    return found


def _asked(split: str | None, step: int | None) -> Asked:
    return Asked(split, None if step is None else operator.index(step))


def _single(row: Row, asked: Asked, group: Hashable | None, size: int | None, call: Call[Graded]) -> Single:
    if size is not None and (group is None or size < 1):
        raise ValueError("group_size: expected how many samples the `group` has, and a `group`")
    return Single(row, asked, group, size, call)

"""`Rewarder`, what every adapter takes: a `GraderClient`, or an evaluator in this process."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from typing import Any, Optional, Protocol, TypeVar

from graders_client.client import many
from graders_client.errors import WrongProcess
from graders_client.graded import Failure, Graded, numbers, numbers_or_none, of_reward, turns
from graders_client.rows import Row, read_row, requests_of

T = TypeVar("T")
Item = Optional[Mapping[str, Any]]
"""A dataset row; None where the grader reads none."""


class Rewarder(Protocol):
    """Grades samples; see `GraderClient` for every argument."""

    def grade(
        self,
        samples: Sequence[object],
        items: Sequence[Item] | None = None,
        *,
        groups: Sequence[Hashable] | None = None,
        split: str | None = None,
        step: int | None = None,
        deadline_s: float | None = None,
    ) -> list[Graded]:
        """Grade many samples."""
        ...

    async def agrade(
        self,
        samples: Sequence[object],
        items: Sequence[Item] | None = None,
        *,
        groups: Sequence[Hashable] | None = None,
        split: str | None = None,
        step: int | None = None,
        deadline_s: float | None = None,
    ) -> list[Graded]:
        """Grade many samples without blocking the event loop."""
        ...

    def grade_one(
        self,
        sample: object,
        item: Item = None,
        *,
        group: Hashable | None = None,
        group_size: int | None = None,
        split: str | None = None,
        step: int | None = None,
        deadline_s: float | None = None,
    ) -> Graded:
        """Grade one sample."""
        ...

    async def agrade_one(
        self,
        sample: object,
        item: Item = None,
        *,
        group: Hashable | None = None,
        group_size: int | None = None,
        split: str | None = None,
        step: int | None = None,
        deadline_s: float | None = None,
    ) -> Graded:
        """Grade one sample without blocking the event loop."""
        ...


class SyncEvaluator(Protocol):
    """What is used of `runtime.SyncEvaluator`."""

    def grade_many(self, grader: Any, samples: Any, items: Any, *, deadline_s: float | None = None) -> Any:
        """Grade many rows."""
        ...

    def prepare(self, config: Any) -> Any:
        """Load a grader."""
        ...


def local(evaluator: SyncEvaluator, grader: Mapping[str, Any] | Any) -> LocalRewarder:
    """A `Rewarder` that grades in this process.

    Args:
        evaluator: A `runtime.SyncEvaluator`.
        grader: A grader's JSON, or a prepared grader.
    """
    return LocalRewarder(evaluator, grader)


class LocalRewarder:
    """Grades with an evaluator of this process; see `local`."""

    def __init__(self, evaluator: SyncEvaluator, grader: Mapping[str, Any] | Any) -> None:
        self._evaluator, self._grader = evaluator, evaluator.prepare(grader)
        self._pid = os.getpid()

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError(
            "an evaluator stays in its process and cannot be pickled: run `graders serve` and give the trainer a "
            "GraderClient, or make the evaluator in the process that uses it"
        )

    def grade(
        self,
        samples: Sequence[object],
        items: Sequence[Item] | None = None,
        *,
        groups: Sequence[Hashable] | None = None,
        split: str | None = None,
        step: int | None = None,
        deadline_s: float | None = None,
    ) -> list[Graded]:
        """Grade many samples; `split` and `step` belong to the statistics of a service and are not used.

        Raises:
            WrongProcess: When the process was forked after the evaluator was made.
            ValueError: When the arguments do not fit each other.
        """
        del split, step
        if os.getpid() != self._pid:
            raise WrongProcess(
                f"the evaluator was made in process {self._pid}, whose threads are not in this one ({os.getpid()}): "
                "make it after the fork, or run `graders serve` and use a GraderClient"
            )
        samples = many("samples", samples)
        items = [None] * len(samples) if items is None else many("items", items, len(samples))
        if groups is None:
            return self._graded(samples, items, deadline_s)
        groups = many("groups", groups, len(samples))
        read = [read_row("", item) for item in items]
        rows = [row if isinstance(row, Row) else Row("", f"{place}") for place, row in enumerate(read)]
        found: dict[int, Graded] = {}
        for places in requests_of(rows, groups, most_rows=len(rows) or 1, most_bytes=2**62):
            graded = self._graded([samples[at] for at in places], [items[at] for at in places], deadline_s)
            found.update(zip(places, graded))
        return [found[place] for place in range(len(samples))]

    async def agrade(
        self,
        samples: Sequence[object],
        items: Sequence[Item] | None = None,
        *,
        groups: Sequence[Hashable] | None = None,
        split: str | None = None,
        step: int | None = None,
        deadline_s: float | None = None,
    ) -> list[Graded]:
        """Grade many samples without blocking the event loop; see `grade`."""
        work = partial(
            self.grade, samples, items, groups=groups, split=split, step=step, deadline_s=deadline_s
        )
        return await _in_thread(work)

    def grade_one(
        self,
        sample: object,
        item: Item = None,
        *,
        group: Hashable | None = None,
        group_size: int | None = None,
        split: str | None = None,
        step: int | None = None,
        deadline_s: float | None = None,
    ) -> Graded:
        """Grade one sample, by itself.

        Raises:
            ValueError: When there is a `group_size`: only `GraderClient` gathers the samples of a group.
        """
        del group
        if group_size is not None:
            raise ValueError(
                "group_size: samples of a group are gathered by a GraderClient only; use `grade`"
            )
        return self.grade([sample], [item], split=split, step=step, deadline_s=deadline_s)[0]

    async def agrade_one(
        self,
        sample: object,
        item: Item = None,
        *,
        group: Hashable | None = None,
        group_size: int | None = None,
        split: str | None = None,
        step: int | None = None,
        deadline_s: float | None = None,
    ) -> Graded:
        """Grade one sample without blocking the event loop; see `grade_one`."""
        work = partial(
            self.grade_one,
            sample,
            item,
            group=group,
            group_size=group_size,
            split=split,
            step=step,
            deadline_s=deadline_s,
        )
        return await _in_thread(work)

    def _graded(self, samples: list[object], items: list[Item], deadline_s: float | None) -> list[Graded]:
        results = self._evaluator.grade_many(self._grader, samples, items, deadline_s=deadline_s)
        return [_of_result(result) for result in results]


def _of_result(result: Any) -> Graded:
    """What an evaluator's result is to a trainer."""
    failure = result.failure
    said = None
    if failure is not None:
        said = Failure(
            str(failure.kind), failure.caused_by, failure.message, dict(failure.details), failure.retryable
        )
    return of_reward(
        result.reward,
        said,
        sub_rewards=numbers_or_none(result.sub_rewards),
        metrics=numbers(result.metrics),
        turn_rewards=turns(getattr(result, "metadata", {}).get("turn_rewards")),
    )


async def _in_thread(work: Callable[[], T]) -> T:
    """What some work gives that blocks."""
    import asyncio  # noqa: PLC0415  # it takes long to import

    return await asyncio.get_running_loop().run_in_executor(None, work)

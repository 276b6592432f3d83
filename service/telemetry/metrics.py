"""Metrics for Prometheus: gradings, rewards, judges and requests.

Names that clients choose, such as the names of graders, become labels only up to a maximum number, so that no
client can fill the memory of the server that collects the metrics. Several processes of one service share
files in the directory `PROMETHEUS_MULTIPROC_DIR` (`graders serve` sets it), and each of them answers for all;
a single process uses no files.
"""

import asyncio
import math
from collections import Counter as Counts
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, Counter, Gauge

from graders import GraderInfo, GraderResult, Item
from graders.pattern import encodable
from runtime import BatchResult
from runtime.evaluation.cost_class import COSTS, Cost
from runtime.judge.statistics import ModelStatistics
from runtime.telemetry.outcomes import OTHER, failed_by, known_cause, outcome_of
from service.telemetry.distributions import BoundHistogram, BoundSummary, Histogram, Summary
from service.telemetry.exposition import exposition
from service.telemetry.judge_metrics import JudgeCounters
from service.telemetry.request_metrics import NOTED, RequestCounters
from service.telemetry.reward_groups import equal_groups

NAMES = 200
"""Different names of strangers, for each label, that have a label of their own."""
NAME_CHARACTERS = 100
"""Of a name that are shown."""

Statistics: TypeAlias = Callable[[], Mapping[str, ModelStatistics]]
"""Gives what the judges of this process did until now."""
Kills: TypeAlias = Callable[[], Mapping[str, int]]
"""Gives how many processes the sandbox of this process has lost until now, by cause."""
Depths: TypeAlias = Callable[[], Mapping[Cost, int]]
"""Gives how many gradings wait in this process or are being worked at."""

_GRADING_SECONDS = (1e-5, 1e-4, 1e-3, 1e-2, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class Names:
    """The labels of names that strangers choose: the first ones' own, and one for all others."""

    def __init__(self, limit: int = NAMES) -> None:
        self._limit = limit
        self._labels: dict[str, str] = {}

    def label(self, name: str) -> str:
        """What a name counts under."""
        name = name[:NAME_CHARACTERS]
        known = self._labels.get(name)
        if known is not None:
            return known
        if len(self._labels) >= self._limit:
            return OTHER
        return self._labels.setdefault(name, encodable(name))


@dataclass(slots=True)
class _Gradings:
    """The counters of one combination of labels, and the gradings that they have still to count."""

    total: Counter
    seconds: BoundHistogram
    rewards: BoundSummary
    squares: Counter
    failures: Counter | None
    new_rewards: list[float | None] = field(default_factory=list)
    new_seconds: list[float] = field(default_factory=list)

    def note(self, reward: float | None, seconds: float) -> None:
        """Note one grading."""
        self.new_rewards.append(reward)
        self.new_seconds.append(seconds)
        if len(self.new_rewards) > NOTED:
            self.settle()

    def settle(self) -> None:
        """Count what is noted."""
        rewards = [reward for reward in self.new_rewards if reward is not None]
        self.total.inc(len(self.new_rewards))
        if self.failures is not None:
            self.failures.inc(len(self.new_rewards))
        self.seconds.observe(self.new_seconds)
        if rewards:
            self.rewards.observe(rewards)
            self.squares.inc(math.fsum(reward * reward for reward in rewards))
        self.new_rewards, self.new_seconds = [], []


class Metrics:
    """The figures of one process, and how they are shown; a service has one, in its `State`."""

    def __init__(self, *, names: int = NAMES) -> None:
        self._registry = CollectorRegistry()
        self._graders, self._models = Names(names), Names(names)
        self._gradings: dict[tuple[str, ...], _Gradings] = {}
        self._statistics: Statistics = dict
        self._kills: Kills = dict
        self._queues: Depths = dict
        self._killed: Counts[str] = Counts()

        self._total = self._counter(
            "graders_gradings", "Gradings, by outcome and cause.", "grader", "type", "outcome", "cause"
        )
        self._failures = self._counter(
            "graders_failures",
            "Gradings that failed, by who made them fail and what the sample got.",
            *("grader", "caused_by", "got"),
        )
        self._seconds = Histogram(
            "graders_grading_seconds",
            "How long gradings took.",
            ["type"],
            bounds=_GRADING_SECONDS,
            registry=self._registry,
        )
        self._rewards = Summary(
            "graders_rewards", "Rewards: how many, and their sum.", ["grader"], registry=self._registry
        )
        self._squares = self._counter(
            "graders_rewards_squared", "Sum of the squares of the rewards.", "grader"
        )
        self._groups = self._counter(
            "graders_groups", "Groups of rows with equal items, all of them graded.", "grader"
        )
        self._equal_groups = self._counter(
            "graders_groups_equal", "Those of the groups whose rewards are all equal.", "grader"
        )
        self._sandbox_kills = self._counter(
            "graders_sandbox_kills",
            "Processes of the sandbox that ended before their work was done.",
            "cause",
        )
        self._depths = Gauge(
            "graders_queue_depth",
            "Gradings that wait or are being worked at, by what they cost.",
            ["cost"],
            registry=self._registry,
            multiprocess_mode="livesum",
        )
        for cost in COSTS:  # an empty queue has a figure too
            self._depths.labels(cost)
        self._requests = RequestCounters(self._registry)
        self._judges = JudgeCounters(self._registry)

    def observe(self, results: Iterable[GraderResult]) -> None:
        """Count finished gradings, each with everything inside it as one."""
        for result in results:
            self._grading(result).note(result.reward, result.execution_time)

    def observe_batch(self, gradings: BatchResult, items: Sequence[Item | None]) -> None:
        """Count the gradings of a batch; those that are a reward and nothing else are never made results for it.

        Args:
            gradings: One for each row.
            items: One for each row: consecutive rows with equal ones are a group.
        """
        bare: _Gradings | None = None
        for index, reward in enumerate(gradings.rewards.tolist()):
            known = gradings.known(index)
            if known is not None:
                self._grading(known).note(known.reward, known.execution_time)
                continue
            if bare is None:
                bare = self._grading(gradings[index])
            bare.note(reward, gradings.seconds)
        self.observe_groups(gradings.grader, items, gradings.rewards)

    def observe_groups(
        self, grader: GraderInfo, items: Sequence[Item | None], rewards: NDArray[np.float64]
    ) -> None:
        """Count the groups of a batch, and those that teach nothing since their rewards are all equal.

        Args:
            grader: What graded.
            items: One for each row.
            rewards: One for each row; NaN where it is ungraded.
        """
        groups, equal = equal_groups(items, rewards)
        if groups:
            name = self._graders.label(grader.name)
            self._groups.labels(name).inc(groups)
            self._equal_groups.labels(name).inc(equal)

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request that was answered.

        Args:
            route: The template of its address, never the address itself.
            method: Its method.
            status: HTTP status; 0 where the client was gone before there was one.
            seconds: How long it took.
        """
        self._requests.note(route, method, status, seconds)

    async def follow(self, statistics: Statistics, kills: Kills, depths: Depths) -> None:
        """Count what judges, sandbox and queues do, every second until it is cancelled: another process may be asked."""
        self._statistics = statistics
        self._judges.begin_anew()
        self._kills, self._killed = kills, Counts()
        self._queues = depths
        while True:
            await asyncio.sleep(1)
            self.catch_up()

    def catch_up(self) -> None:
        """Bring the figures to where gradings, judges, sandbox and queues are; in the event loop that they belong to."""
        for gradings in self._gradings.values():
            gradings.settle()
        self._requests.settle()
        self._judges.catch_up(self._statistics(), self._models.label)
        for cost, depth in self._queues().items():
            self._depths.labels(cost).set(depth)
        for cause, number in self._kills().items():
            self._sandbox_kills.labels(known_cause(cause)).inc(number - self._killed[cause])
            self._killed[cause] = number

    def show(self, accept: str = "") -> tuple[bytes, str]:
        """Everything counted, by all processes of the service, when they last caught up.

        Args:
            accept: The client's `accept` header.

        Returns:
            The text, and its content type.
        """
        distributions = (self._seconds, self._rewards, self._requests.latency)
        return exposition(self._registry, distributions, accept)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self._registry)

    def _grading(self, result: GraderResult) -> _Gradings:
        outcome, cause = outcome_of(result)
        grader = result.grader
        name, kind = (OTHER, OTHER) if grader is None else (self._graders.label(grader.name), grader.type)
        failed = failed_by(result) or ()
        key = (name, kind, outcome, cause, *failed)
        bound = self._gradings.get(key)
        if bound is None:
            bound = self._gradings[key] = _Gradings(
                self._total.labels(name, kind, outcome, cause),
                self._seconds.labels(kind),
                self._rewards.labels(name),
                self._squares.labels(name),
                self._failures.labels(name, *failed) if failed else None,
            )
        return bound

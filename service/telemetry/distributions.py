"""Histograms and summaries to which many values are added at once.

prometheus-client adds them one by one, which takes longer than most gradings. Here they are kept in its counters and gauges,
which take any amount, and which it sums up over the processes of one service. What Prometheus reads is made of these when
it asks.
"""

import math
from bisect import bisect_left
from collections import Counter as Counts
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Metric
from prometheus_client.core import HistogramMetricFamily, SummaryMetricFamily

_LE = "le"
"""Prometheus's label for the upper bound of a bucket."""


class Distribution(Protocol):
    """What a histogram and a summary have in common."""

    @property
    def parts(self) -> frozenset[str]:
        """The names of the families that it is kept in."""
        ...

    def family(self, kept: Mapping[str, Metric]) -> Metric:
        """What Prometheus reads.

        Args:
            kept: The families of all processes that it is kept in, by name; one without values may be missing.
        """
        ...


@dataclass(frozen=True, slots=True)
class BoundHistogram:
    """A histogram of one combination of labels.

    Attributes:
        bounds: The upper bounds of its buckets; the last is infinite.
        buckets: How many values fell into each bucket and into none before it.
        total: The sum of the values.
    """

    bounds: Sequence[float]
    buckets: Sequence[Counter]
    total: Counter

    def observe(self, values: Sequence[float]) -> None:
        """Add values, none of them negative."""
        self.total.inc(math.fsum(values))
        for bucket, number in Counts(bisect_left(self.bounds, each) for each in values).items():
            self.buckets[bucket].inc(number)


class Histogram:
    """How many values there are up to each of some bounds, and their sum.

    Args:
        name: What Prometheus calls it.
        text: What it counts.
        labels: The names of its labels.
        bounds: The upper bounds of its buckets, but for the infinite one.
        registry: Where its parts are registered.
    """

    def __init__(
        self,
        name: str,
        text: str,
        labels: Sequence[str],
        *,
        bounds: Sequence[float],
        registry: CollectorRegistry,
    ) -> None:
        self._name, self._text, self._labels = name, text, tuple(labels)
        self._bounds = (*bounds, math.inf)
        self._bucket_name, self._sum_name = f"{name}_bucket", f"{name}_sum"
        self._buckets = Counter(self._bucket_name, text, [*labels, _LE], registry=registry)
        self._sums = Counter(self._sum_name, text, labels, registry=registry)

    @property
    def parts(self) -> frozenset[str]:
        """The names of the families that it is kept in."""
        return frozenset({self._bucket_name, self._sum_name})

    def labels(self, *values: str) -> BoundHistogram:
        """The histogram of one combination of labels."""
        buckets = [self._buckets.labels(*values, _written(bound)) for bound in self._bounds]
        return BoundHistogram(self._bounds, buckets, self._sums.labels(*values))

    def family(self, kept: Mapping[str, Metric]) -> Metric:
        """What Prometheus reads; see `Distribution`."""
        found = HistogramMetricFamily(self._name, self._text, labels=self._labels)
        numbers = _values(kept.get(self._bucket_name), (*self._labels, _LE))
        for values, total in _values(kept.get(self._sum_name), self._labels).items():
            buckets, number = list[tuple[str, float]](), 0.0
            for bound in map(_written, self._bounds):
                number += numbers.get((*values, bound), 0.0)
                buckets.append((bound, number))
            found.add_metric(values, buckets, total)
        return found


@dataclass(frozen=True, slots=True)
class BoundSummary:
    """A summary of one combination of labels.

    Attributes:
        number: How many values there are.
        total: Their sum, which may be negative.
    """

    number: Counter
    total: Gauge

    def observe(self, values: Sequence[float]) -> None:
        """Add values."""
        self.number.inc(len(values))
        self.total.inc(math.fsum(values))


class Summary:
    """How many values there are, and their sum.

    Args:
        name: What Prometheus calls it.
        text: What it counts.
        labels: The names of its labels.
        registry: Where its parts are registered.
    """

    def __init__(self, name: str, text: str, labels: Sequence[str], *, registry: CollectorRegistry) -> None:
        self._name, self._text, self._labels = name, text, tuple(labels)
        self._count_name, self._sum_name = f"{name}_count", f"{name}_sum"
        self._numbers = Counter(self._count_name, text, labels, registry=registry)
        # those of processes that have ended count on, as with counters
        self._sums = Gauge(self._sum_name, text, labels, registry=registry, multiprocess_mode="sum")

    @property
    def parts(self) -> frozenset[str]:
        """The names of the families that it is kept in."""
        return frozenset({self._count_name, self._sum_name})

    def labels(self, *values: str) -> BoundSummary:
        """The summary of one combination of labels."""
        return BoundSummary(self._numbers.labels(*values), self._sums.labels(*values))

    def family(self, kept: Mapping[str, Metric]) -> Metric:
        """What Prometheus reads; see `Distribution`."""
        found = SummaryMetricFamily(self._name, self._text, labels=self._labels)
        totals = _values(kept.get(self._sum_name), self._labels)
        for values, number in _values(kept.get(self._count_name), self._labels).items():
            found.add_metric(values, int(number), totals.get(values, 0.0))
        return found


def _written(bound: float) -> str:
    return "+Inf" if bound == math.inf else str(float(bound))


def _values(family: Metric | None, labels: Sequence[str]) -> dict[tuple[str, ...], float]:
    """The values of a family by those of its labels; when a counter began is not one of them."""
    samples = () if family is None else family.samples
    return {
        tuple(sample.labels[label] for label in labels): sample.value
        for sample in samples
        if not sample.name.endswith("_created")
    }

"""What Prometheus reads: everything that the processes of a service have counted, and what follows from it."""

import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from service.telemetry.distributions import Distribution

DIRECTORY_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""Where the processes of one service keep their figures; prometheus-client reads it when it is imported."""


def exposition(own: Collector, distributions: Sequence[Distribution], accept: str) -> tuple[bytes, str]:
    """Everything counted, by all processes of the service.

    Args:
        own: What this process has counted.
        distributions: What is made of families that are counted.
        accept: The client's `accept` header.

    Returns:
        The text, and its content type.
    """
    shown = CollectorRegistry()
    shown.register(_Shown(_shared_by_processes() or own, distributions))
    encode, content_type = choose_encoder(accept)
    return encode(shown), content_type


class _Shown(Collector):
    """What was counted, and what follows from it."""

    def __init__(self, source: Collector, distributions: Sequence[Distribution]) -> None:
        self._source, self._distributions = source, distributions

    def collect(self) -> Iterator[Metric]:
        """Each family, the hit rates, and what is running here."""
        counted = {family.name: family for family in self._source.collect()}
        parts = frozenset[str]().union(*(each.parts for each in self._distributions))
        for name, family in counted.items():
            if name not in parts:
                # when a counter began is a second series beside each, and nobody asks for it
                family.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
                yield family
        for distribution in self._distributions:
            yield distribution.family(counted)
        yield _hit_rates(counted)
        build = GaugeMetricFamily("graders_build_info", "What is running.", labels=["version", "python"])
        build.add_metric([version("rft-graders"), platform.python_version()], 1.0)
        yield build


def _hit_rates(counted: Mapping[str, Metric]) -> Metric:
    rates = GaugeMetricFamily(
        "graders_judge_hit_rate",
        "Share of the judgements that were remembered, 0 to 1.",
        labels=["model"],
    )
    judgements, remembered = (
        {sample.labels["model"]: sample.value for sample in counted[name].samples} if name in counted else {}
        for name in ("graders_judge_judgements", "graders_judge_remembered")
    )
    for model, number in judgements.items():
        if number:
            rates.add_metric([model], remembered.get(model, 0.0) / number)
    return rates


def _shared_by_processes() -> Collector | None:
    """The figures of all processes of this service; None when it is one alone."""
    directory = os.environ.get(DIRECTORY_VARIABLE)
    if not directory:
        return None
    for file in Path(directory).glob("gauge_live*_*.db"):
        if not _lives(int(file.stem.rpartition("_")[2])):  # it was killed, and what it worked at is no more
            file.unlink(missing_ok=True)
    collector: Collector = MultiProcessCollector(None, directory)  # type: ignore[no-untyped-call]  # theirs has no annotations
    return collector


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True

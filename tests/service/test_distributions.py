"""Distributions that take many values at once are read as prometheus-client's own are, which takes them one by one."""

from collections.abc import Iterable, Sequence

import prometheus_client
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client.samples import Sample

from service.telemetry.distributions import Histogram, Summary

BOUNDS = (2**-17, 0.125, 1, 2.5, 60)  # sums of such numbers are exact in whatever order they are made
seconds = st.sampled_from([0.0, *BOUNDS]) | st.integers(0, 2**20).map(lambda number: number / 1024)
rewards = st.integers(-(2**20), 2**20).map(lambda number: number / 1024)
labels = st.sampled_from(["a", "b", "é", 'quoted "\n\\', ""])


def read(samples: Iterable[Sample]) -> set[tuple[str, frozenset[tuple[str, str]], float]]:
    """What Prometheus reads of a family; when a series began is left out."""
    return {
        (sample.name, frozenset(sample.labels.items()), sample.value)
        for sample in samples
        if not sample.name.endswith("_created")
    }


@given(st.lists(st.tuples(labels, st.lists(seconds, max_size=20)), max_size=5))
def test_a_histogram_is_that_of_the_library(observed: Sequence[tuple[str, Sequence[float]]]) -> None:
    theirs = prometheus_client.Histogram("seconds", "Text.", ["kind"], buckets=BOUNDS, registry=None)
    registry = CollectorRegistry()
    ours = Histogram("seconds", "Text.", ["kind"], bounds=BOUNDS, registry=registry)
    for kind, values in observed:
        ours.labels(kind).observe(values)
        child = theirs.labels(kind)
        for value in values:
            child.observe(value)
    kept = {family.name: family for family in registry.collect()}
    assert kept.keys() == ours.parts
    (expected,) = theirs.collect()
    shown = ours.family(kept)
    assert (shown.name, shown.documentation, shown.type) == (
        expected.name,
        expected.documentation,
        expected.type,
    )
    assert read(shown.samples) == read(expected.samples)


@given(st.lists(st.tuples(labels, st.lists(rewards, max_size=20)), max_size=5))
def test_a_summary_is_that_of_the_library(observed: Sequence[tuple[str, Sequence[float]]]) -> None:
    theirs = prometheus_client.Summary("rewards", "Text.", ["grader"], registry=None)
    registry = CollectorRegistry()
    ours = Summary("rewards", "Text.", ["grader"], registry=registry)
    for grader, values in observed:
        ours.labels(grader).observe(values)
        child = theirs.labels(grader)
        for value in values:
            child.observe(value)
    kept = {family.name: family for family in registry.collect()}
    assert kept.keys() == ours.parts
    (expected,) = theirs.collect()
    assert read(ours.family(kept).samples) == read(expected.samples)


def test_a_distribution_that_no_process_has_is_empty() -> None:
    registry = CollectorRegistry()
    assert Histogram("a", "Text.", ["b"], bounds=BOUNDS, registry=registry).family({}).samples == []
    assert Summary("c", "Text.", ["b"], registry=registry).family({}).samples == []

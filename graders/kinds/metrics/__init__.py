"""Text similarity: pure functions from two texts to a score, imported when asked for.

`load_metric` is the seam: it names nothing but the module of a metric, so that `import graders.kinds.metrics` costs
no library (sacrebleu, rapidfuzz, rouge-score-rs) and a METEOR table is read by those who use METEOR.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Final, NamedTuple

__all__ = ["METRIC_NAMES", "Metric", "load_metric"]


class Metric(NamedTuple):
    """One similarity metric and what a caller must know to run it safely and to sign its number."""

    name: str
    score: Callable[[str, str], float]
    """(input, reference) to [0, 1]; accepts any `str`, lone surrogates and NULs included, and never raises."""
    inline_limit: int
    """Characters, of the longer text, up to which no pair takes more than about 10 ms on one slow core.

    Beyond it the caller grades in a worker it can kill. Where the limit comes from stands beside each one.
    """
    libraries: tuple[str, ...]
    """Distributions whose version decides the number; none where the code is ours."""


_MODULES: Final = {
    "fuzzy_match": "fuzzy",
    "bleu": "bleu",
    "gleu": "gleu",
    "meteor": "meteor",
    "rouge_1": "rouge",
    "rouge_2": "rouge",
    "rouge_3": "rouge",
    "rouge_4": "rouge",
    "rouge_5": "rouge",
    "rouge_l": "rouge",
}

METRIC_NAMES: Final[tuple[str, ...]] = tuple(_MODULES)
"""The metrics by the names the grader API gives them."""


def load_metric(name: str) -> Metric:
    """Import the module of a metric and return the metric.

    Raises:
        ValueError: There is no metric of that name.
    """
    if name not in _MODULES:
        raise ValueError(f"unknown text similarity metric {name!r}: known are {', '.join(METRIC_NAMES)}")
    metrics: Mapping[str, Metric] = import_module(f"{__name__}.{_MODULES[name]}").METRICS
    return metrics[name]

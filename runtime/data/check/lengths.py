"""How long prompts and answers are: deciles, outliers, and preferred answers that are only longer."""

from array import array
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runtime.data.check.base import FEWEST, Check, CheckedRow, percent
from runtime.data.findings import Finding

NAMED = 20
"""Outliers that are named."""
FAR = 3.0
"""Interquartile ranges of log length above the third quartile from which on a length is an outlier (Tukey's far out)."""
TIMES = 4.0
"""Times the median that an outlier has at least."""
BIAS = 0.8
"""Share of pairs whose preferred answer is the longer one, from which on length may be what is learned."""
BINS = 40


class Lengths(Check):
    """Characters of the prompts and of the answers."""

    def __init__(self) -> None:
        self._lines = array("Q")
        self._lengths = {"prompt": array("Q"), "answer": array("Q")}
        self._longer = self._pairs = 0

    def add(self, row: CheckedRow) -> tuple[Finding, ...]:
        """Measure a row."""
        view = row.view
        self._lines.append(row.number)
        self._lengths["prompt"].append(len(view.prompt) + len(view.system or ""))
        self._lengths["answer"].append(len(view.answer or ""))
        if view.contrast and view.answer:
            self._pairs += 1
            self._longer += len(view.answer) > len(view.contrast)
        return ()

    def findings(self) -> Iterator[Finding]:
        """Outliers, and a preference for long answers."""
        for name in self._lengths:
            lengths = self._known(name)
            if len(lengths) < FEWEST:
                continue
            limit = _limit(lengths)
            every = np.frombuffer(self._lengths[name], np.uint64)
            places = np.flatnonzero(every > limit)
            median = int(np.median(lengths))
            for place in places[np.argsort(every[places])[::-1]][:NAMED]:
                message = f"the {name} has {int(every[place]):,} characters, the median {median:,}"
                yield Finding(
                    "length-outlier",
                    "warning",
                    message,
                    "look at it: long rows may be cut, and weigh more",
                    int(self._lines[int(place)]),
                    name,
                )
        if self._pairs >= FEWEST and self._longer >= BIAS * self._pairs:
            message = f"the preferred answer is the longer one in {percent(self._longer / self._pairs)} of the pairs"
            yield Finding(
                "length-bias",
                "warning",
                message,
                "a model may learn length: add pairs whose shorter answer is better",
            )

    def figures(self) -> Mapping[str, Any]:
        """Deciles and a histogram of the lengths, in characters."""
        found = {}
        for name in self._lengths:
            lengths = self._known(name)
            if len(lengths):
                deciles = np.quantile(lengths, np.linspace(0, 1, 11))
                counts, edges = np.histogram(lengths, BINS)
                found[name] = {
                    "characters": int(lengths.sum()),
                    "deciles": [int(value) for value in deciles],
                    "histogram": {
                        "counts": counts.tolist(),
                        "edges": [round(float(edge), 1) for edge in edges],
                    },
                }
        return {"lengths": found}

    def _known(self, name: str) -> NDArray[np.float64]:
        every = np.frombuffer(self._lengths[name], np.uint64).astype(np.float64)
        return every[every > 0]


def _limit(lengths: NDArray[np.float64]) -> float:
    logs = np.log(lengths)
    low, high = np.quantile(logs, [0.25, 0.75])
    return float(max(np.exp(high + FAR * (high - low)), TIMES * np.exp(np.median(logs))))

"""What each text similarity metric takes at its inline limit, beyond which it goes to a thread: 10 ms is the promise.

`python -m benchmarks.inline_limits`; a part of `make bench`. Of several rounds the fastest counts: noise only ever adds.
"""

import random
import time
from collections.abc import Callable
from itertools import product

from rich.console import Console
from rich.table import Table

from graders.kinds.metrics import METRIC_NAMES, Metric, load_metric

PROMISED_MS = 10.0
ROUNDS = 3
LENGTH_RATIO = 1.55
"""The ratio of lengths at which RapidFuzz's WRatio is slowest."""

Text = Callable[[int, random.Random], str]
HARD: dict[str, Text] = {
    # two-letter words of every kind of ending, nothing in common
    "short words": lambda size, chance: " ".join(
        chance.choice("abcxyz") + chance.choice("sdgy") for _ in range(size // 3)
    ),
    "distinct ideographs": lambda size, _: " ".join(
        chr(0x4E00 + 7 * place % 20_000) for place in range(size // 2)
    ),
    "symbols": lambda size, chance: "".join(chance.choice("!#$%()+/:;<=>?@[]^{|}~.") for _ in range(size)),
    "period": lambda size, _: "абвгдежз" * (size // 8),
    "one long word": lambda size, _: "y" * (size - 3) + "ing",
    "one letter": lambda size, _: "a " * (size // 2),
}


def slowest(metric: Metric) -> tuple[float, str]:
    """Milliseconds of the slowest pair of texts, and what the two are."""
    metric.score("warm", "up")
    return max((_milliseconds(metric, *pair), " against ".join(pair)) for pair in product(HARD, repeat=2))


def _milliseconds(metric: Metric, first: str, second: str) -> float:
    chance = random.Random(0)  # the same texts on every run
    candidate, reference = HARD[first](metric.inline_limit, chance), HARD[second](metric.inline_limit, chance)
    reference = reference[: int(metric.inline_limit / LENGTH_RATIO)]
    taken = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        metric.score(candidate, reference)
        taken.append(time.perf_counter() - start)
    return min(taken) * 1000


def main() -> None:
    """Print a line for each metric."""
    table = Table("metric", "characters", "slowest pair", "ms", "of the promised 10 ms", box=None)
    for name in METRIC_NAMES:
        metric = load_metric(name)
        taken, pair = slowest(metric)
        table.add_row(name, f"{metric.inline_limit:,}", pair, f"{taken:.1f}", f"{taken / PROMISED_MS:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()

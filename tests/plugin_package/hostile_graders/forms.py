"""One well-behaved grader of each form. They say that no sample is executed, which this module does not show: it uses `os`."""

import asyncio
import os
from collections.abc import Sequence

from graders import Context, Grader, Item, Sample, grader


@grader("keyword", isolation="worker")
def keyword(sample: Sample, item: Item, *, words: list[str]) -> float:
    """Reward the share of `words` that the sample mentions."""
    return sum(word in sample.output_text for word in words) / len(words)


@grader("starts_with", isolation="worker")
class StartsWith:
    """Reward a sample that starts with a prefix, which is made lower-case once."""

    def __init__(self, *, prefix: str) -> None:
        self._prefix = prefix.lower()

    def __call__(self, sample: Sample, item: Item) -> bool:
        return sample.output_text.lower().startswith(self._prefix)


@grader("longest", isolation="worker")
def longest(samples: Sequence[Sample], item: Item, *, lone: bool = False) -> list[float]:
    """Reward the longest sample of the group; with `lone`, wrongly give one score for them all."""
    lengths = [len(sample.output_text) for sample in samples]
    return [1.0] if lone else [float(length == max(lengths)) for length in lengths]


@grader("best_of", isolation="worker")
async def best_of(sample: Sample, item: Item, context: Context, *, graders: dict[str, Grader]) -> float:
    """Reward the best of several graders, which run through the context."""
    results = await context.grade_all(graders, sample, item)
    return max(result.reward or 0.0 for result in results.values())


@grader("slow", isolation="worker")
async def slow(sample: Sample, item: Item, context: Context, *, seconds: float) -> float:
    """Reward 1 after a while."""
    await asyncio.sleep(seconds)
    return 1.0


@grader("process_id", isolation="worker", range=(0, 2**31))
def process_id(sample: Sample, item: Item) -> float:
    """Give the number of the process that grades, as it sees itself."""
    return os.getpid()


@grader("tally", isolation="worker", needs={"files"})
async def tally(sample: Sample, item: Item, context: Context, *, path: str, seconds: float = 0.0) -> float:
    """Reward the length of the sample, at most 1; writes a line to a file for each grading that it does."""
    with open(path, "a") as file:  # noqa: PTH123
        file.write(sample.output_text + "\n")
    await asyncio.sleep(seconds)
    return min(1.0, len(sample.output_text) / 10)


@grader("asks", isolation="worker")
async def asks(sample: Sample, item: Item, context: Context) -> float:
    """Ask the context for the service that the sample names."""
    getattr(context, sample.output_text)
    return 1.0

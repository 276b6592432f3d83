"""Exact matches of other projects, in the environment that has them: `.cache/peers/bin/python -I benchmarks/peers.py < ROWS`.

It reads `{"samples": [text], "answers": [text]}` from standard input and prints the seconds a row of each project, as JSON:
the fastest of some rounds, in which they take turns. It imports nothing of ours.
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable, Sequence

from autoevals import ExactMatch
from inspect_ai.model import ModelName, ModelOutput
from inspect_ai.scorer import Target, match
from inspect_ai.solver import TaskState

ROUNDS = 3


def autoevals(samples: Sequence[str], answers: Sequence[str]) -> Callable[[], None]:
    """What grades every row with `autoevals.ExactMatch`."""
    exact = ExactMatch()

    def run() -> None:
        for text, answer in zip(samples, answers, strict=True):
            exact.eval(output=text, expected=answer)

    return run


def inspect(samples: Sequence[str], answers: Sequence[str]) -> Callable[[], None]:
    """What grades every row with Inspect's `match` scorer."""
    scorer = match(location="exact")
    states = [
        TaskState(ModelName("mockllm/model"), n, 1, "", [], output=ModelOutput.from_content("m", text))
        for n, text in enumerate(samples)
    ]
    targets = [Target(answer) for answer in answers]

    async def score() -> None:
        for state, target in zip(states, targets, strict=True):
            await scorer(state, target)

    return lambda: asyncio.run(score())


def main() -> None:
    """Measure both."""
    rows = json.load(sys.stdin)
    samples, answers = rows["samples"], rows["answers"]
    runs = {"autoevals.ExactMatch": autoevals(samples, answers), "Inspect's match": inspect(samples, answers)}
    seconds = dict.fromkeys(runs, float("inf"))
    for _ in range(ROUNDS):
        for name, run in runs.items():
            started = time.perf_counter()
            run()
            seconds[name] = min(seconds[name], time.perf_counter() - started)
    json.dump({name: taken / len(samples) for name, taken in seconds.items()}, sys.stdout)


if __name__ == "__main__":
    main()

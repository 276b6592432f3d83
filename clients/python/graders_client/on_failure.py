"""What each trainer is given for an ungraded sample: the one table, and the few ways there are.

* `raise`: `UngradedSamples` is raised, where a trainer drops or repeats what raised.
* `null`: None, where a trainer leaves such a sample out.
* `group_mean`: the mean reward of the graded samples of the same prompt, so that the sample itself teaches nothing.
* a number: that number. It is a reward that nobody has measured.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Union

from graders_client.errors import UngradedSamples
from graders_client.graded import Graded, finite

OnFailure = Union[str, float]
"""`raise`, `null`, `group_mean` or a number."""

WORDS = ("raise", "null", "group_mean")
NOTHING_KNOWN = 0.0
"""Stands for an ungraded sample in a trainer that asks for one at a time, while not a single reward is known."""
PATIENCE_S = 2.0
"""Seconds that an ungraded sample waits for its neighbours' rewards, in trainers that ask for one at a time."""
MEANS_KEPT = 4_096
"""Groups whose mean is remembered, for trainers that ask for one sample at a time."""


@dataclass(frozen=True)
class Trainer:
    """What a trainer does with an ungraded sample.

    Attributes:
        default: Its `on_failure`; None where the trainer has a mark of its own, and no choice is needed.
        others: What else may be chosen.
        becomes: What becomes of the sample, in one sentence, for the documentation.
    """

    default: str | None
    others: tuple[str, ...]
    becomes: str


TRAINERS: Mapping[str, Trainer] = {
    "trl": Trainer(
        "null",
        ("group_mean", "raise", "number"),
        "TRL 1.6 and newer leaves it out of mean and deviation, and its advantage is 0; with one reward function only.",
    ),
    "verl": Trainer(
        "group_mean",
        ("raise", "number"),
        "The mean of its prompt's rewards that are known so far, with `graded: 0`; None or NaN would spoil the batch.",
    ),
    "openrlhf": Trainer(
        "group_mean",
        ("number",),
        "The mean of its prompt's rewards that are known so far, with `graded` 0; an exception would end the training.",
    ),
    "verifiers_v03": Trainer(
        "raise",
        (),
        "It raises, which is 0.0 there, and sets `state['error']`, by which the rollout is left out.",
    ),
    "verifiers_v04": Trainer("raise", (), "It raises, and the trace has no reward."),
    "skyrl": Trainer(
        "group_mean",
        ("raise", "number"),
        "The mean of its prompt's rewards that are known so far, with `metadata['graded']` false.",
    ),
    "areal": Trainer("raise", ("number",), "It raises within 10 s, and the trajectory is dropped."),
    "slime": Trainer("raise", ("group_mean", "number"), "It raises; `group_mean` is for `--group-rm`."),
    "swift": Trainer(
        "group_mean", ("raise", "number"), "The mean of its prompt's rewards; None would count as 0."
    ),
    "tunix": Trainer(
        "group_mean", ("raise", "number"), "The mean of its prompt's rewards; None would be no number."
    ),
    "inspect": Trainer(None, (), "`Score.unscored`, which no metric counts."),
    "eval_protocol": Trainer(None, (), "Score 0 with `is_score_valid` false, which enters `raw_score` only."),
    "art": Trainer(None, (), "Its trajectory is dropped from the group; a group without any is dropped."),
    "tinker": Trainer("raise", ("group_mean", "number"), "It raises, and the rollout strategy decides."),
    "openenv": Trainer("raise", ("number",), "It raises."),
    "aws_lambda": Trainer("raise", ("group_mean", "number"), "It raises, and the batch is asked for again."),
}
"""By the module in `graders_client.trainers`."""


def chosen(trainer: str, on_failure: OnFailure | None) -> OnFailure:
    """What is given to a trainer for an ungraded sample.

    Args:
        trainer: Its module in `graders_client.trainers`.
        on_failure: The user's choice; None takes the trainer's default.

    Raises:
        ValueError: When the trainer would misread it.
    """
    known = TRAINERS[trainer]
    allowed = (*(() if known.default is None else (known.default,)), *known.others)
    if on_failure is None:
        on_failure = known.default or "raise"
    if isinstance(on_failure, str):
        if on_failure in allowed and on_failure in WORDS:
            return on_failure
    elif "number" in allowed and finite(on_failure) is not None:
        return float(on_failure)
    raise ValueError(f"on_failure: expected one of {', '.join(allowed)} for {trainer}, got {on_failure!r}")


def rewards_of(
    graded: Sequence[Graded], on_failure: OnFailure, groups: Sequence[Hashable] | None = None
) -> list[float | None]:
    """The reward of each sample of a batch, as its trainer is given it.

    Args:
        graded: The results.
        on_failure: Of `chosen`.
        groups: What the group of each is called, for `group_mean`; None: all are one group.

    Raises:
        UngradedSamples: When a sample is ungraded, and the policy is `raise`; or when it is `group_mean`, and the whole
            batch has not one reward.
    """
    failures = {index: result.reason for index, result in enumerate(graded) if result.reward is None}
    known = [result.reward for result in graded if result.reward is not None]
    if failures and (on_failure == "raise" or (on_failure == "group_mean" and not known)):
        raise UngradedSamples(failures)
    if on_failure != "group_mean":
        other = None if isinstance(on_failure, str) else on_failure
        return [other if result.reward is None else result.reward for result in graded]
    names = [None] * len(graded) if groups is None else groups
    members: dict[Hashable, list[float]] = {}
    for result, name in zip(graded, names):
        if result.reward is not None:
            members.setdefault(name, []).append(result.reward)
    means = {name: sum(rewards) / len(rewards) for name, rewards in members.items()}
    mean = sum(known) / max(len(known), 1)
    return [
        means.get(name, mean) if result.reward is None else result.reward
        for result, name in zip(graded, names)
    ]


class RecentMeans:
    """Means of the rewards of each prompt, for trainers that ask for one sample at a time.

    A sample's neighbours may come after it, or in another process. So what stands for an ungraded sample waits a little, and is the
    mean of those that have come here by then: of its prompt, else of all prompts.

    Args:
        on_failure: Of `chosen`.
        patience_s: Seconds to wait for neighbours.
    """

    def __init__(self, on_failure: OnFailure, *, patience_s: float = PATIENCE_S) -> None:
        self._on_failure, self._patience_s = on_failure, patience_s
        self._sums: OrderedDict[Hashable, tuple[float, int]] = OrderedDict()
        self._total, self._count = 0.0, 0
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(RecentMeans, patience_s=self._patience_s), (self._on_failure,)

    def rewards(self, graded: Sequence[Graded], groups: Sequence[Hashable]) -> list[float]:
        """The reward of each sample, or what stands for it.

        Args:
            graded: The results.
            groups: What the group of each is called.

        Raises:
            UngradedSamples: When one is ungraded, and the policy is `raise`.
        """
        if self._waits(graded, groups):
            time.sleep(self._patience_s)
        return self._found(graded, groups)

    async def arewards(self, graded: Sequence[Graded], groups: Sequence[Hashable]) -> list[float]:
        """The same without blocking the event loop."""
        if self._waits(graded, groups):
            import asyncio  # noqa: PLC0415  # it takes long to import, and threads do without it

            await asyncio.sleep(self._patience_s)
        return self._found(graded, groups)

    def _waits(self, graded: Sequence[Graded], groups: Sequence[Hashable]) -> bool:
        """Remember what is graded; whether something is not, and waits for its neighbours."""
        failures = {index: each.reason for index, each in enumerate(graded) if each.reward is None}
        if failures and self._on_failure == "raise":
            raise UngradedSamples(failures)
        if self._on_failure != "group_mean":
            return False
        with self._lock:
            for each, group in zip(graded, groups):
                if each.reward is not None:
                    total, count = self._sums.pop(group, (0.0, 0))
                    self._sums[group] = total + each.reward, count + 1
                    self._total, self._count = self._total + each.reward, self._count + 1
            while len(self._sums) > MEANS_KEPT:
                self._sums.popitem(last=False)
        return bool(failures)

    def _found(self, graded: Sequence[Graded], groups: Sequence[Hashable]) -> list[float]:
        with self._lock:
            return [
                self._stand_in(group) if each.reward is None else each.reward
                for each, group in zip(graded, groups)
            ]

    def _stand_in(self, group: Hashable) -> float:
        if not isinstance(self._on_failure, str):
            return self._on_failure
        total, count = self._sums.get(group, (self._total, self._count))
        return total / count if count else NOTHING_KNOWN

"""What changed between two graded files over the same rows: the data, the model, or the grader.

Samples are paired where both files are of the same rows and samples. Otherwise the answers are others, and prompts are paired:
the mean reward of a prompt's samples before with that after.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graders import ConfigurationError
from runtime.data.graded.reading import GradedFile, GradedSample
from runtime.statistics import bootstrap
from runtime.statistics.paired import mcnemar

_EQUAL = 1e-12


@dataclass
class _Unit:
    """The samples of one side of a pair."""

    line: int
    name: str
    rewards: list[float] = field(default_factory=list)
    passed: list[bool] = field(default_factory=list)
    parts: dict[str, list[float]] = field(default_factory=dict)
    ungraded: int = 0

    @property
    def reward(self) -> float | None:
        return float(np.mean(self.rewards)) if self.rewards else None

    @property
    def passes(self) -> bool | None:
        """Whether it passes: of several samples, at least half."""
        return None if not self.passed else 2 * sum(self.passed) >= len(self.passed)

    def part(self, name: str) -> float | None:
        values = self.parts.get(name)
        return float(np.mean(values)) if values else None

    def add(self, sample: GradedSample) -> None:
        if sample.reward is None:
            self.ungraded += 1
            return
        self.rewards.append(sample.reward)
        if sample.passed is not None:
            self.passed.append(sample.passed)
        for name, value in sample.sub_rewards.items():
            if value is not None:
                self.parts.setdefault(name, []).append(float(value))


_Pair = tuple[_Unit, _Unit]


def diff(
    before: GradedFile, after: GradedFile, *, by: str = "auto", seed: int = 0, worst: int = 20
) -> dict[str, Any]:
    """The difference of two graded files, ready for JSON.

    Args:
        before: The first.
        after: The second.
        by: `sample`, `prompt`, or `auto`: samples where every sample of the smaller file is in the other, otherwise prompts.
        seed: Of the interval.
        worst: How many rows that got worse are listed.

    Raises:
        ConfigurationError: When no row of one is in the other.
    """
    one, other = _units(before, by="sample"), _units(after, by="sample")
    is_by_sample = by == "sample" or (
        by == "auto" and len(one.keys() & other.keys()) == min(len(one), len(other))
    )
    if not is_by_sample:
        one, other = _units(before, by="prompt"), _units(after, by="prompt")
    common = [key for key in one if key in other]
    if not common:
        hint = "" if by == "prompt" else "; --by prompt compares prompts whose answers differ"
        raise ConfigurationError(
            f"no {'sample' if is_by_sample else 'prompt'} of {before.path} is in {after.path}: they are not of the same rows{hint}"
        )
    pairs = [(one[key], other[key]) for key in common]
    graded = [pair for pair in pairs if pair[0].reward is not None and pair[1].reward is not None]
    return {
        "paired_by": "sample" if is_by_sample else "prompt",
        "pairs": len(pairs),
        "only_before": len(one) - len(common),
        "only_after": len(other) - len(common),
        "unreadable_lines": before.problems.count + after.problems.count,
        "ungraded": {
            "before": sum(first.reward is None for first, _ in pairs),
            "after": sum(second.reward is None for _, second in pairs),
            "newly": sum(first.reward is not None and second.reward is None for first, second in pairs),
        },
        "graded_pairs": len(graded),
        "reward": _means([(first.reward, second.reward) for first, second in graded], seed),
        "sub_rewards": _parts(graded, seed),
        "changed": {
            "worse": sum(_difference(pair) < -_EQUAL for pair in graded),
            "better": sum(_difference(pair) > _EQUAL for pair in graded),
            "equal": sum(abs(_difference(pair)) <= _EQUAL for pair in graded),
        },
        "passed": _flips(graded),
        "worst": _worst(graded, worst),
    }


def _units(file: GradedFile, *, by: str) -> dict[tuple[str, int], _Unit]:
    """What is compared, by what it is known by: a row that is in the file twice is two."""
    units: dict[tuple[str, int], _Unit] = {}
    seen: dict[str, int] = {}
    for sample in file.samples():
        if by == "prompt":
            key = (sample.group, 0)
        else:
            key = (sample.key, seen.get(sample.key, 0))
            seen[sample.key] = key[1] + 1
        name = f"line {sample.row_line}" + (
            "" if sample.draw is None or by == "prompt" else f", draw {sample.draw}"
        )
        units.setdefault(key, _Unit(sample.row_line, name)).add(sample)
    return units


def _difference(pair: _Pair) -> float:
    return (pair[1].reward or 0.0) - (pair[0].reward or 0.0)


def _means(pairs: list[tuple[float | None, float | None]], seed: int) -> dict[str, float] | None:
    """Both means, their difference, and its interval, over pairs that are there on both sides."""
    known = [(first, second) for first, second in pairs if first is not None and second is not None]
    if not known:
        return None
    first, second = [pair[0] for pair in known], [pair[1] for pair in known]
    interval = bootstrap.of_paired_difference(first, second, seed=seed)
    ends = {} if interval is None else {"low_95": interval[0], "high_95": interval[1]}
    means = {"before": float(np.mean(first)), "after": float(np.mean(second))}
    return {**means, "difference": float(np.mean(np.subtract(second, first))), **ends}


def _parts(pairs: list[_Pair], seed: int) -> dict[str, Any]:
    names = dict.fromkeys(name for pair in pairs for side in pair for name in side.parts)
    found = {
        name: _means([(first.part(name), second.part(name)) for first, second in pairs], seed)
        for name in names
    }
    return {
        name: means
        if means is not None
        else {"only": "before" if any(first.part(name) is not None for first, _ in pairs) else "after"}
        for name, means in found.items()
    }


def _flips(pairs: list[_Pair]) -> dict[str, Any] | None:
    """Passes before and after, the flips both ways, and McNemar's test of them; None where nothing says what passes."""
    known = [(first.passes, second.passes) for first, second in pairs]
    known = [(one, other) for one, other in known if one is not None and other is not None]
    if not known:
        return None
    to_fail = sum(bool(one) and not other for one, other in known)
    to_pass = sum(not one and bool(other) for one, other in known)
    return {
        "of": len(known),
        "before": sum(bool(one) for one, _ in known),
        "after": sum(bool(other) for _, other in known),
        "to_fail": to_fail,
        "to_pass": to_pass,
        "mcnemar_p": mcnemar(to_fail, to_pass),
    }


def _worst(pairs: list[_Pair], most: int) -> list[dict[str, Any]]:
    ordered = sorted(((_difference(pair), number) for number, pair in enumerate(pairs)))
    found: list[dict[str, Any]] = []
    for difference, number in ordered[:most]:
        if difference >= -_EQUAL:
            break
        first, second = pairs[number]
        found.append(
            {
                "row": first.name,
                "line": first.line,
                "before": first.reward,
                "after": second.reward,
                "difference": difference,
                "sub_rewards": {
                    name: [first.part(name), second.part(name)]
                    for name in first.parts
                    if name in second.parts
                },
            }
        )
    return found


def is_worse(found: Mapping[str, Any], limit: float) -> bool:
    """Whether the mean reward fell by `limit` or more, and fell at all."""
    reward = found["reward"]
    return reward is not None and reward["difference"] < -_EQUAL and -reward["difference"] >= limit - _EQUAL

"""Choosing the rows that teach: prompts that are neither too easy nor too hard, balanced by a field, the same for one seed."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from graders import ConfigurationError
from runtime.data.graded.reading import FieldSeen, GradedFile, GradedSample, digest_of, field_of
from runtime.data.result_lines import FIELDS_OF_ROW
from runtime.statistics.intervals import Interval

_SLACK = 1e-9


@dataclass
class Prompt:
    """The samples of one prompt, counted.

    Attributes:
        samples: All of them.
        graded: Those with a reward.
        passed: Those that pass.
        value: What the prompt is balanced by.
    """

    samples: int = 0
    graded: int = 0
    passed: int = 0
    value: str = ""

    @property
    def rate(self) -> float:
        """The share that passes, of those that are graded; there is at least one."""
        return self.passed / self.graded


@dataclass
class Selection:
    """What was chosen.

    Attributes:
        prompts: All prompts of the graded file.
        chosen: The digests of those that are kept.
        left_out: How many were left out, by reason.
        balance: How many were kept, by the value of the field that they are balanced by.
    """

    prompts: dict[str, Prompt]
    chosen: set[str]
    left_out: dict[str, int] = field(default_factory=dict)
    balance: dict[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain data."""
        return {
            "prompts": len(self.prompts),
            "selected": len(self.chosen),
            "left_out": self.left_out,
            "balance": self.balance,
        }


def read_range(text: str) -> Interval:
    """A range of shares such as `0.05..0.95`; both ends belong to it.

    Raises:
        ConfigurationError: When it is anything else.
    """
    try:
        low, high = (float(end) for end in text.split("..", 1))
    except ValueError:
        low, high = 1.0, 0.0
    if not 0 <= low <= high <= 1:
        raise ConfigurationError(f"--pass-rate is a range of shares such as 0.05..0.95, not {text!r}")
    return low, high


def passes(sample: GradedSample, threshold: float | None) -> bool | None:
    """Whether a graded sample passes; None where nothing says.

    Args:
        sample: A sample with a reward.
        threshold: The lowest reward that passes; None for what the results say.
    """
    if threshold is None or sample.reward is None:
        return sample.passed
    return sample.reward >= threshold


def select(
    file: GradedFile,
    rates: Interval,
    *,
    threshold: float | None = None,
    balance_by: str | None = None,
    size: int | None = None,
    seed: int = 0,
) -> Selection:
    """Choose prompts by the share of their samples that passes.

    Args:
        file: The graded file.
        rates: The lowest and the highest share.
        threshold: The lowest reward that passes; None for what the results say.
        balance_by: A field of the item: each of its values gets the same number of prompts. With `size`, values that have too
            few leave their places to the others.
        size: How many prompts at most, at random.
        seed: Of the random numbers.

    Raises:
        ConfigurationError: When nothing says what passes, or no item has the field of `balance_by`.
    """
    prompts = _counted(file, threshold, balance_by)
    found = Selection(prompts, set())
    inside: list[str] = []
    for group, prompt in prompts.items():
        reason = _reason(prompt, rates)
        if reason is None:
            inside.append(group)
        else:
            found.left_out[reason] = found.left_out.get(reason, 0) + 1
    chosen = _drawn(inside, prompts, balanced=balance_by is not None, size=size, seed=seed)
    if len(inside) > len(chosen):
        found.left_out["not drawn"] = len(inside) - len(chosen)
    found.chosen = set(chosen)
    if balance_by is not None:
        for group in chosen:
            found.balance[prompts[group].value] = found.balance.get(prompts[group].value, 0) + 1
    return found


def selected_rows(file: GradedFile, selection: Selection) -> Iterator[dict[str, Any]]:
    """The chosen prompts as rows with `samples` and their `results`, in the order of the graded file."""
    waiting: dict[str, list[GradedSample]] = {}
    for sample in file.samples():
        if sample.group not in selection.chosen:
            continue
        samples = waiting.setdefault(sample.group, [])
        samples.append(sample)
        prompt = selection.prompts[sample.group]
        if len(samples) == prompt.samples:
            yield _row(waiting.pop(sample.group), prompt.rate)


def _row(samples: Sequence[GradedSample], rate: float) -> dict[str, Any]:
    first = samples[0].row
    row = {
        name: first[name] for name in FIELDS_OF_ROW if name not in ("sample", "recorded") and name in first
    }
    return {
        **row,
        "samples": [sample.row.get("sample") for sample in samples],
        "pass_rate": rate,
        "results": [_result(sample) for sample in samples],
    }


def _result(sample: GradedSample) -> dict[str, Any]:
    return {
        "line": sample.row_line,
        **({} if sample.draw is None else {"draw": sample.draw}),
        "key": sample.key,
        "reward": sample.reward,
        "passed": sample.passed,
        "sub_rewards": dict(sample.sub_rewards),
        "failure": None if sample.failure is None else dict(sample.failure),
        "substituted": sample.substituted,
        "signature": sample.signature,
    }


def _counted(file: GradedFile, threshold: float | None, balance_by: str | None) -> dict[str, Prompt]:
    prompts: dict[str, Prompt] = {}
    is_unknown = False
    seen = FieldSeen("--balance-by", balance_by)
    for sample in file.samples():
        seen.look(sample.item)
        prompt = prompts.setdefault(sample.group, Prompt())
        if balance_by is not None and not prompt.samples:
            prompt.value = _shown(field_of(sample.item, balance_by))
        prompt.samples += 1
        if sample.reward is not None:
            passed = passes(sample, threshold)
            is_unknown |= passed is None
            prompt.graded += 1
            prompt.passed += bool(passed)
    seen.check(file.path)
    if is_unknown:
        raise ConfigurationError(
            f"{file.path}: the grader has no pass_threshold, so nothing says which samples pass; give --threshold"
        )
    return prompts


def _shown(value: object) -> str:
    if isinstance(value, str):
        return value if len(value) <= 80 else f"{value[:60]}… {digest_of(value)}"
    return "(none)" if value is None else _shown(repr(value))


def _reason(prompt: Prompt, rates: Interval) -> str | None:
    """Why a prompt is left out; None when it is not."""
    if not prompt.graded:
        return "no sample is graded"
    if prompt.rate < rates[0] - _SLACK:
        return "pass rate too low"
    return "pass rate too high" if prompt.rate > rates[1] + _SLACK else None


def _drawn(
    inside: Sequence[str], prompts: Mapping[str, Prompt], *, balanced: bool, size: int | None, seed: int
) -> list[str]:
    generator = random.Random(seed)  # noqa: S311  # a choice that can be repeated, and no secret
    shuffled = list(inside)
    generator.shuffle(shuffled)
    if not balanced:
        return shuffled[:size]
    classes: dict[str, list[str]] = {}
    for group in shuffled:
        classes.setdefault(prompts[group].value, []).append(group)
    fewest = min(map(len, classes.values()), default=0)
    rounds = fewest if size is None else max(map(len, classes.values()), default=0)
    in_turn = [
        members[turn]
        for turn in range(rounds)
        for _, members in sorted(classes.items())
        if turn < len(members)
    ]
    return in_turn[:size]

"""Assertions about the rewards of several samples of one item: which is better, which are equal, which way they go."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from itertools import pairwise
from typing import Any

from graders.bound_grader import Grader
from graders.context import Context
from graders.contract import GraderResult, Item, brief
from graders.errors import ConfigurationError
from graders.samples.sample import Sample
from graders.testing.bench import Bench, Fault, Gradable, loaded
from graders.testing.changes import Change, change_named

_NO_LIMIT = 3600.0
_TOLERANCE = 1e-9


def assert_order(
    grader: Gradable,
    samples_from_best_to_worst: Sequence[Sample | str],
    item: Item,
    *,
    ties: bool = False,
    options: Mapping[str, Any] | None = None,
    context: Context | None = None,
) -> None:
    """Check that each sample gets a higher reward than the next. A group grader scores them together.

    Args:
        grader: A function or class under `@grader`, a loaded `Grader`, or a grader's JSON.
        samples_from_best_to_worst: At least two samples, or their texts.
        item: Their item.
        ties: Whether neighbours may have equal rewards.
        options: The options of a function or class.
        context: What an async grader is given; `FakeContext()` unless told otherwise.

    Raises:
        AssertionError: When two neighbours stand the other way round, or a sample is ungraded; shows all rewards.
        ConfigurationError: When the grader cannot be loaded, or there are fewer than two samples.
    """
    __tracebackhide__ = True
    samples = _at_least_two(samples_from_best_to_worst)
    bound = loaded(grader, options)
    rewards = _rewards(bound, samples, item, context)
    wrong = [i for i, (a, b) in enumerate(pairwise(rewards)) if b > a or (b == a and not ties)]
    if wrong:
        table = _table(samples, rewards, {i + 1: "not below the one before" for i in wrong})
        raise AssertionError(f"{bound.info.type} does not order these samples from best to worst:\n{table}")


def assert_unchanged_by(
    grader: Gradable,
    sample: Sample | str,
    item: Item,
    *changes: str | Change,
    options: Mapping[str, Any] | None = None,
    context: Context | None = None,
) -> None:
    """Check that a sample gets the same reward, to a billionth, when its text is changed in ways that should not matter.

    Args:
        grader: A function or class under `@grader`, a loaded `Grader`, or a grader's JSON.
        sample: The sample, or its text.
        item: Its item.
        changes: Names of `CHANGES`, as "white_space", or functions that give the changed texts of a text.
        options: The options of a function or class.
        context: What an async grader is given; `FakeContext()` unless told otherwise.

    Raises:
        AssertionError: When a changed text has another reward, or one of them is ungraded; shows each.
        ConfigurationError: When the grader cannot be loaded, no change is given, none has this name, or one finds nothing
            to change in the text.
    """
    __tracebackhide__ = True
    if not changes:
        raise ConfigurationError("name at least one change, as assert_unchanged_by(…, 'white_space')")
    bound, given = loaded(grader, options), Sample.load(sample)
    reward = _rewards(bound, [given], item, context)[0]
    for change in changes:
        name = change if isinstance(change, str) else getattr(change, "__name__", repr(change))
        texts = (change_named(change) if isinstance(change, str) else change)(given.output_text)
        if not texts:
            raise ConfigurationError(
                f"{name} finds nothing to change in {brief(given.output_text)}; take a sample in which it does"
            )
        others = [_with_text(given, text) for text in texts]
        rewards = [_rewards(bound, [other], item, context)[0] for other in others]
        wrong = {i + 1: "changed" for i, other in enumerate(rewards) if abs(other - reward) > _TOLERANCE}
        if wrong:
            table = _table([given, *others], [reward, *rewards], wrong)
            raise AssertionError(f"{bound.info.type} gives another reward after the change {name}:\n{table}")


def assert_monotone(
    grader: Gradable,
    samples: Sequence[Sample | str] | Callable[[Any], Sample | str],
    item: Item,
    *,
    at: Iterable[float] = range(11),
    falling: bool = False,
    options: Mapping[str, Any] | None = None,
    context: Context | None = None,
) -> None:
    """Check that a reward never falls from one sample to the next, and is higher at the last than at the first.

    Args:
        grader: A function or class under `@grader`, a loaded `Grader`, or a grader's JSON.
        samples: At least two samples or their texts; or a function of a number that gives one.
        item: Their item.
        at: The numbers at which such a function is tried, in order.
        falling: Whether the reward is to fall instead.
        options: The options of a function or class.
        context: What an async grader is given; `FakeContext()` unless told otherwise.

    Raises:
        AssertionError: When the reward goes the other way somewhere, or is the same everywhere, or a sample is ungraded.
        ConfigurationError: When the grader cannot be loaded, or there are fewer than two samples.
    """
    __tracebackhide__ = True
    tried = _at_least_two([samples(number) for number in at] if callable(samples) else samples)
    bound = loaded(grader, options)
    rewards = _rewards(bound, tried, item, context)
    sign, way = (-1.0, "fall") if falling else (1.0, "rise")
    wrong = {i + 1: "the wrong way" for i, (a, b) in enumerate(pairwise(rewards)) if sign * (b - a) < 0}
    if wrong or rewards[0] == rewards[-1]:
        what = f"does not {way} from sample to sample" if wrong else f"does not {way}: all rewards are equal"
        raise AssertionError(f"the reward of {bound.info.type} {what}:\n{_table(tried, rewards, wrong)}")


def _at_least_two(samples: Iterable[Sample | str]) -> list[Sample]:
    made = [Sample.load(sample) for sample in samples]
    if len(made) < 2:
        raise ConfigurationError(f"give at least two samples to compare; got {len(made)}")
    return made


def _rewards(grader: Grader, samples: Sequence[Sample], item: Item, context: Context | None) -> list[float]:
    """The reward of each sample.

    Raises:
        AssertionError: When one is ungraded, or grading it breaks a rule of `assert_well_behaved`.
    """
    __tracebackhide__ = True
    groups = [samples] if grader.type.form == "group" else [[sample] for sample in samples]
    results: list[GraderResult] = []
    with Bench.of(grader, context, max_seconds=_NO_LIMIT) as bench:
        try:
            for group in groups:
                results += bench.grade(grader, group, item)
        except Fault as fault:
            texts = ", ".join(brief(sample.output_text) for sample in group)
            raise AssertionError(f"{grader.info.type}, grading {texts}: it {fault}") from fault.__cause__
    rewards: list[float] = []
    for sample, result in zip(samples, results, strict=True):
        if result.reward is None:
            text = brief(sample.output_text)
            raise AssertionError(f"{grader.info.type} left {text} ungraded: {_why(result)}")
        rewards.append(result.reward)
    return rewards


def _why(result: GraderResult) -> str:
    return "; ".join(failure.message for failure in result.failures())


def _with_text(sample: Sample, text: str) -> Sample:
    """The sample with another text, also in the first choice of a completion."""
    stored = sample.to_stored()
    if isinstance(stored, str):
        return Sample(text)
    stored = {**deepcopy(stored), "output_text": text}
    for choice in stored.get("choices", ())[:1]:
        choice["message"] = {**choice.get("message", {}), "content": text}
    return Sample.load(stored)


def _table(samples: Sequence[Sample], rewards: Sequence[float], remarks: Mapping[int, str]) -> str:
    """A line for each sample: its reward, its text, and what is wrong with it."""
    lines = []
    for index, (sample, reward) in enumerate(zip(samples, rewards, strict=True)):
        remark = f"  <- {remarks[index]}" if index in remarks else ""
        lines.append(f"  {reward:<12.6g} {brief(sample.output_text)}{remark}")
    return "\n".join(lines)

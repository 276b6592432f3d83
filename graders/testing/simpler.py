"""Making a case that breaks a rule simpler, by trying what is simpler and keeping what breaks the same rule.

Hypothesis can make simpler what it has generated, but not the cases that are always tried, and it takes thousands of gradings;
this takes hundreds, since it knows what a sample is.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from graders.contract import Item
from graders.errors import ConfigurationError
from graders.samples.sample import Sample
from graders.testing.bench import BenchCase

STEPS = 1_500
"""How many simpler cases are tried at most."""
_LETTERS = 80


def simplest(
    case: BenchCase, breaks: Callable[[BenchCase], bool], *, items: Sequence[Item] | None
) -> BenchCase:
    """The simplest case found that still breaks the rule.

    Args:
        case: One that does.
        breaks: Whether another one does.
        items: Items as the grader expects them: one of these is simpler than any that is made of them, which stay as they
            are. None when any item will do.
    """
    steps = STEPS
    simpler = _simpler_cases(case, items)
    while steps and (candidate := next(simpler, None)) is not None:
        steps -= 1
        if breaks(candidate):
            case = candidate
            simpler = _simpler_cases(case, items)
    return case


def _simpler_cases(case: BenchCase, items: Sequence[Item] | None) -> Iterator[BenchCase]:
    if items is not None and case.item not in items:
        for item in items:
            yield replace(case, item=item)
    if case.before is not None:
        yield replace(case, before=None)
        samples, item = case.before
        if item != case.item:
            yield replace(case, before=(samples, case.item))
        for other in _simpler_samples(list(samples)):
            yield replace(case, before=(other, item))
    for other in _simpler_samples(list(case.samples)):
        yield replace(case, samples=other)
    if items is None:
        yield from (replace(case, item=item) for item in _simpler_items(case.item))


def _simpler_items(item: Item) -> Iterator[dict[str, Any]]:
    """Fewer fields, a field with a plain name, and simpler values."""
    yield from _simpler(dict(item))
    if "a" not in item:
        for name in item:
            yield {"a" if key == name else key: value for key, value in item.items()}


def _simpler_samples(samples: list[Sample]) -> Iterator[list[Sample]]:
    """Fewer samples, but at least one; and each of them simpler."""
    for index, sample in enumerate(samples):
        if len(samples) > 1:
            yield [*samples[:index], *samples[index + 1 :]]
        for other in _simpler_sample(sample):
            yield [*samples[:index], other, *samples[index + 1 :]]


def _simpler_sample(sample: Sample) -> Iterator[Sample]:
    stored = sample.to_stored()
    if isinstance(stored, dict):
        yield Sample(sample.output_text)
    for other in _simpler(stored):
        try:
            yield Sample.load(other)
        except ConfigurationError:  # what is left of it is not a sample
            continue


def _simpler(value: Any) -> Iterator[Any]:
    """Plain data a little simpler, the greatest steps first."""
    if isinstance(value, str):
        yield from _shorter(value)
        yield from _plainer(value)
    elif isinstance(value, list):
        yield from _shorter(value)
        for index, inner in enumerate(value):
            yield from ([*value[:index], other, *value[index + 1 :]] for other in _simpler(inner))
    elif isinstance(value, dict):
        yield from ({key: inner for key, inner in value.items() if key != left_out} for left_out in value)
        for key, inner in value.items():
            yield from ({**value, key: other} for other in _simpler(inner))
    elif value:
        yield 0


def _shorter(value: Any) -> Iterator[Any]:
    """A text or a list without a piece of it: all of it, halves, quarters, down to single elements."""
    size = len(value)
    while size:
        for start in range(0, len(value), size):
            yield value[:start] + value[start + size :]
        size //= 2


def _plainer(text: str) -> Iterator[str]:
    """A text with one of its first characters made the plainest of its kind."""
    for index, letter in enumerate(text[:_LETTERS]):
        plain = "0" if letter.isdecimal() else "a"
        if letter not in {plain, " "}:
            yield text[:index] + plain + text[index + 1 :]

"""How near an answer is to its reference, and what that is worth.

Distances are exact: `1.1` against `1` is 1/10 away, not 0.10000000000000009, so a tolerance of 0.1 means what it says, and two
integers past 2**53 differ. A tolerance, scale or threshold has the decimal value its author wrote.
"""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from graders.kinds.numeric.word_or_object import WordOrObject

Finite = Annotated[float, Field(allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]

ROUNDING = Fraction(1, 10**9)
"""Relative tolerance for fractional numbers unless another is asked for: the default of `math.isclose`."""


def as_written(number: float) -> Fraction:
    """The decimal value of a float as its author wrote it: 1/10 for 0.1."""
    return Fraction(repr(float(number)))


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Which distances count as none.

    A number is accepted when `|sample - reference| <= absolute + relative * |reference|`, as in numpy's `allclose`: relative
    to the reference alone, so that a sample cannot widen its own tolerance.

    Attributes:
        absolute: Accepted difference.
        relative: Accepted share of the reference; None is `ROUNDING`, and none at all between two whole numbers.
    """

    absolute: Fraction = Fraction(0)
    relative: Fraction | None = None

    @classmethod
    def of(cls, absolute: float, relative: float | None) -> Self:
        """The tolerance that two options give."""
        return cls(as_written(absolute), None if relative is None else as_written(relative))

    def accepts(self, sample: Fraction, reference: Fraction) -> bool:
        """Whether the sample counts as equal to the reference."""
        relative = self.relative
        if relative is None:
            if sample.denominator == reference.denominator == 1:
                difference = abs(sample.numerator - reference.numerator)
                return difference * self.absolute.denominator <= self.absolute.numerator
            relative = ROUNDING
        return abs(sample - reference) <= self.absolute + relative * abs(reference)


class Closeness(NamedTuple):
    """How a sample compares with its reference.

    Attributes:
        accepted: Every number is within the tolerance.
        distance: Largest difference of any pair; None when the lists differ in length.
        relative: Largest share of the reference that any pair differs by; None also when it has no bound.
    """

    accepted: bool
    distance: Fraction | None
    relative: Fraction | None


EQUAL = Closeness(accepted=True, distance=Fraction(0), relative=Fraction(0))


def compare(
    sample: Sequence[Fraction], reference: Sequence[Fraction], tolerance: Tolerance, *, ordered: bool = True
) -> Closeness:
    """Compare two lists of numbers, pair by pair; a single number is a list of one.

    Args:
        sample: The answer.
        reference: What it should be.
        tolerance: Which distances count as none.
        ordered: Whether the order counts; if not, both are sorted first, which gives the smallest largest distance.
    """
    if len(sample) != len(reference):
        return Closeness(accepted=False, distance=None, relative=None)
    if not ordered:
        sample, reference = sorted(sample), sorted(reference)
    if list(sample) == list(reference):
        return EQUAL
    pairs = list(zip(sample, reference, strict=True))
    distance = max((abs(one - other) for one, other in pairs), default=Fraction(0))
    shares = [abs(one - other) / abs(other) if other else None for one, other in pairs if one != other]
    relative = (
        None if None in shares else max((share for share in shares if share is not None), default=Fraction(0))
    )
    return Closeness(all(tolerance.accepts(one, other) for one, other in pairs), distance, relative)


def compare_one(sample: Fraction, reference: Fraction, tolerance: Tolerance) -> Closeness:
    """Compare two numbers: the same as two lists of one."""
    if (
        sample == reference
    ):  # as most right answers are; arithmetic of fractions takes long, and of integers does not
        return EQUAL
    if sample.denominator == reference.denominator == 1:
        difference, size = abs(sample.numerator - reference.numerator), abs(reference.numerator)
        distance, relative = Fraction(difference), Fraction(difference, size) if size else None
    else:
        distance = abs(sample - reference)
        relative = distance / abs(reference) if reference else None
    return Closeness(tolerance.accepts(sample, reference), distance, relative)


class Decay(BaseModel):
    """How fast a reward falls with distance.

    Attributes:
        scale: The distance at which a `linear` reward reaches 0, and an `exponential` one 1/e.
        relative: Distances are shares of the reference: with a scale of 0.1, ten percent off.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    scale: Positive
    relative: bool = False

    def steps_away(self, closeness: Closeness) -> float:
        """The distance in units of the scale; infinite if there is no distance."""
        distance = closeness.relative if self.relative else closeness.distance
        if distance is None:
            return math.inf
        return as_float(distance / as_written(self.scale))


class Score(WordOrObject):
    """What a distance is worth.

    In JSON `"exact"` (1 within the tolerance, else 0) or an object with one field, such as `{"linear": {"scale": 10}}` or
    `{"steps": [[0, 5], [1, 4], [5, 3]], "range": [0, 5]}`. A number within the tolerance always counts as distance 0.

    Attributes:
        kind: `exact`.
        linear: `1 - distance / scale`, at least 0.
        exponential: `exp(-distance / scale)`.
        steps: Pairs of a distance and the reward up to it, nearest first; beyond the last: the lowest reward.
        range: Lowest and highest reward of `steps`; unless given, from 0 (or the lowest step) to the highest step.
    """

    word_field = "kind"
    words = ("exact",)

    kind: Literal["exact"] | None = None
    linear: Decay | None = None
    exponential: Decay | None = None
    steps: tuple[tuple[NotNegative, Finite], ...] | None = None
    range: tuple[Finite, Finite] | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if sum(field is not None for field in (self.kind, self.linear, self.exponential, self.steps)) != 1:
            raise ValueError('name one of "exact", {"linear": …}, {"exponential": …} and {"steps": …}')
        if self.steps is None:
            if self.range is not None:
                raise ValueError("only steps take a range; the others give 0 to 1")
            return self
        if not self.steps:
            raise ValueError("steps need at least one pair of a distance and its reward")
        distances, rewards = zip(*self.steps, strict=True)
        if any(near >= far for near, far in pairwise(distances)):
            raise ValueError("the distances of the steps must increase")
        if any(near < far for near, far in pairwise(rewards)):
            raise ValueError("a step further away must not be worth more")
        low, high = self.bounds
        if not low < high or not all(low <= reward <= high for reward in rewards):
            raise ValueError(
                f"the range {low:g} to {high:g} must hold the rewards of all steps, and more than one number"
            )
        return self

    @property
    def bounds(self) -> tuple[float, float]:
        """Lowest and highest reward."""
        if self.steps is None:
            return 0.0, 1.0
        rewards = [reward for _, reward in self.steps]
        return self.range or (min(0.0, *rewards), max(rewards))

    def reward(self, closeness: Closeness) -> float:
        """The reward for a comparison."""
        if self.steps is not None:
            distance = Fraction(0) if closeness.accepted else closeness.distance
            if distance is None:
                return self.bounds[0]
            return next(
                (reward for near, reward in self.steps if distance <= as_written(near)), self.bounds[0]
            )
        if closeness.accepted:
            return 1.0
        if self.linear is not None:
            return max(0.0, 1.0 - self.linear.steps_away(closeness))
        return 0.0 if self.exponential is None else math.exp(-self.exponential.steps_away(closeness))


def as_float(exact: Fraction) -> float:
    """The nearest float, the largest one for what is beyond it."""
    try:
        return float(exact.numerator) if exact.denominator == 1 else float(exact)
    except OverflowError:
        return sys.float_info.max if exact > 0 else -sys.float_info.max

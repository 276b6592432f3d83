"""What a sample got: `Graded`, a reward or the failure that is the reason why there is none."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

FLOAT32_OVERFLOWS_AT = float(2**128 - 2**103)
"""The smallest magnitude that rounds to infinity as a float32: trainers keep rewards in tensors of float32."""

INFRASTRUCTURE = "infrastructure"


@dataclass(frozen=True)
class Failure:
    """Why a sample has no reward, or (caused by the model) why it has the lowest one.

    Attributes:
        kind: What went wrong; one of the kinds of the service, such as `other_error`.
        caused_by: `model`, `grader` or `infrastructure`.
        message: One line for a person.
        details: Plain data for a program: `type`, …
        retryable: Whether the same grading may succeed when it is repeated.
    """

    kind: str
    caused_by: str
    message: str
    details: Mapping[str, Any] = field(default_factory=dict)
    retryable: bool = False


@dataclass(frozen=True)
class Graded:
    """One reward, or the failure that is the reason why the sample has none.

    Attributes:
        reward: A number that is finite as a float32; None exactly when the sample is ungraded.
        sub_rewards: Named parts of the reward; None where a part is ungraded.
        failure: What went wrong. A reward beside it was caused by the model, or is the grader's `invalid_grade`.
        metrics: Finite numbers worth plotting beside the reward.
        turn_rewards: One number or None for each turn of the assistant, where the grader gives them as
            `metadata["turn_rewards"]`; Bedrock and SageMaker take them.
    """

    reward: float | None
    sub_rewards: Mapping[str, float | None] = field(default_factory=dict)
    failure: Failure | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    turn_rewards: tuple[float | None, ...] | None = None

    @property
    def graded(self) -> bool:
        """Whether there is a reward."""
        return self.reward is not None

    @property
    def reason(self) -> Failure:
        """The failure of an ungraded sample.

        Raises:
            ValueError: When there is a reward, and no failure.
        """
        if self.failure is None:
            raise ValueError("the sample was graded without a failure")
        return self.failure


def ungraded(
    message: str,
    type_: str,
    *,
    kind: str = "other_error",
    caused_by: str = INFRASTRUCTURE,
    retryable: bool = True,
) -> Graded:
    """The result of a sample that could not be graded.

    Args:
        message: One line for a person.
        type_: What `details["type"]` says: `deadline`, `no_answer`, `malformed_response`, `unreadable_row`, …
        kind: Of the failure.
        caused_by: `grader` or `infrastructure`.
        retryable: Whether the same grading may succeed when it is repeated.
    """
    return Graded(None, failure=Failure(kind, caused_by, message, {"type": type_}, retryable))


def late(message: str) -> Graded:
    """The result of a sample whose time was up."""
    return ungraded(message, "deadline", kind="unresponsive_reward_error")


def of_reward(reward: object, failure: Failure | None = None, **rest: Any) -> Graded:
    """The result with a reward that somebody else gave; no reward that a trainer would misread gets through.

    Args:
        reward: A number, or None beside a failure.
        failure: What went wrong.
        rest: Further attributes of the result.
    """
    number = finite(reward)
    if number is not None:
        return Graded(number, failure=failure, **rest)
    if reward is None and failure is not None:
        return Graded(None, failure=failure, **rest)
    if reward is None:
        return ungraded("the answer has neither a reward nor a failure", "malformed_response")
    shown = repr(reward) if isinstance(reward, (int, float)) else type(reward).__name__
    return ungraded(
        f"the reward is not a number that is finite as a float32: {shown[:40]}",
        "malformed_response",
        caused_by="grader",
        retryable=False,
    )


def of_turns(graded: Graded, count: int) -> Graded:
    """A result whose rewards of turns, if it has them, are as many as the turns; else ungraded: they would go to other turns.

    Args:
        graded: The result.
        count: The assistant's turns.
    """
    if graded.turn_rewards is None or len(graded.turn_rewards) == count:
        return graded
    message = f"turn_rewards: expected one for each of the assistant's {count} turns, got {len(graded.turn_rewards)}"
    return ungraded(message, "wrong_turns", caused_by="grader", retryable=False)


def finite(value: object) -> float | None:
    """A number that stays finite as a float32; None for everything else, booleans and texts among it."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) and abs(number) < FLOAT32_OVERFLOWS_AT else None


def numbers(values: object) -> dict[str, float]:
    """Those of some named values that are finite numbers."""
    if not isinstance(values, Mapping):
        return {}
    found = {str(name): finite(value) for name, value in values.items()}
    return {name: number for name, number in found.items() if number is not None}


def numbers_or_none(values: object) -> dict[str, float | None]:
    """Some named values, None for each that is no finite number."""
    return {str(name): finite(value) for name, value in values.items()} if isinstance(values, Mapping) else {}


def turns(values: object) -> tuple[float | None, ...] | None:
    """The rewards of turns; None where there are none."""
    return tuple(map(finite, values)) if isinstance(values, (list, tuple)) else None

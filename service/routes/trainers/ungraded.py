"""What each trainer gets for an ungraded sample: the one table, and how a request chooses from it.

The published contracts have no word for "not measured". What comes closest differs: some trainers leave a sample out when
they are answered with a status of 5xx, others end the training after a few of these, and one has a field for it.

The client has a table of its own, of what its adapters give: it may depend on nothing, and the service does without it. For
trainers that are in both, a test holds them together (tests/clients/test_conformance.py).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from graders import Failure, GraderResult, GradingError
from graders.contract import brief
from graders.pattern import encodable
from service.errors import ApiError, Refusal, invalid_query

Policy: TypeAlias = Literal["raise", "group_mean", "mask"] | float
"""`raise`: a status of 5xx. `group_mean`: the mean reward of the graded samples of the same prompt in the same request; 5xx
where there are none. `mask`: a reward that the trainer is told not to use. A number: that number."""

FLOAT32_OVERFLOWS_AT = float(2**128 - 2**103)
"""The smallest number that float32 rounds to infinity."""
AGAIN_S = 1.0
"""Seconds to wait before the same grading is tried again, where that may help."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What one trainer gets.

    Attributes:
        words: The policies that a request may name; the first one is that of a request that names none.
        why: The reason for that one: what the trainer does with the answer.
        numbers: Whether a request may name a number.
        status: The status of `raise`.
        float32: Whether the trainer holds rewards in float32.
    """

    words: Sequence[Literal["raise", "group_mean", "mask"]]
    why: str
    numbers: bool = False
    status: int = 503
    float32: bool = False


UNGRADED: dict[str, Rule] = {
    "openrlhf": Rule(
        ("group_mean", "raise"),
        "asks five times, then the training ends; a null would end it at once",
        numbers=True,
        float32=True,
    ),
    "slime": Rule(("raise",), "asks ten times, then the rollout fails", numbers=True, float32=True),
    "nemo-gym": Rule(("mask",), "masked samples enter nothing", float32=True),
    "endpoint": Rule(("raise",), "asks three times more, then discards the rollout"),
    "google": Rule(("raise",), "takes it for a failed reward"),
    "sandbox-fusion": Rule(
        ("raise",), "verl asks again after 504 only, and scores all else as 0", status=504
    ),
}
"""By trainer, as its route names it."""


def policy_of(trainer: str, given: str | None) -> Policy:
    """What a request wants for ungraded samples.

    Args:
        trainer: A key of `UNGRADED`.
        given: The query parameter `on_failure`; None where there is none.

    Raises:
        ApiError: 400, when this trainer cannot be given that.
    """
    rule = UNGRADED[trainer]
    if given is None:
        return rule.words[0]
    for word in rule.words:
        if given == word:
            return word
    if rule.numbers and (number := _number(given)) is not None:
        return number
    expected = " or ".join([*map(repr, rule.words), *(["a finite number"] if rule.numbers else [])])
    raise invalid_query("on_failure", f"expected {expected}, got {brief(encodable(given))}")


def outcome(result: GraderResult, trainer: str) -> float | Failure:
    """The reward of a result, or why a trainer gets none.

    A reward that overflows float32 is none for a trainer that holds rewards so: it would be infinite there, and with it every
    advantage of the group zero or NaN.
    """
    if result.reward is None and result.failure is not None:
        return result.failure
    reward = float(result.reward or 0.0)
    if UNGRADED[trainer].float32 and abs(reward) >= FLOAT32_OVERFLOWS_AT:
        return GradingError(
            f"the reward {reward:g} is too large for float32, in which {trainer} holds it"
        ).failure
    return reward


def measured(result: GraderResult, trainer: str) -> float:
    """The reward of a result.

    Raises:
        ApiError: With the status of `raise`, when it is ungraded.
    """
    found = outcome(result, trainer)
    if isinstance(found, Failure):
        raise ungraded(found, trainer)
    return found


def ungraded(failure: Failure, trainer: str, *, where: str = "") -> ApiError:
    """The error that a trainer is answered with for an ungraded sample.

    Args:
        failure: Why it has no reward.
        trainer: A key of `UNGRADED`.
        where: The place of the sample in the request; empty where there is one sample.
    """
    status = UNGRADED[trainer].status
    place = f"{where}: " if where else ""
    message = f"{place}ungraded ({failure.kind}, caused by the {failure.caused_by}): {failure.message}"
    if failure.retryable:
        return Refusal(status, message, code="ungraded", after_s=AGAIN_S)
    return ApiError(status, message, param=where or None, code="ungraded")


def _number(text: str) -> float | None:
    try:
        is_plain = len(text) <= 40 and text.isascii() and "_" not in text
        number = float(text) if is_plain else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None

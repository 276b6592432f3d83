"""A `GraderResult` as plain data: the one place that knows its fields, and the views that show some of them."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from graders.contract import Failure, GraderResult, checked_number

View: TypeAlias = tuple[str, ...]
"""Attributes of a result, in the order in which they are written."""

RECORD: View = (
    *("reward", "passed", "sub_rewards", "failure", "substituted"),
    *("explanation", "metrics", "metadata", "usage"),
)
"""A line of a results file: no times, so that a resumed run writes the file that an undisturbed one writes."""

EXPLAINED: View = (
    *("reward", "passed", "explanation", "failure", "substituted"),
    *("sub_rewards", "metrics", "metadata", "usage", "execution_time"),
)
"""The result inside an `Explanation`: what a person reads comes first, since the last texts may be cut."""

RESPONSE: View = (
    *("reward", "passed", "sub_rewards", "metrics", "metadata", "explanation"),
    *("failure", "usage", "execution_time", "substituted"),
)
"""The answer of the service's own routes."""

BESIDE_SCORE: View = ("explanation", "failure", "substituted", "sub_rewards", "metrics")
"""What an output item of an evaluation run says beside score, `passed` and metadata."""


def _same(value: Any) -> Any:
    return value


def result_data(result: GraderResult, view: View, convert: Callable[[Any], Any] = _same) -> dict[str, Any]:
    """Some attributes of a result, by name.

    Args:
        result: Any result.
        view: Which attributes, in which order.
        convert: Applied to every text and every mapping: whatever a grader or a model has written.
    """
    return {
        name: failure_data(value, convert) if isinstance(value, Failure) else _converted(value, convert)
        for name in view
        for value in (getattr(result, name),)
    }


TURN_REWARDS = "turn_rewards"
"""What the metadata of a result calls the rewards of single turns."""


def turn_rewards(result: GraderResult) -> list[float | None] | None:
    """The rewards of the assistant's turns, which trainers of whole conversations take beside the reward.

    A plugin gives them as `metadata["turn_rewards"]`: a list with a finite number, or None, for each of the assistant's turns. None
    where there is no such list, and for an ungraded result.
    """
    turns = result.metadata.get(TURN_REWARDS)
    if result.reward is None or not isinstance(turns, (list, tuple)):
        return None
    return [_finite(turn) for turn in turns]


def _finite(value: object) -> float | None:
    """A finite number; None for anything else, as for an integer that is too large for a float."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return checked_number(value)
    except ValueError:
        return None


def failure_data(failure: Failure, convert: Callable[[Any], Any] = _same) -> dict[str, Any]:
    """A failure as plain data; see `result_data`."""
    return {
        "kind": failure.kind.value,
        "caused_by": failure.caused_by,
        "message": convert(failure.message),
        "details": convert(failure.details),
        "retryable": failure.retryable,
    }


def _converted(value: Any, convert: Callable[[Any], Any]) -> Any:
    return convert(value) if isinstance(value, (str, Mapping)) else value

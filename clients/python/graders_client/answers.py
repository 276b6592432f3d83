"""The results in an answer of `POST /v1/grade/batch`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graders_client.graded import (
    Failure,
    Graded,
    numbers,
    numbers_or_none,
    of_reward,
    turns,
    ungraded,
)


def results_of(answer: Mapping[str, Any], count: int) -> list[Graded]:
    """The result of each row, in the order of the rows, whatever the order in the answer.

    A row that the answer leaves out, has twice, or says nothing sound about is ungraded.

    Args:
        answer: The answer's JSON.
        count: Rows of the request.
    """
    found: list[Graded | None] = [None] * count
    twice: set[int] = set()
    results = answer.get("results")
    for result in results if isinstance(results, list) else ():
        index = result.get("index") if isinstance(result, Mapping) else None
        if type(index) is not int or not 0 <= index < count:
            continue
        if found[index] is not None:
            twice.add(index)
        found[index] = graded_of(result)
    for index in twice:
        found[index] = ungraded("the answer has this row twice", "malformed_response")
    missing = ungraded("the answer leaves this row out", "malformed_response")
    return [missing if graded is None else graded for graded in found]


def graded_of(result: Mapping[str, Any]) -> Graded:
    """One result out of its JSON."""
    failure = _failure_of(result.get("failure"))
    reward = result.get("reward")
    sub_rewards, metrics = result.get("sub_rewards"), result.get("metrics")
    if not sub_rewards and not metrics and "turn_rewards" not in result:
        return of_reward(reward, failure)
    return of_reward(
        reward,
        failure,
        sub_rewards=numbers_or_none(sub_rewards),
        metrics=numbers(metrics),
        turn_rewards=turns(result.get("turn_rewards")),
    )


def _failure_of(said: object) -> Failure | None:
    if not isinstance(said, Mapping):
        return None
    details = said.get("details")
    return Failure(
        str(said.get("kind", "other_error")),
        str(said.get("caused_by", "infrastructure")),
        str(said.get("message", "")),
        dict(details) if isinstance(details, Mapping) else {},
        said.get("retryable") is True,
    )

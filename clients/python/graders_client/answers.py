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

FIELDS = ("reward", "failure", "sub_rewards", "metrics", "turn_rewards")
"""What is asked for of each result: an answer of arrays is a fraction of one of objects."""


def results_of(answer: Mapping[str, Any], count: int) -> list[Graded]:
    """The result of each row, in the order of the rows.

    A row that the answer leaves out, has twice, or says nothing sound about is ungraded.

    Args:
        answer: The answer's JSON, with a list of results, in any order, or with a column for each field.
        count: Rows of the request.
    """
    columns = answer.get("columns")
    if isinstance(columns, Mapping):
        return _of_columns(columns, count)
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


def _of_columns(columns: Mapping[str, Any], count: int) -> list[Graded]:
    """The results in columns, of which each must have a value for each row: a shift would misplace rewards."""
    for name, values in columns.items():
        if not isinstance(values, list) or len(values) != count:
            return [
                ungraded(f"the answer has no {count} values of {name!r:.40}", "malformed_response")
            ] * count
    names = [name for name in FIELDS if name in columns]
    rows = zip(*(columns[name] for name in names)) if names else [()] * count
    return [graded_of(dict(zip(names, row))) for row in rows]


def graded_of(result: Mapping[str, Any]) -> Graded:
    """One result out of its JSON."""
    failure = _failure_of(result.get("failure"))
    reward = result.get("reward")
    sub_rewards, metrics = result.get("sub_rewards"), result.get("metrics")
    by_turn = result.get("turn_rewards")
    if not sub_rewards and not metrics and by_turn is None:
        return of_reward(reward, failure)
    return of_reward(
        reward,
        failure,
        sub_rewards=numbers_or_none(sub_rewards),
        metrics=numbers(metrics),
        turn_rewards=turns(by_turn),
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

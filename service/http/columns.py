"""A batch as columns: `?fields=reward,failure` asks for some fields alone, an array of each, in the order of the rows.

A whole answer is some 300 bytes a row, and a trainer reads two numbers of it. A reward is a finite number, or null exactly where
the row is ungraded; there is no NaN, which JSON does not have. So are the numbers of all other fields.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from fastapi import Request
from pydantic_core import to_json

from graders import GraderResult
from graders.contract import brief
from graders.pattern import encodable
from graders.result_data import RESPONSE, TURN_REWARDS, result_data, turn_rewards
from runtime.evaluation.batch_result import BatchResult
from service.errors import invalid_query
from service.http.responses import Answer, Counts, JsonAnswer, Origin, ShownGrader, shown_grader, written

COLUMNS = ("id", *RESPONSE, TURN_REWARDS)
"""Fields that may be asked for."""
AT_ONCE = 256
"""Rows that are written before other requests get their turn."""
FIELDS: dict[str, Any] = {
    "name": "fields",
    "in": "query",
    "description": "Fields of the results, with commas between them: the answer has an array of each, in the order of the rows, "
    f"and no `results`. Known are {', '.join(COLUMNS)}.",
    "schema": {"type": "string", "pattern": "^({0})(,({0}))*$".format("|".join(COLUMNS))},
}
"""The parameter for the OpenAPI document."""


class ColumnsResponse(Answer):
    """The results of a batch, an array for each field that was asked for."""

    object: Literal["batch.columns"] = "batch.columns"
    grader: ShownGrader
    columns: dict[str, list[Any]]
    counts: Counts


def fields_of(request: Request) -> Sequence[str] | None:
    """The fields that a request asks for; None where it asks for whole results.

    Raises:
        ApiError: 400, for an unknown or a duplicate field.
    """
    given = request.query_params.get("fields")
    if given is None:
        return None
    fields = given.split(",")
    for field in fields:
        if field not in COLUMNS:
            raise invalid_query(
                "fields", f"no field {brief(encodable(field))}; expected {', '.join(COLUMNS)}"
            )
    if len(set(fields)) < len(fields):
        raise invalid_query("fields", "duplicate field")
    return fields


async def columns(
    results: BatchResult,
    ids: Sequence[str | float | None],
    fields: Sequence[str],
    *,
    lowest: float | None,
    origin: Origin | None,
) -> JsonAnswer:
    """A batch as columns.

    Args:
        results: Its results.
        ids: The caller's own names for the rows.
        fields: Which columns.
        lowest: The reward to show for an ungraded row; None shows null.
        origin: The name and the version of a stored grader.
    """
    known = {field: _writer(field, lowest) for field in fields}
    parts: dict[str, list[bytes]] = {field: [] for field in fields}
    bulk: dict[float, Mapping[str, bytes]] = {}
    rewards = results.rewards.tolist()
    for index, reward in enumerate(rewards):
        if index % AT_ONCE == 0:
            await asyncio.sleep(0)
        result = results.known(index)
        if result is not None:
            cells: Mapping[str, bytes] = {field: write(result) for field, write in known.items()}
        elif reward in bulk:
            cells = bulk[reward]
        else:
            made = results[index]
            cells = bulk[reward] = {field: write(made) for field, write in known.items()}
        for field in fields:
            parts[field].append(cells[field])
    if "id" in parts:
        parts["id"] = [_id(each) for each in ids]
    counts = {"rows": len(rewards), "graded": len(rewards) - results.ungraded, "ungraded": results.ungraded}
    body = b'{"object":"batch.columns","grader":%b,"columns":{%b},"counts":%b}' % (
        written(shown_grader(results.grader, origin)),
        b",".join(b"%b:[%b]" % (to_json(field), b",".join(cells)) for field, cells in parts.items()),
        to_json(counts),
    )
    return JsonAnswer(body)


def _writer(field: str, lowest: float | None) -> Callable[[GraderResult], bytes]:
    """What writes one field of a result."""
    if field == "id":
        return lambda result: b"null"
    if field == "reward":
        return lambda result: to_json(lowest if result.reward is None else result.reward)
    if field == TURN_REWARDS:
        return lambda result: to_json(turn_rewards(result))
    skipped = len(field) + 4  # `{"field":`

    def write(result: GraderResult) -> bytes:
        return written(result_data(result, (field,)))[skipped:-1]

    return write


def _id(row_id: str | float | None) -> bytes:
    return to_json(encodable(row_id) if isinstance(row_id, str) else row_id)

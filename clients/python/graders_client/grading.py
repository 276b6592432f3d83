"""Some rows in one request, or in several where one is refused for what is in it."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, NamedTuple

from graders_client.answers import results_of
from graders_client.connection import Connection
from graders_client.exchange import Exchange, NoAnswer, Request, TooMuch
from graders_client.graded import Graded
from graders_client.rows import Row, halves


class Asked(NamedTuple):
    """What a request asks for besides its rows.

    Attributes:
        split: `train` or `valid`.
        step: The training step.
    """

    split: str | None = None
    step: int | None = None


class GraderRequests:
    """Sends rows to one grader of one service.

    Args:
        exchange: Sends requests.
        path: Of the batch route.
        grader: The name of a stored grader, or a grader's JSON.
        version: Of the stored grader; None takes the current one.

    Raises:
        ValueError: When JSON has no form for the grader.
    """

    def __init__(
        self, exchange: Exchange, path: str, grader: str | Mapping[str, Any], version: int | None
    ) -> None:
        self._exchange, self._path = exchange, path
        self._is_named = isinstance(grader, str)
        try:
            self._head = _members(
                name=grader if self._is_named else None,
                version=version if self._is_named else None,
                grader=None if isinstance(grader, str) else dict(grader),
            )
        except (TypeError, ValueError) as error:
            raise ValueError(f"grader: expected the name of a stored grader, or its JSON: {error}") from None

    def grade(
        self,
        rows: Sequence[Row],
        groups: Sequence[Hashable] | None,
        asked: Asked,
        connection: Connection,
        *,
        deadline: float,
        abandoned: Callable[[], bool],
    ) -> list[Graded]:
        """The result of each row.

        Args:
            rows: To be sent in this order.
            groups: What the group of each is called; None where nobody has said.
            asked: What else is asked for.
            connection: Of the calling thread.
            deadline: When to give up, by `time.monotonic`.
            abandoned: Whether nobody waits any more.

        Raises:
            RequestRefused: When the service refuses the request whatever its rows are.
        """
        cut = halves(rows, groups)
        request = Request(
            self._path,
            # statistics belong to names: the service refuses a split or a step without one
            self._head + (_members(split=asked.split, step=asked.step) if self._is_named else ""),
            ",".join(row.text for row in rows),
            cut is not None,
            deadline,
            abandoned,
        )
        try:
            return results_of(self._exchange.answer(request, connection), len(rows))
        except NoAnswer as error:
            return [error.graded] * len(rows)
        except TooMuch as error:
            if cut is None:
                return [error.graded] * len(rows)
        found: list[Graded] = []
        for part in (slice(cut), slice(cut, None)):
            inner = None if groups is None else groups[part]
            found += self.grade(rows[part], inner, asked, connection, deadline=deadline, abandoned=abandoned)
        return found


def _members(**fields: Any) -> str:
    """Members of a JSON object, each with a comma behind it; those that are None are left out."""
    texts = (
        f"{json.dumps(name)}:{json.dumps(value, allow_nan=False)},"
        for name, value in fields.items()
        if value is not None
    )
    return "".join(texts)

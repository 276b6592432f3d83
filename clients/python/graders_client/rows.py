"""Rows as JSON texts, and which of them go into one request.

A row that JSON has no form for is the failure of that row: the others are sent without it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from graders_client.graded import Graded, ungraded


class Row(NamedTuple):
    """One row, ready to send.

    Attributes:
        sample: The model's answer, as JSON.
        item: The dataset row, as JSON; rows with equal texts have equal items.
    """

    sample: str
    item: str

    @property
    def text(self) -> str:
        """The row as the service takes it."""
        return f'{{"sample":{self.sample},"item":{self.item}}}'


def read_row(sample: object, item: Mapping[str, Any] | None) -> Row | Graded:
    """A row out of a sample and its item; the ungraded result of one that JSON has no form for.

    Args:
        sample: A text, a stored sample, a chat completion, or a list of messages.
        item: The dataset row. Arrays and numbers of numpy, torch and the like become lists and numbers, dates texts, and
            models of pydantic objects.
    """
    texts = _text("sample", sample), _text("item", {} if item is None else item)
    wrong = next((text for text in texts if isinstance(text, Graded)), None)
    return wrong or Row(*map(str, texts))


def _text(name: str, value: object) -> str | Graded:
    if type(value) is str:  # most samples are
        return _QUOTED(value)
    try:
        return _ENCODER.encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        return ungraded(_complaint(name, value, error), "unreadable_row", retryable=False)


def requests_of(
    rows: Sequence[Row], groups: Sequence[Hashable] | None, *, most_rows: int, most_bytes: int
) -> list[list[int]]:
    """Which rows go into one request, by position: those of a group together and one after the other.

    The service takes consecutive rows with equal items for one group. So a group whose item equals that of the group
    before it goes into another request.

    Args:
        rows: All of them.
        groups: What the group of each row is called; None takes consecutive rows with equal items for one group, as the
            service does, of at most `most_rows` rows.
        most_rows: Rows of one request, unless one group has more.
        most_bytes: Characters of one request, unless one group has more.

    Raises:
        ValueError: When rows of one group have different items, which the service would take for several groups.
    """
    units = list(_runs(rows, most_rows)) if groups is None else list(_by_name(rows, groups).values())
    requests: list[list[int]] = []
    size = 0
    for unit in units:
        weight = sum(len(rows[index].sample) + len(rows[index].item) for index in unit)
        fits = (
            requests
            and len(requests[-1]) + len(unit) <= most_rows
            and size + weight <= most_bytes
            and (groups is None or rows[requests[-1][-1]].item != rows[unit[0]].item)
        )
        if fits:
            requests[-1].extend(unit)
            size += weight
        else:
            requests.append(list(unit))
            size = weight
    return requests


def halves(rows: Sequence[Row], groups: Sequence[Hashable] | None) -> int | None:
    """Where a request may be cut in two without cutting a group that has a name; None when it is one group."""
    cuts = [index for index in range(1, len(rows)) if rows[index].item != rows[index - 1].item]
    if not cuts and (groups is None or groups[0] is None):
        cuts = list(range(1, len(rows)))
    return min(cuts, key=lambda cut: abs(2 * cut - len(rows))) if cuts else None


def _runs(rows: Sequence[Row], most: int) -> Iterator[list[int]]:
    run: list[int] = []
    for index, row in enumerate(rows):
        if run and (row.item != rows[run[0]].item or len(run) >= most):
            yield run
            run = []
        run.append(index)
    if run:
        yield run


def _by_name(rows: Sequence[Row], groups: Sequence[Hashable]) -> dict[Hashable, list[int]]:
    found: dict[Hashable, list[int]] = {}
    for index, group in enumerate(groups):
        members = found.setdefault(group, [])
        if members and rows[members[0]].item != rows[index].item:
            raise ValueError(
                f"rows {members[0]} and {index} are both of group {group!r} but have different items; "
                "a group is the samples of one item: leave out of the items what differs between them"
            )
        members.append(index)
    return found


def _plain(value: Any) -> Any:
    """What stands for a value that JSON does not know."""
    if isinstance(value, Mapping):
        return {key: value[key] for key in value}
    tolist = getattr(value, "tolist", None)  # numpy, torch, jax: arrays, and single numbers
    if callable(tolist):
        return tolist()
    dump = getattr(
        value, "model_dump", None
    )  # messages and completions of clients that are made with pydantic
    if callable(dump):
        return dump(mode="json")
    isoformat = getattr(value, "isoformat", None)
    if callable(isoformat):
        return isoformat()
    raise TypeError(f"JSON has no form for {type(value).__name__}")


_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False, default=_plain)
_QUOTED = json.encoder.encode_basestring_ascii


def _complaint(name: str, value: object, error: Exception) -> str:
    if isinstance(error, RecursionError):
        return f"{name}: it is nested too deeply, or contains itself"
    try:
        path, why = _unfit(value, name) or (name, str(error))
    except RecursionError:
        path, why = name, str(error)
    return f"{path}: {why}; leave it out, or give a text or a number"


def _unfit(value: Any, path: str) -> tuple[str, str] | None:
    """The path of the first value that JSON has no form for, and why; None when none is found."""
    if value is None or isinstance(value, (str, bool, int)):
        return None
    if isinstance(value, float):
        return None if math.isfinite(value) else (path, f"{value} is not JSON")
    if isinstance(value, Mapping):
        wrong = next((key for key in value if not isinstance(key, (str, int, float, type(None)))), None)
        if wrong is not None:
            return path, f"the key {wrong!r:.40} is no text"
        inner: Any = ((f"{path}.{key}", part) for key, part in value.items())
    elif isinstance(value, (list, tuple)):
        inner = ((f"{path}[{index}]", part) for index, part in enumerate(value))
    else:
        try:
            return _unfit(_plain(value), path)
        except TypeError as error:
            return path, str(error)
    return next((found for name, part in inner if (found := _unfit(part, name)) is not None), None)

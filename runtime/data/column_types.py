"""The types of the columns of rows that are to be read into a table, which has one type a column.

`datasets` before 4.7, pyarrow and pandas refuse a file with a column of several types, or turn its values into others.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from runtime.data.formats.base import brief, named
from runtime.data.printable import printable_json

MOST_FIELDS = 500
"""Columns that are looked at; the first ones."""
ONE_TYPE = ("trl", "verl")
"""Hosts that read files into tables."""
INNER = ("item", "references", "reward_model", "extra_info", "datasource_item", "recorded")
"""Objects that hold fields of the rows' author."""
_TEXT = "a text"


@dataclass(slots=True)
class _Type:
    rows: int
    first: int


@dataclass
class ColumnTypes:
    """Watches rows for columns with values of several types. Null is of every type, and all numbers are of one."""

    _columns: dict[str, dict[str, _Type]] = field(default_factory=dict)

    def add(self, row: Mapping[str, Any], line: int) -> None:
        """Look at a row.

        Args:
            row: As it is to be written.
            line: What messages call it: where it comes from.
        """
        for name, value in columns_of(row):
            if name not in self._columns and len(self._columns) >= MOST_FIELDS:
                continue
            types = self._columns.setdefault(name, {})
            found = types.setdefault(named(value), _Type(0, line))
            found.rows += 1

    @property
    def mixed(self) -> list[str]:
        """A message for each column with several types: its name, the types, how many rows have them, and the first line of each."""
        return [
            f"{brief(name)} is {_said(types)}; a table has one type a column"
            for name, types in self._columns.items()
            if len(types) > 1
        ]

    def with_texts(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """A row in which the values of mixed columns are texts: those that are not are written as JSON."""
        found = dict(row)
        for name, types in self._columns.items():
            if len(types) < 2:
                continue
            outer, _, inner = name.partition(".")
            if name in found:
                found[name] = _as_text(found[name])
            elif outer in INNER and isinstance(found.get(outer), Mapping) and inner in found[outer]:
                found[outer] = {**found[outer], inner: _as_text(found[outer][inner])}
        return found


def columns_of(row: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The fields of a row, and of the objects in it that hold fields of its author; null is as good as no field."""
    for name, value in row.items():
        if value is None:
            continue
        yield name, value
        if name in INNER and isinstance(value, Mapping):
            for inner, part in value.items():
                if part is not None:
                    yield f"{name}.{inner}", part


def _said(types: Mapping[str, _Type]) -> str:
    ordered = sorted(types.items(), key=lambda each: -each[1].rows)
    parts = [f"{kind} in {_counted(each.rows)} (first in line {each.first:,})" for kind, each in ordered]
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def _counted(rows: int) -> str:
    return f"{rows:,} row{'s' * (rows != 1)}"


def _as_text(value: Any) -> Any:
    return value if value is None or isinstance(value, str) else printable_json(value)

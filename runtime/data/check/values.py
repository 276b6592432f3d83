"""Fields that some rows lack, that are misspelled, or whose values have another type in some rows."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from runtime.data.check.base import Check, CheckedRow
from runtime.data.column_types import MOST_FIELDS, ONE_TYPE, columns_of
from runtime.data.findings import KEPT, Finding, Level
from runtime.data.formats import Format
from runtime.data.formats.base import brief, named

USUAL = 0.5
"""Share of rows that have a field, from which on the others lack it."""
RARE = 0.1
_DATE = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d(:\d\d(:\d\d)?)?(Z|[+-]\d\d(:?\d\d)?)?)?")
"""What pyarrow's reader of JSON takes for a timestamp, where every value of a column is one."""


@dataclass(slots=True)
class _Field:
    rows: int = 0
    lacking: int = 0
    lacking_lines: list[int] = field(default_factory=list)
    types: Counter[str] = field(default_factory=Counter)
    lines: dict[str, list[int]] = field(default_factory=dict)
    are_dates: bool = True


class Values(Check):
    """Which fields the rows have, and of which types.

    Args:
        row_format: The format of the file, whose own fields have rules of their own.
        host: Who is to take the file.
    """

    def __init__(self, row_format: Format, host: str | None) -> None:
        self._format, self._host = row_format, host
        self._fields: dict[str, _Field] = {}
        self._first: list[int] = []
        self._rows = 0

    def add(self, row: CheckedRow) -> Iterator[Finding]:
        """Count the fields of a row."""
        found = dict(columns_of(row.value))
        for name, value in found.items():
            known = self._fields.get(name)
            if known is None:
                if len(self._fields) >= MOST_FIELDS:
                    continue
                known = self._fields[name] = _Field(lacking=self._rows, lacking_lines=self._first.copy())
            known.rows += 1
            kind = named(value)
            known.types[kind] += 1
            known.are_dates = known.are_dates and isinstance(value, str) and bool(_DATE.fullmatch(value))
            lines = known.lines.setdefault(kind, [])
            if len(lines) < KEPT:
                lines.append(row.number)
        if len(self._fields) != len(found) or self._fields.keys() != found.keys():
            for name, known in self._fields.items():
                if name not in found:
                    known.lacking += 1
                    if len(known.lacking_lines) < KEPT:
                        known.lacking_lines.append(row.number)
        self._rows += 1
        if len(self._first) < KEPT:
            self._first.append(row.number)
        return iter(())

    def findings(self) -> Iterator[Finding]:
        """What the fields show."""
        own = set(self._format.fields)
        for name, found in self._fields.items():
            if name not in own and found.lacking and found.rows >= USUAL * self._rows:
                yield from self._lacking(name, found)
            yield from self._drift(name, found)
            if found.are_dates and self._host in ONE_TYPE:
                message = f"{brief(name)} is a date in every row; `datasets` reads such a column of JSON as timestamps"
                hint = "write Parquet, which keeps texts, or compare with timestamps in the reward function"
                yield Finding("date-column", "warning", message, hint, field=name)

    def _lacking(self, name: str, found: _Field) -> Iterator[Finding]:
        outer = name.rpartition(".")[0]
        rare = [
            other
            for other, each in self._fields.items()
            if other.rpartition(".")[0] == outer and each.rows <= max(1, RARE * self._rows) and other != name
        ]
        near = get_close_matches(name, rare, n=1, cutoff=0.7)
        lines = set(found.lacking_lines)
        meant = [
            other
            for other in near
            if lines & {line for part in self._fields[other].lines.values() for line in part}
        ]
        hint = (
            f"did you mean {brief(name)}? It has {brief(meant[0])}" if meant else "add it, or null everywhere"
        )
        message = f"{brief(name)} is missing in {found.lacking:,} of {self._rows:,} rows"
        for line in found.lacking_lines:
            yield Finding("field-missing", "warning", message, hint, line, name)

    def _drift(self, name: str, found: _Field) -> Iterator[Finding]:
        if len(found.types) < 2:
            return
        main = found.types.most_common(1)[0][0]
        others = ", ".join(
            f"{kind} in {count:,}" for kind, count in found.types.most_common() if kind != main
        )
        message = f"{brief(name)} is {main} in {found.types[main]:,} rows, {others}"
        level: Level = "error" if self._host in ONE_TYPE else "warning"
        hint = "write one type; a table has one a column" if level == "error" else "write one type"
        for line in sorted(line for kind, lines in found.lines.items() if kind != main for line in lines):
            yield Finding("type-drift", level, message, hint, line, name)

    def figures(self) -> Mapping[str, Any]:
        """Rows and types of each field."""
        return {
            "fields": {
                name: {"rows": found.rows, "types": dict(found.types)} for name, found in self._fields.items()
            }
        }

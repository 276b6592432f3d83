"""Personal data and secrets in rows: reported by line and field, and never shown whole."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from runtime.data.check.base import Check, CheckedRow
from runtime.data.findings import Finding
from runtime.data.personal_data import find_personal_data, mask, may_have_personal_data

NAMED = 20
"""Places of one row that are named."""


class Privacy(Check):
    """Looks at every text of every row."""

    def __init__(self) -> None:
        self._rows: Counter[str] = Counter()

    def add(self, row: CheckedRow) -> Iterator[Finding]:
        """Say what looks personal in a row."""
        texts = list(_texts(row.value))
        if not may_have_personal_data("\n".join(text for _, text in texts)):
            return
        kinds: set[str] = set()
        named = 0
        for path, text in texts:
            for found in find_personal_data(text):
                kinds.add(found.kind)
                named += 1
                if named <= NAMED:
                    message = f"{'an' if found.kind[0] in 'ae' else 'a'} {found.kind}: {mask(text[found.start : found.end])}"
                    hint = "replace it by an invented one, unless it is one already"
                    yield Finding("personal-data", "warning", message, hint, row.number, path)
        self._rows.update(kinds)

    def figures(self) -> Mapping[str, Any]:
        """Rows by what was found in them."""
        return {"personal_data": dict(self._rows.most_common())}


def _texts(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Every text of a row, names of fields too, with its path."""
    pending: list[tuple[str, Any]] = [("", row)]
    while pending:
        path, value = pending.pop()
        if isinstance(value, str):
            yield path, value
        elif isinstance(value, Mapping):
            for name, inner in value.items():
                if len(name) > 5:
                    yield path, name
                pending.append((f"{path}.{name}" if path else name, inner))
        elif isinstance(value, list):
            pending += [(f"{path}.{number}", inner) for number, inner in enumerate(value)]

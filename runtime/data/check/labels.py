"""Labels and references: what a model that always says the same would get, and the shares of any field."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from runtime.data.check.base import FEWEST, Check, CheckedRow, canonical, digest, percent
from runtime.data.findings import Finding
from runtime.data.formats.base import brief

MOST_VALUES = 20_000
"""Different values of a field that are counted; when there are more, those that came first go on being counted."""
SHOWN = 20
DOMINATING = 0.4
"""Share of the most frequent reference from which on it is said, unless few values make that natural."""
_LONGEST = 80
_MOST_FIELDS = 50


class _Shares:
    """How often each value of a field occurs."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self.rows = 0
        self.is_cut = False

    def add(self, value: object) -> None:
        self.rows += 1
        text = value if isinstance(value, str) else canonical(value)
        text = " ".join(text.split())
        if len(text) > _LONGEST:
            text = f"{text[:_LONGEST]}… ({digest(text):016x})"
        if text in self._counts or len(self._counts) < MOST_VALUES:
            self._counts[text] += 1
        else:
            self.is_cut = True

    @property
    def different(self) -> int:
        return len(self._counts)

    def most_common(self) -> tuple[str, float]:
        text, count = self._counts.most_common(1)[0]
        return text, count / self.rows

    def to_dict(self) -> dict[str, Any]:
        values = [
            {"value": text, "rows": count, "share": round(count / self.rows, 4)}
            for text, count in self._counts.most_common(SHOWN)
        ]
        return {"rows": self.rows, "different": self.different, "is_cut": self.is_cut, "values": values}


class Labels(Check):
    """The shares of references, and what a constant answer would score."""

    def __init__(self) -> None:
        self._fields: dict[str, _Shares] = {}
        self._rows = 0

    def add(self, row: CheckedRow) -> Iterator[Finding]:
        """Count a row's references, and look for empty ones."""
        self._rows += 1
        for name, value in row.view.references.items():
            if name not in self._fields and len(self._fields) >= _MOST_FIELDS:
                continue
            self._fields.setdefault(name, _Shares()).add(value)
            if value in ([], {}) or (isinstance(value, str) and not value.strip()):
                yield Finding(
                    "empty-reference",
                    "warning",
                    f"{name} is empty",
                    "write what answers are compared with",
                    row.number,
                    name,
                )

    def findings(self) -> Iterator[Finding]:
        """References that a constant answer meets too often."""
        for name, shares in self._fields.items():
            if shares.rows < FEWEST:
                continue
            text, share = shares.most_common()
            if shares.different == 1:
                message = f"{name} is {brief(text)} in every row that has it: a constant answer is right"
                yield Finding(
                    "constant-reference",
                    "warning",
                    message,
                    "the rows do not tell good answers from bad ones",
                    field=name,
                )
            elif share >= max(DOMINATING, 1.25 / shares.different):
                message = f"always answering {brief(text)} meets {name} in {percent(share)} of the rows"
                hint = (
                    f"a reward of {share:.2f} needs no skill: balance the rows, or compare with that number"
                )
                yield Finding("dominating-reference", "warning", message, hint, field=name)

    def figures(self) -> Mapping[str, Any]:
        """The shares, and the constant answer of each field."""
        constant = {}
        for name, shares in self._fields.items():
            if shares.rows:
                text, share = shares.most_common()
                constant[name] = {"value": text, "score": round(share, 4)}
        return {
            "references": {name: each.to_dict() for name, each in self._fields.items()},
            "constant": constant,
        }


class SharesBy(Check):
    """The shares of the fields that `--by` names."""

    def __init__(self, names: Sequence[str]) -> None:
        self._fields = {name: _Shares() for name in names}
        self._missing = dict.fromkeys(names, 0)
        self._known: dict[str, None] = {}

    def add(self, row: CheckedRow) -> Sequence[Finding]:
        """Count a row."""
        if self._fields and len(self._known) < 500:
            self._known.update(dict.fromkeys((*row.value, *row.view.item)))
        for name, shares in self._fields.items():
            value = value_at(row, name)
            if value is None:
                self._missing[name] += 1
            else:
                shares.add(value)
        return ()

    def findings(self) -> Iterator[Finding]:
        """Fields that no row has."""
        for name, shares in self._fields.items():
            if not shares.rows:
                near = get_close_matches(name, list(self._known), n=1)
                hint = (
                    f"did you mean {near[0]!r}?"
                    if near
                    else f"the rows have {', '.join(list(self._known)[:20]) or 'no fields'}"
                )
                yield Finding(
                    "no-such-field", "error", f"no row has the field {brief(name)} of --by", hint, field=name
                )

    def figures(self) -> Mapping[str, Any]:
        """The shares."""
        found = {
            name: {**each.to_dict(), "missing": self._missing[name]} for name, each in self._fields.items()
        }
        return {"by": found} if found else {}


def value_at(row: CheckedRow, name: str) -> Any:
    """The value of a field that a user names: a column, a path with dots, or a field of the item; None where the row has no such field."""
    for outer in (row.value, row.view.item):
        if name in outer:
            return outer[name]
        value: Any = outer
        for step in name.split("."):
            if isinstance(value, list) and step.isdecimal() and int(step) < len(value):
                value = value[int(step)]
            else:
                value = value.get(step) if isinstance(value, Mapping) else None
            if value is None:
                break
        if value is not None:
            return value
    return None

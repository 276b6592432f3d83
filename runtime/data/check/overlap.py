"""Rows of the validation file that are in the training file too: then validation measures memory."""

from array import array
from collections.abc import Iterator, Sequence

from runtime.data.check.base import (
    Check,
    CheckedRow,
    digest,
    normal,
    percent,
    prompt_digest,
    without_identity,
)
from runtime.data.check.labels import value_at
from runtime.data.findings import Finding
from runtime.data.formats import View
from runtime.data.near_duplicates import NearDuplicates

FEWEST_GROUPS = 10
"""Different values of a field in the training file, below which it is a label rather than a group."""


class Overlap:
    """Both files of a check.

    Args:
        examples: Some rows of the training file.
        by: Fields whose values are groups, which are to stay on one side.

    Attributes:
        train: Looks at the training file, first.
        valid: Looks at the validation file, and then says what overlaps.
    """

    def __init__(self, examples: Sequence[View], by: Sequence[str]) -> None:
        self.by = by
        self.lines: dict[int, int] = {}
        self.groups: list[dict[int, int]] = [{} for _ in by]
        self.numbers = array("Q")
        self.first_valid = 0
        self.near: NearDuplicates | None = None
        try:
            self.near = NearDuplicates(view.prompt for view in examples)
        except ImportError:
            self.near = None
        self.train, self.valid = _Train(self), _Valid(self)

    def take(self, row: CheckedRow) -> None:
        """Keep what is needed to compare a row."""
        if self.near is not None and row.view.prompt.strip():
            self.numbers.append(row.number)
            self.near.add(row.view.prompt)


class _Train(Check):
    def __init__(self, both: Overlap) -> None:
        self._both = both

    def add(self, row: CheckedRow) -> Sequence[Finding]:
        """Keep a row's prompt and groups."""
        both = self._both
        asked = _asked(row)
        if asked not in both.lines:
            both.lines[asked] = row.number
            both.take(row)
        for name, groups in zip(both.by, both.groups, strict=True):
            value = value_at(row, name)
            if value is not None:
                groups.setdefault(_group(value), row.number)
        return ()


class _Valid(Check):
    def __init__(self, both: Overlap) -> None:
        self._both = both
        self._is_first = True
        self._counts = {"exact": 0, "near": 0, "group": 0}
        self._seen: set[int] = set()

    def add(self, row: CheckedRow) -> Iterator[Finding]:
        """Compare a row with the training file."""
        both = self._both
        if self._is_first:
            both.first_valid, self._is_first = len(both.numbers), False
        asked = _asked(row)
        if (line := both.lines.get(asked)) is not None:
            self._counts["exact"] += 1
            what = "its prompt is that of" if row.view.prompt.strip() else "it has no prompt, and equals"
            message = f"{what} row {line} of the training file"
            yield Finding(
                "overlap",
                "warning",
                message,
                "remove it from one of the files; `graders data split` keeps copies together",
                row.number,
                related=(line,),
            )
        elif asked not in self._seen:
            self._seen.add(asked)
            both.take(row)
        for name, groups in zip(both.by, both.groups, strict=True):
            value = value_at(row, name)
            line = None if value is None else groups.get(_group(value))
            if line is not None and len(groups) >= FEWEST_GROUPS:
                self._counts["group"] += 1
                message = f"its {name} is that of row {line} of the training file"
                hint = f"where {name} names a group, such as a document or a user, split with --by {name}"
                yield Finding("group-overlap", "warning", message, hint, row.number, name, (line,))

    def findings(self) -> Iterator[Finding]:
        """Rows that are nearly the same as one of the training file."""
        both = self._both
        first = len(both.numbers) if self._is_first else both.first_valid
        for pair in both.near.pairs_across(first) if both.near is not None else ():
            self._counts["near"] += 1
            line = both.numbers[pair.first]
            message = (
                f"about {percent(pair.similarity)} of its prompt is that of row {line} of the training file"
            )
            yield Finding(
                "near-overlap",
                "warning",
                message,
                "remove it from one of the files; `graders data split` keeps such rows together",
                both.numbers[pair.second],
                related=(line,),
            )

    def figures(self) -> dict[str, object]:
        """How many rows overlap."""
        return {"overlap": dict(self._counts)}


def _asked(row: CheckedRow) -> int:
    """What is equal for two rows that ask the same; of rows without a prompt, that are the same."""
    found = prompt_digest(row.view)
    return digest(without_identity(row.value)) if found is None else found


def _group(value: object) -> int:
    return digest(normal(value)) if isinstance(value, str) else digest(value)

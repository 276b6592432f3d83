"""Rows that stand in a file twice, nearly twice, or that contradict each other."""

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from graders.installation import install_command
from runtime.data.check.base import (
    Check,
    CheckedRow,
    canonical,
    digest,
    normal,
    percent,
    prompt_digest,
    without_identity,
)
from runtime.data.findings import Finding
from runtime.data.formats import Format, View
from runtime.data.near_duplicates import NearDuplicates


class Duplicates(Check):
    """Rows that are equal but for fields that only tell them apart."""

    def __init__(self) -> None:
        self._lines: dict[int, int] = {}
        self._count = 0

    def add(self, row: CheckedRow) -> Iterable[Finding]:
        """Say of a row whether it stands in the file already."""
        first = self._lines.setdefault(digest(without_identity(row.value)), row.number)
        if first == row.number:
            return
        self._count += 1
        message = f"the same row as {first}"
        yield Finding("duplicate-row", "warning", message, "keep one of them", row.number, related=(first,))

    def figures(self) -> Mapping[str, Any]:
        """How many rows are copies."""
        return {"duplicates": self._count}


class NearDuplicateRows(Check):
    """Rows whose texts are nearly the same; exact copies are `Duplicates`.

    Args:
        row_format: The format of the file.
        examples: Some of its rows.
    """

    def __init__(self, row_format: Format, examples: Sequence[View]) -> None:
        self._is_whole = row_format.kind in {"sft", "dpo"} or row_format.name == "logs"
        self._seen: dict[int, int] = {}
        self._lines = array("Q")
        self._count = 0
        self._near: NearDuplicates | None = None
        try:
            self._near = NearDuplicates(map(self._text, examples))
        except ImportError:
            self._near = None

    def _text(self, view: View) -> str:
        if not self._is_whole:
            return view.prompt
        return "\n".join(filter(None, (view.prompt, view.answer, view.contrast)))

    def add(self, row: CheckedRow) -> Iterable[Finding]:
        """Take a row whose text is new."""
        text = self._text(row.view)
        if self._near is not None and text:
            key = digest(normal(text))
            if self._seen.setdefault(key, row.number) == row.number:
                self._lines.append(row.number)
                self._near.add(text)
        return ()

    def findings(self) -> Iterator[Finding]:
        """Each row that is nearly the same as an earlier one."""
        if self._near is None:
            message = "near duplicates were not looked for: an extra is missing"
            yield Finding("not-checked", "warning", message, install_command("data"), field="near_duplicates")
            return
        for pair in self._near.pairs():
            self._count += 1
            first, second = self._lines[pair.first], self._lines[pair.second]
            message = f"about {percent(pair.similarity)} of its wording is that of row {first}"
            hint = "keep one of them, or keep them on one side of a split"
            yield Finding("near-duplicate", "warning", message, hint, second, related=(first,))

    def figures(self) -> Mapping[str, Any]:
        """How many rows have a near duplicate before them."""
        return {} if self._near is None else {"near_duplicates": self._count}


class Contradictions(Check):
    """One prompt with different references, different answers, or the opposite preference."""

    def __init__(self, row_format: Format) -> None:
        self._format = row_format
        self._seen: dict[int, tuple[int, int]] = {}
        self._chosen: dict[int, int] = {}
        self._rejected: dict[int, int] = {}

    def add(self, row: CheckedRow) -> Iterable[Finding]:
        """Compare a row with earlier ones that ask the same."""
        view = row.view
        if (asked := prompt_digest(view)) is None:
            return
        if view.contrast is not None and view.answer is not None:
            yield from self._preference(row, asked)
        if view.references:
            told = digest({name: _plain(value) for name, value in view.references.items()})
        elif self._format.kind == "sft" and view.answer:
            told = digest(normal(view.answer))
        else:
            return
        key = digest(str(asked), view.system or "")
        first, known = self._seen.setdefault(key, (row.number, told))
        if known == told:
            return
        if view.references:
            names = ", ".join(view.references)
            message = f"the same prompt as row {first}, with another reference ({names})"
            yield Finding(
                "contradictory-reference",
                "warning",
                message,
                "find out which is right, and mend or remove the other",
                row.number,
                next(iter(view.references)),
                (first,),
            )
        else:
            message = f"the same prompt as row {first}, with another answer"
            yield Finding(
                "several-answers",
                "warning",
                message,
                "keep the better answer, unless both are meant",
                row.number,
                related=(first,),
            )

    def _preference(self, row: CheckedRow, asked: int) -> Iterator[Finding]:
        better = digest(str(asked), normal(row.view.answer or ""))
        worse = digest(str(asked), normal(row.view.contrast or ""))
        first = self._rejected.get(better) or self._chosen.get(worse)
        self._chosen.setdefault(better, row.number)
        self._rejected.setdefault(worse, row.number)
        if first is not None and first != row.number:
            message = f"an answer is preferred here and not preferred in row {first}, for the same prompt"
            yield Finding(
                "contradictory-preference",
                "warning",
                message,
                "find out which is right, and remove the other",
                row.number,
                related=(first,),
            )


def _plain(value: object) -> str:
    return normal(value) if isinstance(value, str) else canonical(value)

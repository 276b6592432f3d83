"""Rows that a grader cannot grade: fields that its templates name and that are not there, and what its comparisons cannot see."""

from collections.abc import Iterator

from graders import Grader
from graders.lint.lint import DataCheck
from runtime.data.check.base import Check, CheckedRow
from runtime.data.findings import KEPT, Finding


class Gradable(Check):
    """The check of `graders validate --data`, with a finding for each row."""

    def __init__(self, grader: Grader) -> None:
        self._check = DataCheck(grader, are_prompts=False)

    def add(self, row: CheckedRow) -> tuple[Finding, ...]:
        """Look at the item of a row."""
        self._check.add(row.number, row.view.item)
        return ()

    def findings(self) -> Iterator[Finding]:
        """What the rows showed."""
        for found in self._check.findings() if self._check.rows else ():
            code = "cannot-grade" if found.level == "error" else "grader-warning"
            where = f"grader: {'.'.join(map(str, found.path))}"
            message = f"{where}: {found.message}" if found.path else found.message
            for line in found.rows[:KEPT] or (None,):
                yield Finding(code, found.level, message, found.hint, line, ".".join(map(str, found.path)))

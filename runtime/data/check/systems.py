"""System prompts that differ from row to row."""

from collections.abc import Iterator, Mapping
from typing import Any

from runtime.data.check.base import FEWEST, Check, CheckedRow, digest, normal, percent
from runtime.data.findings import KEPT, Finding

MOST = 5_000
"""Different prompts that are counted."""
DOMINANT = 0.5


class SystemPrompts(Check):
    """Which instructions the rows begin with."""

    def __init__(self) -> None:
        self._counts: dict[int | None, int] = {}
        self._lines: dict[int | None, list[int]] = {}
        self._rows = 0

    def add(self, row: CheckedRow) -> tuple[Finding, ...]:
        """Count the instructions of a row."""
        self._rows += 1
        system = row.view.system
        key = None if system is None else digest(normal(system))
        if key in self._counts or len(self._counts) < MOST:
            self._counts[key] = self._counts.get(key, 0) + 1
            lines = self._lines.setdefault(key, [])
            if len(lines) < KEPT:
                lines.append(row.number)
        return ()

    def findings(self) -> Iterator[Finding]:
        """Rows that have another system prompt than most, or none."""
        if self._rows < FEWEST or len(self._counts) < 2:
            return
        main, count = max(self._counts.items(), key=lambda pair: pair[1])
        if count < DOMINANT * self._rows or count == self._rows:
            return
        most = "have none" if main is None else "share one system prompt"
        others = sorted((line, key) for key, lines in self._lines.items() if key != main for line in lines)
        for line, key in others:
            what = (
                "no system prompt"
                if key is None
                else "another system prompt"
                if main is not None
                else "a system prompt"
            )
            message = f"the row has {what}; {percent(count / self._rows)} of the rows {most}"
            yield Finding(
                "system-prompt-differs",
                "warning",
                message,
                "use the prompt that the model will have in use",
                line,
            )

    def figures(self) -> Mapping[str, Any]:
        """How many different ones there are, and rows without."""
        return {
            "system_prompts": {
                "different": len(self._counts.keys() - {None}),
                "rows_without": self._counts.get(None, 0),
            }
        }

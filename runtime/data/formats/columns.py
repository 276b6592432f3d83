"""Rows that no trainer's format fits: columns of their author's own, which a grader reads as the item."""

from collections.abc import Iterator

from runtime.data.formats.base import Fault, Format, Row, View, references_of

_PROMPTS = ("prompt", "question", "input", "problem", "query", "instruction", "text")
_ANSWERS = ("response", "output", "completion")


class Columns(Format):
    """Any JSON objects."""

    name = "columns"
    title = "columns of your own; no trainer's format"
    required = 0

    def likeness(self, row: Row) -> int:
        """Any row, where nothing else fits."""
        del row
        return 0

    def faults(self, row: Row) -> Iterator[Fault]:
        """A row without fields."""
        if not row:
            yield Fault("empty-item", "", "the row has no fields", "remove it")

    def view(self, row: Row) -> View:
        """What looks like a question, and what looks like its answer."""
        prompt = next((row[name] for name in _PROMPTS if isinstance(row.get(name), str)), "")
        answer = next((row[name] for name in _ANSWERS if isinstance(row.get(name), str)), None)
        return View(prompt, None, answer, references_of(row, (*_PROMPTS, *_ANSWERS)), row)

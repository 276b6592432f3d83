"""Supervised fine-tuning of Gemini on Google's platform.

`{"systemInstruction"?, "contents": [{"role", "parts": [{"text"}]}], "tools"?}`, as JSONL; the last turn is the model's.

Source: Google's "Prepare supervised fine-tuning data for Gemini models" and the types of the `google-genai` package 3.6.
"""

from collections.abc import Iterator

from runtime.data.formats.base import Fault, Format, Row, View
from runtime.data.formats.google_contents import (
    SNAKE,
    asked_faults,
    ends_with_model,
    is_contents,
    shown,
    shown_prompt,
    shown_system,
)


class GoogleSft(Format):
    """Contents whose last turn is learned."""

    name = "google-sft"
    title = "supervised fine-tuning (Google)"
    hosts = ("google",)
    fields = ("contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "labels")
    is_open = False
    kind = "sft"

    def likeness(self, row: Row) -> int:
        """Contents with parts, the model's at the end, and neither references nor completions."""
        if not is_contents(row.get("contents")) or "references" in row or "completions" in row:
            return 0
        return 8 if ends_with_model(row) else 2

    def faults(self, row: Row) -> Iterator[Fault]:
        """Wrong fields, roles and parts."""
        yield from self.missing({key: value for key, value in row.items() if key not in SNAKE})
        yield from asked_faults(row, is_answered=True)

    def view(self, row: Row) -> View:
        """The contents up to the last turn, and that turn."""
        answer = shown(row["contents"][-1]) if ends_with_model(row) else None
        return View(shown_prompt(row, is_answered=True), shown_system(row), answer, item=row)

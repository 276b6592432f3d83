"""Our own rows: `{"item": {…}, "sample": …}`, or `{"item": {…}, "samples": […]}`, or an item whose samples are still to be drawn.

Optional: `id`, `recorded` (scores that came along, by the grader's name), `source` (where the row came from), and `messages` or
`prompt` (what the model was asked).
"""

import math
from collections.abc import Iterator
from typing import Any

from graders import GradingError
from runtime.data.formats.base import Fault, Format, Row, View, named, references_of, text_of, wrong_type
from runtime.data.formats.messages import Conversation
from runtime.data.rows import sample_or_failure

_PROMPTS = ("messages", "prompt", "question", "input", "problem", "query", "instruction", "contents")


class GradedRows(Format):
    """An item with the answers of a model."""

    name = "rows"
    title = "rows of item and sample"
    fields = ("item", "sample", "samples", "id", "recorded", "source", "messages", "prompt", "tools")
    required = 1
    is_open = False
    repeats = True

    def likeness(self, row: Row) -> int:
        """An item that is an object, or a sample."""
        if isinstance(row.get("item"), dict):
            return 9
        return 3 * ("sample" in row or "samples" in row)

    def faults(self, row: Row) -> Iterator[Fault]:
        """Items and samples that cannot be read."""
        yield from self.missing(row)
        item = row.get("item")
        if item is not None and not isinstance(item, dict):
            yield wrong_type("item", "the dataset row, a JSON object", item)
        elif item == {}:
            yield Fault(
                "empty-item", "item", "item has no fields", "put what the grader needs into it", "warning"
            )
        samples = row.get("samples")
        if "sample" in row and "samples" in row:
            yield Fault(
                "sample-and-samples", "samples", "the row has 'sample' and 'samples'", "keep one of them"
            )
        if samples is not None and (not isinstance(samples, list) or not samples):
            yield wrong_type("samples", "a list of samples that is not empty", samples)
        elif isinstance(samples, list):
            for number, sample in enumerate(samples[:1_000]):
                yield from _sample(sample, f"samples.{number}")
        if row.get("sample") is not None:
            yield from _sample(row["sample"], "sample")
        yield from _recorded(row.get("recorded"))

    def view(self, row: Row) -> View:
        """The prompt, in the row or in its item, the first sample, and the item."""
        item: Row = row["item"] if isinstance(row.get("item"), dict) else {}
        asked = next((place[name] for place in (row, item) for name in _PROMPTS if place.get(name)), None)
        talk = Conversation(asked)
        samples = row.get("samples")
        sample = row.get("sample", samples[0] if isinstance(samples, list) and samples else None)
        references = {f"item.{name}": value for name, value in references_of(item, _PROMPTS).items()}
        return View(talk.prompt, talk.system, _text(sample), references, item)


def _sample(sample: Any, path: str) -> Iterator[Fault]:
    read = sample_or_failure(sample, field=path)
    if isinstance(read, GradingError):
        yield Fault("unreadable-sample", path, str(read), "give the answer's text, or a stored completion")
    elif not (read.output_text or "").strip() and not read.output_tools:
        yield Fault(
            "empty-content",
            path,
            f"{path} has no text and no tool calls",
            "an answer that failed to be drawn is no answer: remove it",
            "warning",
        )


def _recorded(recorded: Any) -> Iterator[Fault]:
    if recorded is None or not isinstance(recorded, dict):
        if recorded is not None:
            yield wrong_type("recorded", 'an object of scores, {"grader": 0.5}', recorded)
        return
    for name, score in recorded.items():
        if isinstance(score, float) and not math.isfinite(score):
            yield Fault(
                "wrong-type", f"recorded.{name}", f"recorded.{name} is {score}", "write a finite number"
            )
        elif isinstance(score, (list, dict)):
            yield Fault(
                "wrong-type",
                f"recorded.{name}",
                f"recorded.{name} is {named(score)}; expected a number",
                "write a number",
                "warning",
            )


def _text(sample: Any) -> str | None:
    if isinstance(sample, str):
        return sample
    if isinstance(sample, dict):
        text = sample.get("output_text")
        return (
            text
            if isinstance(text, str)
            else Conversation(sample.get("output")).answer or (text_of(sample.get("content")) or None)
        )
    return Conversation(sample).answer

"""Supervised fine-tuning with TRL on a prompt and its completion, or on a text alone.

`{"prompt", "completion"}`, both texts or both lists of messages, or `{"text"}`.

Source: TRL's documentation, "Dataset formats and types" (prompt-completion, language modeling), version 1.16.
"""

from collections.abc import Iterator
from typing import Any

from runtime.data.formats.base import Fault, Format, Row, View, named, wrong_type
from runtime.data.formats.dpo_chat import output_faults, spoken
from runtime.data.formats.messages import Conversation


class SftTrl(Format):
    """A prompt with the completion that is learned."""

    name = "sft-trl"
    title = "supervised fine-tuning, prompt and completion (TRL)"
    hosts = ("trl",)
    fields = ("completion", "prompt", "text", "tools")
    required = 0
    kind = "sft"

    def likeness(self, row: Row) -> int:
        """A completion beside a prompt, or nothing but a text."""
        if "prompt" in row and "completion" in row:
            return 6
        return 3 if set(row) == {"text"} else 0

    def faults(self, row: Row) -> Iterator[Fault]:
        """Wrong types, mixed types, and empty texts."""
        if "text" in row and "completion" not in row:
            yield from _of_text("text", row["text"], "a text", (str,))
            return
        prompt, completion = row.get("prompt"), row.get("completion")
        for name, value in (("prompt", prompt), ("completion", completion)):
            if value is None:
                yield Fault("missing-field", name, f"the row has no {name!r}", f"add {name!r}")
            else:
                yield from _of_text(name, value, "a text or a list of messages", (str, list))
        if isinstance(prompt, list):
            yield from Conversation(prompt, "prompt", "user", tools=row.get("tools")).faults()
        if isinstance(completion, list):
            yield from output_faults(completion, "completion", row.get("tools"))
        if {type(prompt), type(completion)} == {str, list}:
            message = f"prompt is {named(prompt)} and completion is {named(completion)}: TRL takes texts alone or messages alone"
            yield Fault("wrong-type", "completion", message, "write both in one form")

    def view(self, row: Row) -> View:
        """The prompt and its completion."""
        talk = Conversation(row.get("prompt"))
        text = row.get("text")
        answer = spoken(row.get("completion")) or (text if isinstance(text, str) else None)
        return View(talk.prompt, talk.system, answer, item=row)


def _of_text(name: str, value: Any, expected: str, types: tuple[type, ...]) -> Iterator[Fault]:
    if not isinstance(value, types):
        yield wrong_type(name, expected, value)
    elif isinstance(value, str) and not value.strip():
        yield Fault("empty-content", name, f"{name} is empty", "write a text, or remove the row")

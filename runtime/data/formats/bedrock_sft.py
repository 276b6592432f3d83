"""Supervised fine-tuning of Nova models on Amazon Bedrock: conversations of the Converse API that end with the assistant's turn.

Source: as for `converse`.
"""

from collections.abc import Iterator
from typing import Any

from runtime.data.formats.base import Fault, Row, View
from runtime.data.formats.converse import (
    ConverseFormat,
    is_converse,
    shown,
    shown_prompt,
    shown_system,
)
from runtime.data.formats.messages import role_of


class BedrockSft(ConverseFormat):
    """Conversations whose last answer is learned."""

    name = "bedrock-sft"
    title = "supervised fine-tuning (Bedrock)"
    kind = "sft"

    def likeness(self, row: Row) -> int:
        """Messages in the form of the Converse API."""
        return 8 if is_converse(row) else 0

    def last_faults(self, turns: list[Any]) -> Iterator[Fault]:
        """A last turn that is not the assistant's."""
        if role_of(turns[-1]) != "assistant":
            message = "the last turn is not the assistant's, which the model learns from"
            where = f"messages.{len(turns) - 1}"
            yield Fault("last-not-assistant", where, message, "end with a turn of the role 'assistant'")

    def view(self, row: Row) -> View:
        """The turns up to the last answer, and that answer."""
        found = row.get("messages")
        messages = found if isinstance(found, list) else []
        is_answered = bool(messages) and role_of(messages[-1]) == "assistant"
        answer = shown(messages[-1].get("content")) if is_answered else None
        asked = messages[:-1] if is_answered else messages
        return View(shown_prompt(asked), shown_system(row), answer, item=row)

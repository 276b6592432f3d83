"""Supervised fine-tuning of Nova models on Amazon Bedrock: conversations of the Converse API that end with the assistant's turn.

Source: as for `converse`.
"""

from collections.abc import Iterator

from runtime.data.formats.base import Fault, Format, Row, View, wrong_type
from runtime.data.formats.converse import (
    FIELDS,
    frame_faults,
    is_converse,
    shown,
    shown_prompt,
    shown_system,
    tool_faults,
    turn_faults,
)
from runtime.data.formats.messages import role_of


class BedrockSft(Format):
    """Conversations whose last answer is learned."""

    name = "bedrock-sft"
    title = "supervised fine-tuning (Bedrock)"
    hosts = ("bedrock",)
    fields = FIELDS
    is_open = False
    kind = "sft"

    def likeness(self, row: Row) -> int:
        """Messages in the form of the Converse API."""
        return 8 if is_converse(row) else 0

    def faults(self, row: Row) -> Iterator[Fault]:
        """Wrong turns, blocks and tools."""
        yield from self.missing(row)
        yield from frame_faults(row, needs_version=True)
        messages = row.get("messages")
        if not isinstance(messages, list) or not messages:
            if messages is not None:
                yield wrong_type("messages", "a list of messages", messages)
            return
        yield from turn_faults(messages)
        yield from tool_faults(messages)
        if role_of(messages[-1]) != "assistant":
            message = "the last turn is not the assistant's, which the model learns from"
            where = f"messages.{len(messages) - 1}"
            yield Fault("last-not-assistant", where, message, "end with a turn of the role 'assistant'")

    def view(self, row: Row) -> View:
        """The turns up to the last answer, and that answer."""
        found = row.get("messages")
        messages = found if isinstance(found, list) else []
        is_answered = bool(messages) and role_of(messages[-1]) == "assistant"
        answer = shown(messages[-1].get("content")) if is_answered else None
        asked = messages[:-1] if is_answered else messages
        return View(shown_prompt(asked), shown_system(row), answer, item=row)

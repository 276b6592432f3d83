"""Reinforcement fine-tuning as OpenAI and Foundry take it.

`{"messages": […], "tools"?, any other field}`. The last message is the user's; every other field is `item.*` of the grader.

Source: OpenAI's and Foundry's "Reinforcement fine-tuning" (October 2026). An older version of Foundry's page says that system
messages are not supported; the current one shows a developer message.
"""

from collections.abc import Iterator

from runtime.data.formats.base import Fault, Format, Row, View, references_of
from runtime.data.formats.messages import Conversation, is_conversation, role_of

OWN = ("messages", "tools", "parallel_tool_calls")


class RftChat(Format):
    """Prompts with what their grader needs."""

    name = "rft"
    title = "reinforcement fine-tuning (OpenAI, Foundry)"
    hosts = ("openai", "foundry")
    fields = OWN
    family = "prompt with reference"
    kind = "rft"

    def likeness(self, row: Row) -> int:
        """Messages that end with the user, and other fields."""
        messages = row.get("messages")
        if not is_conversation(messages):
            return 0
        others = [name for name in row if name not in OWN]
        return 1 + 2 * (role_of(messages[-1]) == "user") + 2 * bool(others)

    def faults(self, row: Row) -> Iterator[Fault]:
        """Wrong messages, and rows without anything to grade by."""
        yield from self.missing(row)
        if row.get("messages") is not None:
            talk = Conversation(row["messages"], last="user", tools=row.get("tools"))
            yield from talk.faults()
            first = row["messages"][0] if isinstance(row["messages"], list) and row["messages"] else None
            if isinstance(first, dict) and first.get("role") == "system":
                message = "an older page of Foundry's says that it takes no system message here; its current page has a developer message"
                yield Fault(
                    "system-message", "messages.0.role", message, "use the role 'developer'", "warning"
                )
        if not any(name not in OWN for name in row):
            yield Fault(
                "no-reference",
                "",
                "the row has nothing beside its messages: {{item.…}} of a grader finds nothing",
                "add the reference as a field",
                "warning",
            )

    def view(self, row: Row) -> View:
        """The conversation, and the other fields."""
        talk = Conversation(row.get("messages"))
        return View(talk.prompt, talk.system, references=references_of(row, OWN), item=row)

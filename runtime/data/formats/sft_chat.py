"""Supervised fine-tuning on conversations, as OpenAI, Foundry, TRL and verl take it.

`{"messages": [{"role", "content", …}, …], "tools"?, "parallel_tool_calls"?}`. The last message is the assistant's: a text or
tool calls. Assistant messages may have a `weight` of 0 or 1.

Source: OpenAI's "Supervised fine-tuning" and Foundry's "Customize a model with fine-tuning" (October 2026); TRL reads the same
rows (`SFTTrainer`, conversational format), and so does verl (`MultiTurnSFTDataset`, whose column is `messages`).
"""

from collections.abc import Iterator

from runtime.data.formats.base import Fault, Format, Row, View
from runtime.data.formats.messages import Conversation, is_conversation, role_of


class SftChat(Format):
    """Conversations whose last answer is learned."""

    name = "sft"
    title = "supervised fine-tuning, chat (OpenAI, Foundry, TRL, verl)"
    hosts = ("openai", "foundry", "trl", "verl")
    fields = ("messages", "tools", "parallel_tool_calls", "functions")
    is_open = False
    kind = "sft"

    def likeness(self, row: Row) -> int:
        """Messages, an assistant's at the end, and little beside them."""
        messages = row.get("messages")
        if not is_conversation(messages) or "schemaVersion" in row:
            return 0
        others = [name for name in row if name not in self.fields]
        return (4 if role_of(messages[-1]) == "assistant" else 1) - bool(others)

    def faults(self, row: Row) -> Iterator[Fault]:
        """Wrong fields, wrong messages, and rows that teach nothing."""
        yield from self.missing(row)
        messages = row.get("messages")
        if messages is None:
            return
        yield from Conversation(messages, last="assistant", tools=row.get("tools")).faults()
        said = (
            [each for each in messages if isinstance(each, dict) and each.get("role") == "assistant"]
            if isinstance(messages, list)
            else []
        )
        if said and all(each.get("weight") == 0 for each in said):
            yield Fault(
                "wrong-weight",
                "messages",
                "every assistant message has weight 0: the row teaches nothing",
                "give one of them weight 1, or remove the row",
            )

    def view(self, row: Row) -> View:
        """The conversation up to the last answer, and that answer."""
        talk = Conversation(row.get("messages"), last="assistant")
        return View(talk.prompt, talk.system, talk.answer, item=row)

"""Reinforcement fine-tuning on Amazon Bedrock (Nova and open-weight models).

`{"messages": […], "reference_answer": any value, any other field}`, as JSONL.

Source: Amazon Bedrock's "Prepare data for Amazon Nova models" and "Prepare data for open-weight models" (November 2026).
"""

from collections.abc import Iterator

from runtime.data.formats.base import Fault, Format, Row, View, references_of
from runtime.data.formats.messages import Conversation, is_conversation


class Bedrock(Format):
    """Prompts with a reference answer."""

    name = "bedrock"
    title = "reinforcement fine-tuning (Bedrock)"
    hosts = ("bedrock",)
    fields = ("messages", "reference_answer", "tools", "id")
    required = 2
    family = "prompt with reference"
    kind = "rft"

    def likeness(self, row: Row) -> int:
        """Messages and `reference_answer`."""
        return 7 if "reference_answer" in row and is_conversation(row.get("messages")) else 0

    def faults(self, row: Row) -> Iterator[Fault]:
        """Wrong messages, and an empty reference."""
        yield from self.missing(row)
        if row.get("messages") is not None:
            roles = ("system", "user", "assistant", "tool", "developer")
            yield from Conversation(
                row["messages"], last="user", roles=roles, tools=row.get("tools")
            ).faults()
        reference = row.get("reference_answer")
        if reference in ("", {}, []) or (isinstance(reference, str) and not reference.strip()):
            yield Fault(
                "empty-reference",
                "reference_answer",
                "reference_answer is empty",
                "write what the reward function compares with",
            )

    def view(self, row: Row) -> View:
        """The conversation and the reference."""
        talk = Conversation(row.get("messages"))
        return View(talk.prompt, talk.system, references=references_of(row, ("messages", "tools")), item=row)

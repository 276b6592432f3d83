"""Prompts for TRL's `GRPOTrainer` and other online trainers: `{"prompt": text or messages, any column}`.

Every column reaches the reward function as a list; five names collide with its own arguments.

Source: TRL's documentation, "Dataset formats and types" (prompt-only), and `GRPOTrainer`, version 1.16.
"""

from collections.abc import Iterator

from runtime.data.formats.base import Fault, Format, Row, View, references_of, wrong_type
from runtime.data.formats.messages import Conversation

RESERVED = (
    "prompts",
    "completions",
    "completion_ids",
    "trainer_state",
    "log_extra",
    "log_metric",
    "environments",
)


class PromptsTrl(Format):
    """Prompts alone, with columns for the reward function."""

    name = "prompts"
    title = "prompts for online training (TRL)"
    hosts = ("trl",)
    fields = ("prompt",)
    kind = "rft"

    def likeness(self, row: Row) -> int:
        """A prompt."""
        return 4 if isinstance(row.get("prompt"), (str, list)) else 0

    def faults(self, row: Row) -> Iterator[Fault]:
        """Wrong prompts, and columns that hide arguments of reward functions."""
        yield from self.missing(row)
        prompt = row.get("prompt")
        if isinstance(prompt, list):
            yield from Conversation(prompt, "prompt", "user", tools=row.get("tools")).faults()
        elif isinstance(prompt, str):
            if not prompt.strip():
                yield Fault("empty-content", "prompt", "prompt is empty", "write what the model is to answer")
        elif prompt is not None:
            yield wrong_type("prompt", "a text or a list of messages", prompt)
        for name in RESERVED:
            if name in row:
                yield Fault(
                    "reserved-field",
                    name,
                    f"the column {name!r} has the name of an argument that TRL passes to reward functions",
                    "rename it",
                )

    def view(self, row: Row) -> View:
        """The prompt, and the columns."""
        talk = Conversation(row.get("prompt"))
        return View(talk.prompt, talk.system, references=references_of(row, ("prompt", *RESERVED)), item=row)

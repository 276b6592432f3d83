"""Preference data as TRL's `DPOTrainer` takes it.

`{"prompt", "chosen", "rejected"}`, each a text, or each a list of messages; without `prompt`, both answers hold the whole
conversation.

Source: TRL's documentation, "Dataset formats and types", version 1.16.
"""

from collections.abc import Iterator

from runtime.data.formats.base import Fault, Format, Row, View, named, wrong_type
from runtime.data.formats.dpo_chat import equal_outputs, output_faults, spoken
from runtime.data.formats.messages import Conversation

ANSWERS = ("chosen", "rejected")


class DpoTrl(Format):
    """One prompt with a chosen and a rejected answer."""

    name = "dpo-trl"
    title = "preference optimisation (TRL)"
    hosts = ("trl",)
    fields = ("chosen", "rejected", "prompt", "tools", "chat_template_kwargs")
    required = 2
    family = "preference"
    kind = "dpo"

    def likeness(self, row: Row) -> int:
        """One of the two answers."""
        return 6 if any(name in row for name in ANSWERS) else 0

    def faults(self, row: Row) -> Iterator[Fault]:
        """Wrong types, mixed types, and answers that are empty or equal."""
        yield from self.missing(row)
        prompt = row.get("prompt")
        if isinstance(prompt, list):
            yield from Conversation(prompt, "prompt", "user", tools=row.get("tools")).faults()
        elif prompt is not None and not isinstance(prompt, str):
            yield wrong_type("prompt", "a text or a list of messages", prompt)
        elif isinstance(prompt, str) and not prompt.strip():
            yield Fault("empty-content", "prompt", "prompt is empty", "write what the model is to answer")
        for name in ANSWERS:
            yield from self._of_answer(row, name, is_whole=prompt is None)
        kinds = {type(row[name]) for name in ("prompt", *ANSWERS) if row.get(name) is not None}
        if len(kinds) > 1 and kinds <= {str, list}:
            forms = ", ".join(
                f"{name} is {named(row[name])}" for name in ("prompt", *ANSWERS) if row.get(name) is not None
            )
            yield Fault(
                "wrong-type",
                "chosen",
                f"{forms}: TRL takes texts alone or messages alone",
                "write all three in one form",
            )
        yield from equal_outputs(row, *ANSWERS)

    def _of_answer(self, row: Row, name: str, *, is_whole: bool) -> Iterator[Fault]:
        answer = row.get(name)
        if answer is None:
            return
        if isinstance(answer, str):
            if not answer.strip():
                yield Fault("empty-content", name, f"{name} is empty", "write the answer, or remove the row")
        elif is_whole:
            yield from Conversation(answer, name, "assistant", tools=row.get("tools")).faults()
        else:
            yield from output_faults(answer, name, row.get("tools"))

    def view(self, row: Row) -> View:
        """The prompt, and both answers."""
        talk = Conversation(row.get("prompt"))
        better, worse = (spoken(row.get(name)) for name in ANSWERS)
        return View(talk.prompt, talk.system, better, item=row, contrast=worse)

"""Direct preference optimisation of Nova models: a conversation whose last turn has two candidates.

`{…, "messages": […, {"role": "assistant", "candidates": [{"content": [block…], "preferenceLabel": "preferred"}, {…,
"preferenceLabel": "non-preferred"}]}]}`.

Source: "Direct Preference Optimization (DPO)" in the user guide of Amazon Nova (November 2026); its examples have no
`schemaVersion`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from runtime.data.formats.base import Fault, Format, Row, View, brief, wrong_type
from runtime.data.formats.converse import (
    FIELDS,
    block_faults,
    frame_faults,
    is_converse,
    shown,
    shown_prompt,
    shown_system,
    tool_faults,
    turn_faults,
)

LABELS = ("preferred", "non-preferred")


class BedrockDpo(Format):
    """Conversations with a better and a worse last turn."""

    name = "bedrock-dpo"
    title = "preference optimisation (Bedrock)"
    hosts = ("bedrock",)
    fields = FIELDS
    is_open = False
    kind = "dpo"

    def likeness(self, row: Row) -> int:
        """Candidates in the last message."""
        return 9 if is_converse(row) and "candidates" in _last(row) else 0

    def faults(self, row: Row) -> Iterator[Fault]:
        """Wrong turns, and candidates that are no pair."""
        yield from self.missing(row)
        yield from frame_faults(row, needs_version=False)
        messages = row.get("messages")
        if not isinstance(messages, list) or not messages:
            if messages is not None:
                yield wrong_type("messages", "a list of messages", messages)
            return
        yield from turn_faults(messages)
        yield from tool_faults(messages)
        path = f"messages.{len(messages) - 1}.candidates"
        found = _last(row).get("candidates")
        if not isinstance(found, list) or len(found) != 2 or not all(isinstance(e, Mapping) for e in found):
            yield wrong_type(path, "two candidates, preferred and non-preferred", found)
            return
        for number, each in enumerate(found):
            yield from block_faults(each.get("content"), f"{path}.{number}.content")
        labels = [each.get("preferenceLabel") for each in found]
        if sorted(map(str, labels)) != sorted(LABELS):
            message = f"the candidates are {brief(labels[0])} and {brief(labels[1])}; expected preferred and non-preferred"
            yield Fault("missing-field", f"{path}.preferenceLabel", message, "label one of them each")
        if found[0].get("content") == found[1].get("content"):
            yield Fault(
                "outputs-equal", path, "the candidates are equal: there is no preference", "remove the row"
            )

    def view(self, row: Row) -> View:
        """The turns before the candidates, and both candidates."""
        messages, found = row.get("messages"), _last(row).get("candidates")
        by_label = {
            str(each.get("preferenceLabel")): shown(each.get("content"))
            for each in (found if isinstance(found, list) else ())
            if isinstance(each, Mapping)
        }
        better, worse = map(by_label.get, LABELS)
        asked = messages[:-1] if isinstance(messages, list) else []
        return View(shown_prompt(asked), shown_system(row), better, item=row, contrast=worse)


def _last(row: Row) -> Mapping[str, Any]:
    messages = row.get("messages")
    last = messages[-1] if isinstance(messages, list) and messages else None
    return last if isinstance(last, Mapping) else {}

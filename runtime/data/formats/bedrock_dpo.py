"""Direct preference optimisation of Nova models: a conversation whose last turn has two candidates.

`{…, "messages": […, {"role": "assistant", "candidates": [{"content": [block…], "preferenceLabel": "preferred"}, {…,
"preferenceLabel": "non-preferred"}]}]}`.

Source: "Direct Preference Optimization (DPO)" in the user guide of Amazon Nova (November 2026); its examples have no
`schemaVersion`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from runtime.data.formats.base import Fault, Row, View, brief, wrong_type
from runtime.data.formats.converse import (
    ConverseFormat,
    block_faults,
    is_converse,
    shown,
    shown_prompt,
    shown_system,
)

LABELS = ("preferred", "non-preferred")


class BedrockDpo(ConverseFormat):
    """Conversations with a better and a worse last turn."""

    name = "bedrock-dpo"
    title = "preference optimisation (Bedrock)"
    kind = "dpo"
    needs_version = False

    def likeness(self, row: Row) -> int:
        """Candidates in the last message."""
        return 9 if is_converse(row) and "candidates" in _last(row.get("messages")) else 0

    def last_faults(self, turns: list[Any]) -> Iterator[Fault]:
        """Candidates that are no pair."""
        path = f"messages.{len(turns) - 1}.candidates"
        found = _last(turns).get("candidates")
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
        messages = row.get("messages")
        found = _last(messages).get("candidates")
        by_label = {
            str(each.get("preferenceLabel")): shown(each.get("content"))
            for each in (found if isinstance(found, list) else ())
            if isinstance(each, Mapping)
        }
        better, worse = map(by_label.get, LABELS)
        asked = messages[:-1] if isinstance(messages, list) else []
        return View(shown_prompt(asked), shown_system(row), better, item=row, contrast=worse)


def _last(turns: object) -> Mapping[str, Any]:
    last = turns[-1] if isinstance(turns, list) and turns else None
    return last if isinstance(last, Mapping) else {}

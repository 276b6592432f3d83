"""References that stand in the prompt: then an answer needs no skill."""

import re
from collections.abc import Iterator

from runtime.data.check.base import Check, CheckedRow, normal, percent
from runtime.data.findings import Finding
from runtime.data.formats.base import brief

SHORTEST = 12
"""Characters of a reference that is no mere word or number; shorter ones count where the prompt says that they are the answer."""
MANY = 0.9
_TELLING = r"(?:answer|solution|result|label|reference|ground truth|target|expected)(?: is| are| was|:|=| -)*\s*[\"'(]?\s*"
_LONGEST = 20_000


class Leaks(Check):
    """The reference inside the prompt."""

    def __init__(self) -> None:
        self._rows = 0
        self._found = 0

    def add(self, row: CheckedRow) -> Iterator[Finding]:
        """Look for each reference of a row in its prompt."""
        if not row.view.references:
            return
        self._rows += 1
        prompt = normal(f"{row.view.system or ''}\n{row.view.prompt}"[:_LONGEST])
        for name, value in row.view.references.items():
            if is_told(value, prompt):
                self._found += 1
                message = f"{name} stands in the prompt: {brief(value)}"
                hint = "take it out of the prompt, unless it is part of the question"
                yield Finding("reference-in-prompt", "warning", message, hint, row.number, name)

    def figures(self) -> dict[str, object]:
        """In how many rows."""
        return {"references_in_prompts": self._found} if self._rows else {}

    @property
    def share(self) -> str:
        """The share of rows with references, in words."""
        return percent(self._found / max(1, self._rows))


def is_told(value: object, prompt: str) -> bool:
    """Whether a prompt gives a reference away.

    Args:
        value: The reference: a text, a number, or others, which are never found.
        prompt: In lower case, with single spaces.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return False
    text = normal(str(value))
    if not text or text not in prompt:
        return False
    bounded = rf"(?<!\w){re.escape(text)}(?!\w)"
    if len(text) >= SHORTEST and not text.replace(" ", "").isdecimal():
        return re.search(bounded, prompt) is not None
    return re.search(rf"(?<!\w){_TELLING}{re.escape(text)}(?!\w)", prompt) is not None

"""Preference tuning of Gemini on Google's platform.

`{"systemInstruction"?, "contents": […], "completions": [{"score": 1, "completion": {"role": "model", "parts"}}, {"score": 0, …}]}`,
as JSONL. The contents end with the user's turn; one completion is preferred (1), the other is not (0); each is one turn of the
model. The page writes `system_instruction`, the types of the package `systemInstruction`.

Source: Google's "Prepare preference tuning data for Gemini models", and `GeminiPreferenceExample` in the `google-genai` package 3.6.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from runtime.data.formats.base import Fault, Format, Row, View, brief, wrong_type
from runtime.data.formats.google_contents import (
    asked_faults,
    content_faults,
    shown,
    shown_prompt,
    shown_system,
)


class GooglePreference(Format):
    """Contents with a better and a worse completion."""

    name = "google-dpo"
    title = "preference tuning (Google)"
    hosts = ("google",)
    fields = ("contents", "completions", "systemInstruction", "system_instruction", "tools")
    required = 2
    is_open = False
    kind = "dpo"

    def likeness(self, row: Row) -> int:
        """Contents and completions."""
        return 9 if "contents" in row and "completions" in row else 0

    def faults(self, row: Row) -> Iterator[Fault]:
        """Wrong contents, wrong completions, and completions that are equal."""
        yield from self.missing(row)
        yield from asked_faults(row, is_answered=False, may_be_snake=True)
        found = row.get("completions")
        if found is None:
            return
        if not isinstance(found, list) or len(found) != 2 or not all(isinstance(e, Mapping) for e in found):
            yield wrong_type(
                "completions", 'two objects, {"score": 1, "completion": {…}} and one of 0', found
            )
            return
        for number, each in enumerate(found):
            yield from _completion(each, f"completions.{number}")
        scores = [each.get("score") for each in found]
        if scores[0] == scores[1]:
            message = f"both completions have the score {brief(scores[0])}; expected 1 and 0"
            yield Fault("wrong-score", "completions", message, "give the preferred one 1, the other 0")
        if found[0].get("completion") == found[1].get("completion"):
            message = "the completions are equal: there is no preference"
            yield Fault("outputs-equal", "completions", message, "remove the row")

    def view(self, row: Row) -> View:
        """The contents, and both completions."""
        found = row.get("completions")
        by_score = {
            each["score"]: shown(each.get("completion"))
            for each in (found if isinstance(found, list) else ())
            if isinstance(each, Mapping) and isinstance(each.get("score"), (int, float))
        }
        return View(shown_prompt(row), shown_system(row), by_score.get(1), item=row, contrast=by_score.get(0))


def _completion(each: Mapping[str, Any], path: str) -> Iterator[Fault]:
    score, content = each.get("score"), each.get("completion")
    if isinstance(score, bool) or score not in (0, 1):
        yield Fault(
            "wrong-score", f"{path}.score", f"{path}.score is {brief(score)}; expected 1 or 0", "write 1 or 0"
        )
    if content is None:
        yield Fault(
            "missing-field", f"{path}.completion", f"{path} has no 'completion'", "add the model's turn"
        )
        return
    yield from content_faults(content, f"{path}.completion")
    role = content.get("role") if isinstance(content, Mapping) else "model"
    if role != "model":
        message = f"{path}.completion has the role {brief(role)}; expected model"
        yield Fault("wrong-role", f"{path}.completion.role", message, "use 'model'")

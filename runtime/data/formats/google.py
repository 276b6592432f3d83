"""Reinforcement tuning of Gemini on Google's platform.

`{"systemInstruction"?, "contents": [{"role", "parts": [{"text"}]}], "references": {key: text}, "tools"?}`, as JSONL. Roles are
`user` and `model`; `{{references.key}}` of a reward configuration reads `references`.

Source: the types of the `google-genai` package 3.6 (`google.genai.types`) and Google's page on reinforcement tuning.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from runtime.data.formats.base import Fault, Format, Row, View, named, wrong_type
from runtime.data.formats.google_contents import (
    SNAKE,
    asked_faults,
    ends_with_model,
    is_contents,
    shown_prompt,
    shown_system,
)


class Google(Format):
    """Contents with references, in camelCase."""

    name = "google"
    title = "reinforcement tuning (Google)"
    hosts = ("google",)
    fields = (
        "contents",
        "references",
        "systemInstruction",
        "tools",
        "toolConfig",
        "generationConfig",
        "labels",
    )
    required = 1
    is_open = False
    kind = "rft"

    def likeness(self, row: Row) -> int:
        """A list of contents with parts, which the user ends, or references."""
        if not is_contents(row.get("contents")):
            return 5 * ("contents" in row)
        return 3 if ends_with_model(row) and "references" not in row else 8

    def faults(self, row: Row) -> Iterator[Fault]:
        """Wrong fields, roles, parts and references."""
        yield from self.missing({key: value for key, value in row.items() if key not in SNAKE})
        yield from asked_faults(row, is_answered=False)
        yield from _of_references(row.get("references"))

    def view(self, row: Row) -> View:
        """The contents and the references."""
        references = row.get("references")
        named_references = references if isinstance(references, Mapping) else {}
        return View(
            shown_prompt(row),
            shown_system(row),
            references={f"references.{name}": value for name, value in named_references.items()},
            item=row,
        )


def _of_references(references: Any) -> Iterator[Fault]:
    if references is None:
        yield Fault(
            "no-reference",
            "references",
            "the row has no 'references' for {{references.…}} to read",
            "add them, unless the reward needs none",
            "warning",
        )
        return
    if not isinstance(references, Mapping):
        yield wrong_type("references", 'an object of texts, {"answer": "…"}', references)
        return
    for name, value in references.items():
        path = f"references.{name}"
        if not isinstance(value, str):
            yield Fault(
                "wrong-type",
                path,
                f"{path} is {named(value)}; expected a text",
                "write it as a text: Google's references are texts",
            )
        elif not value.strip():
            yield Fault(
                "empty-reference",
                path,
                f"{path} is empty",
                "write the reference, or remove the key",
                "warning",
            )

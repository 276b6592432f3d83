"""Reinforcement tuning of Gemini on Google's platform.

`{"systemInstruction"?, "contents": [{"role", "parts": [{"text"}]}], "references": {key: text}, "tools"?}`, as JSONL. Roles are
`user` and `model`; `{{references.key}}` of a reward configuration reads `references`.

Source: the types of the `google-genai` package 3.6 (`google.genai.types`) and Google's page on reinforcement tuning.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from runtime.data.formats.base import MOST, Fault, Format, Row, View, brief, named, text_of, wrong_type
from runtime.data.formats.messages import misspelled

ROLES = ("user", "model")
_PART = (
    "text",
    "inlineData",
    "fileData",
    "functionCall",
    "functionResponse",
    "thought",
    "thoughtSignature",
    "executableCode",
    "codeExecutionResult",
    "videoMetadata",
)
_CONTENT = ("role", "parts")
_SNAKE = {"system_instruction": "systemInstruction"}


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
        """A list of contents with parts."""
        contents = row.get("contents")
        is_list = (
            isinstance(contents, list)
            and bool(contents)
            and isinstance(contents[0], Mapping)
            and "parts" in contents[0]
        )
        return 8 if is_list else 5 * ("contents" in row)

    def faults(self, row: Row) -> Iterator[Fault]:
        """Wrong fields, roles, parts and references."""
        yield from self.missing({key: value for key, value in row.items() if key not in _SNAKE})
        for name, meant in _SNAKE.items():
            if name in row:
                yield Fault(
                    "misspelled-field",
                    name,
                    f"the row has the field {name!r}",
                    f"did you mean {meant!r}? Fields are written in camelCase",
                )
        contents = row.get("contents")
        if isinstance(contents, list):
            yield from self._of_contents(contents)
        elif contents is not None:
            yield wrong_type(
                "contents", 'a list such as [{"role": "user", "parts": [{"text": "…"}]}]', contents
            )
        yield from self._of_references(row.get("references"))
        system = row.get("systemInstruction")
        if system is not None:
            yield from _content(system, "systemInstruction")

    def _of_contents(self, contents: list[Any]) -> Iterator[Fault]:
        if not contents:
            yield Fault("no-messages", "contents", "contents is empty", "write at least the user's turn")
            return
        for number, content in enumerate(contents[:MOST]):
            yield from _content(content, f"contents.{number}")
            role = content.get("role") if isinstance(content, Mapping) else "user"
            if role not in ROLES and not (role is None and len(contents) == 1):
                meant = {"assistant": "'model'", "system": "the field systemInstruction"}.get(
                    str(role), "'user' or 'model'"
                )
                yield Fault(
                    "wrong-role",
                    f"contents.{number}.role",
                    f"contents.{number} has the role {brief(role)}; expected user or model",
                    f"use {meant}",
                )
        last = contents[-1].get("role", "user") if isinstance(contents[-1], Mapping) else "user"
        if last == "model":
            yield Fault(
                "last-not-user",
                f"contents.{len(contents) - 1}",
                "the last turn is the model's; expected the user's, which the model is to answer",
                "remove the answer, or keep it in references",
            )

    def _of_references(self, references: Any) -> Iterator[Fault]:
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

    def view(self, row: Row) -> View:
        """The contents and the references."""
        contents = row.get("contents")
        texts = [_text(content) for content in contents[:MOST]] if isinstance(contents, list) else []
        system = row.get("systemInstruction")
        references = row.get("references")
        return View(
            "\n".join(filter(None, texts)),
            None if system is None else _text(system),
            references={f"references.{name}": value for name, value in references.items()}
            if isinstance(references, Mapping)
            else {},
            item=row,
        )


def _content(content: Any, path: str) -> Iterator[Fault]:
    if not isinstance(content, Mapping):
        yield wrong_type(path, 'an object such as {"role": "user", "parts": [{"text": "…"}]}', content)
        return
    yield from misspelled(content, _CONTENT, path)
    parts = content.get("parts")
    if not isinstance(parts, list):
        hint = 'write "parts": [{"text": "…"}]' + (" instead of 'content'" if "content" in content else "")
        yield Fault("wrong-type", f"{path}.parts", f"{path}.parts is {named(parts)}; expected a list", hint)
        return
    for number, part in enumerate(parts[:MOST]):
        if not isinstance(part, Mapping) or not any(part.get(name) is not None for name in _PART):
            yield Fault(
                "bad-part",
                f"{path}.parts.{number}",
                f'{path}.parts.{number} is no part; expected {{"text": "…"}}',
                "write an object with a text",
            )
            return
    if not parts or all(isinstance(part.get("text"), str) and not part["text"].strip() for part in parts):
        yield Fault(
            "empty-content", f"{path}.parts", f"{path} has no text", "write a text, or remove the turn"
        )


def _text(content: Any) -> str:
    return text_of(content.get("parts")) if isinstance(content, Mapping) else ""

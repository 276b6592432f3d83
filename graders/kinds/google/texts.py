"""How Google's scorers read a row and a response: texts, the part that is compared, and placeholders."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from graders.contract import FailureKind, Item, brief
from graders.errors import GradingError
from graders.pattern import Pattern
from graders.template import as_text

_REFERENCE = re.compile(r"\{\{\s*references\.([^{}\s]{1,200})\s*\}\}")
_OF_PROMPT = re.compile(r"\{\{\s*(prompt|response|system_instruction|references\.([^{}\s]{1,200}))\s*\}\}")
_SYSTEM = ("systemInstruction", "system_instruction")


def last_match(pattern: Pattern | None, text: str) -> str:
    """The part of a text that is compared: all of it, or the last match of an expression (its group, if it has one).

    A text without a match counts as the empty text.
    """
    if pattern is None:
        return text
    last = None
    for last in pattern.finditer(text):  # noqa: B007  # the last one is wanted
        pass
    if last is None:
        return ""
    found: str | None = last.group(pattern.groups)
    return found or ""


def with_references(text: str, item: Item, change: Callable[[str], str] = str) -> str:
    """A text with the references of a row in place of `{{references.key}}`, in one pass.

    Args:
        text: The text.
        item: The row.
        change: What becomes of each reference.

    Raises:
        GradingError: Of kind `invalid_variable_error`, when the row has no such reference.
    """
    return _REFERENCE.sub(lambda found: change(reference(item, found[1])), text)


def prompt_with(text: str, item: Item, response: str) -> str:
    """An autorater's prompt with the row and the response in it, in one pass.

    Raises:
        GradingError: As `with_references`.
    """

    def value(found: re.Match[str]) -> str:
        if found[2] is not None:
            return reference(item, found[2])
        if found[1] == "response":
            return response
        return prompt_of(item) if found[1] == "prompt" else system_of(item)

    return _OF_PROMPT.sub(value, text)


def reference(item: Item, key: str) -> str:
    """A reference of a row.

    Raises:
        GradingError: Of kind `invalid_variable_error`, when there is none of this name.
    """
    references = item.get("references")
    if not isinstance(references, Mapping) or key not in references:
        has = ", ".join(map(str, list(references)[:12])) if isinstance(references, Mapping) else "none"
        raise GradingError(
            f"{{{{references.{key}}}}}: the row has no such reference; its references: {has}",
            kind=FailureKind.INVALID_VARIABLE,
            details={"variable": f"references.{key}"},
        )
    return as_text(references[key], path=f"references.{key}")


def prompt_of(item: Item) -> str:
    """The contents of a row as a text: a lone turn as it is, several with their roles."""
    contents = item.get("contents")
    if isinstance(contents, str):
        return contents
    turns = [each for each in contents if isinstance(each, Mapping)] if isinstance(contents, list) else []
    if len(turns) == 1:
        return text_of(turns[0])
    return "\n".join(f"{turn.get('role') or 'user'}: {text_of(turn)}" for turn in turns)


def system_of(item: Item) -> str:
    """The system instruction of a row; empty where it has none."""
    system = next((item[name] for name in _SYSTEM if item.get(name) is not None), "")
    return system if isinstance(system, str) else text_of(system)


def text_of(content: object) -> str:
    """The texts of a Content, without those of its thoughts."""
    parts = content.get("parts") if isinstance(content, Mapping) else None
    spoken = [part for part in parts if isinstance(part, Mapping)] if isinstance(parts, list) else []
    return "".join(str(part["text"]) for part in spoken if part.get("text") and not part.get("thought"))


def example_of(item: Item) -> dict[str, Any]:
    """A row as `evaluate` and a service get it: in camelCase."""
    return {
        ("systemInstruction" if name == "system_instruction" else name): value for name, value in item.items()
    }


def compiled(source: str) -> Pattern:
    """An expression in which references were put.

    Raises:
        GradingError: When it does not compile with them.
    """
    try:
        return Pattern(source)
    except ValueError as error:
        raise GradingError(
            f"with the references of this row the expression is not valid: {brief(str(error), 200)}",
            kind=FailureKind.INVALID_VARIABLE,
        ) from None

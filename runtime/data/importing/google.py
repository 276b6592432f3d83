"""Google's rows: `contents`, `references`, `systemInstruction`; a last turn of the model is the sample."""

from collections.abc import Iterator, Mapping
from typing import Any

from runtime.data.importing.answers import google_message
from runtime.data.importing.rows import Imported, NotImported, Object, Part, SourceSystem, mapping

_ROLES = {"model": "assistant", "user": "user", "function": "tool"}


def _recognises(value: Object) -> bool:
    return "contents" in value


def _read(value: Object) -> Iterator[Part]:
    contents = value.get("contents")
    if (
        not isinstance(contents, list)
        or not contents
        or not all(isinstance(each, Mapping) for each in contents)
    ):
        yield NotImported("contents: expected a list of objects with 'parts'")
        return
    item, answer = dict(value), None
    if contents[-1].get("role") == "model":
        answer = [google_message(contents[-1], "assistant")]
        item["contents"] = contents[:-1]
    yield Imported(item, answer, {}, google_prompt(item) or None)


def google_prompt(row: Object) -> list[dict[str, Any]]:
    """The messages of Google's `contents` and `systemInstruction`; an empty list where there is no content."""
    system = row.get("systemInstruction", row.get("system_instruction"))
    messages: list[dict[str, Any]] = []
    if isinstance(system, str) and system:
        messages.append({"role": "system", "content": system})
    elif mapping(system).get("parts"):
        messages.append(google_message(mapping(system), "system"))
    contents = row.get("contents")
    for content in contents if isinstance(contents, list) else ():
        turn = mapping(content)
        messages.append(google_message(turn, _ROLES.get(str(turn.get("role") or "user"), "user")))
    return messages


GOOGLE = SourceSystem("google", "rows of Gemini tuning", _recognises, _read)

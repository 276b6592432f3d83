"""Google's `contents` and `systemInstruction`: their rules, which its three formats share, and what they are as chat messages.

Source: the types of the `google-genai` package 3.6 (`Content`, `Part`, `FunctionCall`, `FunctionResponse`).
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from runtime.data.formats.base import MOST, Fault, Row, brief, named, text_of, wrong_type
from runtime.data.formats.messages import misspelled

ROLES = ("user", "model")
SNAKE = {"system_instruction": "systemInstruction"}
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
_EXAMPLE = '{"role": "user", "parts": [{"text": "…"}]}'


def ends_with_model(row: Row) -> bool:
    """Whether the last of a row's contents is the model's turn."""
    contents = row.get("contents")
    last = contents[-1] if isinstance(contents, list) and contents else None
    return isinstance(last, Mapping) and last.get("role") == "model"


def is_contents(value: object) -> bool:
    """Whether a value is a list of contents with parts, or meant to be one."""
    return isinstance(value, list) and bool(value) and isinstance(value[0], Mapping) and "parts" in value[0]


def asked_faults(row: Row, *, is_answered: bool, may_be_snake: bool = False) -> Iterator[Fault]:
    """What is wrong with the contents and the system instruction of a row.

    Args:
        row: The row.
        is_answered: Whether the last turn is to be the model's, rather than the user's.
        may_be_snake: Whether `system_instruction` is right, too.
    """
    for name, meant in SNAKE.items():
        if name in row and not may_be_snake:
            hint = f"did you mean {meant!r}? Fields are written in camelCase"
            yield Fault("misspelled-field", name, f"the row has the field {name!r}", hint)
    contents = row.get("contents")
    if isinstance(contents, list):
        yield from _contents(contents, is_answered=is_answered)
    elif contents is not None:
        yield wrong_type("contents", f"a list such as [{_EXAMPLE}]", contents)
    for name in ("systemInstruction", *(SNAKE if may_be_snake else ())):
        if row.get(name) is not None:
            yield from content_faults(row[name], name)


def _contents(contents: list[Any], *, is_answered: bool) -> Iterator[Fault]:
    if not contents:
        yield Fault("no-messages", "contents", "contents is empty", "write at least the user's turn")
        return
    for number, content in enumerate(contents[:MOST]):
        yield from content_faults(content, f"contents.{number}")
        role = content.get("role") if isinstance(content, Mapping) else "user"
        if role not in ROLES and not (role is None and len(contents) == 1):
            names = {"assistant": "'model'", "system": "the field systemInstruction"}
            meant = names.get(str(role), "'user' or 'model'")
            message = f"contents.{number} has the role {brief(role)}; expected user or model"
            yield Fault("wrong-role", f"contents.{number}.role", message, f"use {meant}")
    last = contents[-1].get("role", "user") if isinstance(contents[-1], Mapping) else "user"
    where = f"contents.{len(contents) - 1}"
    if is_answered and last == "user":
        message = "the last turn is the user's; expected the model's, which it learns"
        yield Fault("last-not-assistant", where, message, "end with a turn of the role 'model'")
    elif last == "model" and not is_answered:
        message = "the last turn is the model's; expected the user's, which the model is to answer"
        yield Fault("last-not-user", where, message, "remove the answer, or keep it in references")


def content_faults(content: Any, path: str) -> Iterator[Fault]:
    """What is wrong with one content."""
    if not isinstance(content, Mapping):
        yield wrong_type(path, f"an object such as {_EXAMPLE}", content)
        return
    yield from misspelled(content, _CONTENT, path)
    parts = content.get("parts")
    if not isinstance(parts, list):
        hint = 'write "parts": [{"text": "…"}]' + (" instead of 'content'" if "content" in content else "")
        yield Fault("wrong-type", f"{path}.parts", f"{path}.parts is {named(parts)}; expected a list", hint)
        return
    for number, part in enumerate(parts[:MOST]):
        if not isinstance(part, Mapping) or not any(part.get(name) is not None for name in _PART):
            where = f"{path}.parts.{number}"
            message = f'{where} is no part; expected {{"text": "…"}}'
            yield Fault("bad-part", where, message, "write an object with a text")
            return
    if not parts or all(isinstance(part.get("text"), str) and not part["text"].strip() for part in parts):
        yield Fault(
            "empty-content", f"{path}.parts", f"{path} has no text", "write a text, or remove the turn"
        )


def shown(content: Any) -> str:
    """The text of a content."""
    return text_of(content.get("parts")) if isinstance(content, Mapping) else ""


def shown_prompt(row: Row, *, is_answered: bool = False) -> str:
    """The text of a row's contents; without the model's last turn where it is the answer."""
    contents = row.get("contents")
    turns = contents[:MOST] if isinstance(contents, list) else []
    if is_answered and ends_with_model(row):
        turns = turns[:-1]
    return "\n".join(filter(None, map(shown, turns)))


def shown_system(row: Row) -> str | None:
    """The text of a row's system instruction; None where it has none."""
    system = _either(row, "systemInstruction")
    return None if system is None else shown(system)


# as chat messages


def messages_of(row: Row) -> list[dict[str, Any]]:
    """The system instruction and the contents of a row as chat messages in OpenAI's form.

    The results of functions are messages of their own. A part that is no text, call or result stands in the message's content
    as a block of the type `file`. What is no content is left out.
    """
    messages: list[dict[str, Any]] = []
    system = _either(row, "systemInstruction")
    if isinstance(system, str) and system:
        messages.append({"role": "system", "content": system})
    elif isinstance(system, Mapping) and system.get("parts"):
        messages.append({**turn_of(system)[-1], "role": "system"})
    contents = row.get("contents")
    if isinstance(contents, str):
        return [*messages, {"role": "user", "content": contents}]
    called: list[tuple[str, str]] = []
    for content in contents if isinstance(contents, list) else [contents]:
        if isinstance(content, Mapping):
            turn = turn_of(content, len(messages), called)
            called = [(c["id"], c["function"]["name"]) for m in turn for c in m.get("tool_calls", ())]
            messages.extend(turn)
    return messages


def turn_of(
    content: Row, number: int = 0, called: list[tuple[str, str]] | None = None
) -> list[dict[str, Any]]:
    """The messages of one content: the results of functions, then what is said.

    Args:
        content: The content.
        number: How many messages there are before it: calls without an id are named by it.
        called: The ids and the names of the calls before it, which results without an id answer; those are taken out.
    """
    given = content.get("parts")
    parts = [part for part in (given if isinstance(given, list) else [given]) if isinstance(part, Mapping)]
    spoken = [part for part in parts if not part.get("thought")]
    calls = [call for part in spoken if isinstance(call := _either(part, "functionCall"), Mapping)]
    results = [found for part in spoken if isinstance(found := _either(part, "functionResponse"), Mapping)]
    message: dict[str, Any] = {
        "role": "assistant" if content.get("role") == "model" else "user",
        "content": _said(spoken),
    }
    if thoughts := "".join(str(part.get("text") or "") for part in parts if part.get("thought")):
        message["reasoning_content"] = thoughts
    if calls:
        message["tool_calls"] = [_call(call, f"call_{number}_{n}") for n, call in enumerate(calls)]
    waiting = [] if called is None else called
    answered = [_answered(each, waiting, f"call_{number - 1}_{n}") for n, each in enumerate(results)]
    return answered if answered and not message["content"] else [*answered, message]


def _said(parts: list[Row]) -> Any:
    """The text of parts; blocks where some are no text, call or result."""
    texts = [part for part in parts if isinstance(part.get("text"), str)]
    acts = [
        part
        for part in parts
        if _either(part, "functionCall") is not None or _either(part, "functionResponse") is not None
    ]
    if len(texts) + len(acts) >= len(parts):
        return "".join(part["text"] for part in texts)
    shown_parts = [part for part in parts if part not in acts]
    return [{"type": "text" if "text" in part else "file", **part} for part in shown_parts]


def _call(call: Row, unnamed: str) -> dict[str, Any]:
    arguments = call.get("args")
    text = arguments if isinstance(arguments, str) else json.dumps(arguments or {}, ensure_ascii=False)
    function = {"name": str(call.get("name") or ""), "arguments": text}
    return {"id": str(call.get("id") or unnamed), "type": "function", "function": function}


def _answered(result: Row, waiting: list[tuple[str, str]], unnamed: str) -> dict[str, Any]:
    """The message of a result; one without an id answers the first open call of its function."""
    name, given = result.get("name"), result.get("id")
    match = next((each for each in waiting if each[0] == given or (not given and each[1] == name)), None)
    match = match or (waiting[0] if waiting and not given else None)
    if match is not None:
        waiting.remove(match)
    response = result.get("response")
    if isinstance(response, Mapping) and set(response) == {"output"} and isinstance(response["output"], str):
        text = response["output"]
    else:
        text = json.dumps(response, ensure_ascii=False)
    call_id = str(given or (match[0] if match else unnamed))
    return {"role": "tool", "tool_call_id": call_id, "content": text}


def _either(found: Row, name: str) -> Any:
    """A field in camelCase, or as Python's types write it."""
    snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
    return found.get(name, found.get(snake))

"""Tool calls in conversations: their form, the tool messages that answer them, and the tools that a row declares.

Source: OpenAI's chat completions reference ("Function calling"), and the `openai` package's types.
"""

import json
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from runtime.data.formats.base import MOST, Fault, brief, named, wrong_type

_TOOL_NAME = re.compile(r"[a-zA-Z0-9_.-]{1,64}")


def call_faults(message: Mapping[str, Any], path: str) -> Iterator[Fault]:
    """What is wrong with the calls in a message."""
    calls = message.get("tool_calls")
    where = f"{path}.tool_calls"
    if calls is None:
        return
    if not isinstance(calls, list):
        yield wrong_type(where, "a list of calls", calls)
        return
    if message.get("role") != "assistant" and calls:
        yield Fault(
            "tool-call-malformed",
            where,
            "only an assistant message may call tools",
            "move the calls to an assistant message",
        )
    for number, call in enumerate(calls[:MOST]):
        yield from _tool_call(call, f"{where}.{number}")


def _tool_call(call: Any, where: str) -> Iterator[Fault]:
    function = call.get("function") if isinstance(call, Mapping) else None
    if not isinstance(function, Mapping):
        example = '{"id": "call_1", "type": "function", "function": {"name": "…", "arguments": "{}"}}'
        yield Fault("tool-call-malformed", where, f"{where} is no tool call", f"write it as {example}")
        return
    if not isinstance(call.get("id"), str) or not call["id"]:
        yield Fault(
            "tool-call-malformed",
            f"{where}.id",
            f"{where} has no id",
            "give each call an id that its tool message repeats",
        )
    if not isinstance(function.get("name"), str) or not function["name"]:
        yield Fault(
            "tool-call-malformed", f"{where}.function.name", f"{where} names no function", "add its name"
        )
    arguments = function.get("arguments")
    path = f"{where}.function.arguments"
    if not isinstance(arguments, str):
        yield Fault(
            "tool-call-arguments",
            path,
            f"{path} is {named(arguments)}; expected JSON as a text",
            'write "{\\"city\\": \\"Rome\\"}"',
        )
        return
    try:
        is_object = isinstance(json.loads(arguments), dict)
    except (ValueError, RecursionError):
        is_object = False
    if not is_object:
        yield Fault(
            "tool-call-arguments",
            path,
            f"{path} is not a JSON object in a text",
            "write the arguments as a JSON object",
        )


def calls_of(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The tool calls of a message that are objects."""
    calls = message.get("tool_calls")
    return [call for call in calls if isinstance(call, Mapping)] if isinstance(calls, list) else []


def answer_faults(messages: list[Mapping[str, Any]], path: str, *, is_open_at_end: bool) -> Iterator[Fault]:
    """Calls that no tool message answers, and tool messages that answer no call."""
    waiting: dict[str, str] = {}
    for number, message in enumerate(messages):
        where = f"{path}.{number}"
        if message.get("role") == "tool":
            answered = message.get("tool_call_id")
            if not isinstance(answered, str) or waiting.pop(answered, None) is None:
                what = (
                    "has no tool_call_id"
                    if answered is None
                    else f"answers {brief(answered)}, which no call before it has"
                )
                yield Fault(
                    "tool-answer-without-call",
                    where,
                    f"{where} {what}",
                    "give it the id of a call in the assistant message before it",
                )
            continue
        for unanswered, place in waiting.items():
            yield _unanswered(unanswered, place)
        waiting = {}
        for index, call in enumerate(calls_of(message)):
            call_id = call.get("id")
            if not isinstance(call_id, str):
                continue
            if call_id and call_id in waiting:
                yield Fault(
                    "tool-call-malformed",
                    f"{where}.tool_calls.{index}.id",
                    f"the id {brief(call_id)} is used twice",
                    "give each call its own id",
                )
            waiting[call_id] = f"{where}.tool_calls.{index}"
    is_last_call = bool(messages) and messages[-1].get("role") == "assistant" and is_open_at_end
    for unanswered, place in () if is_last_call else waiting.items():
        yield _unanswered(unanswered, place)


def _unanswered(call: str, place: str) -> Fault:
    return Fault(
        "tool-call-unanswered",
        place,
        f"no tool message answers the call {brief(call)}",
        "add a tool message with its tool_call_id right after it",
    )


def declaration_faults(messages: list[Mapping[str, Any]], path: str, tools: Any) -> Iterator[Fault]:
    """Tools that are declared wrongly, and calls of tools that are not declared."""
    names = set()
    if tools is not None and not isinstance(tools, list):
        yield wrong_type("tools", "a list of tools", tools)
        return
    for number, tool in enumerate((tools or [])[:MOST]):
        name = _tool_name(tool)
        if name is None or not _TOOL_NAME.fullmatch(name):
            example = '{"type": "function", "function": {"name": "…", "parameters": {…}}}'
            yield Fault(
                "tool-malformed",
                f"tools.{number}",
                f"tools.{number} is no tool with a name of 64 letters, digits, _ or -",
                f"write it as {example}",
            )
        elif name in names:
            yield Fault(
                "tool-malformed", f"tools.{number}", f"the tool {brief(name)} is declared twice", "remove one"
            )
        names.add(name)
    for number, message in enumerate(messages):
        for place, call in enumerate(calls_of(message)):
            function = call.get("function")
            name = function.get("name") if isinstance(function, Mapping) else None
            if isinstance(name, str) and name and name not in names:
                near = get_close_matches(name, [known for known in names if known], n=1)
                hint = f"did you mean {near[0]!r}?" if near else "declare it in 'tools'"
                yield Fault(
                    "tool-undeclared",
                    f"{path}.{number}.tool_calls.{place}",
                    f"the tool {brief(name)} is called and not declared in 'tools'",
                    hint,
                    "error" if tools else "warning",
                )


def _tool_name(tool: Any) -> str | None:
    function = tool.get("function", tool) if isinstance(tool, Mapping) else None
    name = function.get("name") if isinstance(function, Mapping) else None
    return name if isinstance(name, str) else None

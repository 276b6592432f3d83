"""Conversations in the form of Amazon Bedrock's Converse API: the rules that its formats share, and what they are as chat messages.

`{"schemaVersion": "bedrock-conversation-2024", "system": [{"text"}], "messages": [{"role", "content": [block…]}], "toolConfig"?}`.
Turns of `user` and `assistant` alternate; a block has one of `text`, `image`, `video`, `document`, `toolUse`, `toolResult` and
`reasoningContent`.

Source: Amazon Bedrock's "Preparing data for fine-tuning Understanding models", "Supervised fine-tuning on Amazon Nova 2.0", and
the reference of the Converse API (November 2026).
"""

import json
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from runtime.data.formats.base import MOST, Fault, Format, Row, brief, named, wrong_type
from runtime.data.formats.messages import misspelled

SCHEMA = "bedrock-conversation-2024"
FIELDS = ("messages", "schemaVersion", "system", "toolConfig")
_BLOCKS = ("text", "image", "video", "document", "toolUse", "toolResult", "reasoningContent", "cachePoint")
_EXAMPLE = '{"role": "user", "content": [{"text": "…"}]}'


class ConverseFormat(Format):
    """A format of rows with turns in this form; the formats differ in their last turn.

    Attributes:
        needs_version: Whether a row without `schemaVersion` is an error.
    """

    hosts = ("bedrock",)
    fields = FIELDS
    is_open = False
    needs_version: ClassVar[bool] = True

    @abstractmethod
    def last_faults(self, turns: list[Any]) -> Iterator[Fault]:
        """What is wrong with the last of some turns."""

    def faults(self, row: Row) -> Iterator[Fault]:
        """Wrong turns, blocks and tools, and a wrong last turn."""
        yield from self.missing(row)
        yield from frame_faults(row, needs_version=self.needs_version)
        turns = row.get("messages")
        if isinstance(turns, list) and turns:
            yield from turn_faults(turns)
            yield from tool_faults(turns)
            yield from self.last_faults(turns)
        elif turns is not None:
            yield wrong_type("messages", "a list of messages", turns)


def is_converse(row: Row) -> bool:
    """Whether a row has messages in this form: by its schema version, a block without a type, or candidates."""
    messages = row.get("messages")
    if not isinstance(messages, list) or not messages:
        return False
    if str(row.get("schemaVersion", "")).startswith("bedrock-conversation"):
        return True
    last = messages[-1]
    return (isinstance(last, Mapping) and "candidates" in last) or all(map(_has_blocks, messages[:3]))


def _has_blocks(message: object) -> bool:
    content = message.get("content") if isinstance(message, Mapping) else None
    first = content[0] if isinstance(content, list) and content else None
    return isinstance(first, Mapping) and "type" not in first and any(name in first for name in _BLOCKS)


def frame_faults(row: Row, *, needs_version: bool) -> Iterator[Fault]:
    """What is wrong with a row beside its messages."""
    version = row.get("schemaVersion")
    if version is None:
        message = f"the row has no 'schemaVersion'; expected {SCHEMA!r}"
        level: Any = "error" if needs_version else "warning"
        yield Fault("missing-field", "schemaVersion", message, f'add "schemaVersion": "{SCHEMA}"', level)
    elif version != SCHEMA:
        message = f"schemaVersion is {brief(version)}; expected {SCHEMA!r}"
        yield Fault("wrong-type", "schemaVersion", message, f"write {SCHEMA!r}")
    system = row.get("system")
    if system is not None:
        yield from block_faults(system, "system")


def turn_faults(messages: list[Any]) -> Iterator[Fault]:
    """What is wrong with turns, whichever the last is to be."""
    before: object = None
    for number, message in enumerate(messages[:MOST]):
        path = f"messages.{number}"
        if not isinstance(message, Mapping):
            yield wrong_type(path, f"a message such as {_EXAMPLE}", message)
            continue
        role = message.get("role")
        if role not in ("user", "assistant"):
            hint = "use the field 'system'" if role in ("system", "developer") else "use one of them"
            text = f"{path} has the role {brief(role)}; expected user or assistant"
            yield Fault("wrong-role", f"{path}.role", text, hint)
        elif role == before or (number == 0 and role != "user"):
            text = f"the turn of the {role} is out of order; user and assistant alternate, the user first"
            yield Fault("role-order", path, text, "join turns of one role, or add what stands between")
        before = role
        yield from misspelled(message, ("role", "content", "candidates"), path)
        if "candidates" not in message:
            yield from block_faults(message.get("content"), f"{path}.content")


def block_faults(content: Any, path: str) -> Iterator[Fault]:
    """What is wrong with the blocks of a content."""
    if not isinstance(content, list):
        message = f"{path} is {named(content)}; expected a list of blocks"
        yield Fault("wrong-type", path, message, 'write [{"text": "…"}]')
        return
    for number, block in enumerate(content[:MOST]):
        if not isinstance(block, Mapping) or not any(block.get(name) is not None for name in _BLOCKS):
            message = f'{path}.{number} is no block; expected {{"text": "…"}}'
            yield Fault("bad-part", f"{path}.{number}", message, "write an object with a text")
            return
    if all("text" in block and not str(block["text"]).strip() for block in content):
        yield Fault("empty-content", path, f"{path} has no text", "write a text, or remove the turn")


def tool_faults(messages: list[Any]) -> Iterator[Fault]:
    """Calls of tools that no result answers in the next turn, and results without a call; those of the last turn are open."""
    waiting: dict[str, str] = {}
    for number, message in enumerate(messages[:MOST]):
        path = f"messages.{number}"
        for result in _inner(message, "toolResult"):
            if waiting.pop(str(result.get("toolUseId")), None) is None:
                text = f"{path} answers {brief(result.get('toolUseId'))}, which no call in the turn before it has"
                yield Fault("tool-answer-without-call", path, text, "give it the toolUseId of a call")
        for call, where in waiting.items():
            text = f"no toolResult answers the call {brief(call)}"
            yield Fault("tool-call-unanswered", where, text, "add a toolResult in the next turn")
        waiting = {str(call.get("toolUseId")): path for call in _inner(message, "toolUse")}


def _inner(message: object, name: str) -> list[Mapping[str, Any]]:
    content = message.get("content") if isinstance(message, Mapping) else None
    return [_object(block[name]) for block in map(_object, _listed(content)) if name in block]


def shown(content: Any) -> str:
    """The text of blocks, with their tool calls."""
    texts = [_of_block(_object(block)) for block in _listed(content)]
    return "\n".join(filter(None, texts))


def _of_block(block: Row) -> str:
    if isinstance(block.get("text"), str):
        return str(block["text"])
    return json.dumps(block, sort_keys=True, ensure_ascii=False, default=str) if block else ""


def shown_prompt(messages: list[Any]) -> str:
    """The text of turns."""
    return "\n".join(filter(None, (shown(_object(each).get("content")) for each in messages[:MOST])))


def shown_system(row: Row) -> str | None:
    """The system prompt of a row; None where it has none."""
    return None if row.get("system") is None else shown(row["system"])


# as chat messages


def messages_of(row: Row) -> list[dict[str, Any]]:
    """The system prompt and the turns of a row as chat messages in OpenAI's form, without candidates.

    The results of tools are messages of their own. A block that is no text, call, result or reasoning stands in the message's
    content as one of the type `file`.
    """
    system = "\n\n".join(str(_object(part).get("text") or "") for part in _listed(row.get("system")))
    first = [{"role": "system", "content": system}] if system else []
    turns = [_object(each) for each in _listed(row.get("messages"))]
    return [*first, *(each for turn in turns if "candidates" not in turn for each in turn_of(turn))]


def turn_of(turn: Row) -> list[dict[str, Any]]:
    """The messages of one turn: the results of tools, then what is said. A turn whose content is a text is a message already."""
    content = turn.get("content")
    if not isinstance(content, list) or any(isinstance(e, Mapping) and "type" in e for e in content):
        return [dict(turn)]
    blocks = [_object(block) for block in content]
    read = [
        {
            "role": "tool",
            "tool_call_id": str(each.get("toolUseId") or ""),
            "content": _of_result(each.get("content")),
        }
        for each in _inner(turn, "toolResult")
    ]
    said = [block for block in blocks if not {"toolUse", "toolResult", "reasoningContent"} & block.keys()]
    message: dict[str, Any] = {"role": turn.get("role"), "content": _said(said)}
    thoughts = [_object(each.get("reasoningText")).get("text") for each in _inner(turn, "reasoningContent")]
    if any(thoughts):
        message["reasoning_content"] = "".join(str(each or "") for each in thoughts)
    if calls := _inner(turn, "toolUse"):
        message["tool_calls"] = list(map(_call, calls))
    return read if read and not message["content"] else [*read, message]


def _said(blocks: list[Row]) -> Any:
    if all(isinstance(block.get("text"), str) for block in blocks):
        return "".join(block["text"] for block in blocks)
    return [{"type": "text" if "text" in block else "file", **block} for block in blocks]


def _call(call: Row) -> dict[str, Any]:
    arguments = json.dumps(call.get("input") or {}, ensure_ascii=False)
    function = {"name": str(call.get("name") or ""), "arguments": arguments}
    return {"id": str(call.get("toolUseId") or ""), "type": "function", "function": function}


def _of_result(content: object) -> str:
    blocks = [_object(block) for block in _listed(content)]
    texts = [
        str(each["text"]) if "text" in each else json.dumps(each.get("json"), ensure_ascii=False)
        for each in blocks
    ]
    return "".join(texts)


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []

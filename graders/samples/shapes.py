"""Reads the shapes in which servers, datasets and stored runs hold what a model said.

A shape that is not understood is never an empty text, since an empty text earns a low reward: it is refused, with its path.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import NoneType
from typing import Any

from graders.contract import brief
from graders.errors import ConfigurationError

Path = tuple[str | int, ...]

_THOUGHTS = frozenset(
    {
        "thinking",
        "thought",
        "thoughts",
        "reasoning",
        "reasoning_text",
        "reasoning_content",
        "redacted_thinking",
    }
)
"""Types of parts that hold reasoning."""
_WITHOUT_TEXT = frozenset(
    {
        "audio", "audio_url", "compaction", "container_upload", "document", "file", "function", "image", "image_url",
        "input_audio", "input_file", "input_image", "input_video", "item_reference", "mcp_approval_request",
        "mcp_list_tools", "output_audio", "output_image", "refusal", "server_tool_use", "video", "video_url",
    }
)  # fmt: skip
"""Types of parts that hold something other than text."""
_CALLS_AND_RESULTS = ("_call", "_calls", "_output", "_result", "_approval_response")
"""How the types of other parts without text of the model end: calls of tools, and what they gave."""
_TEXT_FIELDS = ("text", "content", "value")
"""Where a part has its text, the most usual first."""
_THOUGHT_FIELDS = ("thinking", "text", "reasoning", "content", "summary")
_MESSAGE_THOUGHTS = ("reasoning_content", "reasoning", "reasoning_text", "thinking", "thinking_blocks")
"""Where a message has its reasoning, beside its text."""
_BESIDE_TEXT = frozenset(
    {
        "annotations", "audio", "function_call", "id", "images", "name", "phase", "provider_specific_fields", "refusal",
        "role", "status", "tool_calls", "type", "reasoning_details", *_MESSAGE_THOUGHTS,
    }
)  # fmt: skip
"""Fields of a message that never hold its text. A message with no others said nothing: servers leave out empty content."""
MAX_INTEGER = 10**300
MAX_LEVELS = 50
"""Levels of parts inside parts."""


@dataclass
class Said:
    """What a model said.

    Attributes:
        texts: Its text, piece by piece.
        thoughts: Its reasoning, where the source holds it apart from the text.
        summaries: Summaries of its reasoning.
        calls: Calls of tools, in the shape of a chat completion.
        audio: Audio, as the source holds it.
    """

    texts: list[str] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    summaries: list[str] = field(default_factory=list)
    calls: list[Mapping[str, Any]] = field(default_factory=list)
    audio: Any = None

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(self.texts)

    @property
    def summary(self) -> str | None:
        """All summaries, one per line; None if there are no summaries."""
        return "\n".join(filter(None, self.summaries)) or None

    @property
    def reasoning(self) -> str | None:
        """All reasoning; None if there is no reasoning."""
        return "\n\n".join(filter(None, self.thoughts)) or None


def read_message(message: Mapping[str, Any], path: Path, said: Said) -> None:
    """Read a message of the assistant, as chat completions and the published output items have it.

    Raises:
        ConfigurationError: When something in it is of an unknown shape.
    """
    said.calls += _calls_of(message, path)
    said.audio = message.get("audio") or said.audio
    found = next((name for name in _MESSAGE_THOUGHTS if message.get(name)), None)
    if found is not None:
        said.thoughts += _thoughts(message[found], (*path, found))
    elif message.get("reasoning_details"):
        said.thoughts += _thoughts(message["reasoning_details"], (*path, "reasoning_details"))
    if "content" in message:
        read_content(message["content"], (*path, "content"), said)
    elif isinstance(message.get("text"), str):
        said.texts.append(message["text"])
    elif not message or not _BESIDE_TEXT.issuperset(message):
        raise _unknown(path, f"a message has its text in 'content'; got {_names(message)}")


def read_output(output: Any, path: Path) -> Said:
    """Read the `output` of a Responses object or of an output item: messages with or without a type, and what else it has.

    Raises:
        ConfigurationError: When something in it is of an unknown shape.
    """
    said = Said()
    parts = output if isinstance(output, (list, tuple)) else [output]
    for index, part in enumerate(parts):
        where = (*path, index) if parts is output else path
        if isinstance(part, str):
            said.texts.append(part)
        elif isinstance(part, Mapping):
            _read_output_part(part, where, said)
        else:
            raise _unknown(where, f"expected a text or an object of the output, got {brief(part)}")
    return said


def is_output(parts: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a list is the `output` of a Responses object: some part has a type of its own, and nobody else says anything."""
    kinds = [part.get("type") for part in parts]
    others = any(part.get("role") not in (None, "assistant") for part in parts)
    return not others and any(kind in ("reasoning", "function_call") for kind in kinds)


def _read_output_part(part: Mapping[str, Any], path: Path, said: Said) -> None:
    kind = part.get("type")
    if kind == "reasoning":
        said.summaries += _thoughts(part.get("summary"), (*path, "summary"))
        said.thoughts += _thoughts(part.get("content"), (*path, "content"))
        if isinstance(part.get("text"), str):
            said.thoughts.append(part["text"])
    elif kind == "function_call":
        function = {"name": part.get("name"), "arguments": part.get("arguments")}
        said.calls.append({"id": part.get("call_id"), "type": "function", "function": function})
    elif "role" in part or kind in (None, "message"):
        if part.get("role") in (None, "assistant"):  # what others said is not the model's
            read_message(part, path, said)
    else:
        _read_part(part, path, said)


def read_content(content: Any, path: Path, said: Said) -> None:
    """Read the content of a message: a text, a part, or a list of parts.

    Raises:
        ConfigurationError: When something in it is of an unknown shape.
    """
    if len(path) > MAX_LEVELS:
        raise _unknown(path, f"parts are nested more than {MAX_LEVELS} levels deep")
    if content is None:
        return
    if isinstance(content, str):
        said.texts.append(content)
    elif (number := _number(content)) is not None:
        said.texts.append(number)
    elif isinstance(content, (list, tuple)):
        for index, part in enumerate(content):
            read_content(part, (*path, index), said)
    elif isinstance(content, Mapping):
        _read_part(content, path, said)
    else:
        raise _unknown(path, f"expected a text, a part or a list of parts, got {brief(content)}")


def _read_part(part: Mapping[str, Any], path: Path, said: Said) -> None:
    kind = part.get("type")
    if not isinstance(kind, (str, type(None))):
        raise _unknown((*path, "type"), f"expected a text, got {brief(kind)}")
    if kind in _THOUGHTS or part.get("thought") is True:
        found = next((name for name in _THOUGHT_FIELDS if part.get(name) is not None), None)
        said.thoughts += [] if found is None else _thoughts(part[found], (*path, found))
    elif kind == "tool_use":
        function = {"name": part.get("name"), "arguments": part.get("input")}
        said.calls.append({"id": part.get("id"), "type": "function", "function": function})
    elif kind is not None and (kind in _WITHOUT_TEXT or kind.endswith(_CALLS_AND_RESULTS)):
        said.audio = said.audio or (part if kind == "output_audio" else None)
    else:
        found = next((name for name in _TEXT_FIELDS if name in part), None)
        if found is None:
            what = "a part" if kind is None else f"a part of type {brief(kind)}"
            raise _unknown(path, f"{what} has no 'text'; got {_names(part)}")
        read_content(part[found], (*path, found), said)


def _number(content: Any) -> str | None:
    """A number as text; None for anything else."""
    if isinstance(content, float) and math.isfinite(content):
        return repr(content)
    is_int = isinstance(content, int) and not isinstance(content, bool) and abs(content) < MAX_INTEGER
    return str(content) if is_int else None


def _thoughts(value: Any, path: Path) -> list[str]:
    """The text of reasoning: its parts, one after the other; what hides it (encrypted, redacted) is passed over."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        found = next((name for name in _THOUGHT_FIELDS if isinstance(value.get(name), (str, list))), None)
        return [] if found is None else _thoughts(value[found], (*path, found))
    if not isinstance(value, (list, tuple)) or len(path) > MAX_LEVELS:
        return []
    return [text for index, part in enumerate(value) for text in _thoughts(part, (*path, index))]


def _calls_of(message: Mapping[str, Any], path: Path) -> Sequence[Mapping[str, Any]]:
    calls = message.get("tool_calls")
    if calls is not None and not isinstance(calls, list):
        raise _unknown(path, f"a message's 'tool_calls' is a list, not {type(calls).__name__}")
    old = message.get("function_call")
    if not calls and isinstance(old, Mapping):  # as chat completions had it before tools
        return [{"id": None, "type": "function", "function": old}]
    return calls or []


def _unknown(path: Iterable[str | int], message: str) -> ConfigurationError:
    where = ".".join(map(str, path))
    return ConfigurationError(f"{where}: {message}" if where else message)


def _names(value: Mapping[Any, Any]) -> str:
    return ", ".join(map(repr, list(value)[:12])) or "an empty object"


def text_or_none(data: Mapping[str, Any], name: str) -> str | None:
    """A field of a stored sample that is a text or missing.

    Raises:
        ConfigurationError: When it is anything else.
    """
    value = data.get(name)
    if not isinstance(value, (str, NoneType)):
        raise ConfigurationError(f"a stored sample's {name!r} is a text, not {type(value).__name__}")
    return value

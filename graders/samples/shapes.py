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
_CALLS = ("_call", "_calls", "_approval_response")
"""How the types of parts end with which the model calls a tool, beside `server_tool_use`."""
_RESULTS = ("_output", "_result")
"""How the types of parts end that hold what a tool gave; one with a text of an unknown type is the model's."""
_OF_TOOLS = ("_call_output", "tool_result", "tool_output")
"""How the types of those end that are known to hold what a tool gave, text or not."""
_MODEL_ROLES = frozenset({"assistant", "model", "ai", "bot", "chatbot", "gpt", "llm"})
_OTHER_ROLES = frozenset(
    {"user", "human", "system", "developer", "tool", "function", "ipython", "environment", "observation"}
)
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
_ABOUT_CHOICE = frozenset({"index", "finish_reason", "logprobs", "stop_reason", "token_ids"})
"""Fields of a choice that never hold its text."""
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
        has_acted: Whether it called a tool of the server, which is not among `calls`, or refused to answer.
        passed_over: Why something is not the model's answer, with its path, for each part that could hold text.
        nulls: The same for each null in place of a text.
    """

    texts: list[str] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    summaries: list[str] = field(default_factory=list)
    calls: list[Mapping[str, Any]] = field(default_factory=list)
    audio: Any = None
    has_acted: bool = False
    passed_over: list[ConfigurationError] = field(default_factory=list)
    nulls: list[ConfigurationError] = field(default_factory=list)

    @property
    def has_nothing(self) -> bool:
        """Whether there is neither a text nor a call of a tool."""
        return not (any(self.texts) or self.calls or self.has_acted)

    def check(self) -> None:
        """See that an empty text is what the model said, and not something that was passed over.

        Raises:
            ConfigurationError: When there is no text and no call of a tool, but something that could hold text, or a null
                in place of a text where the model did not even think.
        """
        found = [*self.passed_over, *([] if self.thoughts else self.nulls)]
        if found and self.has_nothing:
            raise found[0]

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


def is_models(message: Mapping[str, Any]) -> bool:
    """Whether a message has a role of the model: `assistant`, `model`, `ai` and the like, in any case."""
    return _role(message) in _MODEL_ROLES


def _role(message: Mapping[str, Any]) -> str | None:
    """The role of a message, in lower case; LangChain has it in the type. None if it has none."""
    role, kind = message.get("role"), message.get("type")
    if role is None and isinstance(kind, str) and kind.lower() in _MODEL_ROLES | _OTHER_ROLES:
        role = kind
    return role.strip().lower() if isinstance(role, str) else None if role is None else brief(role)


def read_choice(choices: Any, path: Path, said: Said) -> None:
    """Read the first choice of a chat completion, or of the older completions.

    Raises:
        ConfigurationError: When there is no choice with a message, or something in it is of an unknown shape.
    """
    if not (isinstance(choices, list) and choices and isinstance(choices[0], Mapping)):
        raise ConfigurationError("a chat completion has a list 'choices' with at least one choice")
    message, text = choices[0].get("message"), choices[0].get("text")
    if isinstance(message, Mapping):
        read_message(message, (*path, 0, "message"), said)
    elif not isinstance(text, str):
        raise ConfigurationError("choices[0] of a chat completion has a 'message'")
    if isinstance(text, str) and said.has_nothing:
        said.texts.append(text)


def has_choice(choices: Any) -> bool:
    """Whether the choices of a stored sample say anything beside the text of the sample."""
    return bool(choices) and not (isinstance(choices[0], Mapping) and _ABOUT_CHOICE.issuperset(choices[0]))


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
    if _text_fields(message):
        _read_text_fields(message, path, said)
    elif not message or not _BESIDE_TEXT.issuperset(message):
        raise _unknown(path, f"a message has its text in 'content'; got {_names(message)}")
    if message.get("parts"):
        said.passed_over.append(_unknown((*path, "parts"), "a message has its text in 'content'"))


def _text_fields(part: Mapping[str, Any]) -> list[str]:
    """The fields of a message or of a part that may hold its text; those that are empty come last."""
    return sorted((name for name in _TEXT_FIELDS if name in part), key=lambda name: not part[name])


def _read_text_fields(part: Mapping[str, Any], path: Path, said: Said) -> None:
    """Read the first field that has a text."""
    first = len(said.texts)
    for name in _text_fields(part):
        read_content(part[name], (*path, name), said)
        if any(said.texts[first:]):
            break


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
    others = any(_role(part) is not None and not is_models(part) for part in parts)
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
    elif (role := _role(part)) is not None and role not in _MODEL_ROLES:
        said.passed_over.append(
            _unknown(
                path, f"a message of the role {brief(role)} is not the model's answer; expected 'assistant'"
            )
        )
    elif role is not None or kind in (None, "message"):
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
            if part is None:
                said.nulls.append(_null((*path, index)))
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
    elif kind is not None and _is_passed_over(part, kind):
        _pass_over(part, kind, path, said)
    else:
        if not _text_fields(part):
            what = "a part" if kind is None else f"a part of type {brief(kind)}"
            raise _unknown(path, f"{what} has no 'text'; got {_names(part)}")
        said.nulls += [_null((*path, name)) for name in _text_fields(part) if part[name] is None]
        _read_text_fields(part, path, said)


def _is_passed_over(part: Mapping[str, Any], kind: str) -> bool:
    """Whether a part is of a type that holds no text of the model."""
    if kind in _WITHOUT_TEXT or kind.endswith(_OF_TOOLS):
        return True
    return kind.endswith((*_CALLS, *_RESULTS)) and not _text_fields(part)


def _pass_over(part: Mapping[str, Any], kind: str, path: Path, said: Said) -> None:
    """Take note of a part that holds no text of the model, of a type that has none."""
    if kind == "output_audio":
        said.audio = said.audio or part
    if kind in ("refusal", "server_tool_use") or kind.endswith(_CALLS):
        said.has_acted = True
    elif _text_fields(part) or kind.endswith(_RESULTS):
        said.passed_over.append(
            _unknown(path, f"a part of type {brief(kind)} is not the model's answer; got {_names(part)}")
        )


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


def _null(path: Path) -> ConfigurationError:
    return _unknown(path, "expected a text, got null")


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

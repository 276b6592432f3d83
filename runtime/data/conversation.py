"""Prompts and answers of rows as chat messages in OpenAI's form, whatever form the row has them in."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from graders import ConfigurationError, GradingError, Sample
from graders.contract import brief
from graders.template import Template
from runtime.data.formats import google_contents

Message = dict[str, Any]
ROLES = ("system", "developer", "user", "assistant", "tool")
_INSTRUCTIONS = ("system", "developer")
_FIELDS = ("messages", "prompt", "contents", "input", "question", "problem", "query", "instruction")
_TEXT_PARTS = ("text", "input_text", "output_text")
_KEPT = ("name", "tool_call_id", "refusal")
NO_PROMPT = (
    "no prompt: expected 'messages', 'prompt' or 'contents' in the row or in its item, or --prompt such as "
    "'{{item.question}}'"
)


class NoConversation(Exception):
    """A prompt or an answer is not there, or cannot be read; the message says why."""


class NoPrompt(NoConversation):
    """No place in which prompts stand has one."""


@dataclass(frozen=True)
class Prompt:
    """What a model was asked.

    Attributes:
        messages: In OpenAI's form, without the answer.
        tools: The tools that the model was offered, in OpenAI's form; None where nothing says.
        parallel_tool_calls: Whether it could call several at once; None where nothing says.
    """

    messages: list[Message] = field(default_factory=list)
    tools: list[Any] | None = None
    parallel_tool_calls: bool | None = None

    @property
    def ends_with(self) -> str:
        """The role of the last message."""
        return str(self.messages[-1]["role"])


def prompt_of(row: Mapping[str, Any], template: Template | None = None) -> Prompt:
    """The prompt of a row.

    Args:
        row: A row with `item`, and `sample` where it has one.
        template: The user's message, made from the item; before all else.

    Raises:
        NoConversation: When it has none, or one that cannot be read.
    """
    item = row.get("item")
    item = item if isinstance(item, Mapping) else {}
    sample = row.get("sample")
    places = [row, item, *([{"input": sample.get("input")}] if isinstance(sample, Mapping) else [])]
    if template is not None:
        try:
            messages: list[Message] = [{"role": "user", "content": template(Sample(""), item)}]
        except GradingError as error:
            raise NoConversation(f"--prompt: {error}") from None
    else:
        messages = _first_messages(places)
    return Prompt(messages, _tools(row, item, sample), _parallel(row, item))


def answer_of(stored: object) -> list[Message]:
    """The messages of an answer: the assistant's, and the results of tools between them.

    Args:
        stored: A sample as it stands in a row.

    Raises:
        NoConversation: When it says nothing and calls nothing, or cannot be read.
    """
    messages = stored
    if isinstance(stored, Mapping) and isinstance(stored.get("output"), list):
        messages = stored["output"]
    if isinstance(messages, list) and all(_is_chat_message(each) for each in messages):
        spoken = _messages(messages)
        last = max(
            (n for n, each in enumerate(spoken) if each["role"] not in ("assistant", "tool")), default=-1
        )
        answer = spoken[last + 1 :]
        while answer and answer[-1]["role"] == "tool":
            answer.pop()
    else:
        answer = [_answer_of_sample(stored)]
    if not any(_says_something(each) for each in answer):
        raise NoConversation("the answer is empty")
    return answer


def text_of(message: Mapping[str, Any]) -> str:
    """The text of a message in OpenAI's form; what is no text in it is left out."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    return "".join(str(part.get("text", "")) for part in content or () if isinstance(part, Mapping))


def instructions_and_rest(messages: Sequence[Message]) -> tuple[str, list[Message]]:
    """The text of the system's and developer's messages, and the other messages."""
    said = [text_of(each) for each in messages if each["role"] in _INSTRUCTIONS]
    return "\n\n".join(said), [each for each in messages if each["role"] not in _INSTRUCTIONS]


def arguments_of(call: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a tool call.

    Raises:
        NoConversation: When they are no JSON object.
    """
    try:
        found = json.loads(call["function"]["arguments"] or "{}")
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise NoConversation(f"the arguments of a call of {call['function']['name']!r} are no JSON object")
    return found


def _first_messages(places: Sequence[Mapping[str, Any]]) -> list[Message]:
    for place in places:
        for name in _FIELDS:
            value = place.get(name)
            if not value or (name in _FIELDS[3:] and not _could_be_asked(name, value)):
                continue
            if name == "contents":
                messages = _messages(_of_contents(place))
            else:
                messages = (
                    [{"role": "user", "content": value}] if isinstance(value, str) else _messages(value)
                )
            while messages and messages[-1]["role"] == "assistant":
                messages.pop()
            if messages:
                return messages
    raise NoPrompt(NO_PROMPT)


def _of_contents(place: Mapping[str, Any]) -> list[Message]:
    contents = place["contents"]
    turns = contents if isinstance(contents, list) else [contents]
    if not isinstance(contents, str) and not all(isinstance(each, Mapping) for each in turns):
        raise NoConversation("'contents' is a list of objects with 'role' and 'parts'")
    return google_contents.messages_of(place)


def _could_be_asked(name: str, value: object) -> bool:
    """Whether a column that may hold anything holds a prompt."""
    if isinstance(value, str):
        return True
    return name == "input" and isinstance(value, list) and all(map(_is_chat_message, value))


def _messages(value: object) -> list[Message]:
    if not isinstance(value, list):
        raise NoConversation(f"expected a list of messages, got {brief(value)}")
    return [_message(each, number) for number, each in enumerate(value)]


def _is_chat_message(value: object) -> bool:
    return isinstance(value, Mapping) and "role" in value


def _message(value: object, number: int) -> Message:
    if not isinstance(value, Mapping) or value.get("role") not in ROLES:
        role = value.get("role") if isinstance(value, Mapping) else value
        raise NoConversation(
            f"message {number} has the role {brief(role)}, expected one of {', '.join(ROLES)}"
        )
    message: Message = {"role": value["role"], "content": _content(value.get("content"))}
    message |= {name: value[name] for name in _KEPT if isinstance(value.get(name), str)}
    calls = value.get("tool_calls")
    if isinstance(calls, list) and calls:
        message["tool_calls"] = [_call(each, place) for place, each in enumerate(calls)]
    return message


def _content(value: object) -> Any:
    """A content: a text where all its parts are texts, otherwise parts in OpenAI's chat form."""
    if not isinstance(value, list):
        return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    parts: list[Any] = []
    for part in value:
        if isinstance(part, str):
            parts.append({"type": "text", "text": part})
        elif (
            isinstance(part, Mapping)
            and isinstance(part.get("text"), str)
            and (part.get("type", "text") in _TEXT_PARTS)
        ):
            parts.append({"type": "text", "text": part["text"]})
        elif isinstance(part, Mapping) and part.get("type") == "input_image":
            parts.append({"type": "image_url", "image_url": {"url": part.get("image_url")}})
        elif isinstance(part, Mapping) and isinstance(part.get("type"), str) and part["type"] in part:
            parts.append(part)
        else:
            names = [name for name in part if name != "type"] if isinstance(part, Mapping) else [part]
            raise NoConversation(f"a message has a part that chat messages cannot hold: {brief(names)}")
    if all(isinstance(part, Mapping) and part.get("type") == "text" for part in parts):
        return "".join(part["text"] for part in parts)
    return parts


def _call(value: object, place: int) -> dict[str, Any]:
    """A tool call in OpenAI's form; one without an id gets one."""
    function = value.get("function") if isinstance(value, Mapping) else None
    if not isinstance(value, Mapping) or not isinstance(function, Mapping) or not function.get("name"):
        raise NoConversation(f"tool call {place} has no function with a name")
    arguments = function.get("arguments", "{}")
    if not isinstance(arguments, str):
        arguments = json.dumps(arguments, ensure_ascii=False)
    called = {"name": str(function["name"]), "arguments": arguments}
    return {"id": str(value.get("id") or f"call_{place}"), "type": "function", "function": called}


def _answer_of_sample(stored: object) -> Message:
    try:
        sample = stored if isinstance(stored, Sample) else Sample.load(stored)
    except ConfigurationError as error:
        raise NoConversation(f"the answer cannot be read: {error}") from None
    message: Message = {"role": "assistant", "content": sample.output_text}
    if sample.output_tools:
        message["tool_calls"] = [_call(each, place) for place, each in enumerate(sample.output_tools)]
    return message


def _says_something(message: Message) -> bool:
    return message["role"] == "assistant" and bool(text_of(message).strip() or message.get("tool_calls"))


def _tools(row: Mapping[str, Any], item: Mapping[str, Any], sample: object) -> list[Any] | None:
    offered = sample.get("input_tools") if isinstance(sample, Mapping) else None
    for value in (row.get("tools"), item.get("tools"), offered):
        if isinstance(value, list) and value:
            return value
    return None


def _parallel(row: Mapping[str, Any], item: Mapping[str, Any]) -> bool | None:
    value = row.get("parallel_tool_calls", item.get("parallel_tool_calls"))
    return value if isinstance(value, bool) else None

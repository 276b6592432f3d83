"""The `Sample`: what a model answered, in the shape that the published graders see.

Every source becomes the same object: plain text, a chat completion, a Responses object, a list of messages, or a sample
that was stored by an earlier run. JSON in the text is parsed once, when somebody asks for it.
"""

import math
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from types import NoneType
from typing import Any, overload

from pydantic_core import from_json

from graders.contract import brief
from graders.errors import ConfigurationError

FIELDS = (
    "output_text",
    "output_json",
    "output_tools",
    "choices",
    "output_audio",
    "output_reasoning_summary",
    "input_tools",
    "model",
)
"""What a template may name after `sample.`."""

_MAYBE_INFINITE = re.compile(r"\d[eE]\+?0*[1-9]\d\d|\d{200}")
"""Whether some number of a JSON text may be too large for a float: only then is it worth a look at each."""


class Sample:
    """One answer of a model.

    Attributes:
        output_text: The text of the answer.
        output_tools: Tool calls of the first choice, in the shape of a chat completion.
        model: Name of the model that answered.
        output_audio: Audio of the first choice, as the API gave it.
        output_reasoning_summary: Summary of the model's reasoning.
        input_tools: The tools that the model was offered.
    """

    def __init__(
        self,
        output_text: str = "",
        *,
        output_tools: Sequence[Mapping[str, Any]] = (),
        choices: Sequence[Mapping[str, Any]] | None = None,
        model: str | None = None,
        output_audio: Any = None,
        output_reasoning_summary: str | None = None,
        input_tools: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        if not isinstance(output_text, str):
            raise ConfigurationError(f"sample.output_text is text, not {type(output_text).__name__}")
        self.output_text = output_text
        self.output_tools = list(output_tools)
        self.model = model
        self.output_audio = output_audio
        self.output_reasoning_summary = output_reasoning_summary
        self.input_tools = input_tools
        self._choices = choices

    @cached_property
    def choices(self) -> list[Mapping[str, Any]]:
        """The choices of the completion; one made from the text where the source had none."""
        if self._choices is not None:
            return list(self._choices)
        message = {"role": "assistant", "content": self.output_text, "tool_calls": self.output_tools}
        return [{"index": 0, "message": message, "finish_reason": "stop"}]

    @cached_property
    def _parsed(self) -> tuple[bool, Any]:
        text = self.output_text
        try:
            # bounded: 200 levels, 4,300 digits, no NaN; a lone surrogate is a TypeError
            value = from_json(text, allow_inf_nan=False)
        except (ValueError, TypeError):
            return False, None
        # 1e999 is infinity to the parser, and infinity is not JSON
        if _MAYBE_INFINITE.search(text) and _has_infinity(value):
            return False, None
        return True, value

    @property
    def is_json(self) -> bool:
        """Whether the whole text is one valid JSON value: at most 200 levels deep, its numbers finite."""
        return self._parsed[0]

    @property
    def output_json(self) -> Any:
        """The text as JSON; None when it is not valid JSON."""
        return self._parsed[1]

    def to_dict(self) -> dict[str, Any]:
        """The `sample` that a published Python grader is called with."""
        shown: dict[str, Any] = {
            "choices": self.choices,
            "output_text": self.output_text,
            "output_json": self.output_json,
            "output_tools": self.output_tools,
            "output_reasoning_summary": self.output_reasoning_summary,
        }
        for name in ("output_audio", "input_tools", "model"):
            if (value := getattr(self, name)) is not None:
                shown[name] = value
        return shown

    def to_stored(self) -> str | dict[str, Any]:
        """The smallest plain data that `Sample.load` turns into an equal sample."""
        stored: dict[str, Any] = {"output_text": self.output_text}
        if self.output_tools:
            stored["output_tools"] = self.output_tools
        if self._choices is not None:
            stored["choices"] = list(self._choices)
        for name in ("model", "output_audio", "output_reasoning_summary", "input_tools"):
            if (value := getattr(self, name)) is not None:
                stored[name] = value
        return self.output_text if len(stored) == 1 else stored

    def __eq__(self, other: object) -> bool:
        return self.to_stored() == other.to_stored() if isinstance(other, Sample) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # it holds lists; a sample is compared, not looked up

    def __repr__(self) -> str:
        return f"Sample.load({self.to_stored()!r})"

    @classmethod
    def parse(cls, text: str) -> "Sample":
        """A sample from the bare text of an answer (the API's `model_sample`)."""
        return cls(text)

    @classmethod
    def load(cls, source: object) -> "Sample":
        """A sample from whatever a dataset row or a client holds.

        Accepts a sample, its text, the stored form of a sample, a chat completion, a Responses object (as JSON or as
        the `openai` client's objects), or a list of messages.

        Raises:
            ConfigurationError: When it is none of these.
        """
        if isinstance(source, Sample):
            return source
        if isinstance(source, str):
            return cls(source)
        if isinstance(source, Mapping) or hasattr(source, "model_dump"):
            data = _plain(source, "a sample")
            if isinstance(data.get("output"), list):
                return cls.from_response(data)
            if "output_text" not in data and isinstance(data.get("choices"), list):
                return cls.from_chat_completion(data)
            return cls._from_stored(data)
        if isinstance(source, Sequence) and not isinstance(source, (bytes, bytearray)):
            return cls.from_messages(source)
        raise ConfigurationError(
            "a sample is text, a stored sample ({'output_text': …}), a chat completion, a Responses object or a list "
            f"of messages; got {type(source).__name__}"
        )

    @classmethod
    def _from_stored(cls, data: Mapping[str, Any]) -> "Sample":
        if "output_text" not in data:
            raise ConfigurationError(
                "a sample that is a JSON object has 'output_text', or 'choices' as a chat completion, or 'output' as a "
                f"Responses object; got {', '.join(map(repr, data)) or 'an empty object'}"
            )
        for name in ("choices", "output_tools", "input_tools"):
            if not isinstance(data.get(name), (list, NoneType)):
                raise ConfigurationError(
                    f"a stored sample's {name!r} is a list, not {type(data[name]).__name__}"
                )
        # what else a stored sample carries (usage, temperature, …) says nothing to a grader
        fields = {name: data[name] for name in FIELDS if name in data and name != "output_json"}
        fields["output_text"] = "" if data["output_text"] is None else data["output_text"]
        fields["output_tools"] = data.get("output_tools") or ()
        return cls(**fields)

    @classmethod
    def from_chat_completion(cls, completion: object) -> "Sample":
        """A sample from a chat completion: the first choice's text and tool calls.

        Raises:
            ConfigurationError: When there is no choice with a message.
        """
        data = _plain(completion, "a chat completion")
        choices = data.get("choices")
        if not (isinstance(choices, list) and choices and isinstance(choices[0], Mapping)):
            raise ConfigurationError("a chat completion has a list 'choices' with at least one choice")
        message = choices[0].get("message")
        if not isinstance(message, Mapping):
            raise ConfigurationError("choices[0] of a chat completion has a 'message'")
        return cls(
            _text(message.get("content")),
            output_tools=_calls(message),
            choices=choices,
            model=data.get("model"),
            output_audio=message.get("audio"),
        )

    @classmethod
    def from_response(cls, response: object) -> "Sample":
        """A sample from a Responses object: its messages' text, function calls and reasoning summary.

        Raises:
            ConfigurationError: When `output` is not a list of objects.
        """
        data = _plain(response, "a Responses object")
        output = data.get("output")
        if not (isinstance(output, list) and all(isinstance(part, Mapping) for part in output)):
            raise ConfigurationError("a Responses object has a list 'output' of objects")
        by_type: dict[str, list[Mapping[str, Any]]] = {}
        for part in output:
            if isinstance(kind := part.get("type"), str):
                by_type.setdefault(kind, []).append(part)
        calls = [
            {
                "id": call.get("call_id"),
                "type": "function",
                "function": {"name": call.get("name"), "arguments": call.get("arguments")},
            }
            for call in by_type.get("function_call", [])
        ]
        summaries = [_text(part.get("summary")) for part in by_type.get("reasoning", [])]
        return cls(
            "".join(_text(part.get("content")) for part in by_type.get("message", [])),
            output_tools=calls,
            model=data.get("model"),
            output_reasoning_summary="\n".join(filter(None, summaries)) or None,
            input_tools=data.get("tools") or None,
        )

    @classmethod
    def from_messages(cls, messages: Sequence[object]) -> "Sample":
        """A sample from a conversation: what its last assistant message says and calls.

        Messages after it, such as the results of its tool calls, are not the model's. Where it only calls tools, the text
        is empty.

        Raises:
            ConfigurationError: When no message is the assistant's, or one is not an object.
        """
        plain = [_plain(message, "a message") for message in messages]
        last = next((message for message in reversed(plain) if message.get("role") == "assistant"), None)
        if last is None:
            roles = ", ".join(brief(message.get("role")) for message in plain[-5:]) or "no message"
            raise ConfigurationError(
                f"a list of messages has the model's answer in an assistant message ('role': 'assistant'); got {roles}"
            )
        return cls(
            _text(last.get("content")),
            output_tools=_calls(last),
            output_audio=last.get("audio"),
        )


class SampleColumn(Sequence[Sample]):
    """Many samples as they came, each made into a `Sample` only when somebody looks at it."""

    def __init__(self, sources: Sequence[object]) -> None:
        self._sources = sources

    def __len__(self) -> int:
        return len(self._sources)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> "SampleColumn": ...
    def __getitem__(self, index: int | slice) -> "Sample | SampleColumn":
        if isinstance(index, slice):
            return SampleColumn(self._sources[index])
        return Sample.load(self._sources[index])

    @property
    def output_texts(self) -> Sequence[str]:
        """The text of each sample, in order."""
        if set(map(type, self._sources)) == {str}:
            return self._sources  # type: ignore[return-value]  # the line above has looked at each of them
        return [Sample.load(source).output_text for source in self._sources]


def _has_infinity(value: object) -> bool:
    if isinstance(value, list):
        return any(map(_has_infinity, value))
    if isinstance(value, dict):
        return any(map(_has_infinity, value.values()))
    return isinstance(value, float) and math.isinf(value)


def _plain(source: object, what: str) -> Mapping[str, Any]:
    """A mapping out of JSON or out of one of the `openai` client's objects."""
    if isinstance(source, Mapping):
        return source
    if hasattr(source, "model_dump"):
        dumped = source.model_dump(mode="json", exclude_none=True)
        if isinstance(dumped, Mapping):
            return dumped
    raise ConfigurationError(f"{what} is a JSON object, not {type(source).__name__}")


def _calls(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    calls = message.get("tool_calls")
    if not isinstance(calls, (list, NoneType)):
        raise ConfigurationError(f"a message's 'tool_calls' is a list, not {type(calls).__name__}")
    return calls or []


def _text(content: object) -> str:
    """The text of a message's content: a string, or the text blocks of a list."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(
            text
            for block in content
            if isinstance(text := block.get("text") if isinstance(block, Mapping) else block, str)
        )
    return ""

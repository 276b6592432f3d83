"""The `Sample`: what a model answered, in the shape that the published graders see.

Every source becomes the same object: plain text, a chat completion, a Responses object, a list of messages, or a sample
that was stored by an earlier run. JSON in the text is parsed once, when somebody asks for it, and so is its reasoning.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from types import NoneType
from typing import Any

from pydantic_core import from_json

from graders.contract import FailureKind, FailureType, brief
from graders.errors import ConfigurationError, GradingError
from graders.samples.plain_data import has_infinity, plain
from graders.samples.reasoning import Split, split
from graders.samples.shapes import (
    Said,
    has_choice,
    is_models,
    is_output,
    read_choice,
    read_message,
    read_output,
    text_or_none,
)

PUBLISHED_FIELDS = (
    "output_text",
    "output_json",
    "output_tools",
    "choices",
    "output_audio",
    "output_reasoning_summary",
    "input_tools",
    "model",
)
"""The fields of a sample in the published API; a Python grader's `sample` has them."""
FIELDS = (*PUBLISHED_FIELDS, "answer_text", "reasoning_text")
"""What a template may name after `sample.`."""
_NOT_DONE = ("failed", "cancelled", "queued", "in_progress")
"""The status of a response that says nothing about the model when it has no output."""

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
        reasoning_content: The reasoning of the first choice, where the source holds it apart from the text.
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
        reasoning_content: str | None = None,
    ) -> None:
        if not isinstance(output_text, str):
            raise ConfigurationError(f"sample.output_text is text, not {type(output_text).__name__}")
        self.output_text = output_text
        self.output_tools = list(output_tools)
        self.model = model
        self.output_audio = output_audio
        self.output_reasoning_summary = output_reasoning_summary
        self.input_tools = input_tools
        self.reasoning_content = reasoning_content
        self._choices = choices
        # made when somebody asks for them; a cached_property would take a lock each time
        self._known_choices: list[Mapping[str, Any]] | None = None
        self._known_json: tuple[bool, Any] | None = None
        self._known_split: Split | None = None

    @property
    def choices(self) -> list[Mapping[str, Any]]:
        """The choices of the completion; one made from the text where the source had none."""
        if self._known_choices is None:
            if self._choices is not None:
                self._known_choices = list(self._choices)
            else:
                message = {"role": "assistant", "content": self.output_text, "tool_calls": self.output_tools}
                self._known_choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        return self._known_choices

    @property
    def _parsed(self) -> tuple[bool, Any]:
        if self._known_json is None:
            self._known_json = self._parse_json()
        return self._known_json

    def _parse_json(self) -> tuple[bool, Any]:
        text = self.output_text
        try:
            # bounded: 200 levels, 4,300 digits, no NaN; a lone surrogate is a TypeError
            value = from_json(text, allow_inf_nan=False)
        except (ValueError, TypeError):
            return False, None
        # 1e999 is infinity to the parser, and infinity is not JSON
        if _MAYBE_INFINITE.search(text) and has_infinity(value):
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

    @property
    def _split(self) -> Split:
        found = self._known_split
        if found is None:
            found = self._known_split = split(self.output_text)
        return found

    @property
    def has_answer(self) -> bool:
        """Whether the sample has an answer; False if a thought does not end."""
        return self._split.answer is not None

    @property
    def answer_text(self) -> str:
        """The text without its reasoning; equal to `output_text` where it has none. See `graders.samples.reasoning`.

        Raises:
            GradingError: Of kind `sample_parse_error`, caused by the model, if a thought does not end.
        """
        answer = self._split.answer
        if answer is None:
            raise GradingError(
                "the sample gives no answer: its reasoning does not end",
                kind=FailureKind.SAMPLE_PARSE,
                caused_by="model",
                details={"type": FailureType.UNFINISHED_REASONING},
            )
        return answer

    @property
    def reasoning_text(self) -> str:
        """The reasoning, without its tags: what the source holds apart from the text, then what stands in the text."""
        return "\n\n".join(filter(None, (self.reasoning_content, self._split.reasoning)))

    @property
    def without_reasoning(self) -> "Sample":
        """This sample with its answer in place of its text; with an empty text, where a thought does not end."""
        return self if self._split.answer == self.output_text else self._of_answer

    def answered(self) -> "Sample":
        """The same, for a sample that has an answer.

        Raises:
            GradingError: As `answer_text` does.
        """
        return self if self.answer_text == self.output_text else self._of_answer

    @cached_property
    def _of_answer(self) -> "Sample":
        answer = self._split.answer or ""
        choices = self._choices
        if choices and isinstance(message := choices[0].get("message"), Mapping):
            choices = [{**choices[0], "message": {**message, "content": answer}}, *choices[1:]]
        beside = {**self._beside_text(), "reasoning_content": self.reasoning_text}
        return Sample(answer, choices=choices, output_tools=self.output_tools, **beside)

    def _beside_text(self) -> dict[str, Any]:
        names = ("model", "output_audio", "output_reasoning_summary", "input_tools", "reasoning_content")
        return {name: value for name in names if (value := getattr(self, name)) is not None}

    def to_dict(self) -> dict[str, Any]:
        """The `sample` of the published API."""
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
        stored |= self._beside_text()
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

        Numbers of numpy and the like become plain data.

        Raises:
            ConfigurationError: If it has none of these forms, or a part of it has an unknown shape; names its
                path.
        """
        if isinstance(source, Sample):
            return source
        if hasattr(source, "model_dump"):
            source = _plain(source, "a sample")
        elif isinstance(source, Mapping):  # its JSON is made of its text, whatever it says
            source = plain({name: value for name, value in source.items() if name != "output_json"})
        else:
            source = plain(source)
        if isinstance(source, str):
            return cls(source)
        if isinstance(source, Mapping):
            return cls._from_object(source)
        if isinstance(source, Sequence) and not isinstance(source, (bytes, bytearray)):
            return cls.from_messages(source)
        raise ConfigurationError(
            "a sample is text, a stored sample ({'output_text': …}), a chat completion, a Responses object or a list "
            f"of messages; got {type(source).__name__}"
        )

    @classmethod
    def _from_object(cls, data: Mapping[str, Any]) -> "Sample":
        if data.get("output") is not None and (data["output"] or not data.get("choices")):
            return cls.from_response(data)
        if data.get("output_text") is None and isinstance(data.get("choices"), list):
            return cls.from_chat_completion(data)
        return cls._from_stored(data)

    @classmethod
    def _from_stored(cls, data: Mapping[str, Any]) -> "Sample":
        if "output_text" not in data:
            got = ", ".join(map(repr, data)) or "an empty object"
            hint = (
                "; write messages as a list: [{'role': 'assistant', …}]"
                if {"role", "messages"} & set(data)
                else ""
            )
            raise ConfigurationError(
                "a sample that is a JSON object has 'output_text', or 'choices' as a chat completion, or 'output' as a "
                f"Responses object; got {got}{hint}"
            )
        text = data["output_text"]
        said = Said(["" if text is None else text])
        if text is None:
            said.nulls.append(ConfigurationError("output_text: expected a text, got null"))
        return cls._of(said, data)

    @classmethod
    def _of(cls, said: Said, data: Mapping[str, Any]) -> "Sample":
        """A sample out of what was said and out of the fields of a stored sample, which come first.

        What else a stored sample carries (usage, temperature, …) says nothing to a grader.
        """
        for name in ("choices", "output_tools", "input_tools"):
            if not isinstance(data.get(name), (list, NoneType)):
                raise ConfigurationError(
                    f"a stored sample's {name!r} is a list, not {type(data[name]).__name__}"
                )
        if has_choice(data.get("choices")) and not data.get("output_tools") and said.has_nothing:
            read_choice(data["choices"], ("choices",), said)
        if not any(data.get(name) for name in ("output_tools", "output_audio", "reasoning_content")):
            said.check()
        texts = said.texts
        summary, reasoning = data.get("output_reasoning_summary"), text_or_none(data, "reasoning_content")
        sample = cls(
            texts[0] if len(texts) == 1 else said.text,
            output_tools=data.get("output_tools") or said.calls,
            choices=data.get("choices"),
            model=data.get("model"),
            output_audio=data.get("output_audio") or said.audio,
            output_reasoning_summary=said.summary if summary is None else summary,
            input_tools=data.get("input_tools"),
            reasoning_content=said.reasoning if reasoning is None else reasoning,
        )
        finish = data.get("finish_reason")
        if sample._choices is None and isinstance(finish, str) and finish not in ("", "stop"):
            sample._choices = [{**sample.choices[0], "finish_reason": finish}]
            sample._known_choices = None
        return sample

    @classmethod
    def from_chat_completion(cls, completion: object) -> "Sample":
        """A sample from a chat completion: the first choice's text and tool calls.

        Raises:
            ConfigurationError: When there is no choice with a message, or its content is of an unknown shape.
        """
        data = _plain(completion, "a chat completion")
        said, choices = Said(), data.get("choices")
        read_choice(choices, ("choices",), said)
        said.check()
        return cls(
            said.text,
            output_tools=said.calls,
            choices=choices,
            model=data.get("model"),
            output_audio=said.audio,
            reasoning_content=said.reasoning,
        )

    @classmethod
    def from_response(cls, response: object) -> "Sample":
        """A sample from a Responses object, or from an output item's sample: texts, function calls and reasoning.

        A text in `output_text` beside `output` is the text.

        Raises:
            ConfigurationError: When something in `output` is of an unknown shape, or when there was no output because the
                model could not be asked.
        """
        data = _plain(response, "a Responses object")
        output = data.get("output")
        if not isinstance(output, (list, str, Mapping)):
            raise ConfigurationError("a Responses object has a list 'output' of objects")
        is_silent = not output and not data.get("output_text")
        if is_silent and (data.get("error") or data.get("status") in _NOT_DONE):
            why = brief(data.get("error") or data.get("status"))
            raise ConfigurationError(f"error: there is no sample, since the model did not answer: {why}")
        said = read_output(output, ("output",))
        if data.get("output_text"):
            said.texts = [data["output_text"]]
        tools = data.get("input_tools")
        tools = data.get("tools") or None if tools is None else tools
        return cls._of(said, {**data, "input_tools": tools, "model": data.get("model") or None})

    @classmethod
    def from_messages(cls, messages: Sequence[object]) -> "Sample":
        """A sample from a conversation: what its last assistant message says and calls.

        Messages after it, such as the results of its tool calls, are not the model's. Where it only calls tools, the text
        is empty. A list of the parts of a Responses object's `output` is read as that.

        Raises:
            ConfigurationError: When no message is the assistant's, or one is not an object.
        """
        read = [_plain(message, "a message") for message in messages]
        if is_output(read):
            return cls._of(read_output(read, ()), {})
        last = next((place for place in reversed(range(len(read))) if is_models(read[place])), None)
        if last is None:
            roles = ", ".join(brief(message.get("role")) for message in read[-5:]) or "no message"
            raise ConfigurationError(
                f"a list of messages has the model's answer in an assistant message ('role': 'assistant'); got {roles}"
            )
        said = Said()
        read_message(read[last], (last,), said)
        return cls._of(said, {})


def _plain(source: object, what: str) -> Mapping[str, Any]:
    """A mapping out of JSON or out of one of the `openai` client's objects."""
    if isinstance(source, Mapping):
        return source
    if hasattr(source, "model_dump"):
        dumped = source.model_dump(mode="json", exclude_none=True)
        if isinstance(dumped, Mapping):
            return dumped
    raise ConfigurationError(f"{what} is a JSON object, not {type(source).__name__}")

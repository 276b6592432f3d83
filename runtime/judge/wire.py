"""Questions and answers as the two APIs have them: chat completions and Responses.

Both are read by hand and closed: what is not there, or is of another type, is a malformed response and no verdict.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pydantic_core import to_json

from graders.contract import brief
from graders.errors import ConfigurationError
from graders.pattern import encodable
from graders.samples.shapes import Said, read_content
from runtime.judge import failures
from runtime.judge.answers import AnswerShape
from runtime.judge.dialects import Dialect
from runtime.settings.judges import Api

MAX_USAGE = 1_000_000_000
"""Tokens that one answer can have taken."""
MAX_MODEL_NAME = 256
"""Characters of the name of the model that answered."""

_CHAT_SAMPLING = ("temperature", "top_p", "seed", "reasoning_effort")
_IN_WORDS = (
    "Answer with one JSON object and nothing else: no words before or after it, no code fence. "
    "It must be valid against this JSON schema:\n"
)


@dataclass(frozen=True, slots=True)
class Question:
    """What a server is asked.

    Attributes:
        model: What the server calls the model.
        messages: The prompt, in the published form or in the API's own.
        shape: What the answer must look like; None for whatever the model says.
        name: What the schema is called.
        sampling: How to sample.
        api: By which API.
        extra: Fields of the body besides, in the API's own form.
    """

    model: str
    messages: Sequence[Mapping[str, Any]]
    shape: AnswerShape | None
    name: str
    sampling: Mapping[str, Any]
    api: Api
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def has_limit(self) -> bool:
        """Whether it says how many tokens the answer may have."""
        return "max_completion_tokens" in self.sampling

    @property
    def manner(self) -> "Manner":
        """What it makes use of that one server knows and another does not."""
        return Manner(
            self.api,
            self.shape is not None,
            self.shape is not None and self.shape.unbounded is not None,
            self.has_limit,
            any(message.get("role") == "developer" for message in self.messages),
        )


class Manner(NamedTuple):
    """What a question makes use of: an answer to one proves nothing of questions that use more."""

    api: Api
    has_shape: bool
    has_bounds: bool
    has_limit: bool
    has_developer: bool


@dataclass(frozen=True, slots=True)
class Completion:
    """What a server answered.

    Attributes:
        text: What the model wrote.
        model: The model that really answered.
        usage: Tokens: `prompt_tokens`, `completion_tokens`, `total_tokens`, `cached_tokens`.
        failure: Why the text is no answer, if the server says so.
        body: All that the server sent.
    """

    text: str
    model: str
    usage: Mapping[str, int] = field(default_factory=dict)
    failure: failures.NoVerdict | None = None
    body: Mapping[str, Any] = field(default_factory=dict)


class Wire(NamedTuple):
    """One API: where it is, how a question is put, how an answer is read."""

    path: str
    body: Callable[[Question, Dialect], dict[str, Any]]
    read: Callable[[Any, str], Completion]


def encoded(data: Any) -> bytes:
    """Plain data as JSON; a lone surrogate, which no encoding has, becomes U+FFFD.

    Raises:
        TypeError, ValueError, RecursionError: When it is not plain data.
    """
    try:
        return to_json(data)
    except ValueError:
        return encodable(json.dumps(data, ensure_ascii=False, separators=(",", ":"))).encode()


def _chat_body(question: Question, dialect: Dialect) -> dict[str, Any]:
    """The body of a chat completion."""
    body: dict[str, Any] = {
        "model": question.model,
        "messages": [_chat_message(message, dialect) for message in _asked(question, dialect)],
        **question.extra,
    }
    shape = question.shape
    if shape is not None and dialect.structure == "schema":
        json_schema = {"name": question.name, "schema": _schema(shape, dialect), "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": json_schema}
    elif shape is not None and dialect.structure == "json":
        body["response_format"] = {"type": "json_object"}
    sampling = question.sampling
    body.update((name, sampling[name]) for name in _CHAT_SAMPLING if name in sampling)
    if "max_completion_tokens" in sampling:
        body[dialect.limit] = sampling["max_completion_tokens"]
    return body


def _responses_body(question: Question, dialect: Dialect) -> dict[str, Any]:
    """The body of a response; the Responses API has no seed."""
    body: dict[str, Any] = {
        "model": question.model,
        "input": [_in_dialect(message, dialect) for message in _asked(question, dialect)],
        "store": False,
        **question.extra,
    }
    shape = question.shape
    if shape is not None and dialect.structure == "schema":
        schema = {"name": question.name, "schema": _schema(shape, dialect), "strict": True}
        body["text"] = {"format": {"type": "json_schema", **schema}}
    elif shape is not None and dialect.structure == "json":
        body["text"] = {"format": {"type": "json_object"}}
    sampling = question.sampling
    body.update((name, sampling[name]) for name in ("temperature", "top_p") if name in sampling)
    if "reasoning_effort" in sampling:
        body["reasoning"] = {"effort": sampling["reasoning_effort"]}
    if "max_completion_tokens" in sampling:
        body["max_output_tokens"] = sampling["max_completion_tokens"]
    return body


def _schema(shape: AnswerShape, dialect: Dialect) -> Mapping[str, Any]:
    """The schema that a server is sent."""
    return shape.asked if dialect.has_bounds or shape.unbounded is None else shape.unbounded


def _asked(question: Question, dialect: Dialect) -> Sequence[Mapping[str, Any]]:
    """The messages; a server that takes no schema is told it in words.

    They stand in the first message, where every chat template takes instructions, and ahead of what is graded.
    """
    if question.shape is None or dialect.structure == "schema":
        return question.messages
    words = _IN_WORDS + json.dumps(question.shape.asked, separators=(",", ":"))
    first, *others = question.messages
    if first["role"] not in ("system", "developer"):
        return [{"role": "system", "content": words}, *question.messages]
    said = first["content"]
    together = (
        f"{said}\n\n{words}" if isinstance(said, str) else [*said, {"type": "input_text", "text": words}]
    )
    return [{**first, "content": together}, *others]


def _in_dialect(message: Mapping[str, Any], dialect: Dialect) -> Mapping[str, Any]:
    if dialect.has_developer or message.get("role") != "developer":
        return message
    return {**message, "role": "system"}


def _chat_message(message: Mapping[str, Any], dialect: Dialect) -> Mapping[str, Any]:
    said, content = _in_dialect(message, dialect), message.get("content")
    return (
        {**said, "content": [_chat_part(block) for block in content]} if isinstance(content, list) else said
    )


def _chat_part(block: Mapping[str, Any]) -> Mapping[str, Any]:
    """A published block as chat completions have it; one that is theirs already as it is."""
    kind = block.get("type")
    if kind == "input_image":
        image = {"url": block["image_url"]}
        if "detail" in block:
            image["detail"] = block["detail"]
        return {"type": "image_url", "image_url": image}
    if kind in ("input_text", "output_text"):
        return {"type": "text", "text": block["text"]}
    return block


def _read_chat(body: Any, model: str) -> Completion:
    """The content of a chat completion.

    Raises:
        NoVerdict: If it is not a valid chat completion.
    """
    body = _mapping(body)
    choices = body.get("choices")
    choice = _mapping(choices[0]) if isinstance(choices, list) and choices else {}
    message = choice.get("message")
    if not isinstance(message, dict):
        raise failures.no_completion(model, "it has no choice with a message")
    details = _mapping(_mapping(body.get("usage")).get("prompt_tokens_details"))
    usage = _usage(
        model, body.get("usage"), ("prompt_tokens", "completion_tokens"), details.get("cached_tokens")
    )
    text = _text(message.get("content"), model)
    refusal, stop = message.get("refusal"), choice.get("finish_reason")
    failure = None
    if isinstance(refusal, str) and refusal:
        failure = failures.refused(model, refusal)
    elif stop == "content_filter":
        failure = failures.filtered(model)
    elif stop == "length":
        failure = failures.cut_off(model, usage.get("completion_tokens", 0))
    elif not text.strip():
        failure = failures.empty(model)
    return Completion(text, _model(body, model), usage, failure, body)


def _text(content: Any, model: str) -> str:
    """The text of a message: a text, or the texts among its parts.

    Raises:
        NoVerdict: When it is of an unknown shape.
    """
    said = Said()
    try:
        read_content(content, ("content",), said)
    except ConfigurationError as error:
        raise failures.no_completion(model, str(error)) from None
    return said.text


def _read_responses(body: Any, model: str) -> Completion:
    """The content of a response.

    Raises:
        NoVerdict: If it is not a valid response.
    """
    body = _mapping(body)
    output = body.get("output")
    if not isinstance(output, list):
        raise _failed(model, body.get("error")) or failures.no_completion(model, "it has no output")
    parts = [
        _mapping(part)
        for entry in map(_mapping, output)
        if entry.get("type") == "message" and isinstance(entry.get("content"), list)
        for part in entry["content"]
    ]
    details = _mapping(_mapping(body.get("usage")).get("input_tokens_details"))
    usage = _usage(model, body.get("usage"), ("input_tokens", "output_tokens"), details.get("cached_tokens"))
    text = "".join(str(part.get("text", "")) for part in parts if part.get("type") == "output_text")
    refusal = next((str(part.get("refusal", "")) for part in parts if part.get("type") == "refusal"), None)
    reason = _mapping(body.get("incomplete_details")).get("reason")
    failure = None
    if refusal is not None:
        failure = failures.refused(model, refusal)
    elif reason == "content_filter":
        failure = failures.filtered(model)
    elif reason is not None or body.get("status") == "incomplete":
        failure = failures.cut_off(model, usage.get("completion_tokens", 0))
    elif body.get("status") == "failed":
        said = body.get("error")
        failure = _failed(model, said) or failures.no_completion(model, "it failed, and does not say why")
    elif not text.strip():
        failure = failures.empty(model)
    return Completion(text, _model(body, model), usage, failure, body)


def _failed(model: str, error: Any) -> failures.NoVerdict | None:
    """Why there is no response, by its own word; None where it says nothing."""
    words, code = (str(_mapping(error).get(name) or "") for name in ("message", "code"))
    if failures.is_too_long(words, code):
        return failures.too_long(model, 200, words)
    return failures.no_completion(model, words[:300]) if words else None


def _usage(model: str, said: Any, names: tuple[str, str], cached: Any) -> dict[str, int]:
    """Tokens by their published names; none where the server counts none.

    Raises:
        NoVerdict: When what it says is no count.
    """
    said = _mapping(said)
    asked, answered = (_count(model, name, said.get(name)) for name in names)
    if not (asked or answered):
        return {}
    return {
        "prompt_tokens": asked,
        "completion_tokens": answered,
        "total_tokens": asked + answered,
        "cached_tokens": min(_count(model, "cached_tokens", cached), asked),
    }


def _count(model: str, name: str, value: Any) -> int:
    """A count of tokens; 0 where the server says nothing."""
    if value is None:
        return 0
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and 0 <= value <= MAX_USAGE and value == int(value):
        return int(value)
    raise failures.no_completion(model, f"in its usage, {name} is no number of tokens: {brief(value)}")


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _model(body: Mapping[str, Any], model: str) -> str:
    """The name of the model that answered; the one that was asked where the server does not say.

    Raises:
        NoVerdict: When it is not a name.
    """
    said = body.get("model")
    if not isinstance(said, str) or not said:
        return model
    if len(said) > MAX_MODEL_NAME or not said.isprintable():
        raise failures.no_completion(model, f"the name of its model is not a name: {brief(said)}")
    return said


WIRES: Mapping[Api, Wire] = {
    "chat": Wire("/chat/completions", _chat_body, _read_chat),
    "responses": Wire("/responses", _responses_body, _read_responses),
}

"""Logs of models: a request and its response side by side, stored chat completions, Responses objects, batch output files."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from runtime.data.importing.answers import answers
from runtime.data.importing.rows import (
    Imported,
    NotImported,
    Object,
    Part,
    SourceSystem,
    as_messages,
    failed,
    from_json,
    is_messages,
    mapping,
    present,
    score,
    scores,
    without,
)

_REQUESTS = ("request", "request_body", "body", "kwargs")
_RESPONSES = ("response", "response_body", "completion", "output", "generation")
"""Fields with what the model said. `answer` and `result` are none: data sets have their references there."""
_PROMPTS = ("messages", "input", "prompt", "input_messages")
_SCORES = ("scores", "recorded", "rewards")
_SCORE = ("score", "reward")
_ABOUT = (
    "id",
    "request_id",
    "custom_id",
    "model",
    "created",
    "created_at",
    "timestamp",
    "step",
    "session_id",
)
_OF_ANSWER = ("choices", "usage", "object", "system_fingerprint", "service_tier", "error", "status_code")
_SETTINGS = (
    "temperature", "top_p", "seed", "max_tokens", "max_completion_tokens", "max_output_tokens", "stream", "n", "store",
    "logprobs", "frequency_penalty", "presence_penalty", "stop", "reasoning_effort",
)  # fmt: skip
"""How a request was sampled: no part of the item."""


def _is_log(value: Object) -> bool:
    has_answer = any(value.get(name) not in (None, "") or name in value for name in _RESPONSES)
    return "choices" in value or (
        has_answer and any(name in value for name in (*_PROMPTS, *_REQUESTS, "custom_id"))
    )


def _is_response(value: Object) -> bool:
    return value.get("object") == "response" or (
        isinstance(value.get("output"), list) and "status" in value and "model" in value
    )


def _is_conversation(value: Object) -> bool:
    return is_messages(value.get("messages"))


def _read_log(value: Object) -> Iterator[Part]:
    request_name = next((name for name in _REQUESTS if isinstance(from_json(value.get(name)), Mapping)), None)
    request = mapping(from_json(value.get(request_name))) if request_name else value
    request = mapping(request.get("body")) or request
    response_name, response = _response(value)
    if response_name is None and not value.get("error"):
        yield NotImported(f"there is no answer: one of {', '.join(('choices', *_RESPONSES))}")
        return
    prompt_name, prompt = _prompt(request)
    about = present(**{name: value.get(name) for name in _ABOUT})
    recorded = _recorded(value)
    used = [*_ABOUT, *_OF_ANSWER, *_SCORES, *_SCORE, *_SETTINGS, request_name or "", response_name or ""]
    item = {} if prompt is None else {"messages": prompt}
    item |= {
        name: inner for name, inner in without(value, [*used, prompt_name or ""]).items() if name not in item
    }
    if request is not value:
        beside = without(request, [*_SETTINGS, "model", "instructions", prompt_name or ""])
        item |= {name: inner for name, inner in beside.items() if name not in item}
    found = (
        [failed(mapping(value["error"]).get("message") or value["error"])]
        if response is None
        else list(answers(response))
    )
    for draw, sample in enumerate(found):
        source = about | ({"draw": draw} if len(found) > 1 else {})
        yield Imported(item, sample, recorded, source=source)


def _response(value: Object) -> tuple[str | None, Any]:
    """The name of the field with the answer, and the answer."""
    if isinstance(value.get("choices"), list):
        return "choices", value
    for name in _RESPONSES:
        found = value.get(name)
        if found is not None:
            read = from_json(found)
            # only a text that is a whole response is one: an answer in JSON is a text
            is_response = isinstance(read, Mapping) and any(
                map(read.get, ("choices", "output", "candidates", "body"))
            )
            return name, read if is_response else found
    return None, None


def _prompt(request: Object) -> tuple[str | None, Sequence[Object] | None]:
    for name in _PROMPTS:
        found = request.get(name)
        if isinstance(found, Mapping):
            found = found.get("messages")
        elif isinstance(found, str) and found.lstrip().startswith("["):
            read = from_json(found)
            found = read if is_messages(read) else found
        if (messages := as_messages(found, request.get("instructions"))) is not None:
            return name, messages
    return None, None


def _recorded(value: Object) -> dict[str, float]:
    recorded: dict[str, float] = {}
    for name in _SCORES:
        recorded |= scores(value.get(name))
    for name in _SCORE:
        if (number := score(value.get(name))) is not None:
            recorded.setdefault(name, number)
    return recorded


def _read_response(value: Object) -> Iterator[Part]:
    prompt = as_messages(value.get("input"), value.get("instructions"))
    item = present(messages=prompt, **mapping(value.get("metadata")))
    sample = without(value, ["input", "instructions", "metadata"])
    status = value.get("status")
    if not value.get("output") and status in ("failed", "cancelled", "incomplete", "queued", "in_progress"):
        sample = dict(failed(mapping(value.get("error")).get("message") or f"the response is {status}"))
    yield Imported(item, sample, source=present(id=value.get("id"), model=value.get("model")))


def _read_conversation(value: Object) -> Iterator[Part]:
    messages: Any = value.get("messages")
    if not is_messages(messages):
        yield NotImported("messages: expected a list of objects with a role")
        return
    if messages[-1]["role"] != "assistant":
        yield Imported(value)
        return
    start = len(messages) - 1
    recorded = _recorded(value)
    item = {"messages": messages[:start], **without(value, ["messages", *_SCORES, *_SCORE])}
    yield Imported(item, [messages[start]], recorded, source=present(id=value.get("id")))


LOGS = SourceSystem("chat", "requests and responses side by side, chat completions", _is_log, _read_log)
RESPONSES = SourceSystem("responses", "Responses objects", _is_response, _read_response)
CONVERSATIONS = SourceSystem(
    "messages",
    "rows of messages, as for SFT and RFT; a last answer is the sample",
    _is_conversation,
    _read_conversation,
)

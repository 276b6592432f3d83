"""What servers answer, in any of the published shapes, as samples: one for each choice."""

from collections.abc import Iterator, Mapping
from typing import Any

from runtime.data.formats.google_contents import turn_of
from runtime.data.importing.rows import Object, failed, mapping, objects

_OF_COMPLETION = ("model", "usage", "id", "created", "system_fingerprint", "service_tier", "object")


def answers(response: Any) -> Iterator[Any]:
    """The samples of a response: a chat completion, a Responses object, Google's candidates, a message, a text.

    A response that is an error gives what stands in place of a sample. What has no known shape is given as it is, so that
    reading it as a sample says what is wrong.
    """
    if isinstance(response, Mapping):
        yield from _of_object(response)
    elif isinstance(response, list) and response and all(map(_is_choice, response)):
        yield from ({"choices": [choice]} for choice in response)
    else:
        yield response


def _of_object(response: Object) -> Iterator[Any]:
    body = response.get("body")
    choices = response.get("choices")
    if isinstance(body, Mapping) and "choices" not in response and "output" not in response:
        yield from _of_body(response, body)
    elif isinstance(choices, list) and choices:
        kept = {name: response[name] for name in _OF_COMPLETION if response.get(name) is not None}
        yield from ({"choices": [choice], **kept} for choice in choices)
    elif isinstance(response.get("candidates"), list):
        yield from map(_candidate, objects(response["candidates"]))
    elif response.get("error") and not any(
        map(response.get, ("output", "output_text", "content", "tool_calls"))
    ):
        error = response["error"]
        yield failed(mapping(error).get("message") or error)
    elif _is_message(response):
        yield [{"role": "assistant", **response}]
    else:
        yield dict(response)


def _of_body(response: Object, body: Object) -> Iterator[Any]:
    status = response.get("status_code")
    if isinstance(status, int) and status >= 400:
        error = body.get("error") or body
        yield failed(f"status {status}: {mapping(error).get('message') or error}")
    else:
        yield from _of_object(body)


def _is_choice(value: object) -> bool:
    return isinstance(value, Mapping) and ("message" in value or "finish_reason" in value)


def _is_message(value: Object) -> bool:
    is_other = any(name in value for name in ("output", "output_text", "choices"))
    return not is_other and any(name in value for name in ("content", "tool_calls", "refusal"))


def _candidate(candidate: Object) -> Any:
    """One of Google's candidates as a choice."""
    message = turn_of({**mapping(candidate.get("content")), "role": "model"})[-1]
    finish = str(candidate.get("finishReason") or candidate.get("finish_reason") or "STOP").lower()
    names = {"max_tokens": "length", "safety": "content_filter"}
    return {"choices": [{"index": 0, "message": message, "finish_reason": names.get(finish, finish)}]}

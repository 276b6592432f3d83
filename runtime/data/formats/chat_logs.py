"""Logs of chat completions and Responses, request and response side by side: what distillation starts from.

`{"messages" or "input" or "request", "response" or "output" or "choices"}`, one call a line.

Source: stored completions of OpenAI and Foundry (which ended on 15 October 2026), and the types of the `openai` package.
"""

from collections.abc import Iterator
from typing import Any

from graders import GradingError
from runtime.data.formats.base import Fault, Format, Row, View
from runtime.data.formats.messages import Conversation, is_conversation
from runtime.data.rows import sample_or_failure

REQUEST = ("messages", "input", "request")
RESPONSE = ("response", "output", "choices", "completion")


class ChatLogs(Format):
    """Calls of a model with its answers."""

    name = "logs"
    title = "logs of model calls"
    fields = (*REQUEST, *RESPONSE, "model", "id", "metadata", "usage", "created", "tools")
    required = 0

    def likeness(self, row: Row) -> int:
        """A request beside a response."""
        asked, answered = _request(row), _response(row)
        is_request = is_conversation(asked) or (isinstance(asked, str) and isinstance(answered, (dict, list)))
        if not is_request or "datasource_item" in row:
            return 0
        return (
            (0 if "type" in row else 1) if answered is None else 6
        )  # a grader's JSON has a type, and no answer

    def faults(self, row: Row) -> Iterator[Fault]:
        """Requests and responses that cannot be read, and answers that were cut."""
        asked, answered = _request(row), _response(row)
        if asked is None:
            yield Fault(
                "missing-field",
                "messages",
                "the row has no request",
                f"keep the request: one of {', '.join(REQUEST)}",
            )
        elif not isinstance(asked, str):
            yield from Conversation(asked, "messages", tools=row.get("tools")).faults()
        if answered is None:
            yield Fault(
                "missing-field",
                "response",
                "the row has no response",
                f"keep the response: one of {', '.join(RESPONSE)}",
            )
            return
        read = sample_or_failure(_as_sample(answered), field="response")
        if isinstance(read, GradingError):
            yield Fault("unreadable-sample", "response", str(read), "keep the response as the API gave it")
        elif not (read.output_text or "").strip() and not read.output_tools:
            yield Fault(
                "empty-content", "response", "the response has no text and no tool calls", "leave the row out"
            )
        if _was_cut(answered):
            yield Fault(
                "cut-answer",
                "response",
                "the answer was cut at the token limit",
                "leave the row out: a model learns to stop there",
                "warning",
            )

    def view(self, row: Row) -> View:
        """The request and the answer."""
        asked = _request(row)
        talk = Conversation(asked)
        return View(talk.prompt, talk.system, _answer(_response(row)), item=row)


def _request(row: Row) -> Any:
    asked = next((row[name] for name in REQUEST if row.get(name) is not None), None)
    return asked.get("messages") or asked.get("input") if isinstance(asked, dict) else asked


def _response(row: Row) -> Any:
    for name in RESPONSE:
        if row.get(name) is not None:
            return {"choices": row[name]} if name == "choices" else row[name]
    return None


def _as_sample(answered: Any) -> Any:
    if isinstance(answered, dict) and "role" in answered:
        return [answered]
    return answered


def _answer(answered: Any) -> str | None:
    read = sample_or_failure(_as_sample(answered)) if answered is not None else None
    return None if read is None or isinstance(read, GradingError) else (read.output_text or None)


def _was_cut(answered: Any) -> bool:
    if not isinstance(answered, dict):
        return False
    choices = answered.get("choices")
    is_cut = isinstance(choices, list) and any(
        isinstance(each, dict) and each.get("finish_reason") == "length" for each in choices
    )
    return is_cut or answered.get("status") == "incomplete"

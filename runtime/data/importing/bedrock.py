"""Amazon Bedrock's rows: RFT with `reference_answer`, and conversations of the Converse API."""

from collections.abc import Iterator, Mapping
from typing import Any

from runtime.data.importing.rows import (
    Imported,
    NotImported,
    Object,
    Part,
    SourceSystem,
    is_messages,
    objects,
    without,
)


def _recognises(value: Object) -> bool:
    is_rft = "reference_answer" in value and "messages" in value
    return is_rft or str(value.get("schemaVersion", "")).startswith("bedrock-conversation")


def _read(value: Object) -> Iterator[Part]:
    if not is_messages(value.get("messages")):
        yield NotImported("messages: expected a list of objects with a role")
        return
    messages = [_message(message) for message in value["messages"]]
    system = "".join(str(part.get("text") or "") for part in objects(value.get("system")))
    prompt = [{"role": "system", "content": system}, *messages] if system else messages
    answer: Any = None
    if prompt[-1]["role"] == "assistant":
        answer, prompt = [prompt[-1]], prompt[:-1]
    yield Imported({**without(value, ["messages", "system", "schemaVersion"]), "messages": prompt}, answer)


def _message(message: Object) -> dict[str, Any]:
    """A message whose content is a text where it has texts only."""
    content = message.get("content")
    if isinstance(content, list) and content and all(map(_is_text, content)):
        return {**message, "content": "".join(part["text"] for part in content)}
    return dict(message)


def _is_text(part: object) -> bool:
    return isinstance(part, Mapping) and isinstance(part.get("text"), str) and set(part) <= {"text", "type"}


BEDROCK = SourceSystem("bedrock", "rows of Amazon Bedrock and Nova", _recognises, _read)

"""Spans of OpenTelemetry with the GenAI conventions, as exporters write them: OTLP JSON, one span a line, or events.

Read are `gen_ai.input.messages`, `gen_ai.output.messages` and `gen_ai.system_instructions`, as structures or as the text of
JSON, in a span's attributes or in those of its events; what OpenLLMetry writes (`gen_ai.prompt.0.content`); and the scores of
`gen_ai.evaluation.result`. Spans of other work are passed over.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic_core import to_json

from runtime.data.importing.rows import (
    Imported,
    NotImported,
    Object,
    Part,
    SourceSystem,
    add_score,
    failed,
    from_json,
    mapping,
    objects,
    present,
)

_NESTED = (
    ("resourceSpans", "resource_spans"),
    ("scopeSpans", "scope_spans", "instrumentationLibrarySpans"),
    ("spans",),
)
_PREFIX = "gen_ai."
_ASKING = frozenset({"chat", "text_completion", "generate_content", "completion"})
_NUMBERED = re.compile(r"gen_ai\.(prompt|completion)\.(\d{1,6})\.(.+)")
_CALL = re.compile(r"tool_calls\.(\d{1,6})\.(.+)")
_MAX_DEPTH = 40


def _recognises(value: Object) -> bool:
    if any(name in value for name in (*_NESTED[0], *_NESTED[1])):
        return True
    attributes = value.get("attributes")
    is_span = any(
        name in value for name in ("spanId", "span_id", "traceId", "trace_id", "context", "kind", "name")
    )
    return isinstance(attributes, (Mapping, list)) and (is_span or bool(_gen_ai(_attributes(attributes))))


def _read(value: Object) -> Iterator[Part]:
    for span in _spans(value, 0):
        yield from _read_span(span)


def _spans(value: Object, level: int) -> Iterator[Object]:
    if level == len(_NESTED):
        yield value
        return
    found = [objects(value[name]) for name in _NESTED[level] if isinstance(value.get(name), list)]
    if not found:
        yield from _spans(value, level + 1)  # a level that this file does not have
        return
    for inner in (each for part in found for each in part):
        yield from _spans(inner, level + 1)


def _read_span(span: Object) -> Iterator[Part]:
    attributes = _gen_ai(_attributes(span.get("attributes")))
    recorded: dict[str, float] = {}
    for event in objects(span.get("events")):
        inner = _attributes(event.get("attributes"))
        if event.get("name") == "gen_ai.evaluation.result":
            name = str(inner.get("gen_ai.evaluation.name") or "evaluation")
            add_score(recorded, name, inner.get("gen_ai.evaluation.score.value"))
        else:
            attributes = {**_gen_ai(inner), **attributes}
    if not attributes:
        return
    prompt, answers = _said(attributes)
    if not answers and attributes.get("gen_ai.operation.name", "chat") not in _ASKING:
        return  # of a tool, an embedding, an agent: nothing that a model answered
    item: dict[str, Any] = present(
        messages=prompt, tools=from_json(attributes.get("gen_ai.tool.definitions"))
    )
    source = present(
        span=span.get("spanId") or span.get("span_id") or mapping(span.get("context")).get("span_id"),
        trace=span.get("traceId") or span.get("trace_id") or mapping(span.get("context")).get("trace_id"),
        model=attributes.get("gen_ai.response.model") or attributes.get("gen_ai.request.model"),
    )
    if not answers:
        yield _unanswered(span, item, source)
        return
    for draw, answer in enumerate(answers):
        sample = _sample(answer, attributes, draw)
        yield Imported(item, sample, recorded, source=source | ({"draw": draw} if len(answers) > 1 else {}))


def _unanswered(span: Object, item: Object, source: Object) -> Part:
    status = mapping(span.get("status"))
    code = str(status.get("code", status.get("status_code", ""))).upper()
    if item and (code == "2" or "ERROR" in code):
        message = status.get("message") or status.get("description") or "the span ended with an error"
        return Imported(item, failed(message), source=source)
    name = f" {span['name']!r}" if isinstance(span.get("name"), str) else ""
    return NotImported(
        f"the span{name} has no gen_ai.output.messages; let the application capture the contents of messages"
    )


def _said(attributes: Object) -> tuple[list[Object], list[Object]]:
    """The prompt and the answers, as messages."""
    inputs = from_json(attributes.get("gen_ai.input.messages", attributes.get("gen_ai.prompt")))
    outputs = from_json(attributes.get("gen_ai.output.messages", attributes.get("gen_ai.completion")))
    prompt: list[Object] = [_message(message, "user") for message in _listed(inputs)]
    answers: list[Object] = [_message(message, "assistant") for message in _listed(outputs)]
    system = from_json(attributes.get("gen_ai.system_instructions"))
    if system:
        parts = _message(
            {"role": "system", "parts": system if isinstance(system, list) else [system]}, "system"
        )
        prompt.insert(0, parts)
    return prompt or _numbered(attributes, "prompt"), answers or _numbered(attributes, "completion")


def _listed(messages: Any) -> list[Any]:
    if messages is None or messages == "":
        return []
    return messages if isinstance(messages, list) else [messages]


def _message(message: Any, role: str) -> dict[str, Any]:
    """A message of the conventions (`{role, parts}`) as one of chat completions."""
    if not isinstance(message, Mapping):
        return {"role": role, "content": message if isinstance(message, str) else _text(message)}
    read: dict[str, Any] = {"role": str(message.get("role") or role)}
    if isinstance(message.get("finish_reason"), str):
        read["finish_reason"] = message["finish_reason"]
    parts = message.get("parts")
    if not isinstance(parts, list):
        kept = {name: inner for name, inner in message.items() if name not in ("parts", *read)}
        return read | kept
    contents: list[Any] = []
    calls: list[Object] = []
    thoughts: list[str] = []
    for part in parts:
        _read_part(part, read, contents, calls, thoughts)
    is_text = all(isinstance(each, str) for each in contents)
    read["content"] = (
        "".join(contents)
        if is_text
        else [{"type": "text", "text": each} if isinstance(each, str) else each for each in contents]
    )
    return read | present(tool_calls=calls, reasoning_content="\n\n".join(thoughts))


def _read_part(
    part: Any, message: dict[str, Any], contents: list[Any], calls: list[Object], thoughts: list[str]
) -> None:
    if not isinstance(part, Mapping):
        contents.append(part if isinstance(part, str) else _text(part))
        return
    kind = part.get("type")
    text = part.get("content", part.get("text"))
    if kind == "tool_call":
        arguments = part.get("arguments")
        function = {
            "name": part.get("name"),
            "arguments": arguments if isinstance(arguments, str) else _text(arguments or {}),
        }
        calls.append({"id": part.get("id"), "type": "function", "function": function})
    elif kind == "tool_call_response":
        result = part.get("response", part.get("result"))
        message.update(present(tool_call_id=part.get("id")))
        contents.append(result if isinstance(result, str) else _text(result))
    elif kind in ("reasoning", "thinking"):
        thoughts.append(text if isinstance(text, str) else _text(text))
    elif kind in (None, "text", "output_text", "input_text") and isinstance(text, str):
        contents.append(text)
    else:
        contents.append(dict(part))


def _numbered(attributes: Object, which: str) -> list[Object]:
    """Messages that are spread over attributes: `gen_ai.prompt.0.role`, `gen_ai.completion.0.tool_calls.0.name`."""
    messages: dict[int, dict[str, Any]] = {}
    calls: dict[int, dict[int, dict[str, Any]]] = {}
    for name, value in attributes.items():
        found = _NUMBERED.fullmatch(name)
        if found is None or found[1] != which:
            continue
        index, rest = int(found[2]), found[3]
        if (call := _CALL.fullmatch(rest)) is not None:
            calls.setdefault(index, {}).setdefault(int(call[1]), {})[call[2]] = value
        message = messages.setdefault(index, {"role": "assistant" if which == "completion" else "user"})
        if rest in ("role", "content", "finish_reason"):
            message[rest] = from_json(value) if rest == "content" and _is_blocks(value) else value
    for index, of_message in calls.items():
        messages[index]["tool_calls"] = [
            {
                "id": call.get("id"),
                "type": "function",
                "function": {"name": call.get("name"), "arguments": call.get("arguments")},
            }
            for _, call in sorted(of_message.items())
        ]
    return [message for _, message in sorted(messages.items())]


def _is_blocks(value: object) -> bool:
    read = from_json(value)
    return (
        isinstance(read, list)
        and bool(read)
        and all(isinstance(part, dict) and "type" in part for part in read)
    )


def _sample(answer: Object, attributes: Object, draw: int) -> dict[str, Any]:
    reasons = from_json(attributes.get("gen_ai.response.finish_reasons"))
    told = reasons[draw] if isinstance(reasons, list) and draw < len(reasons) else None
    finish = str(answer.get("finish_reason") or told or "stop")
    message = {name: value for name, value in answer.items() if name != "finish_reason"}
    usage = present(
        prompt_tokens=attributes.get(
            "gen_ai.usage.input_tokens", attributes.get("gen_ai.usage.prompt_tokens")
        ),
        completion_tokens=attributes.get(
            "gen_ai.usage.output_tokens", attributes.get("gen_ai.usage.completion_tokens")
        ),
    )
    names = {"tool_call": "tool_calls", "end_turn": "stop", "max_tokens": "length"}
    return {
        "choices": [{"index": 0, "message": message, "finish_reason": names.get(finish, finish)}],
        **present(
            model=attributes.get("gen_ai.response.model") or attributes.get("gen_ai.request.model"),
            usage=usage,
        ),
    }


def _attributes(attributes: Any) -> dict[str, Any]:
    """Attributes as an object: OTLP has a list of `{key, value: {stringValue: …}}`; nested objects become dotted names."""
    if isinstance(attributes, list):
        return {
            str(each["key"]): _value(each.get("value"), 0) for each in objects(attributes) if "key" in each
        }
    return {str(name): value for name, value in mapping(attributes).items()}


def _value(value: Any, depth: int) -> Any:
    """OTLP's AnyValue as plain data."""
    if not isinstance(value, Mapping) or depth > _MAX_DEPTH:
        return value
    for name, inner in value.items():
        kind = str(name).replace("_", "").lower()
        if kind == "intvalue":
            return int(inner) if isinstance(inner, str) and re.fullmatch(r"-?\d{1,19}", inner) else inner
        if kind in ("stringvalue", "doublevalue", "boolvalue", "bytesvalue"):
            return inner
        if kind == "arrayvalue":
            return [_value(each, depth + 1) for each in _values(inner)]
        if kind == "kvlistvalue":
            pairs = objects(_values(inner))
            return {str(each.get("key")): _value(each.get("value"), depth + 1) for each in pairs}
    return None if not value else dict(value)


def _values(inner: Any) -> Sequence[Any]:
    values = mapping(inner).get("values") if isinstance(inner, Mapping) else inner
    return values if isinstance(values, list) else []


def _gen_ai(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if name.startswith(_PREFIX)}


def _text(value: Any) -> str:
    return to_json(value).decode()


SPANS = SourceSystem("otel", "OpenTelemetry spans with GenAI attributes", _recognises, _read)

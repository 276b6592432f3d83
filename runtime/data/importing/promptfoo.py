"""Results of promptfoo: `promptfoo eval -o results.json` or `.jsonl`, and `promptfoo export`."""

from collections.abc import Iterator, Mapping
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
    is_messages,
    mapping,
    objects,
    present,
)

_BROKEN = 2
"""`failureReason` of a result without an answer; 1 is an assertion that does not hold."""


def _recognises(value: Object) -> bool:
    results = value.get("results")
    if isinstance(results, list) and "evalId" in value:
        return True
    return _results(value) is not None or ("vars" in value and ("response" in value or "testCase" in value))


def _results(value: Object) -> list[Any] | None:
    found = mapping(value.get("results")).get("results")
    if not isinstance(found, list):
        found = mapping(mapping(value.get("results")).get("table")).get("results")
    return found if isinstance(found, list) else None


def _read(value: Object) -> Iterator[Part]:
    results = _results(value)
    if results is None:
        results = value["results"] if isinstance(value.get("results"), list) else [value]
    for result in results:
        yield _read_result(result) if isinstance(result, Mapping) else NotImported("expected an object")


def _read_result(result: Object) -> Part:
    response = result.get("response")
    output = mapping(response).get("output") if isinstance(response, Mapping) else response
    error = mapping(response).get("error")
    if not error and result.get("failureReason") == _BROKEN:
        error = result.get("error")
    if not error and output is None:
        error = result.get("error")
        if not error:
            return NotImported("there is no answer: expected response.output")
    variables = mapping(result.get("vars")) or mapping(mapping(result.get("testCase")).get("vars"))
    provider = result.get("provider")
    model = mapping(provider).get("id") if isinstance(provider, Mapping) else provider
    source = present(
        id=result.get("id"), test=result.get("testIdx"), prompt=result.get("promptIdx"), model=model
    )
    sample = failed(error) if error else _sample(output)
    recorded = {} if error else _recorded(result)
    return Imported(dict(variables), sample, recorded, _messages(result.get("prompt")), source)


def _recorded(result: Object) -> dict[str, float]:
    recorded: dict[str, float] = {}
    add_score(recorded, "score", result.get("score"))
    for name, value in mapping(result.get("namedScores")).items():
        add_score(recorded, str(name), value)
    for component in objects(mapping(result.get("gradingResult")).get("componentResults")):
        assertion = mapping(component.get("assertion"))
        if not assertion.get("metric"):  # it is among the named scores
            add_score(recorded, str(assertion.get("type") or "assertion"), component.get("score"))
    return recorded


def _sample(output: Any) -> Any:
    """An answer: a text, calls of tools, a message; other JSON is the text that the model wrote."""
    if isinstance(output, str):
        return output
    if isinstance(output, list) and output and all(mapping(call).get("function") for call in output):
        return [{"role": "assistant", "content": None, "tool_calls": output}]
    if isinstance(output, Mapping) and ("tool_calls" in output or output.get("role") == "assistant"):
        return [{"role": "assistant", **output}]
    return to_json(output).decode()


def _messages(prompt: Any) -> list[Object] | None:
    raw = mapping(prompt).get("raw") if isinstance(prompt, Mapping) else prompt
    read = from_json(raw)
    if is_messages(read):
        return list(read)
    return [{"role": "user", "content": raw}] if isinstance(raw, str) and raw else None


PROMPTFOO = SourceSystem("promptfoo", "results of promptfoo", _recognises, _read)

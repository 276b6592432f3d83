"""Expectations of a case file are rewritten to what came, with everything else of the file as it was."""

import json
from collections.abc import Iterable, Mapping
from difflib import unified_diff
from typing import Any

from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node

from graders import ConfigurationError
from runtime.cases.model import CaseFile
from runtime.cases.plain_yaml import read_yaml
from runtime.cases.run import CaseOutcome, Change
from runtime.data.json_text import read_text


def updated(file: CaseFile, outcomes: Iterable[CaseOutcome]) -> str:
    """The text of a case file in which each failed expectation is what came.

    Rewards, parts of rewards, `passed` and failures are rewritten; orders, `deterministic` and `unchanged_by` say what is
    right rather than what is, and stay.

    Args:
        file: The file.
        outcomes: Of its cases.

    Raises:
        ConfigurationError: When the file cannot be rewritten without changing something else in it.
    """
    changes = {
        outcome.case.number: found
        for outcome in outcomes
        if outcome.case is not None
        and (found := [m.change for m in outcome.mismatches if m.change is not None])
    }
    if not changes:
        return file.text
    return _jsonl(file, changes) if file.path.suffix == ".jsonl" else _yaml(file, changes)


def difference(file: CaseFile, text: str) -> list[str]:
    """What a new text changes in a case file, as a unified diff."""
    path = str(file.path)
    return [
        line.removesuffix("\n")
        for line in unified_diff(
            file.text.splitlines(keepends=True), text.splitlines(keepends=True), path, f"{path} (updated)"
        )
    ]


def _yaml(file: CaseFile, changes: Mapping[int, list[Change]]) -> str:
    """Replace just the text of the values: whatever stands around them stays as it is."""
    data, root = read_yaml(file.text)
    wanted = json.loads(json.dumps(data))  # what has one anchor is one object no more
    cases = _child(root, "cases")
    edits: list[tuple[int, int, str]] = []
    for number, found in changes.items():
        is_short = file.cases[number].is_short
        for keys, value in found:
            steps = ("expect",) if is_short else ("expect", *keys)
            node = cases.value[number]
            for step in steps:
                node = _child(node, step)
            edits += _edits(node, _neat(value))
        _apply(wanted["cases"][number], found, is_short=is_short)
    text = file.text
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    if len(set(edits)) < len(edits) or not _reads_as(text, wanted):
        raise ConfigurationError(
            f"{file.path}: cannot be rewritten without changing other cases, since some share an anchor (&); "
            "write in each of them what it expects"
        )
    return text


def _reads_as(text: str, wanted: Any) -> bool:
    try:
        return bool(read_yaml(text)[0] == wanted)
    except YAMLError:
        return False


def _child(node: Node | None, step: str) -> Node:
    found: Node = next(value for key, value in getattr(node, "value", ()) if key.value == step)
    return found


def _edits(node: Node, value: Any) -> list[tuple[int, int, str]]:
    """Where a value begins and ends, and its new text; of a map with the same keys, of each of its values."""
    if isinstance(node, MappingNode) and isinstance(value, dict):
        known = {key.value: inner for key, inner in node.value}
        if set(known) == set(value):
            return [edit for key, inner in value.items() for edit in _edits(known[key], inner)]
    last = node
    while isinstance(last, MappingNode) and not last.flow_style and last.value:
        last = last.value[-1][1]  # a block ends where the next thing begins, comments between them included
    return [(node.start_mark.index, last.end_mark.index, _flow(value))]


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(inner)}" for key, inner in value.items()) + "}"
    return value if isinstance(value, str) else json.dumps(value)


def _jsonl(file: CaseFile, changes: Mapping[int, list[Change]]) -> str:
    lines = file.text.split("\n")  # not `splitlines`: JSON may hold characters that end lines elsewhere
    for number, found in changes.items():
        case = file.cases[number]
        line = lines[case.line - 1]
        row, _ = read_text(line.encode("utf-8", "surrogatepass"))
        _apply(row, found, is_short=case.is_short)
        # a lone surrogate stays what it is, as the escape that JSON has for it
        written = json.dumps(row, ensure_ascii=False).encode(errors="backslashreplace").decode()
        lines[case.line - 1] = written + "\r" * line.endswith("\r")
    return "\n".join(lines)


def _apply(case: Any, changes: Iterable[Change], *, is_short: bool) -> None:
    for keys, value in changes:
        *outer, last = ("expect",) if is_short else ("expect", *keys)
        place = case
        for key in outer:
            place = place[key]
        place[last] = _neat(value)


def _neat(value: Any) -> Any:
    """Whole numbers without a point, as people write them."""
    if isinstance(value, dict):
        return {key: _neat(inner) for key, inner in value.items()}
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 else value

"""Configurations of promptfoo: their tests as rows, their assertions as a grader; what has no counterpart is listed.

A value that each test has for itself becomes a field of its item, such as `assert_equals`, and the grader refers to it. An
assertion that some tests lack has no counterpart: a grader grades every row alike.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from runtime.data.importing.rows import Imported, Object, mapping, objects

_VARIABLE = re.compile(r"\{\{\s*([A-Za-z_][\w.]*)\s*\}\}")
_TEXT = "{{sample.output_text}}"
_METRICS = {
    "rouge-n": "rouge_1",
    "bleu": "bleu",
    "gleu": "gleu",
    "meteor": "meteor",
    "levenshtein": "fuzzy_match",
}
_COMPARISONS = {"equals": "eq", "contains": "like", "icontains": "ilike"}


@dataclass
class ImportedConfig:
    """What a configuration gives.

    Attributes:
        rows: Its tests, without answers.
        grader: The grader of its assertions; None where none has a counterpart.
        left_out: What has no counterpart, and why.
    """

    rows: list[Imported] = field(default_factory=list)
    grader: dict[str, Any] | None = None
    left_out: list[str] = field(default_factory=list)


def is_config(value: object) -> bool:
    """Whether an object is a configuration of promptfoo."""
    tests = mapping(value).get("tests")
    names = ("prompts", "providers", "defaultTest", "assert")
    return isinstance(tests, list) and any(name in mapping(value) for name in names)


def import_config(config: Object) -> ImportedConfig:
    """The tests and assertions of a configuration."""
    found = ImportedConfig()
    shared = objects(mapping(config.get("defaultTest")).get("assert"))
    defaults = mapping(mapping(config.get("defaultTest")).get("vars"))
    tests = objects(config.get("tests"))
    found.left_out += [
        f"tests.{index}: expected an object"
        for index, each in enumerate(config.get("tests") or ())
        if not isinstance(each, Mapping)
    ]
    own = [_named(objects(test.get("assert"))) for test in tests]
    everywhere = [name for name in (own[0] if own else {}) if all(name in each for each in own)]
    graders: dict[str, dict[str, Any]] = {}
    weights: dict[str, float] = {}
    parts = [*_named(shared).items(), *((f"test_{name}", own[0][name]) for name in everywhere)]
    for name, assertion in parts:
        is_own = name.startswith("test_")
        field_name = f"assert_{name.removeprefix('test_')}"
        made = _grader(name, assertion, f"{{{{item.{field_name}}}}}" if is_own else None)
        if isinstance(made, str):
            found.left_out.append(
                f"{'tests' if is_own else 'defaultTest'}: {name.removeprefix('test_')}: {made}"
            )
            continue
        graders[name] = made
        weight = assertion.get("weight", 1)
        weights[name] = weight if isinstance(weight, (int, float)) and not isinstance(weight, bool) else 1
    for index, (test, assertions) in enumerate(zip(tests, own, strict=True)):
        item = {**defaults, **mapping(test.get("vars"))}
        item |= {f"assert_{name}": assertions[name].get("value") for name in everywhere}
        found.left_out += [
            f"tests.{index}: {name}: only some tests have it" for name in assertions if name not in everywhere
        ]
        found.rows.append(Imported(item, source={"test": index}))
    found.grader = _together(graders, weights)
    return found


def _named(assertions: Sequence[Object]) -> dict[str, Object]:
    """Assertions by a name that is an identifier: their type, with a number where one comes again."""
    named: dict[str, Object] = {}
    for assertion in assertions:
        base = re.sub(r"\W", "_", str(assertion.get("type"))) or "assertion"
        name, count = base, 2
        while name in named:
            name, count = f"{base}_{count}", count + 1
        named[name] = assertion
    return named


def _grader(name: str, assertion: Object, reference: str | None) -> dict[str, Any] | str:
    """The grader of an assertion, or why it has none."""
    kind = str(assertion.get("type"))
    value = reference or _templates(assertion.get("value"))
    if kind in _COMPARISONS:
        if not isinstance(value, str):
            value = json.dumps(value)
        return {
            "type": "string_check",
            "name": name,
            "input": _TEXT,
            "reference": value,
            "operation": _COMPARISONS[kind],
        }
    if kind in _METRICS and isinstance(value, str):
        metric = _METRICS[kind]
        return {
            "type": "text_similarity",
            "name": name,
            "input": _TEXT,
            "reference": value,
            "evaluation_metric": metric,
        }
    if kind == "not-equals" and isinstance(value, str):
        return {"type": "string_check", "name": name, "input": _TEXT, "reference": value, "operation": "ne"}
    if kind == "llm-rubric" and isinstance(value, str):
        return _rubric(name, value)
    return f"type {kind!r} has no counterpart"


def _rubric(name: str, rubric: str) -> dict[str, Any]:
    content = (
        f"Score from 0 to 1 how well the answer meets this criterion.\nCriterion: {rubric}\nAnswer: {_TEXT}"
    )
    return {
        "type": "score_model",
        "name": name,
        "model": "judge",
        "input": [{"role": "user", "content": content}],
        "range": [0, 1],
    }


def _together(graders: dict[str, dict[str, Any]], weights: Mapping[str, float]) -> dict[str, Any] | None:
    if not graders:
        return None
    if len(graders) == 1:
        return next(iter(graders.values()))
    total = sum(weights.values())
    formula = " + ".join(f"{weights[name]} * {name}" for name in graders)
    return {
        "type": "multi",
        "name": "promptfoo",
        "graders": graders,
        "calculate_output": f"({formula}) / {total}",
    }


def _templates(value: Any) -> Any:
    """A value with promptfoo's `{{name}}` as ours: `{{item.name}}`."""
    if not isinstance(value, str):
        return value
    return _VARIABLE.sub(r"{{item.\1}}", value)

"""The pages of the grader types, made from the registry: nothing in them can be older than the code."""

import inspect
import json
import re
from collections.abc import Mapping
from typing import Any

from graders import Registry
from graders.schema import COMMON, grader_schema
from runtime.evaluation.cost_class import Cost, cost_of
from tools.docs.examples import EXAMPLES, OPTIONS, Example, Row

MORE = {
    "python": "[Python graders](../python_graders.md#python)",
    "code_tests": "[Python graders](../python_graders.md#code_tests)",
    "endpoint": "[Endpoints](../judges.md#endpoints)",
    "google_reward": "[Google's reward configurations](../google.md)",
    "text_similarity": "[What each metric is](../compatibility.md#metrics)",
    "string_check": "[What the publications leave open](../compatibility.md#string_check)",
    "multi": "[Formulas](../compatibility.md#formulas)",
    **dict.fromkeys(
        ("score_model", "label_model", "rubric", "rank", "equivalence"),
        "[Graders that ask a model](../judges.md)",
    ),
}
"""Where the rest stands."""

ASKS: Mapping[Cost, str] = {
    "inline": "nothing: it computes, in microseconds",
    "worker": "a worker process",
    "sandbox": "the [sandbox](../sandbox.md): a locked process",
    "judge": "a model or a service, over the network ([limits and budgets](../judges.md))",
}
_WIDTH = 88
_MULTI = "what the dearest of its parts asks"


def built_in() -> Registry:
    """The types of the distribution itself, whatever else is installed."""
    return Registry(entry for entry in Registry.installed().values() if entry.built_in)


def type_pages() -> dict[str, str]:
    """Markdown by file name, `index.md` first."""
    registry = built_in()
    definitions = grader_schema(registry)["$defs"]
    pages = {f"{name}.md": _page(registry, name, definitions) for name in registry}
    return {"index.md": _index(registry), **pages}


def _index(registry: Registry) -> str:
    rows = [
        f"| [`{name}`]({name}.md) | {entry.type.summary} | {_asks(registry, name)} |"
        for name, entry in registry.items()
    ]
    common = [f"| `{name}` | {field['description']} |" for name, field in COMMON.items()]
    return "\n".join(
        [
            "# Grader types",
            "",
            "These pages are made from the code. `graders types NAME` prints the same for what is installed with you, plugins included.",
            "",
            "| type | | asks |",
            "| --- | --- | --- |",
            *rows,
            "",
            "Every grader has these fields besides its type's own:",
            "",
            "| field | |",
            "| --- | --- |",
            *common,
            "",
        ]
    )


def _asks(registry: Registry, name: str) -> str:
    return _MULTI if name == "multi" else ASKS[cost_of(registry.load(EXAMPLES[name][0].grader))]


def _page(registry: Registry, name: str, definitions: Mapping[str, Any]) -> str:
    found = registry[name].type
    schema = definitions[f"type:{name}"]
    low, high = (f"{bound:g}".replace("inf", "∞").replace("-", "−") for bound in found.range)
    together = "\n* **Grades** the samples of one prompt together." if found.form == "group" else ""
    more = f"\n* **More**: {MORE[name]}" if name in MORE else ""
    return "\n".join(
        [
            f"# `{name}`",
            "",
            _cut(inspect.cleandoc(found.__doc__ or "")),
            "",
            f"* **Rewards** from {low} to {high}{_widened(schema)}.",
            f"* **Asks** {_asks(registry, name)}.{together}{more}",
            "",
            "## Options",
            "",
            "| option | type | default | |",
            "| --- | --- | --- | --- |",
            *_options(name, schema, definitions),
            "",
            "`name`, `pass_threshold`, `invalid_grade` and `votes` are [fields of every grader](index.md).",
            "",
            *(line for example in EXAMPLES[name] for line in _example(example)),
        ]
    )


def _cut(doc: str) -> str:
    """A docstring as Markdown: a list that follows its paragraph needs an empty line, and its second lines four spaces."""
    return re.sub(r"^  (?=\S)", "    ", doc, flags=re.MULTILINE)


def _widened(schema: Mapping[str, Any]) -> str:
    """Which option sets another range, if one does."""
    named = next((name for name in ("range", "score") if name in schema["properties"]), None)
    return f", unless `{named}` says otherwise" if named else ""


def _options(name: str, schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> list[str]:
    rows = []
    for option, field in schema["properties"].items():
        if option == "type" or option in COMMON:
            continue
        said = OPTIONS[name].get(option) or field["description"]
        required = option in schema["required"]
        default = "required" if required else _default(field)
        rows.append(f"| `{option}` | {kind_of(field, definitions)} | {default} | {said} |")
    return rows


def _default(field: Mapping[str, Any]) -> str:
    return f"`{json.dumps(field['default'], ensure_ascii=False)}`" if "default" in field else "none"


def kind_of(schema: Mapping[str, Any], definitions: Mapping[str, Any], *, depth: int = 0) -> str:
    """A JSON schema in a few words, for a cell of a table."""
    if reference := schema.get("$ref"):
        name = reference.rpartition("/")[2]
        inner = definitions.get(name, {})
        if name == "grader" or depth > 1 or not ({"anyOf", "oneOf", "enum"} & set(inner)):
            return "grader" if name == "grader" else f"object {name}"
        return kind_of(inner, definitions, depth=depth + 1)
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    if "enum" in schema:
        return ", ".join(f"`{json.dumps(value)}`" for value in schema["enum"])
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        kinds = [kind_of(each, definitions, depth=depth) for each in choices if each.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    kind = schema.get("type", "anything")
    if isinstance(kind, list):
        return " or ".join(each for each in kind if each != "null")
    if kind == "array":
        inner = schema.get("items") or (schema.get("prefixItems") or [{}])[0]
        return f"list of {kind_of(inner, definitions, depth=depth)}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"map to {kind_of(schema['additionalProperties'], definitions, depth=depth)}"
    return f"{kind}{_bounds(schema)}"


def _bounds(schema: Mapping[str, Any]) -> str:
    least = [f"> {schema['exclusiveMinimum']:g}"] if "exclusiveMinimum" in schema else []
    least += [f"≥ {schema['minimum']:g}"] if "minimum" in schema else []
    most = [f"≤ {schema['maximum']:g}"] if "maximum" in schema else []
    return f" {', '.join([*least, *most])}" if least or most else ""


def _example(example: Example) -> list[str]:
    answered = any(row.answers for row in example.rows)
    titles = ["sample", "item", *(["answered"] if answered else []), "reward", ""]
    return [
        f"## {example.title}",
        "",
        "```json",
        json_text(example.grader),
        "```",
        "",
        f"| {' | '.join(titles)} |",
        f"|{' --- |' * len(titles)}",
        *(f"| {' | '.join(_cells(row, answered=answered))} |" for row in example.rows),
        "",
    ]


def _cells(row: Row, *, answered: bool) -> list[str]:
    reward = (
        "ungraded"
        if row.reward is None
        else f"{row.reward:g}"
        if len(f"{row.reward}") < 6
        else f"{row.reward}"
    )
    answers = [_code(answer) for answer in row.answers]
    return [
        f"`{json.dumps(row.sample, ensure_ascii=False)}`",
        _code(row.item) if row.item else "",
        *(["<br>".join(answers)] if answered else []),
        f"**{reward}**",
        row.note,
    ]


def json_text(value: object, indent: str = "") -> str:
    """JSON over several lines, but for lists and maps that fit into one."""
    flat = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or len(indent) + len(flat) <= _WIDTH:
        return flat
    deeper = f"{indent}  "
    if isinstance(value, list):
        inner = [json_text(each, deeper) for each in value]
    else:
        inner = [
            f"{json.dumps(key, ensure_ascii=False)}: {json_text(each, deeper)}" for key, each in value.items()
        ]
    opening, closing = "[]" if isinstance(value, list) else "{}"
    lines = ",\n".join(f"{deeper}{each}" for each in inner)
    return f"{opening}\n{lines}\n{indent}{closing}"


def _code(value: object) -> str:
    return f"`{json.dumps(value, ensure_ascii=False)}`"

"""The JSON Schema (2020-12) of a grader's JSON, for editors that complete and check it while it is written.

It describes the fields of the installed types as `Registry.load` reads them: their names, types and aliases.
Mistakes that need the whole grader (the variables of a formula, the syntax of a template, a passing label
that is not among the labels) are found by loading it.
"""

import inspect
import math
import re
from collections.abc import Callable, Mapping
from itertools import combinations
from typing import Any, get_args
from urllib.parse import quote

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from graders.errors import PluginError
from graders.grader_type import GraderType
from graders.registry import Entry
from graders.votes import MAX_VOTES, Combine

DIALECT = "https://json-schema.org/draft/2020-12/schema"
ANY = "grader"
"""Where under `$defs` a grader of any type is described."""

_REF = "#/$defs/{model}"
_VOTES: dict[str, Any] = {"type": "integer", "minimum": 1, "maximum": MAX_VOTES}
COMMON: dict[str, dict[str, Any]] = {
    "name": {"type": ["string", "null"], "minLength": 1, "description": "How results call this grader."},
    "pass_threshold": {
        "type": ["number", "null"],
        "description": "The lowest reward that passes; it never changes the reward.",
    },
    "invalid_grade": {
        "type": ["number", "null"],
        "description": (
            "The reward of a sample whose grading fails by the model's or the grader's doing, never by infrastructure; "
            "without it the sample gets the lowest reward or is ungraded."
        ),
    },
    "votes": {
        "description": "How often each sample is graded, and what becomes of the rewards.",
        "anyOf": [
            _VOTES,
            {
                "type": "object",
                "properties": {
                    "count": {**_VOTES, "description": "Gradings of each sample."},
                    "combine": {"enum": list(get_args(Combine)), "default": "median"},
                },
                "required": ["count"],
                "additionalProperties": False,
            },
            {"type": "null"},
        ],
    },
}
"""The fields that every grader has, besides its type."""
_LABELS: dict[str, dict[str, Any]] = {
    "id": {"type": ["string", "null"], "description": "As published criteria carry it; it changes nothing."},
    "description": {"type": ["string", "null"], "description": "Words for a reader; they change nothing."},
}
"""What a grader may carry, unless its type has an option of the same name."""


def grader_schema(
    registry: Mapping[str, Entry], *, left_out: Callable[[PluginError], object] = lambda _: None
) -> dict[str, Any]:
    """The JSON Schema of a grader of any of the types of a registry.

    A grader's type decides what else is looked at, so that a mistake is told where it is, and not that none of all types
    fits.

    Args:
        registry: The types; each is imported.
        left_out: Called for each type whose plugin cannot be used, and which no grader can therefore have.
    """
    types: dict[str, GraderType[..., Any]] = {}
    for name, entry in registry.items():
        try:
            types[name] = entry.type
        except PluginError as error:
            left_out(error)
    places, whole = models_json_schema(
        [(found.options, "validation") for found in types.values()],
        schema_generator=_Generator,
        ref_template=_REF,
    )
    inside: dict[str, Any] = _tidied(whole.get("$defs", {}))
    definitions: dict[str, Any] = {}
    for name, found in types.items():
        reference = places[found.options, "validation"]["$ref"]
        options = inside.pop(reference.rpartition("/")[2])
        definitions[f"type:{name}"] = _of_type(found, options)
    summaries = [found.summary for found in types.values()]
    any_type: dict[str, Any] = {
        "type": "object",
        "required": ["type"],
        "properties": {"type": {"enum": list(types), "enumDescriptions": summaries}},
    }
    if types:  # a list of schemas may not be empty
        any_type["allOf"] = [_where(name) for name in types]
    return {
        "$schema": DIALECT,
        "title": "A grader",
        "$ref": _REF.format(model=ANY),
        "$defs": {ANY: any_type, **definitions, **inside},
    }


def _where(name: str) -> dict[str, Any]:
    """That a grader of one type is what is described for it."""
    return {
        "if": {"properties": {"type": {"const": name}}, "required": ["type"]},
        "then": {"$ref": _REF.format(model=f"type:{quote(name)}")},
    }


def _of_type(found: GraderType[..., Any], options: dict[str, Any]) -> dict[str, Any]:
    """The schema of a grader of one type, out of that of its options."""
    prose, described = _parts(found.__doc__)
    fields = options.get("properties", {})
    for name, field in fields.items():
        if name in described:
            field["description"] = described[name]
    kind = {"const": found.name, "description": found.summary}
    return {
        **options,
        "title": found.name,
        "description": prose,
        "properties": {"type": kind, **_LABELS, **fields, **COMMON},
        "required": ["type", *options.get("required", ())],
    }


class _Generator(GenerateJsonSchema):
    """Pydantic's, with every name that a field may be given under, and with what docstrings say of fields."""

    # a default that is not JSON, such as a compiled template's, is left out
    ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012  # as pydantic declares it

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Never: `evaluation_metric` need not be told to be called "Evaluation Metric"."""
        del schema
        return False

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> JsonSchemaValue:
        """What pydantic cannot describe may be anything; loading the grader checks it."""
        del schema, error_info
        return {}

    def model_fields_schema(self, schema: core_schema.ModelFieldsSchema) -> JsonSchemaValue:
        """The fields of a model, with their other names; one field may not be given under two."""
        found = super().model_fields_schema(schema)
        for field in schema["fields"].values():
            names = _names(field.get("validation_alias"))
            if len(names) > 1:
                self._allow(found, names)
        return found

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """A model, its fields described by its docstring."""
        found = super().model_schema(schema)
        model = schema["cls"]
        prose, described = _parts(model.__doc__)
        if "description" in found:
            found["description"] = prose
        for name, info in model.model_fields.items():
            field = found.get("properties", {}).get(info.alias or name)
            if field is not None and name in described:
                field.setdefault("description", described[name])
        return found

    @staticmethod
    def _allow(found: JsonSchemaValue, names: list[str]) -> None:
        first, *others = names
        for other in others:
            field = {key: value for key, value in found["properties"][first].items() if key != "default"}
            found["properties"][other] = {**field, "description": f"Another name of {first}."}
        rules = found.setdefault("allOf", [])
        rules += [{"not": {"required": list(pair)}} for pair in combinations(names, 2)]
        if first in found.get("required", ()):
            found["required"].remove(first)
            rules.append({"anyOf": [{"required": [name]} for name in names]})


def _names(alias: Any) -> list[str]:
    """The names that a field may be given under, as a core schema has them: a name, or lists of steps."""
    if not isinstance(alias, list):
        return []
    return [str(choice[0]) for choice in alias if isinstance(choice, list) and len(choice) == 1]


def _tidied(found: Any) -> Any:
    """A schema with references for graders inside, and without what says nothing."""
    if isinstance(found, list):
        return [_tidied(each) for each in found]
    if not isinstance(found, dict):
        return found
    tidy = {key: _tidied(value) for key, value in found.items() if not _says_nothing(key, value)}
    # how a `Grader` describes itself; a model with fields of its own has properties
    if tidy.get("type") == "object" and tidy.get("required") == ["type"] and "properties" not in tidy:
        del tidy["type"], tidy["required"]
        tidy["$ref"] = _REF.format(model=ANY)
    return tidy


def _says_nothing(key: str, value: object) -> bool:
    # infinity is not JSON, and null is what a field is that is not there
    return key == "default" and (value is None or (isinstance(value, float) and not math.isfinite(value)))


_SECTION = re.compile(r"^(?:Attributes|Args|Options):\n((?:(?:[ \t].*)?(?:\n|$))*)", re.MULTILINE)
_NEXT = re.compile(r"^(?:Attributes|Args|Options|Raises|Returns|Yields|Examples?):$", re.MULTILINE)
_FIELD = re.compile(r"^ {4}(\w+)(?: \([^)]*\))?: (.*(?:\n {8}.*)*)", re.MULTILINE)


def _parts(doc: str | None) -> tuple[str, dict[str, str]]:
    """The prose of a docstring, and what it says of each attribute or argument."""
    text = inspect.cleandoc(doc or "")
    fields = {
        name: " ".join(said.split())
        for section in _SECTION.findall(text)
        for name, said in _FIELD.findall(section)
    }
    prose = _NEXT.split(text)[0].strip()
    return re.sub(r"(?<!\n)\n(?=\w)", " ", prose), fields

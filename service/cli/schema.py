"""`graders schema`: the JSON Schema of grader files, for editors."""

from typing import Any

from graders import PluginError, Registry
from graders.schema import grader_schema

_REFERENCE = {
    "type": "object",
    "description": "The file that the source stands in, beside this one.",
    "properties": {"file": {"type": "string", "minLength": 1}},
    "required": ["file"],
    "additionalProperties": False,
}


def file_schema(registry: Registry | None = None) -> tuple[dict[str, Any], list[PluginError]]:
    """The schema of a grader in a file, and the errors of types that are left out.

    A file may say more than a request: the source of a Python grader may be a reference to a file beside it.
    """
    left_out: list[PluginError] = []
    found = grader_schema(Registry.installed() if registry is None else registry, left_out=left_out.append)
    if python := found["$defs"].get("type:python"):
        source = python["properties"]["source"]
        python["properties"]["source"] = {"anyOf": [source, _REFERENCE]}
    return found, left_out

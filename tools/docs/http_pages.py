"""The HTTP reference, made from the OpenAPI document of the service."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from graders import Registry
from runtime import Settings
from service.app import create_app
from tools.docs.type_pages import json_text, kind_of

TITLES = {
    "graders": "Graders (published)",
    "grade": "Grading",
    "named graders": "Named graders",
    "models": "Models",
    "evals": "Evals",
    "files": "Files",
    "health": "Health and metrics",
}
"""Tags in the order of the pages; a tag that is not here comes last, under its own name."""

METHODS = ("get", "post", "put", "patch", "delete")


def http_pages() -> dict[str, str]:
    """Markdown by file name, `index.md` first."""
    document = create_app(Settings.load(), Registry()).openapi()
    by_tag: dict[str, list[tuple[str, str, Mapping[str, Any]]]] = {tag: [] for tag in TITLES}
    for path, operations in document["paths"].items():
        for method in (each for each in METHODS if each in operations):
            by_tag.setdefault(operations[method]["tags"][0], []).append((method, path, operations[method]))
    schemas = document["components"]["schemas"]
    pages = {
        _file(tag): "\n".join(_page(tag, operations, schemas))
        for tag, operations in by_tag.items()
        if operations
    }
    index = "\n".join(_index(document, by_tag))
    return {"index.md": index, **pages, "objects.md": "\n".join(_objects(schemas))}


def _file(tag: str) -> str:
    return f"{tag.replace(' ', '_')}.md"


def anchor(method: str, path: str) -> str:
    """The id of an operation's heading."""
    words = "".join(letter if letter.isalnum() else " " for letter in path).split()
    return "-".join([method, *words]).lower()


def _index(
    document: Mapping[str, Any], by_tag: Mapping[str, Sequence[tuple[str, str, Mapping[str, Any]]]]
) -> Iterator[str]:
    yield from ("# HTTP reference", "", document["info"]["description"], "")
    yield "This is made from the service's own `/openapi.json`. What the routes are for is told in [The service](../service.md)."
    yield from (
        "",
        "Every answer has an `x-request-id`. Every error has the shape of [`Error`](objects.md#error):",
        "",
    )
    yield from ("```json", json_text(_ERROR), "```", "")
    for tag, operations in by_tag.items():
        if not operations:
            continue
        yield from (f"## {TITLES.get(tag, tag)}", "", "| | |", "| --- | --- |")
        for method, path, operation in operations:
            yield f"| [`{method.upper()} {path}`]({_file(tag)}#{anchor(method, path)}) | {_first(operation)} |"
        yield ""


_ERROR = {
    "error": {
        "message": "grader.operation: expected 'eq', 'ne', 'neq', 'like' or 'ilike'",
        "type": "invalid_request_error",
        "param": "grader.operation",
        "code": "invalid_grader",
    }
}


def _first(operation: Mapping[str, Any]) -> str:
    text = str(operation.get("description") or operation["summary"])
    return " ".join(text.partition("\n\n")[0].split()).replace("|", "\\|")


def _page(
    tag: str, operations: Sequence[tuple[str, str, Mapping[str, Any]]], schemas: Mapping[str, Any]
) -> Iterator[str]:
    yield from (f"# {TITLES.get(tag, tag)}", "")
    for method, path, operation in operations:
        yield from (f"## `{method.upper()} {path}` {{ #{anchor(method, path)} }}", "")
        yield from (operation.get("description") or operation["summary"], "")
        yield from _parameters(operation.get("parameters", ()), schemas)
        yield from _body(operation.get("requestBody"), schemas)
        yield from _answers(operation["responses"], schemas)


def _parameters(parameters: Sequence[Mapping[str, Any]], schemas: Mapping[str, Any]) -> Iterator[str]:
    if not parameters:
        return
    yield from ("| parameter | in | type | |", "| --- | --- | --- | --- |")
    for each in parameters:
        schema = each.get("schema", {})
        said = _cell(each.get("description") or schema.get("description", ""))
        yield (
            f"| `{each['name']}`{_required(each.get('required'))} | {each['in']} | {_kind(schema, schemas)} | "
            f"{said}{_default(schema)} |"
        )
    yield ""


def _body(body: Mapping[str, Any] | None, schemas: Mapping[str, Any]) -> Iterator[str]:
    for media, content in (body or {}).get("content", {}).items():
        yield from (f"**Body**, `{media}`{'' if (body or {}).get('required') else ', optional'}:", "")
        yield from _fields(_resolved(content["schema"], schemas), schemas)
        if "example" in content:
            yield from ("```json", json_text(content["example"]), "```", "")


def _answers(responses: Mapping[str, Mapping[str, Any]], schemas: Mapping[str, Any]) -> Iterator[str]:
    yield from ("| status | answer | |", "| --- | --- | --- |")
    for status, response in responses.items():
        contents = response.get("content", {})
        kinds = " or ".join(
            dict.fromkeys(
                f"`{media}`" + (f": {_kind(content['schema'], schemas)}" if content.get("schema") else "")
                for media, content in contents.items()
                if not (media == "application/json" and content.get("schema") == _SHARED)
            )
        )
        if any(content.get("schema") == _SHARED for content in contents.values()):
            kinds = " or ".join(filter(None, [kinds, "[Error](objects.md#error)"]))
        said = response["description"]
        yield f"| {status} | {kinds} | {'' if said == 'Successful Response' else _cell(said)} |"
    yield ""


_SHARED = {"$ref": "#/components/schemas/Error"}


def _objects(schemas: Mapping[str, Any]) -> Iterator[str]:
    yield from ("# Objects", "", "What the routes answer with, by name.", "")
    for name in sorted(schemas):
        schema = schemas[name]
        yield from (f"## {name} {{ #{name.lower()} }}", "")
        if said := schema.get("description"):
            yield from (said, "")
        if "properties" in schema:
            yield from _fields(schema, schemas)
        else:
            yield from (_kind({key: value for key, value in schema.items() if key != "title"}, schemas), "")


def _fields(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Iterator[str]:
    properties = schema.get("properties")
    if not properties:
        choices = schema.get("anyOf") or schema.get("oneOf")
        for choice in choices or ():
            yield from _fields(_resolved(choice, schemas), schemas)
        if not choices:
            yield from (_kind(schema, schemas), "")
        return
    yield from ("| field | type | |", "| --- | --- | --- |")
    yield from _rows(schema, schemas)
    yield ""


def _rows(schema: Mapping[str, Any], schemas: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """A row for each field, and for the fields of what is inside it and has no name of its own."""
    for name, field in schema["properties"].items():
        needed = _required(name in schema.get("required", ()))
        said = f"{_cell(field.get('description', ''))}{_default(field)}"
        yield f"| `{prefix}{name}`{needed} | {_kind(field, schemas)} | {said} |"
        inner, step = (field["items"], "[].") if "items" in field else (field, ".")
        if "properties" in inner:
            yield from _rows(inner, schemas, f"{prefix}{name}{step}")


def _resolved(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = schema.get("$ref", "").rpartition("/")[2]
    found: Mapping[str, Any] = schemas.get(reference, schema)
    return found


def _required(value: object) -> str:
    return " (required)" if value else ""


def _default(schema: Mapping[str, Any]) -> str:
    if schema.get("default") is None:
        return ""
    return f" Default: `{json.dumps(schema['default'], ensure_ascii=False)}`."


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _kind(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    """A schema in a few words; one that has a name is a link to it."""
    if reference := schema.get("$ref"):
        name = reference.rpartition("/")[2]
        return f"[{name}](objects.md#{name.lower()})"
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(dict.fromkeys(_kind(choice, schemas) for choice in choices))
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}), schemas)}"
    if schema.get("type") == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"map to {_kind(schema['additionalProperties'], schemas)}"
    return _cell(kind_of(schema, schemas))

"""`/docs`: the HTTP API as a page, made from the OpenAPI document."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from runtime.data.html_page import Markup, element, joined, page, table

METHODS = ("get", "post", "put", "patch", "delete")

Document = Mapping[str, Any]


def reference(document: Document) -> bytes:
    """The page of an OpenAPI document: operations by tag, their parameters, bodies and answers, and all objects."""
    info = document["info"]
    by_tag: dict[str, list[tuple[str, str, Document]]] = {}
    for path, operations in document["paths"].items():
        for method in (each for each in METHODS if each in operations):
            tag = (operations[method].get("tags") or ["other"])[0]
            by_tag.setdefault(tag, []).append((method, path, operations[method]))
    return page(
        f"{info['title']} {info['version']}: HTTP API",
        element("p", _prose(info["description"])),
        element("p", "For programs: ", element("a", "/openapi.json", href="/openapi.json"), "."),
        *(_tag(tag, operations) for tag, operations in by_tag.items()),
        element("h2", "Objects", id="objects"),
        *(_object(name, schema) for name, schema in sorted(document["components"]["schemas"].items())),
    )


def _anchor(method: str, path: str) -> str:
    return f"{method} {path}".translate({ord(letter): "-" for letter in " /{}"})


def _tag(tag: str, operations: list[tuple[str, str, Document]]) -> Markup:
    names = (
        [
            element("a", element("code", f"{method.upper()} {path}"), href=f"#{_anchor(method, path)}"),
            _first_line(operation),
        ]
        for method, path, operation in operations
    )
    return joined(
        [element("h2", tag), table((), names), *(_operation(*operation) for operation in operations)]
    )


def _first_line(operation: Document) -> str:
    said = str(operation.get("description") or operation.get("summary", ""))
    return said.partition("\n\n")[0]


def _operation(method: str, path: str, operation: Document) -> Markup:
    said = str(operation.get("description") or operation.get("summary", ""))
    return joined(
        [
            element("h3", element("code", f"{method.upper()} {path}"), id=_anchor(method, path)),
            element("p", _prose(said)),
            *_parameters(operation),
            *_body(operation.get("requestBody") or {}),
            table(("status", "answer", ""), _answers(operation["responses"])),
        ]
    )


def _parameters(operation: Document) -> Iterator[Markup]:
    if given := operation.get("parameters"):
        rows = (
            [element("code", each["name"]), each["in"], _kind(each.get("schema", {})), _said(each)]
            for each in given
        )
        yield table(("parameter", "in", "", ""), rows)


def _said(parameter: Document) -> str:
    return str(parameter.get("description") or parameter.get("schema", {}).get("description", ""))


def _body(body: Document) -> Iterator[Markup]:
    for media, content in body.get("content", {}).items():
        yield element("p", "Body, ", element("code", media), ": ", _kind(content.get("schema", {})))
        if "example" in content:
            yield _json(content["example"])
        if "$ref" not in content.get("schema", {}):
            yield element("details", element("summary", "schema"), _json(content.get("schema", {})))


def _answers(responses: Document) -> Iterator[list[str]]:
    for status, response in responses.items():
        kinds = [_kind(content.get("schema", {})) for content in response.get("content", {}).values()]
        yield [status, str(response.get("description", "")), joined(kinds[:1])]


def _object(name: str, schema: Document) -> Markup:
    return joined([element("h3", name, id=f"object-{name}"), element("details", _json(schema))])


def _kind(schema: Document) -> Markup:
    """What a schema is, in a word, with a link where it is an object of its own."""
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        return element("a", name, href=f"#object-{name}")
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return Markup(" or ".join(_kind(each) for each in schema[several]))
    if "enum" in schema:
        return joined([" or ".join(json.dumps(value) for value in schema["enum"])])
    if "const" in schema:
        return joined([json.dumps(schema["const"])])
    kind = schema.get("type", "anything")
    return joined([" or ".join(kind) if isinstance(kind, list) else str(kind)])


def _prose(said: str) -> Markup:
    """Text in which `…` is code."""
    parts = said.split("`")
    return joined(element("code", part) if n % 2 else part for n, part in enumerate(parts))


def _json(value: object) -> Markup:
    return element("pre", json.dumps(value, indent=2, ensure_ascii=False))

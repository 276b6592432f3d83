"""Schemas of strangers are bounded when they are loaded, fetch nothing, and are checked where they stop nobody."""

import ast
import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.schemas.bounds import MAX_EXPANSION, measure
from runtime.schemas.json_schema import (
    CheckFailed,
    SchemaChecker,
    SchemaError,
    SchemaMismatch,
    check_once,
    measured,
)
from tests.processes import children

ROOT = Path(__file__).parents[2]
LEVELS = 22


@pytest.fixture(scope="module")
async def checker() -> AsyncGenerator[SchemaChecker]:
    made = SchemaChecker()
    yield made
    await made.aclose()


def chained(link: Mapping[str, Any], last: Any = None) -> dict[str, Any]:
    """`LEVELS` definitions, each of which is `link` with `NEXT` in place of a reference to the next."""

    def linked(value: Any, following: str) -> Any:
        if value == "NEXT":
            return {"$ref": following}
        if isinstance(value, dict):
            return {key: linked(inner, following) for key, inner in value.items()}
        return [linked(inner, following) for inner in value] if isinstance(value, list) else value

    defined = {f"d{n}": linked(dict(link), f"#/$defs/d{n + 1}") for n in range(LEVELS)}
    return {"$defs": {**defined, f"d{LEVELS}": last or {"type": "object"}}, "$ref": "#/$defs/d0"}


TOO_MANY = {
    "allOf": chained({"allOf": ["NEXT"] * 4}),
    "anyOf": chained({"anyOf": ["NEXT"] * 4}),
    "oneOf": chained({"oneOf": ["NEXT"] * 2}),
    "not and if": chained({"not": "NEXT", "if": "NEXT", "then": True}),
    "if, then, else": chained({"if": "NEXT", "then": "NEXT", "else": "NEXT"}),
    "dependentSchemas": chained({"dependentSchemas": {"a": "NEXT", "b": "NEXT"}}),
    "dependencies": chained({"dependencies": {"a": "NEXT", "b": "NEXT"}}),
    "a reference beside a branch": chained({"$ref": "#/$defs/d22", "allOf": ["NEXT", {"not": "NEXT"}]}),
    "one member": chained({"properties": {"a": {"allOf": ["NEXT"] * 4}}}),
    "a member by name and by pattern": chained(
        {"properties": {"a": "NEXT"}, "patternProperties": {"^a": "NEXT"}}
    ),
    "any member, twice": chained({"additionalProperties": {"allOf": ["NEXT", "NEXT"]}}),
    "elements": chained({"items": {"anyOf": ["NEXT"] * 3}}),
    "elements that are contained": chained({"items": "NEXT", "contains": "NEXT"}),
    "elements by position": chained({"prefixItems": [{"allOf": ["NEXT", "NEXT"]}]}),
    "names": chained({"propertyNames": {"allOf": ["NEXT", "NEXT"]}}),
    "branches with one member": chained(
        {"anyOf": [{"properties": {"a": "NEXT"}}, {"properties": {"a": "NEXT"}}]}
    ),
    "dynamic references": {
        "$defs": {"n": {"$dynamicAnchor": "n", "type": "object"}}
        | {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 3} for n in range(LEVELS)}
        | {f"d{LEVELS}": {"$dynamicRef": "#n"}},
        "$ref": "#/$defs/d0",
    },
    "references by name": {
        "$defs": {f"d{n}": {"$anchor": f"a{n}", "allOf": [{"$ref": f"#a{n + 1}"}] * 2} for n in range(LEVELS)}
        | {"last": {"$anchor": f"a{LEVELS}"}},
        "$ref": "#a0",
    },
    "references by address": {
        "$id": "https://example.com/root",
        "$defs": {f"d{n}": {"$id": f"s{n}", "allOf": [{"$ref": f"s{n + 1}"}] * 2} for n in range(LEVELS)}
        | {"last": {"$id": f"s{LEVELS}"}},
        "$ref": "s0",
    },
}


@pytest.mark.parametrize("schema", TOO_MANY.values(), ids=TOO_MANY)
def test_what_multiplies_is_refused_with_its_place(schema: dict[str, Any]) -> None:
    with pytest.raises(SchemaError, match=r"^#/.*expands to more than 10,000 subschemas for one value"):
        measure(schema)


CYCLES = {
    "itself": {"$ref": "#"},
    "two": {
        "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/b"}]}, "b": {"not": {"$ref": "#/$defs/a"}}},
        "$ref": "#/$defs/a",
    },
    "through a branch": {"if": {"$ref": "#"}, "then": {}},
    "dynamic": {"$dynamicAnchor": "x", "allOf": [{"$dynamicRef": "#x"}]},
    "recursive": {
        "$schema": "https://json-schema.org/draft/2019-09/schema",
        "allOf": [{"$recursiveRef": "#"}],
    },
    "inside a member": {"properties": {"a": {"$ref": "#/properties/a"}}},
}


@pytest.mark.parametrize("schema", CYCLES.values(), ids=CYCLES)
def test_references_that_lead_back_without_a_member_are_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(SchemaError, match="refers to itself without a member in between"):
        measure(schema)


ELSEWHERE = [
    "file:///etc/passwd",
    "http://127.0.0.1:9/x",
    "https://example.com/x.json",
    "other.json",
    "../up.json#/a",
    "//example.com/x",
    "urn:uuid:deadbeef-1234-ffff-ffff-4321feebdaed",
    "ftp://127.0.0.1/x",
    "data:application/json,{}",
]


@pytest.mark.parametrize("reference", ELSEWHERE)
@pytest.mark.parametrize("keyword", ["$ref", "$dynamicRef"])
@pytest.mark.parametrize("place", ["top", "member", "branch", "definition in use"])
async def test_nothing_is_fetched(checker: SchemaChecker, reference: str, keyword: str, place: str) -> None:
    there = {keyword: reference}
    schemas_by_place: dict[str, dict[str, Any]] = {
        "top": there,
        "member": {"properties": {"a": there}},
        "branch": {"anyOf": [{"type": "string"}, there]},
        "definition in use": {"$defs": {"a": there}, "$ref": "#/$defs/a"},
    }
    with pytest.raises(SchemaError, match="leads out of the schema, and nothing is fetched"):
        await checker.load(schemas_by_place[place])


@pytest.mark.parametrize("base", ["file:///etc/", "http://127.0.0.1:9/a/"])
async def test_an_address_of_its_own_makes_nothing_fetched(checker: SchemaChecker, base: str) -> None:
    with pytest.raises(SchemaError, match="leads out of the schema"):
        await checker.load({"$id": base, "properties": {"a": {"$ref": "passwd"}}})


@pytest.mark.parametrize("uri", ["file:///etc/passwd", "http://127.0.0.1:9/x"])
async def test_what_names_its_own_schema_of_schemas_fetches_nothing(checker: SchemaChecker, uri: str) -> None:
    with pytest.raises(SchemaError):
        await checker.load({"$schema": uri, "type": "object"}, draft="declared")


async def test_a_reference_to_nowhere_is_named(checker: SchemaChecker) -> None:
    with pytest.raises(SchemaError, match=r"^#/properties/a/\$ref: '#/\$defs/x' leads nowhere in the schema"):
        await checker.load({"properties": {"a": {"$ref": "#/$defs/x"}}})


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"enum": list(range(100_001))}, "at most 100,000 JSON values"),
        ([], "is an object or a boolean, not list"),
        (None, "is an object or a boolean, not NoneType"),
        ({"type": "no type"}, "is not valid"),
        ({"pattern": "("}, "regex"),
        ({"pattern": "(a{1,1000}){1,1000}"}, "regex"),
        ({"const": {1, 2}}, "not JSON serializable"),
        ({"$ref": "http://[bad#x"}, "is not a URI reference"),
        ({"$id": "http://a/b", "not": {"$id": "//[bad"}}, "is not a URI reference"),
    ],
)
async def test_what_is_no_schema_is_refused(checker: SchemaChecker, schema: Any, said: str) -> None:
    with pytest.raises(SchemaError, match=said):
        await checker.load(schema)


def nested(levels: int, keyword: str) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(levels):
        schema = {keyword: schema}
    return schema


async def test_a_deep_schema_is_refused(checker: SchemaChecker) -> None:
    with pytest.raises(SchemaError, match="nested more than 100 levels deep"):
        await checker.load(nested(101, "not"))
    chain = {f"d{n}": {"not": {"$ref": f"#/$defs/d{n + 1}"}} for n in range(400)}
    with pytest.raises(SchemaError, match="more than 300 subschemas lead to this one"):
        await checker.load({"$defs": {**chain, "d400": {}}, "$ref": "#/$defs/d0"})


LEGIT: dict[str, tuple[dict[str, Any], Any, Any]] = {
    "a judge's answer": (
        {"type": "object", "properties": {"result": {"type": "number"}}, "required": ["result"]},
        {"result": 1},
        {"result": "1"},
    ),
    "a tree": (
        {
            "$defs": {"n": {"type": "object", "properties": {s: {"$ref": "#/$defs/n"} for s in "lr"}}},
            "$ref": "#/$defs/n",
        },
        {"l": {"r": {}}},
        {"l": {"r": 1}},
    ),
    "a tree whose sides are in branches": (
        {
            "$defs": {
                "n": {
                    "allOf": [
                        {"properties": {"l": {"$ref": "#/$defs/n"}}},
                        {"properties": {"r": {"$ref": "#/$defs/n"}}},
                    ]
                }
            },
            "properties": {"n": {"$ref": "#/$defs/n"}},
            "required": ["n"],
        },
        {"n": {"l": {"r": 1}}},
        {},
    ),
    "a wide union": (
        {
            "anyOf": [
                {"properties": {"kind": {"const": n}, "value": {"type": "integer"}}, "required": ["kind"]}
                for n in range(400)
            ]
        },
        {"kind": 399, "value": 1},
        {"kind": 400},
    ),
    "many labels": ({"enum": [f"label {n}" for n in range(20_000)]}, "label 19999", "label"),
    "names and addresses": (
        {
            "$id": "https://example.com/root",
            "$defs": {"x": {"$id": "item", "type": "string", "$anchor": "here"}, "~/": {"type": "integer"}},
            "properties": {
                "a": {"$ref": "item"},
                "b": {"$ref": "https://example.com/item#here"},
                "c": {"$ref": "#/$defs/~0~1"},
            },
        },
        {"a": "", "b": "", "c": 1},
        {"c": ""},
    ),
    "a long tuple of tuples": (
        {"prefixItems": [{"prefixItems": [{"prefixItems": [{"type": "integer"}] * 30}] * 30}] * 30},
        [[[1]]],
        [[["1"]]],
    ),
    "the schema of schemas": (
        {"$ref": "https://json-schema.org/draft/2020-12/schema"},
        {"type": "string"},
        {"type": "x"},
    ),
    "what is left over": (
        {"allOf": [{"properties": {"a": {}}}], "unevaluatedProperties": False},
        {"a": 1},
        {"b": 1},
    ),
    "many patterns": (
        {"properties": {f"p{n}": {"pattern": f"^\\w+{n}$"} for n in range(200)}},
        {"p3": "x3"},
        {"p3": "x"},
    ),
}


@pytest.mark.parametrize(("schema", "right", "wrong"), LEGIT.values(), ids=LEGIT)
async def test_what_people_write_is_checked(
    checker: SchemaChecker, schema: dict[str, Any], right: Any, wrong: Any
) -> None:
    loaded = await checker.load(schema)
    assert await checker.check(loaded, right) is None
    mismatch = await checker.check(loaded, wrong)
    assert isinstance(mismatch, SchemaMismatch)
    assert mismatch.message
    assert jsonschema_rs.Draft202012Validator(schema).is_valid(right)


async def test_a_mismatch_says_where(checker: SchemaChecker) -> None:
    plain = {"properties": {"a": {"items": {"type": "integer"}}}}
    costly = {**plain, "unevaluatedProperties": False}
    for schema in (plain, costly):
        mismatch = await checker.check(await checker.load(schema), {"a": [1, "x"]})
        assert mismatch is not None
        assert (mismatch.path, mismatch.message) == (("a", 1), '"x" is not of type "integer"')


async def test_half_a_character_is_checked_like_any_other(checker: SchemaChecker) -> None:
    for schema in ({"type": "integer"}, {"type": "integer", "unevaluatedItems": False}):
        mismatch = await checker.check(await checker.load(schema), "\ud800")
        assert mismatch is not None
        assert mismatch.message == '"\ufffd" is not of type "integer"'


DOUBLING = {
    "$defs": {"n": {"properties": {"c": {"allOf": [{"$ref": "#/$defs/n"}] * 2}}}},
    "$ref": "#/$defs/n",
}


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"c": value}
    return value


@pytest.mark.full
async def test_a_value_that_makes_a_schema_costly_is_given_up_and_stops_nobody(
    checker: SchemaChecker,
) -> None:
    schema = await checker.load(DOUBLING)
    assert schema.compiled is None
    assert await checker.check(schema, deep(5)) is None
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.01)

    ticking = asyncio.create_task(tick())
    with pytest.raises(CheckFailed, match=r"more than 2 s of processor time") as caught:
        await checker.check(schema, deep(60))
    ticking.cancel()
    assert caught.value.by_schema
    assert ticks > 20
    assert await checker.check(schema, deep(5)) is None


async def test_others_are_not_kept_waiting_by_one_client(checker: SchemaChecker) -> None:
    schema = await checker.load(DOUBLING)
    hog = [asyncio.create_task(checker.check(schema, deep(60), client="hog")) for _ in range(8)]
    await asyncio.sleep(0)
    assert await checker.check(schema, deep(5), client="other") is None
    assert sum(task.done() for task in hog) <= 2
    for task in hog:
        task.cancel()
    await asyncio.gather(*hog, return_exceptions=True)


async def test_a_process_that_somebody_kills_costs_no_check(checker: SchemaChecker) -> None:
    schema = await checker.load(DOUBLING)
    for pid in children(os.getpid()):
        os.kill(pid, signal.SIGKILL)
    assert await checker.check(schema, deep(5)) is None


async def test_a_check_that_is_given_up_leaves_no_process() -> None:
    before = children(os.getpid())
    checker = SchemaChecker()
    schema = await checker.load(DOUBLING)
    task = asyncio.create_task(checker.check(schema, deep(60)))
    await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await checker.aclose()
    assert children(os.getpid()) <= before


async def test_one_check_starts_no_process_that_stays() -> None:
    before = children(os.getpid())
    assert await check_once(DOUBLING, deep(3)) is None
    assert await check_once({"type": "string"}, 1) is not None
    assert children(os.getpid()) <= before


@pytest.mark.parametrize("values", [30_000, 300_000])
async def test_a_long_value_is_checked_in_the_process(checker: SchemaChecker, values: int) -> None:
    schema = await checker.load({"items": {"type": "integer"}})
    assert schema.compiled is not None
    assert not schema.costs_little([0] * values)
    assert await checker.check(schema, [0] * values) is None


references = st.sampled_from(["#", "#/$defs/a", "#/$defs/b", "#/properties/a", "x", "#/nowhere"])
schemas = st.recursive(
    st.one_of(
        st.booleans(),
        st.fixed_dictionaries({"type": st.sampled_from(["object", "array", "integer", "string"])}),
        st.fixed_dictionaries({"$ref": references}),
    ),
    lambda inner: st.one_of(
        *(
            st.fixed_dictionaries({word: st.lists(inner, min_size=1, max_size=3)})
            for word in ("allOf", "anyOf", "oneOf")
        ),
        *(
            st.fixed_dictionaries({word: inner})
            for word in ("not", "if", "items", "contains", "additionalProperties", "propertyNames")
        ),
        *(
            st.fixed_dictionaries({word: st.dictionaries(st.sampled_from("ab"), inner, max_size=2)})
            for word in ("properties", "$defs", "patternProperties", "dependentSchemas")
        ),
    ),
    max_leaves=12,
)
values = st.recursive(
    st.one_of(st.integers(), st.text(max_size=3), st.none()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("ab"), inner, max_size=2)
    ),
    max_leaves=8,
)


@pytest.mark.full
@given(schemas, values)
@settings(max_examples=400)
def test_whatever_is_bounded_and_cheap_says_what_the_validator_says(schema: Any, value: Any) -> None:
    try:
        loaded = measured(schema, "2020-12")
    except SchemaError:
        return
    assert 1 <= loaded.measure.expansion <= MAX_EXPANSION
    if loaded.compiled is not None:
        mismatch = loaded.compiled.check(value)
        assert (mismatch is None) == jsonschema_rs.Draft202012Validator(schema).is_valid(value)


VALIDATORS = ("jsonschema", "jsonschema_rs", "fastjsonschema")


def test_one_module_makes_validators() -> None:
    texts = {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
        for package in ("graders", "runtime", "service")
        for path in sorted((ROOT / package).rglob("*.py"))
    }
    makers = [
        path
        for path, text in texts.items()
        if any(name in text for name in VALIDATORS)
        and any(_imports_validators(node) for node in ast.walk(ast.parse(text)))
    ]
    assert makers == ["runtime/schemas/compiler.py"]


def _imports_validators(node: ast.AST) -> bool:
    named = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
    named += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
    return any(name.partition(".")[0] in VALIDATORS for name in named)

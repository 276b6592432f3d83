"""Paths find what they name, compute nothing, and say what is there when it is not what was named."""

import math
from contextlib import suppress
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graders import FailureKind, GradingError, Sample, TemplateError
from graders.paths import compile_path, has_path, walk
from tests.strategies import any_str, rows, steps

ITEM: dict[str, Any] = {
    "a": {"0": "zero", "b": [1, {"c": 2}], "é": "ü"},
    "0": "nought",
    "n": None,
    "x y": "spaced",
    "": "nameless",
    "a.b": "dotted",
    "a-b": "dashed",
    "@type": "Thing",
    "list": [{"id": 1, "v": "x"}, {"id": 2, "v": "y"}, {"id": None}],
    "tuple": (1, (2, 3)),
    "pairs": [["x", {"d": 3}], ["y"]],
    "maps": [{"0": "zero"}, ["other"]],
}
SAMPLE = Sample('{"answer": {"value": 7}, "steps": [1, 2]}', model="m")


def look_up(text: str, item: Any = ITEM, sample: Sample = SAMPLE) -> Any:
    return compile_path(text).look_up(sample, item)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("item.n", None),
        ("item.a.0", "zero"),
        ("item.0", "nought"),
        ("item.a.b[0]", 1),
        ("item.a.b[1].c", 2),
        ("item.a.b[-1].c", 2),
        ("item.a.b.0", 1),
        ("item.a.b.1.c", 2),
        ("item.tuple.1.0", 2),
        ("item.a.é", "ü"),
        ("item['x y']", "spaced"),
        ('item["a.b"]', "dotted"),
        ("item['']", "nameless"),
        ("item.a-b", "dashed"),
        ("item['@type']", "Thing"),
        ("item['a']['b'][0]", 1),
        ("item.tuple[1][0]", 2),
        ("sample.output_text", SAMPLE.output_text),
        ("sample['output_text']", SAMPLE.output_text),
        ("sample.output_json.answer.value", 7),
        ("sample.output_json.steps[1]", 2),
        ("sample.choices[0].finish_reason", "stop"),
        ("sample.model", "m"),
        ("sample.output_audio", None),
        ("sample", SAMPLE.to_dict()),
        ("item", ITEM),
    ],
)
def test_a_plain_path_finds_the_one_value_that_it_names(text: str, value: object) -> None:
    assert look_up(text) == value
    assert compile_path(text).is_plain


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("item.list[*].v", ["x", "y"]),
        ("item.list[0:2].id", [1, 2]),
        ("item.list[::-1].id", [None, 2, 1]),
        ("item.list[0,1].id", [1, 2]),
        ("item.list[?(@.id==2)].v", ["y"]),
        ("item.list[?@.id > 1].v", ["y"]),
        ("item.list[?(@.v < 'y')].id", [1]),
        ("item.list[?id==1].v", ["x"]),
        ("item.list[?v==y].id", [2]),
        ("item.list[?(@.v)].id", [1, 2]),
        ("item.a.*", ["zero", [1, {"c": 2}], "ü"]),
        ("item..c", [2]),
        ("item.list[*].nope", []),
        ("item.pairs[*].0", ["x", "y"]),
        ("item.pairs[*].1.d", [3]),
        ("item.pairs[1:].0", ["y"]),
        ("item.pairs[?(@.0 == 'x')]", []),
        ("item.maps[*].0", ["zero"]),
        ("item..0", ["nought", "zero", "zero"]),
        ("item.n[*]", []),
        ("sample.output_json.steps[*]", [1, 2]),
        ("sample..value", [7]),
    ],
)
def test_a_rich_path_finds_the_list_of_everything_that_it_fits(text: str, values: list[object]) -> None:
    assert look_up(text) == values
    assert not compile_path(text).is_plain


def test_a_compiled_path_tells_its_namespace_and_its_plain_beginning() -> None:
    assert compile_path("item.list[0].v")[:3] == ("item", ("list", 0, "v"), True)
    assert compile_path("sample.choices[*].index")[:3] == ("sample", ("choices",), False)


def test_a_row_may_be_read_only() -> None:
    item = MappingProxyType({"a": MappingProxyType({"b": 1})})
    assert look_up("item.a.b", item) == 1
    assert look_up("item", item) == dict(item)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"must begin with 'item\.' or 'sample\.', for example \{\{item.answer\}\}$"),
        ("answer", r"\{\{answer\}\} must begin with"),
        ("items.a", "must begin with"),
        ("Item.a", "must begin with"),
        ("item .a", "must begin with"),
        ("item|sample", "must begin with"),
        ("{item.a", "must begin with .*; a variable has two braces on each side"),
        ("item.", "is not a path: Parse error"),
        ("item.a[", "is not a path"),
        ("item.a[(1+1)]", "is not a path: .* is written \\['the name'\\]"),
        ("item.a[--1]", "is not a path"),
        ("item.what?", "is not a path: .* is written \\['the name'\\]"),
        ("item.a.b[٣]", "by a roundabout path"),
        ("item.a.`len`", "is not a path: it has a '`'"),
        ("item.a.`sub(/a/,b)`", "is not a path: it has a '`'"),
        ("item.a.`parent`", "is not a path: it has a '`'"),
        ("item. a", "by a roundabout path: write names as .name or \\['any name'\\], indices as \\[0\\]"),
        ("item.['a']", "by a roundabout path"),
        ("item.@type", "by a roundabout path"),
        ("item.list[99999999999]", "by a roundabout path"),
        ("item.a + 1", "uses Operation, which templates do not have"),
        ("item.a|item.b", "uses _?Union, which templates do not have"),
        ("item.a where b", "uses Where, which"),
        ("item.list[\\id]", "uses SortedThis, which"),
        ("item.list[?(@.v =~ '(a+)+$')]", "uses Expression =~, which"),
        ("item.list[?(@.v == $.v)]", r"has a '\$' inside"),
        ("item.list[?($.v == 1)]", r"has a '\$' inside"),
        ("item..a..b", r"has more than one '\.\.'"),
        ("item.list[?(@..a == 1)]..b", r"has more than one '\.\.'"),
        ("item.list" + "[*]" * 200, "is longer than 500 characters after its plain beginning"),
        ("x" * 1000, r"\{\{x{79}…\}\} must begin"),
    ],
)
def test_what_is_no_path_is_refused_when_it_is_compiled(text: str, message: str) -> None:
    with pytest.raises(TemplateError, match=message):
        compile_path(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "item.b",
            r"\{\{item.b\}\} is not there: item has , 0, @type, a, a-b, a.b, list, maps, n, pairs, tuple, x y",
        ),
        ("item.a.c", "item.a has 0, b, é"),
        ("item.a.b.2", "item.a.b is a list of 2; an element is written {{item.a.b\\[0\\]}} or .0"),
        ("item.a.b.c", r"item.a.b is a list of 2; .* a field of each element \[\*\].c"),
        ("item.a.b.-1", "item.a.b is a list of 2; an element is written"),
        ("item.a.b.999999999999999999999999", "item.a.b is a list of 2"),
        ("item.a.b[2]", "item.a.b is a list of 2"),
        ("item.a.b[-3]", "item.a.b is a list of 2"),
        ("item.tuple[2]", "item.tuple is a list of 2"),
        ("item.n.x", "item.n is null"),
        ("item.0.x", "item.0 is a str; a field of JSON inside a text cannot be looked up"),
        ("item[0]", "item has , 0"),
        ("item.a.b[1].c.d", r"item.a.b\[1\].c is a int"),
        ("item.zzz[*]", r"\{\{item.zzz\[\*\]\}\} is not there"),
        ("sample.nope", "sample has answer_text, choices, input_tools, model"),
        ("sample[0]", "sample has answer_text, choices"),
    ],
)
def test_a_row_without_the_variable_is_the_graders_fault_and_says_what_is_there(
    text: str, message: str
) -> None:
    with pytest.raises(GradingError, match=message) as caught:
        look_up(text)
    failure = caught.value.failure
    assert (failure.kind, failure.caused_by) == (FailureKind.INVALID_VARIABLE, "grader")
    assert failure.details == {"variable": text}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sample.output_json.nope", "sample.output_json has answer, steps"),
        ("sample.output_json.steps[5]", "sample.output_json.steps is a list of 2"),
        ("sample.output_text.x", "sample.output_text is a str"),
        ("sample.output_tools[0]", "sample.output_tools is a list of 0"),
        ("sample.output_json.nope[*]", "sample.output_json has answer, steps"),
    ],
)
def test_a_sample_without_the_variable_is_the_models_fault(text: str, message: str) -> None:
    with pytest.raises(GradingError, match=message) as caught:
        look_up(text)
    assert (caught.value.failure.kind, caught.value.failure.caused_by) == (
        FailureKind.INVALID_VARIABLE,
        "model",
    )


@pytest.mark.parametrize("text", ["sample.output_json", "sample.output_json.a", "sample.output_json[*]"])
def test_a_sample_that_is_no_json_where_json_is_wanted_is_the_models_fault(text: str) -> None:
    with pytest.raises(
        GradingError, match="needs a sample that is valid JSON, and this one is not"
    ) as caught:
        look_up(text, sample=Sample("no"))
    assert (caught.value.failure.kind, caught.value.failure.caused_by) == (FailureKind.SAMPLE_PARSE, "model")


def test_a_sample_that_is_the_json_null_is_json() -> None:
    assert look_up("sample.output_json", sample=Sample("null")) is None


def test_messages_name_a_few_fields_and_stay_short() -> None:
    with pytest.raises(
        GradingError, match=r"item has k0, k1, k10, k11, k12, k13, k14, k15, k16, k17, k18, k19, …$"
    ):
        look_up("item.x", {f"k{n}": n for n in range(100)})
    with pytest.raises(GradingError, match=r"item has no fields$"):
        look_up("item.x", {})
    with pytest.raises(GradingError) as caught:
        look_up("item" + ".x" * 5000, {"x" * 10_000: 1})
    assert len(str(caught.value)) < 1000


def test_data_that_no_json_gives_is_a_failure_and_no_crash() -> None:
    item = {"list": [{"c": np.array([1, 2])}]}
    with pytest.raises(GradingError, match="does not fit the data: The truth value of an array") as caught:
        look_up("item.list[?(@.c == 1)]", item)
    assert caught.value.failure.caused_by == "grader"


@pytest.mark.parametrize("levels", [300, 5000])
def test_deep_rows_are_looked_through(levels: int) -> None:
    item: dict[str, Any] = {"leaf": 1}
    for _ in range(levels):
        item = {"a": item}
    assert look_up("item..leaf", item) == [1]
    assert has_path(item, ("a",) * levels)
    assert not has_path(item, ("a",) * (levels + 1))


@given(item=rows(), path=steps())
def test_walking_is_indexing_step_by_step(item: dict[str, Any], path: tuple[str | int, ...]) -> None:
    value: Any = item
    try:
        for step in path:
            if isinstance(step, int) is not isinstance(value, list):
                raise LookupError  # noqa: TRY301  # a name is no index
            value = value[step]
    except (LookupError, TypeError):
        assert not has_path(item, path)
    else:
        assert walk(item, path) is value


@given(
    any_str()
    | st.tuples(
        st.sampled_from(["item", "sample", "item.a", "sample.output_json"]),
        st.text(".[]'\"*?@$()=<>!~&|:,-+/\\`a01 é{}", max_size=20),
    ).map("".join)
)
def test_any_text_compiles_or_is_a_template_error(text: str) -> None:
    try:
        path = compile_path(text)
    except TemplateError:
        return
    with suppress(GradingError):
        path.look_up(Sample('{"a": [{"a": 1}, null]}'), {"a": [{"a": "x", "1": math.inf}, [0]], "é": {}})

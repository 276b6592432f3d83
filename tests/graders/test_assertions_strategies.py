"""The public strategies give what they say; values become source that makes them again; Hypothesis is optional."""

import json
import math
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from graders import Sample
from graders import testing as public
from graders.installation import install_command
from graders.testing import any_answer, hostile_texts, items, samples, tool_calls
from graders.testing.bench import BenchCase
from graders.testing.later import Later
from graders.testing.simpler import simplest
from graders.testing.source import source
from graders.testing.strategies import HOLES, each_filling, each_hole, texts_in
from tests.strategies import json_values

ITEM = {"reference": "42", "parts": [{"unit": "cm"}]}
Shapes = dict[str, Callable[[Any], object]]
SHAPES: dict[str, tuple[st.SearchStrategy[Any], Shapes]] = {
    "hostile texts": (
        hostile_texts(max_length=900),
        {
            "empty": lambda text: text == "",
            "long": lambda text: len(text) > 800,
            "a broken fence": lambda text: text == "```json\n",
        },
    ),
    "hostile texts like those that are expected": (
        hostile_texts(["abc"]),
        {
            "changed": lambda text: text == "ABC",
            "cut": lambda text: text == "ab",
            "twice": lambda text: text == "abcabc",
        },
    ),
    "tool calls": (
        tool_calls(),
        {
            "with arguments": lambda call: call.get("function", {}) and call["id"] == "call_1",
            "without a function": lambda call: "function" not in call,
        },
    ),
    "samples": (
        samples(),
        {
            "with calls": lambda sample: len(sample.output_tools) > 1,
            "with choices": lambda sample: len(sample.choices) > 1,
            "without choices": lambda sample: sample.choices == [],
            "whose text is JSON": lambda sample: isinstance(sample.output_json, dict),
        },
    ),
    "items": (
        items(ITEM),
        {
            "as it was given": lambda item: item == ITEM,
            "without a field": lambda item: item == {"reference": "42"},
            "without any": lambda item: item == {},
            "without an inner field": lambda item: item == {"reference": "42", "parts": [{}]},
            "with null": lambda item: item.get("reference", 0) is None,
        },
    ),
    "items of anything": (items(), {"with fields": lambda item: len(item) > 1}),
}


@pytest.mark.few(6)
@pytest.mark.parametrize("kind", SHAPES)
def test_every_shape_is_tried(kind: str) -> None:
    strategy, missing = SHAPES[kind][0], dict(SHAPES[kind][1])

    def was_the_last(value: object) -> bool:
        for shape in [name for name, is_one in missing.items() if is_one(value)]:
            del missing[shape]
        return not missing

    quick = settings(max_examples=5000, database=None, derandomize=True, phases=[Phase.generate])
    with suppress(NoSuchExample):
        find(strategy, was_the_last, settings=quick)
    assert list(missing) == []


@given(items(ITEM, {}, holes=False))
def test_without_holes_the_items_are_the_examples(item: dict[str, Any]) -> None:
    assert item in (ITEM, {})


@given(items({}))
def test_an_item_without_fields_has_no_holes(item: dict[str, Any]) -> None:
    assert item == {}


@given(samples())
def test_a_generated_sample_survives_its_stored_form(sample: Sample) -> None:
    assert Sample.load(sample.to_stored()).output_text == sample.output_text


def test_every_field_is_left_out_once() -> None:
    assert list(each_hole({"a": 1, "b": {"c": 2}})) == [{"b": {"c": 2}}, {"a": 1}, {"a": 1, "b": {}}, {}]
    assert list(each_hole({})) == []


def test_every_field_is_filled_with_what_nobody_expects() -> None:
    filled = list(each_filling({"a": {"b": 1}}))
    assert len(filled) == 2 * len(HOLES)
    assert {"a": None} in filled
    assert {"a": {"b": "1/0"}} in filled


def test_the_texts_in_an_item_are_those_that_a_sample_may_repeat() -> None:
    item = {"a": "x", "b": [1, {"c": 2.5}, None], "d": True}
    assert list(texts_in(item)) == ["x", "1", "2.5", "true"]
    assert list(texts_in(10**5000)) == ["1" + "0" * 5000]


@given(json_values() | st.tuples(st.text()) | st.tuples(st.integers(), st.text(min_size=50)))
def test_source_makes_an_equal_value(value: Any) -> None:
    made = eval(source(value))  # noqa: S307  # what an author would paste
    assert type(made) is type(value)
    assert repr_of(made) == repr_of(value)


def repr_of(value: Any) -> str:
    """A value as text that is equal for NaN too, and knows integers of any length."""
    if isinstance(value, int) and not isinstance(value, bool):
        return hex(value)
    if isinstance(value, (list, tuple)):
        return f"{type(value)}{[repr_of(inner) for inner in value]}"
    if isinstance(value, dict):
        return f"{[(key, repr_of(inner)) for key, inner in value.items()]}"
    return repr(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a" * 1001, "'a' * 1001"),
        ("1," * 40 + "!", "'1,' * 40 + '!'"),
        ("The quick brown fox jumps over the lazy dog and does not come back", None),
        (math.nan, 'float("nan")'),
        (10**61, hex(10**61)),
        ((1,), "(1,)"),
        ((1, 2), "(1, 2)"),
        ({"a": [-math.inf]}, "{'a': [float(\"-inf\")]}"),
        (Sample("a"), "Sample('a')"),
        (Sample("a", model="m"), "Sample.load({'output_text': 'a', 'model': 'm'})"),
    ],
)
def test_source_is_short(value: Any, expected: str | None) -> None:
    assert source(value) == (repr(value) if expected is None else expected)


def test_the_simplest_case_is_looked_for_in_all_that_a_sample_holds() -> None:
    call = {"id": "call_1", "function": {"name": "search", "arguments": "{}"}, "index": 3}
    case = BenchCase([Sample("x"), Sample("abc 77", output_tools=[call, call])], {"a": [1, "b"], "c": 2})

    def breaks(other: BenchCase) -> bool:
        calls = [made for sample in other.samples for made in sample.output_tools]
        return "a" in other.item and bool(calls) and "index" in calls[0]

    found = simplest(case, breaks, items=None)
    assert found.samples == [Sample("", output_tools=[{"index": 0}])]
    assert found.item == {"a": []}


def test_the_case_before_is_made_simpler_too() -> None:
    case = BenchCase([Sample("xy")], {"a": 1}, before=([Sample("b7!c")], {"other": 2}))

    def breaks(other: BenchCase) -> bool:
        return other.before is not None and len(other.before[0][0].output_text) > 1

    found = simplest(case, breaks, items=[{"a": 1}])
    assert found == BenchCase([Sample("")], {"a": 1}, before=([Sample("aa")], {"a": 1}))


def test_any_answer_follows_the_schema_and_stays_the_same() -> None:
    schema = {
        "type": "object",
        "properties": {
            "word": {"enum": ["yes", "no"]},
            "fixed": {"const": 7},
            "score": {"type": "number", "minimum": 2, "maximum": 3},
            "count": {"type": "integer", "minimum": 1, "maximum": 9},
            "right": {"type": "boolean"},
            "nothing": {"type": "null"},
            "reason": {"type": "string"},
            "steps": {"type": "array", "items": {"type": "string"}, "minItems": 2},
            "either": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        },
    }
    answer = any_answer(messages=[{"role": "user", "content": "\ud800"}], schema=schema)
    assert answer == any_answer(messages=[{"role": "user", "content": "\ud800"}], schema=schema, model="m")
    assert answer["word"] in {"yes", "no"}
    assert 2 <= answer["score"] <= 3
    assert answer["count"] in range(1, 10)
    assert answer["right"] in {True, False}
    assert {name: answer[name] for name in ("fixed", "nothing", "reason", "steps", "either")} == {
        "fixed": 7, "nothing": None, "reason": "", "steps": ["", ""], "either": "",
    }  # fmt: skip
    scores = {any_answer(messages=[{"content": str(n)}], schema=schema)["score"] for n in range(20)}
    assert len(scores) == 20


def test_a_missing_package_says_how_to_install_it() -> None:
    assert Later("json").dumps is json.dumps
    with pytest.raises(ModuleNotFoundError) as caught:
        Later("no_such_package.strategies").text()
    assert (
        str(caught.value)
        == f"this needs no_such_package, which is not installed: {install_command('testing')}"
    )
    assert caught.value.name == "no_such_package"


def test_all_but_the_generated_works_without_hypothesis() -> None:
    code = (
        "import sys; sys.modules['hypothesis'] = None\n"
        "from graders import grader, Sample\n"
        "from graders.testing import *\n"
        "@grader('exact')\n"
        "def exact(sample: Sample, item: dict) -> float: return sample.output_text == 'a'\n"
        "assert_order(exact, ['a', 'b'], {}); assert_well_behaved_on(exact, 'a', {})\n"
        "for needs in (samples, hostile_texts, tool_calls, lambda: assert_well_behaved(exact)):\n"
        "    try: needs()\n"
        "    except ModuleNotFoundError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    told = f"this needs hypothesis, which is not installed: {install_command('testing')}"
    assert done.stdout.splitlines() == [told] * 4


def test_a_test_that_needs_only_a_fake_does_not_import_hypothesis() -> None:
    code = "import sys, graders.testing; print('hypothesis' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "False\n"


def test_the_public_names_are_sorted_and_there() -> None:
    assert public.__all__ == sorted(public.__all__)
    assert [name for name in public.__all__ if not hasattr(public, name)] == []

"""Lines of fields in a JSON text."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.data.json_lines import line_of, repeated_keys

TEXT = """{
  "type": "multi",
  "graders": {
    "a, \\"}": {"type": "x", "n": [1,
      -2.5e3, "two"]},
    "b": {
      "operation": true }
  }
}"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ((), 1),
        (("type",), 2),
        (("graders",), 3),
        (("graders", 'a, "}', "n"), 4),
        (("graders", 'a, "}', "n", 1), 5),
        (("graders", "b", "operation"), 7),
        (("graders", "b", "missing"), 6),
        (("nowhere", "at", "all"), 1),
        (("type", "is text"), 2),
    ],
)
def test_a_field_is_found_on_its_line(path: tuple[str | int, ...], line: int) -> None:
    assert line_of(TEXT, path) == line


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)


@given(data=values, indent=st.sampled_from([None, 0, 2]))
def test_every_path_of_generated_json_leads_to_a_line_that_begins_its_value(
    data: Any, indent: int | None
) -> None:
    text = json.dumps(data, indent=indent)
    for path, value in _paths(data):
        line = text.splitlines()[line_of(text, path) - 1]
        assert json.dumps(value, indent=indent).splitlines()[0] in line


def _paths(data: Any, path: tuple[str | int, ...] = ()) -> list[tuple[tuple[str | int, ...], Any]]:
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [(path, data), *(found for key, value in inner for found in _paths(value, (*path, key)))]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"a": 1, "a": 2}', [("a", (1, 1))]),
        ('\n{"a": {"b": 1,\n"c": 2,\n"b": {}, "b": []}}', [("a.b", (2, 4, 4))]),
        ('[{"a": 1}, {"a": 1,\n "\\u0061": 2}]', [("1.a", (1, 2))]),
        ('{"a": {"x": 1, "x": 1}, "a": {"y": 1, "y": 2}}', [("a", (1, 1)), ("a.x", (1, 1)), ("a.y", (1, 1))]),
        ('{"a": "{\\"a\\": 1}", "b": [1, 1], "c": null}', []),
        ("3", []),
    ],
)
def test_keys_that_are_there_twice_are_found_with_their_lines(
    text: str, found: list[tuple[str, tuple[int, ...]]]
) -> None:
    assert [(".".join(map(str, each.path)), each.lines) for each in repeated_keys(text)] == found


@given(st.dictionaries(st.text(max_size=3), st.integers() | st.lists(st.integers(), max_size=2), max_size=4))
def test_no_object_that_python_writes_has_a_key_twice(value: dict[str, Any]) -> None:
    assert repeated_keys(json.dumps(value, indent=1)) == []

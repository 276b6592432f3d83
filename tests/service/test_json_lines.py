"""Lines of fields in a JSON text."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.data.json_lines import line_of

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

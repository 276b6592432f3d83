"""YAML that a stranger wrote is plain data of bounded size, or an error with its line."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from runtime.cases.document import read_document
from runtime.cases.plain_yaml import MAX_REPEATED, NotPlainYaml, read_yaml

ALIASES = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 40)
)
MERGES = "a0: &a0 {k: 1}\n" + "".join(
    f"a{level}: &a{level} {{<<: [{', '.join([f'*a{level - 1}'] * 9)}]}}\n" for level in range(1, 40)
)
LONG_TEXT = f"s: &s {'x' * 10_000}\nb: [{', '.join(['*s'] * 1_000)}]\n"


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        (
            ALIASES,
            6,
            "its aliases stand for more than 1,000,000 values and characters; write out what is meant",
        ),
        (MERGES, 7, "its aliases stand for more than"),
        (LONG_TEXT, 2, "its aliases stand for more than"),
        ("x: &x [*x]\ngrader: *x\n", 1, "the alias *x stands inside its own anchor: it has no end"),
        ("x: &x\n  y: &y\n    - *y\n    - *x\n", 3, "the alias *y stands inside its own anchor"),
        ("a: &a\n  <<: *a\n", 2, "the alias *a stands inside its own anchor"),
        ("a: &a\n  ? *a\n  : 1\n", 2, "the alias *a stands inside its own anchor"),
        ("a: &a 1\nb: &a [*a]\n", 2, "the alias *a stands inside its own anchor"),
        ("[" * 100_000, 1, "lists and maps are nested more than 64 levels deep"),
        ('{"a": ' * 100_000, 1, "lists and maps are nested more than 64 levels deep"),
        ("a:\n" + "- " * 100_000, 2, "lists and maps are nested more than 64 levels deep"),
        ("? " * 100_000, 1, "lists and maps are nested more than 64 levels deep"),
        ("\n".join(" " * level + "a:" for level in range(300)), 65, "lists and maps are nested more than"),
        (
            "a: 1\ng: !!python/object/apply:os.system [x]\n",
            2,
            "the tag !!python/object/apply:os.system: a case file",
        ),
        ("g: !!python/name:os.system ''\n", 1, "the tag !!python/name:os.system"),
        (
            "%TAG ! tag:yaml.org,2002:\n---\ng: !python/name:os.system ''\n",
            3,
            "the tag !!python/name:os.system",
        ),
        ("g: !<tag:yaml.org,2002:python/name:os.system> ''\n", 1, "the tag !!python/name:os.system"),
        ("g: !mine {a: 1}\n", 1, "the tag !mine"),
        ("g: !!set {a, b}\n", 1, "the tag !!set"),
        ("g: " + "9" * 5_000, 1, "a number of 5,000 characters; quote it where it is a text"),
        ("g: 0x" + "f" * 5_000, 1, "a number of 5,002 characters"),
    ],
)
def test_what_is_more_than_plain_data_of_bounded_size_is_refused_with_its_line(
    text: str, line: int, problem: str
) -> None:
    with pytest.raises(NotPlainYaml) as refused:
        read_yaml(text)
    assert str(refused.value.problem).startswith(problem)
    assert refused.value.problem_mark.line + 1 == line


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("a: 1\nb: !!int one\n", 2, "no int: "),
        ("b: !!bool x\n", 1, "no bool: "),
        ("b: !!float x\n", 1, "no float: "),
        ('a: 1\nb: "\\U00110000"\n', 2, "an escape in this text: "),
        ("a: *missing\n", 1, "found undefined alias"),
    ],
)
def test_a_value_that_cannot_be_made_is_refused_with_its_line(text: str, line: int, problem: str) -> None:
    with pytest.raises(MarkedYAMLError) as refused:
        read_yaml(text)
    assert str(refused.value.problem).startswith(problem)
    assert refused.value.problem_mark.line + 1 == line


def test_aliases_and_merges_of_ordinary_files_are_read() -> None:
    text = "base: &b {x: 1, y: [1, 2]}\nmore:\n  <<: *b\n  x: 2\nagain: *b\n"
    assert read_yaml(text)[0] == {
        "base": {"x": 1, "y": [1, 2]},
        "more": {"x": 2, "y": [1, 2]},
        "again": {"x": 1, "y": [1, 2]},
    }


def _size(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + sum(_size(key) + _size(inner) for key, inner in value.items())
    if isinstance(value, list):
        return 1 + sum(map(_size, value))
    return 1 + len(str(value))


_pieces = st.sampled_from(
    [
        "&a ",
        "*a",
        "&b ",
        "*b",
        "[",
        "]",
        "{",
        "}",
        ", ",
        ": ",
        "\n",
        "  ",
        "- ",
        "? ",
        "<<",
        "x",
        "1",
        "!!int ",
        "! ",
        '"',
        "'",
        "|",
        ">",
    ]
)


@given(st.lists(_pieces, max_size=60).map("".join) | st.text())
def test_any_text_is_plain_data_without_cycles_or_an_error_of_yaml(text: str) -> None:
    try:
        value, _ = read_yaml(text)
    except YAMLError:
        return
    assert _size(value) <= 10 * len(text) + MAX_REPEATED + 10


def test_a_case_file_within_the_limits_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.cases.yaml"
    path.write_text(f"item: &i {{text: {'x' * 1_000}}}\ncases: [{', '.join(['{item: *i}'] * 500)}]\n")
    assert len(read_document(path).data["cases"]) == 500

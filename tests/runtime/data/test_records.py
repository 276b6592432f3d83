"""Rows come out of every kind of file as they were put in, one at a time."""

import json
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.data.datasets import UnreadableFile
from runtime.data.records import MAX_PAGE, record_file

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.text(alphabet='[]{}",:\\ \néa', max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def read(path: Path, content: bytes) -> list[tuple[int, Any, str | None]]:
    path.write_bytes(content)
    with record_file(path) as file:
        first = [(record.number, record.value, record.failure) for record in file]
        assert [(record.number, record.value, record.failure) for record in file] == first
        return first


@given(values=st.lists(VALUES, max_size=6), indent=st.none() | st.integers(0, 2), mark=st.booleans())
def test_a_list_gives_its_elements(
    values: list[Any], indent: int | None, mark: bool, tmp_path_factory: Any
) -> None:
    path = Path(tmp_path_factory.mktemp("list")) / "rows"
    text = b"\xef\xbb\xbf" * mark + json.dumps(values, indent=indent, ensure_ascii=False).encode()
    assert read(path, text) == [(number, value, None) for number, value in enumerate(values, 1)]


@given(values=st.lists(st.dictionaries(st.sampled_from("abc"), VALUES), max_size=6))
def test_lines_give_their_rows(values: list[Any], tmp_path_factory: Any) -> None:
    path = Path(tmp_path_factory.mktemp("lines")) / "rows"
    text = "".join(f"{json.dumps(value)}\n\n" for value in values).encode()
    assert read(path, text) == [(2 * number + 1, value, None) for number, value in enumerate(values)]


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        (b"", []),
        (b"[]", []),
        (b"[1,]", [(1, 1, None), (2, None, "not JSON: EOF while parsing a value at column 1")]),
        (b"[1", [(1, None, "not JSON: the file ends inside the list")]),
        (b'["a', [(1, None, "not JSON: the file ends inside the list")]),
        (b"[1] x", [(1, 1, None), (2, None, "not JSON: there is more text behind the end of the list")]),
        (b"[1]\n[2]\n", [(1, [1], None), (2, [2], None)]),
        (b'{"items": [{"a": 1}, {"b": 2}]}', [(1, {"a": 1}, None), (2, {"b": 2}, None)]),
        (b'{\n "data": [\n  {"a": 1}]\n}\n', [(1, {"a": 1}, None)]),
        (b'{\n "a": 1\n}\n', [(1, {"a": 1}, None)]),
        (b'{"data": []}', [(1, {"data": []}, None)]),
        (b'[{"a": "' + b"x" * 3_000_000 + b'"}, 2]', [(1, {"a": "x" * 3_000_000}, None), (2, 2, None)]),
    ],
)
def test_files_of_other_shapes(content: bytes, rows: list[Any], tmp_path: Path) -> None:
    assert read(tmp_path / "rows", content) == rows


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"a": 1}'.encode("utf-16"), "UTF-16"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"PK\x03\x04", "ZIP"),
        (b"PAR1 and nothing more", "damaged parquet"),
    ],
)
def test_files_that_are_no_rows_say_why(content: bytes, reason: str, tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match=reason):
        read(tmp_path / "rows", content)


@pytest.mark.parametrize("indent", [None, 1], ids=["one line", "several lines"])
def test_an_export_of_one_object_may_have_more_values_than_a_row(tmp_path: Path, indent: int | None) -> None:
    inner = [[number] * 100 for number in range(2_500)]
    path = tmp_path / "export.json"
    path.write_text(json.dumps({"results": {"results": inner}, "text": "x" * 200_000}, indent=indent))
    with record_file(path) as file:
        [record] = list(file)
        assert (file.kind, record.failure) == ("json", None)
        assert record.value["results"]["results"] == inner


@pytest.mark.full
@pytest.mark.parametrize(
    "head",
    [b'{"data": [', b'{\n  "data": [\n', b'{"data": [\n' + b'{"item": {}},\n' * 200],
    ids=["in one line", "over lines", "a row a line"],
)
def test_an_object_that_is_too_large_is_refused_with_the_way_out(tmp_path: Path, head: bytes) -> None:
    path = tmp_path / "page.json"
    with path.open("wb") as file:
        file.write(head)
        file.truncate(MAX_PAGE + (1 << 20))  # nothing of it takes space
    with (
        pytest.raises(UnreadableFile, match=r"one JSON object of 257 MB; expected at most 256 MB.*jq -c"),
        record_file(path),
    ):
        pass


def test_a_large_file_of_rows_whose_first_row_is_damaged_is_read_by_lines(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    with path.open("wb") as file:
        file.write(b'{"item": \n{"item": {}}\n')
        file.truncate(MAX_PAGE + (1 << 20))
    with record_file(path) as rows:
        first, second = islice(rows, 2)
    assert first.failure is not None
    assert second.value == {"item": {}}

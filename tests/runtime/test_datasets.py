"""Dataset files: what is a row, and what is said of a line that is none."""

from pathlib import Path

import pytest

from graders import ConfigurationError
from runtime.datasets import parse_rows, read_json, read_rows


def test_a_stored_sample_and_its_item() -> None:
    (row,) = parse_rows([b'{"item": {"q": 1}, "sample": {"output_text": "a"}, "recorded": {}}'], "d")
    assert row.item == {"q": 1}
    assert row.sample is not None
    assert row.sample.output_text == "a"


def test_a_training_row_is_its_own_item() -> None:
    (row,) = parse_rows([b'{"messages": [], "target": "7"}'], "d")
    assert row.item == {"messages": [], "target": "7"}
    assert row.sample is None


def test_empty_lines_and_a_byte_order_mark_are_passed_over_and_lines_counted() -> None:
    rows = list(parse_rows([b"\xef\xbb\xbf{}\n", b"\n", b"  \r\n", b'{"sample": "x"}'], "d"))
    assert [row.line for row in rows] == [1, 4]
    assert rows[1].item == {}


def test_equal_lines_have_equal_keys() -> None:
    first, second, other = parse_rows([b'{"a": 1}\n', b' {"a": 1}', b'{"a": 2}'], "d")
    assert first.key == second.key != other.key


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"{", r"d:2: not JSON: EOF while parsing an object at column 1"),
        (b'{"a": NaN}', "d:2: not JSON: expected value at column 7"),
        (b'{"a": "\xff"}', "d:2: not JSON: invalid unicode"),
        (b"[" * 3000, "d:2: not JSON: recursion limit exceeded"),
        (b"[1]", "d:2: expected an object .* got list"),
        (b'{"item": 3}', "d:2: 'item' is a JSON object, not int"),
        (b'{"item": {}, "sample": 3}', "d:2: a sample is text, .* got int"),
        (b'{"item": {}, "sample": {"text": ""}}', "d:2: .*'output_text'.*; got 'text'"),
    ],
)
def test_a_line_that_is_no_row_is_named_with_its_number(line: bytes, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        list(parse_rows([b"{}", line], "d"))


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot read .*none\.jsonl: No such file"):
        list(read_rows(tmp_path / "none.jsonl"))


def test_a_json_file_that_is_none_says_where(tmp_path: Path) -> None:
    (tmp_path / "g.json").write_text('{\n  "a": }')
    with pytest.raises(ConfigurationError, match=r"g\.json: not JSON: expected value at line 2 column 8"):
        read_json(tmp_path / "g.json")

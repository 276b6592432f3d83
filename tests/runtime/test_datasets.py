"""Dataset files: which lines are rows, and the message for a line that is not a row."""

from pathlib import Path

import pytest

from graders import ConfigurationError
from runtime.data.datasets import MAX_LINE, parse_rows, read_json, read_rows, read_whole


def test_a_stored_sample_and_its_item() -> None:
    (row,) = parse_rows([b'{"item": {"q": 1}, "sample": {"output_text": "a"}, "recorded": {}}'])
    assert row.item == {"q": 1}
    assert row.sample is not None
    assert row.sample.output_text == "a"


def test_a_training_row_is_its_own_item() -> None:
    (row,) = parse_rows([b'{"messages": [], "target": "7"}'])
    assert row.item == {"messages": [], "target": "7"}
    assert row.sample is None


def test_empty_lines_and_a_byte_order_mark_are_passed_over_and_lines_counted() -> None:
    rows = list(parse_rows([b"\xef\xbb\xbf{}\n", b"\n", b"  \r\n", b'{"sample": "x"}']))
    assert [row.line for row in rows] == [1, 4]
    assert rows[1].item == {}


def test_equal_lines_have_equal_keys() -> None:
    first, second, other = parse_rows([b'{"a": 1}\n', b' {"a": 1}', b'{"a": 2}'])
    assert first.key == second.key != other.key


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"{", "line 2: not JSON: EOF while parsing an object at column 1"),
        (b'{"item": {"a": [1, NaN]}}', "line 2: NaN is not JSON at column 20, in item.a.1"),
        (b'{"item": {}, "sample": -Infinity}', "line 2: -Infinity is not JSON at column 24, in sample"),
        (b'{"a": "\xff"}', "line 2: not JSON: the byte 0xff is not UTF-8 at column 8, in a"),
        (b"[" * 3000, "line 2: not JSON: the text ends inside a list or an object at column 3001"),
        (b"[1]", 'line 2: expected a row such as {"sample": …, "item": {…}}, got the list [1]'),
        (b"null", 'line 2: expected a row such as {"sample": …, "item": {…}}, got null'),
        (b'{"item": 3}', "line 2: item: expected the dataset row, a JSON object, got a number 3"),
        (b'{"item": {"a": 1e400}}', "line 2: item.a: the number 1e400 is too large"),
        (b'{"item": {"a": %b}}' % (b"9" * 5000), "line 2: item.a: an integer of 5,000 digits"),
        (b'{"item": {}, "sample": 3}', "line 2: sample: expected a text, a stored sample, "),
        (b'{"item": {}, "sample": {"text": ""}}', "line 2: sample: a sample that is a JSON object has "),
    ],
)
def test_a_line_that_is_not_a_row_says_why_and_the_others_are_read(line: bytes, message: str) -> None:
    before, bad, after = parse_rows([b'{"sample": "x"}', line, b'{"sample": "y"}'])
    assert bad.failure is not None
    assert str(bad.failure).startswith(message)
    assert bad.failure.failure.caused_by == "infrastructure"
    assert [row.sample and row.sample.output_text for row in (before, bad, after)] == ["x", None, "y"]
    assert before.failure is after.failure is None


@pytest.mark.parametrize("half", [b"\\ud83d", b"\xed\xa0\xbd"], ids=["escaped", "encoded"])
def test_half_a_surrogate_pair_is_text(half: bytes) -> None:
    (row,) = parse_rows([b'{"item": {"a": "%b"}, "sample": "x%b"}' % (half, half)])
    assert row.sample is not None
    assert (row.sample.output_text, row.item) == ("x\ud83d", {"a": "\ud83d"})


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot read .*none\.jsonl: No such file"):
        list(read_rows(tmp_path / "none.jsonl"))


def test_a_json_file_that_is_none_says_where(tmp_path: Path) -> None:
    (tmp_path / "g.json").write_text('{\n  "a": }')
    with pytest.raises(ConfigurationError, match=r"g\.json: not JSON: expected value at line 2 column 8 "):
        read_json(tmp_path / "g.json")


def test_a_device_that_never_ends_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"^/dev/zero: more than 32 MB; is this the right file"):
        read_whole(Path("/dev/zero"))


def test_a_row_without_end_is_that_rows_failure(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    with rows.open("wb") as file:
        file.write(b'{"sample": "x"}\n')
        file.truncate(2 * MAX_LINE + 100)
        file.seek(0, 2)
        file.write(b'\n{"sample": "y"}\n')
    first, long, last = read_rows(rows)
    assert [row.sample and row.sample.output_text for row in (first, long, last)] == ["x", None, "y"]
    assert str(long.failure) == "line 2: more than 64 MB"
    assert last.line == 3

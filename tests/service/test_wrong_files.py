"""A file that is something else than what a command expects is named as what it is, in one line."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.data.file_kinds import first_is_row, not_a_grader, not_utf_8, rows_over_lines
from tests.service.test_cli import EXACT, graders, write

ROW = {"item": {"answer": "a"}, "sample": "a"}


@pytest.mark.parametrize("content", [b"", b"\n \n", b"\xef\xbb\xbf"])
def test_an_empty_grader_file_is_empty(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "g.json").write_bytes(content)
    done = graders("validate", "g.json", cwd=tmp_path)
    assert done.stdout.startswith("error g.json: the file is empty; expected JSON\n")


@pytest.mark.full
def test_a_grader_file_in_another_encoding_is_named(tmp_path: Path) -> None:
    write(tmp_path / "good.json", EXACT)
    for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32"):
        (tmp_path / "g.json").write_text(json.dumps(EXACT), encoding=encoding)
        (tmp_path / "rows.jsonl").write_text(json.dumps(ROW) + "\n", encoding=encoding)
        done = graders("validate", "g.json", "--data", "rows.jsonl", cwd=tmp_path)
        assert done.stdout.startswith("error g.json: it is UTF-16 or UTF-32; save it as UTF-8\n")
        assert done.stderr == "error: rows.jsonl: it is UTF-16 or UTF-32; save it as UTF-8\n"
        assert done.returncode == 2


@pytest.mark.full
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\n".join([json.dumps(ROW, indent=2)] * 3), "a row takes several lines; expected one JSON object a line"),
        (json.dumps([ROW, ROW], indent=2), "it is a JSON list; expected one JSON object a line"),
        ("[" + ",\n".join([json.dumps(ROW)] * 2) + "]", "it is a JSON list; expected one JSON object a line"),
    ],
)  # fmt: skip
def test_rows_over_several_lines_are_said_once(text: str, said: str, tmp_path: Path) -> None:
    write(tmp_path / "g.json", EXACT)
    (tmp_path / "rows.jsonl").write_text(text)
    for command in (("run", "g.json", "rows.jsonl"), ("validate", "g.json", "--data", "rows.jsonl")):
        done = graders(*command, cwd=tmp_path)
        assert done.returncode == 2
        assert done.stderr.startswith(f"error: rows.jsonl: {said}")
        assert done.stderr.count("\n") == 1


def test_a_first_row_that_is_torn_is_a_row_that_cannot_be_read(tmp_path: Path) -> None:
    write(tmp_path / "g.json", EXACT)
    (tmp_path / "rows.jsonl").write_text('{"item": {"answer"\n' + json.dumps(ROW) + "\n")
    done = graders("run", "g.json", "rows.jsonl", "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["graded"] == 1


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"grader": EXACT}, "the grader stands under 'grader'"),
        (ROW, "this is a row of data, not a grader; the grader comes first"),
        ({"sample": "a"}, "this is a row of data"),
        ({"grader": EXACT, "type": "multi"}, None),
        ({"grader": 3}, None),
        ({"input": ""}, None),
        ([], None),
    ],
)
def test_what_holds_a_grader_or_a_row_is_no_grader(written: Any, said: str | None) -> None:
    found = not_a_grader(written)
    assert (found is None) if said is None else (found or "").startswith(said)


def test_swapped_arguments_are_named(tmp_path: Path) -> None:
    write(tmp_path / "g.json", EXACT)
    for count in (1, 3):
        write(tmp_path / "rows.jsonl", *[ROW] * count)
        done = graders("run", "rows.jsonl", "g.json", cwd=tmp_path)
        assert done.returncode == 2
        assert "the grader comes first: graders run grader.json rows.jsonl" in done.stderr


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_any_bytes_are_looked_at(first: bytes, data: bytes) -> None:
    for found in (not_utf_8(data), rows_over_lines(first, lambda: data), first_is_row(data)):
        assert found is None or len(found) > 10


def test_lines_count_from_1(tmp_path: Path) -> None:
    write(tmp_path / "g.json", EXACT)
    write(tmp_path / "rows.jsonl", ROW)
    done = graders("explain", "g.json", "rows.jsonl:0", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (
        2,
        "error: rows.jsonl:0: lines count from 1; the first row is rows.jsonl:1\n",
    )


def test_a_type_that_is_not_there_names_the_nearest_and_the_shell_completes_names() -> None:
    done = graders("types", "numeric_chek")
    assert done.returncode == 2
    assert "no grader type 'numeric_chek' is installed; did you mean 'numeric_check'?" in done.stderr
    from service.cli.grader_types import complete  # noqa: PLC0415  # what the command itself imports late

    assert complete("num") == ["numeric_check"]
    assert complete("zz") == []


def test_one_type_is_read_in_lines_that_fit_where_it_is_piped() -> None:
    lines = graders("types", "numeric_check").stdout.splitlines()
    assert lines[0] == "numeric_check (built in)"
    assert max(map(len, lines)) < 160


def test_a_list_without_keys_says_so(tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text(f"database = '{tmp_path / 'keys.sqlite'}'\n")
    done = graders("keys", "list", "--config", config)
    assert done.stdout == "there are no keys; 'graders keys create' makes one\n"

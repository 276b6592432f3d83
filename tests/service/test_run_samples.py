"""`graders run` on rows with several samples, what it writes of the rows, and what its results name."""

import hashlib
import io
import json
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from graders import ConfigurationError
from runtime import Settings
from runtime.data.datasets import limited, parse_rows
from service.cli.explain import read_row
from service.cli.run import RunOutcome, grade_file
from service.cli.summary import summarize

CHECK = {
    "type": "string_check",
    "input": "{{sample.output_text}}",
    "reference": "{{item.answer}}",
    "operation": "eq",
}
ROWS: list[dict[str, Any]] = [
    {"item": {"answer": "a"}, "samples": ["a", "b", {"output_text": "a", "model": "m"}], "id": "first"},
    {"item": {"answer": "b"}, "sample": "b"},
    {"item": {"answer": "c"}, "samples": ["c", 17, ""]},
]


def write(path: Path, rows: Sequence[object]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def run(folder: Path, output: str = "out.jsonl", rows: Path | None = None, **options: Any) -> RunOutcome:
    (folder / "grader.json").write_text(json.dumps(CHECK))
    data = rows or write(folder / "rows.jsonl", ROWS)
    console = Console(file=io.StringIO())
    where = folder / "grader.json", data, folder / output
    return grade_file(*where, settings=Settings(), console=console, **{"fresh": False, **options})


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_each_sample_of_a_row_has_a_result(tmp_path: Path) -> None:
    graded = run(tmp_path)
    found = [
        (each["row"], each["line"], each.get("draw"), each["reward"])
        for each in lines(tmp_path / "out.jsonl")
    ]
    assert found == [
        (0, 1, 0, 1.0), (0, 1, 1, 0.0), (0, 1, 2, 1.0),
        (1, 2, None, 1.0),
        (2, 3, 0, 1.0), (2, 3, 1, None), (2, 3, 2, 0.0),
    ]  # fmt: skip
    assert graded.records[5]["failure"]["message"].startswith("line 3, draw 1: sample: expected a text")
    summary = summarize(graded.records)
    assert (summary["rows"], summary["samples"], summary["ungraded"]) == (3, 7, 1)
    assert len({each["key"] for each in graded.records}) == 7


def test_the_first_result_names_the_data_file_and_its_digest(tmp_path: Path) -> None:
    run(tmp_path)
    first, *others = lines(tmp_path / "out.jsonl")
    digest = hashlib.sha256((tmp_path / "rows.jsonl").read_bytes()).hexdigest()
    assert first["data"] == {"file": str(tmp_path / "rows.jsonl"), "digest": f"sha256:{digest}"}
    assert not any("data" in each for each in others)
    assert all("reward" in each for each in (first, *others))


def test_with_rows_writes_item_and_sample_beside_each_result(tmp_path: Path) -> None:
    run(tmp_path, with_rows=True)
    found = lines(tmp_path / "out.jsonl")
    assert [each["sample"] for each in found] == ["a", "b", ROWS[0]["samples"][2], "b", "c", 17, ""]
    assert [each["item"]["answer"] for each in found] == ["a", "a", "a", "b", "c", "c", "c"]
    assert [each.get("id") for each in found] == ["first"] * 3 + [None] * 4


@pytest.mark.few(3)
@pytest.mark.parametrize("before", [{}, {"with_rows": True}])
@pytest.mark.parametrize("after", [{}, {"with_rows": True}])
def test_results_with_and_without_rows_are_taken_up_by_each_other(
    tmp_path: Path, before: dict[str, Any], after: dict[str, Any]
) -> None:
    run(tmp_path, "undisturbed.jsonl", **after)
    run(tmp_path, limit=2, **before)
    assert [each["row"] for each in lines(tmp_path / "out.jsonl")] == [0, 0, 0, 1]
    assert run(tmp_path, **after).taken_over == 4
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "undisturbed.jsonl").read_bytes()


def test_a_journal_of_some_samples_of_a_row_is_taken_up(tmp_path: Path) -> None:
    run(tmp_path, "undisturbed.jsonl")
    whole = (tmp_path / "undisturbed.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "out.jsonl.journal").write_text("".join([whole[4], whole[1]]))
    assert run(tmp_path).taken_over == 2
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "undisturbed.jsonl").read_bytes()


def test_a_pipe_gets_the_same_lines(tmp_path: Path) -> None:
    run(tmp_path, "file.jsonl", with_rows=True)
    os.mkfifo(tmp_path / "pipe")
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    run(tmp_path, "pipe", with_rows=True)
    reader.join()
    assert found == [(tmp_path / "file.jsonl").read_bytes()]


def test_output_items_of_evals_are_rows(tmp_path: Path) -> None:
    message = {"role": "assistant", "content": "a"}
    items: list[object] = [
        {"id": "1", "datasource_item": {"answer": "a"}, "sample": {"input": [], "output": [message]}},
        {"id": "2", "datasource_item": {"item": {"answer": "a"}}, "sample": {"output": [message]}},
    ]
    data = write(tmp_path / "items.jsonl", items)
    assert [each["reward"] for each in run(tmp_path, rows=data).records] == [1.0, 1.0]


@pytest.mark.parametrize(
    ("line", "samples", "failures"),
    [
        ('{"item": {}, "samples": []}', 1, 1),
        ('{"item": {}, "samples": ["a", NaN, "b"]}', 1, 1),
        ('{"item": {}, "samples": [{"output_tools": [1e999]}, "b"]}', 2, 1),
        ('{"item": {"x": 1e999}, "samples": ["a", "b"]}', 1, 1),
        ('{"item": {}, "samples": "abc"}', 1, 0),
        ('{"item": {}, "samples": ["a"], "sample": "b"}', 1, 0),
        ('{"question": "x", "samples": ["a", "b"]}', 1, 0),
        ('{"samples": ["a", null]}', 2, 1),
    ],
)
def test_one_bad_sample_takes_no_other_with_it(line: str, samples: int, failures: int) -> None:
    rows = list(parse_rows([line.encode(), b'{"item": {}, "sample": "x"}']))
    assert len(rows) == samples + 1
    assert sum(row.failure is not None for row in rows) == failures
    assert rows[-1].line == 2


@settings(max_examples=30)
@given(
    st.lists(st.one_of(st.none(), st.lists(st.text(max_size=3), max_size=4)), max_size=6),
    st.integers(1, 7),
)
def test_a_limit_counts_rows_and_keys_are_apart(rows: list[list[str] | None], limit: int) -> None:
    texts = [
        json.dumps(
            {"item": {"n": number}, **({"sample": "s"} if drawn is None else {"samples": drawn})}
        ).encode()
        for number, drawn in enumerate(rows)
    ]
    found = list(limited(parse_rows(texts), limit))
    assert [position for position, _ in found] == [
        number
        for number, drawn in enumerate(rows[:limit])
        for _ in range(1 if drawn is None else max(len(drawn), 1))
    ]
    assert len({row.key for _, row in found}) == len(found)


def test_rows_that_are_read_once_cannot_be_written_beside_results(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "rows")
    with pytest.raises(ConfigurationError, match="--with-rows reads the data a second time"):
        run(tmp_path, rows=tmp_path / "rows", with_rows=True)


def test_one_of_several_samples_is_explained_by_its_number(tmp_path: Path) -> None:
    data = write(tmp_path / "rows.jsonl", ROWS)
    assert read_row(f"{data}:1:2").stored == ROWS[0]["samples"][2]
    assert read_row(f"{data}:2").stored == "b"
    for place, message in (
        ("1", "has 3 samples; name one, such as .*rows.jsonl:1:0"),
        ("1:3", "has the samples 0 to 2, so there is no sample 3"),
        ("2:0", "has one sample and no list of them, so there is no sample 0"),
        ("9:0", "has 3 lines"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            read_row(f"{data}:{place}")

"""A grader that fails by its own doing is found before a run, and a run of one does not end as if all were well."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.service.test_cli import EXACT, graders, write

RAISES = "def grade(sample, item):\n    return float(sample.output_text == item['answer'])"
NUMBER = {"type": "numeric_check", "input": "{{sample.output_text}}", "reference": "{{item.answer}}"}
ROWS = [{"item": {"answer": answer}, "sample": "1"} for answer in ("1", "2", "3", "4")]


def python(source: str = RAISES, **more: Any) -> dict[str, Any]:
    return {"type": "python", "source": source, "invalid_grade": 0, **more}


def multi(**parts: Any) -> dict[str, Any]:
    return {"type": "multi", "graders": parts, "calculate_output": " + ".join(parts)}


def findings(tmp_path: Path, config: Any, rows: list[Any]) -> tuple[int, list[tuple[str, str, str]]]:
    write(tmp_path / "g.json", config)
    write(tmp_path / "rows.jsonl", *rows)
    done = graders("validate", "g.json", "--data", "rows.jsonl", "--json", cwd=tmp_path)
    found = json.loads(done.stdout)["findings"]
    return done.returncode, [(each["where"], each["path"], each["message"]) for each in found]


@pytest.mark.full
@pytest.mark.parametrize(
    ("source", "why"),
    [
        (RAISES, "python: AttributeError: 'dict' object has no attribute 'output_text'"),
        ("def grade(sample, item):\n    return 'good'", "python: "),
        ("def grade(sample, item):\n    return float('nan')", "python: "),
    ],
)
def test_validate_tries_a_source_on_the_first_rows(source: str, why: str, tmp_path: Path) -> None:
    code, [(where, path, message)] = findings(tmp_path, python(source), ROWS)
    assert (code, where, path) == (1, "g.json:1", "")
    assert message.startswith(f"it fails on lines 1, 2, 3: {why}")


@pytest.mark.full
def test_validate_tries_the_parts_beside_a_judge_and_names_the_one_that_fails(tmp_path: Path) -> None:
    judge = {
        "type": "score_model",
        "model": "judge",
        "input": [{"role": "user", "content": "{{item.answer}} {{sample.output_text}}"}],
    }
    code, found = findings(tmp_path, multi(a=judge, b=python(), c=EXACT), ROWS)
    assert code == 1
    assert [path for _, path, message in found if message.startswith("it fails on")] == ["graders.b"]


@pytest.mark.full
def test_validate_names_a_variable_that_rows_lack_once(tmp_path: Path) -> None:
    code, found = findings(tmp_path, multi(a=EXACT, b=python(RAISES.replace(".output_text", "['output_text']"))),
                           [*ROWS[:1], {"item": {"answr": "1"}, "sample": "1"}])  # fmt: skip
    assert code == 1
    assert sorted(path for _, path, _ in found) == ["graders.a.reference", "graders.b"]


@pytest.mark.full
def test_validate_is_content_with_samples_that_are_worth_nothing(tmp_path: Path) -> None:
    sound = python("def grade(sample, item):\n    return 0.0")
    assert findings(tmp_path, sound, ROWS) == (0, [])
    assert findings(tmp_path, python(), [{"answer": "1"}]) == (0, [])  # training rows: nothing to try it on
    assert findings(tmp_path, NUMBER, [{"item": {"answer": 1}, "sample": "no number"}]) == (0, [])


def test_validate_names_the_line_of_a_reference_that_is_no_number(tmp_path: Path) -> None:
    rows = [{"item": {"answer": answer}, "sample": "1"} for answer in ("1", "one", "1,5", None)]
    code, found = findings(tmp_path, NUMBER, rows)
    assert (code, [where for where, _, _ in found]) == (1, ["rows.jsonl:2", "rows.jsonl:3", "rows.jsonl:4"])
    assert {path for _, path, _ in found} == {"reference"}


@pytest.mark.full
@pytest.mark.parametrize(("part", "named"), [("", "the grader"), ("graders.b", "the grader graders.b")])
def test_a_run_in_which_the_grader_failed_in_every_row_says_so_and_exits_1(
    part: str, named: str, tmp_path: Path
) -> None:
    write(tmp_path / "g.json", multi(a=EXACT, b=python()) if part else python())
    write(tmp_path / "rows.jsonl", *ROWS)
    done = graders("run", "g.json", "rows.jsonl", "-o", "out.jsonl", cwd=tmp_path)
    assert done.returncode == 1
    text = " ".join(done.stdout.split())
    assert f"{named} failed in every row: its rewards are its invalid_grade" in text
    again = graders("run", "g.json", "rows.jsonl", "-o", "out.jsonl", "--fresh", "--json", cwd=tmp_path)
    assert (again.returncode, json.loads(again.stdout)["broken"]) == (1, [part])


@pytest.mark.full
def test_a_run_that_takes_over_rows_in_which_the_grader_failed_says_so_too(tmp_path: Path) -> None:
    write(tmp_path / "g.json", python())
    write(tmp_path / "rows.jsonl", *ROWS)
    for _ in range(2):
        done = graders("run", "g.json", "rows.jsonl", "-o", "out.jsonl", "--json", cwd=tmp_path)
        assert (done.returncode, json.loads(done.stdout)["broken"]) == (1, [""])
    assert json.loads(done.stdout)["taken_over"] == 4


@pytest.mark.full
def test_a_run_in_which_some_samples_broke_the_grader_ends_well(tmp_path: Path) -> None:
    write(tmp_path / "g.json", python("def grade(sample, item):\n    return 1 / (int(item['answer']) - 1)"))
    write(tmp_path / "rows.jsonl", *ROWS)
    done = graders("run", "g.json", "rows.jsonl", "--json", cwd=tmp_path)
    summary = json.loads(done.stdout)
    assert (done.returncode, summary["broken"], summary["substituted"]) == (0, [], 1)


@pytest.mark.full
def test_rows_that_cannot_be_read_are_not_blamed_on_anybody(tmp_path: Path) -> None:
    write(tmp_path / "g.json", EXACT)
    (tmp_path / "rows.jsonl").write_text('{"item": {"answer": "a"}, "sample": "a"}\nnot json\n{}\n')
    done = graders("run", "g.json", "rows.jsonl", cwd=tmp_path)
    assert "ungraded: 2 × other_error, the row cannot be read" in done.stdout
    assert "  cannot be read  2" in done.stdout
    assert "infrastructure" not in done.stdout
    laid_open = graders("explain", "g.json", "rows.jsonl:2", cwd=tmp_path)
    assert "failure: other_error, the row cannot be read" in laid_open.stdout

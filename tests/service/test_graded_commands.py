"""`graders calibrate`, `diff`, `data select` and `data export`, as a user types them, from samples to training data."""

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from graders import ConfigurationError
from service.cli import app

GRADER = {
    "type": "string_check",
    "input": "{{sample.output_text}}",
    "reference": "{{item.answer}}",
    "operation": "eq",
}
ROWS: list[dict[str, Any]] = [
    {
        "item": {"question": f"What is {n} + 1?", "answer": str(n + 1)},
        "samples": [str(n + 1), str(n), *"xy"[: n % 3]],
    }
    for n in range(12)
]


def graders(*arguments: object, cwd: Path) -> Result:
    """Run a command in this process: what it imports is imported once for all of these tests."""
    with contextlib.chdir(cwd):
        return CliRunner().invoke(app, [str(each) for each in arguments])


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A grader, rows, and their results."""
    made = tmp_path_factory.mktemp("graded")
    write(made / "grader.json", GRADER)
    write(made / "rows.jsonl", *ROWS)
    done = graders("run", "grader.json", "rows.jsonl", "-o", "graded.jsonl", cwd=made)
    assert done.exit_code == 0, done.stderr
    assert "12, 36 samples" in done.stdout
    return made


def test_samples_are_graded_first_and_results_are_taken_as_they_are(folder: Path) -> None:
    done = graders("calibrate", "grader.json", "rows.jsonl", "--json", cwd=folder)
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["prompts"], found["samples"], found["pass_rate"]["passed"]) == (12, 36, 12)
    of_results = graders(
        "calibrate", "grader.json", "graded.jsonl", "--json", "--html", "page.html", cwd=folder
    )
    assert json.loads(of_results.stdout) == found
    assert (folder / "page.html").read_text().count("<svg") == 3
    again = graders("calibrate", "grader.json", "graded.jsonl", "--html", "page.html", cwd=folder)
    assert "--force writes over it" in str(again.exception)
    assert "trainable: " in graders("calibrate", "grader.json", "graded.jsonl", cwd=folder).stdout


def test_from_results_to_three_exports_that_share_no_prompt(folder: Path) -> None:
    done = graders(
        *("data", "select", "graded.jsonl", "--pass-rate", "0.3..0.6", "--size", "6", "--seed", "3"),
        *("-o", "train.jsonl"),
        cwd=folder,
    )
    assert (done.exit_code, done.stdout.splitlines()[0]) == (0, "6 of 12 prompts selected"), done.stderr
    seen: set[str] = set()
    earlier: list[str] = []
    for kind, options in (("sft", ["--per-prompt", "1"]), ("dpo", ["--min-gap", "0.5"]), ("rft", [])):
        out = f"{kind}.jsonl"
        source = "train.jsonl" if kind == "sft" else "graded.jsonl"
        done = graders(
            *("data", "export", source, "--to", kind, "--format", "foundry", "-o", out, "--json"),
            *options,
            *(word for name in earlier for word in ("--disjoint", name)),
            cwd=folder,
        )
        found = json.loads(done.stdout or "{}")
        if kind == "rft":  # each prompt with a pair is in the second
            assert (done.exit_code, found["rows"], found["left_out"]) == (
                1,
                0,
                {"prompts: in another export": 12},
            )
            break
        assert done.exit_code == 0, done.stderr
        prompts = {
            json.loads(line)["prompt"]
            for line in (folder / f"{out}.provenance.jsonl").read_text().splitlines()
        }
        assert len(prompts) == found["rows"] == 6
        assert not prompts & seen
        seen |= prompts
        earlier.append(out)


def test_diff_exits_with_one_when_the_mean_fell(folder: Path) -> None:
    stricter = write(folder / "stricter.json", {**GRADER, "reference": "{{item.answer}}!"})
    assert graders("run", stricter, "rows.jsonl", "-o", "stricter.jsonl", cwd=folder).exit_code == 0
    done = graders("diff", "graded.jsonl", "stricter.jsonl", "--fail-if-worse", "0.02", "--json", cwd=folder)
    found = json.loads(done.stdout)
    assert (done.exit_code, found["paired_by"], found["passed"]["to_fail"]) == (1, "sample", 12)
    assert found["reward"]["low_95"] <= -1 / 3 <= found["reward"]["high_95"] < 0
    back = graders("diff", "stricter.jsonl", "graded.jsonl", "--fail-if-worse", "0.02", cwd=folder)
    assert (back.exit_code, "McNemar" in back.stdout) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["data", "export", "graded.jsonl", "--to", "rft", "--format", "trl", "-o", "x", "--min-gap", "1"],
            "--min-gap is for dpo",
        ),
        (
            ["data", "export", "graded.jsonl", "--to", "rft", "--format", "trl", "-o", "graded.jsonl"],
            "is what is read",
        ),
        (["data", "export", "rows.jsonl", "--to", "rft", "--format", "trl", "-o", "x"], "is no graded file"),
        (
            [
                "data",
                "export",
                "graded.jsonl",
                "--to",
                "rft",
                "--format",
                "trl",
                "-o",
                "x",
                "--data",
                "grader.json",
            ],
            "does not fit",
        ),
        (
            ["data", "export", "graded.jsonl", "--to", "dpo", "--format", "verl", "-o", "x"],
            "verl has no format for dpo",
        ),
        (["data", "select", "graded.jsonl", "--pass-rate", "0.1", "-o", "x"], "--pass-rate is a range"),
        (["calibrate", "grader.json", "-"], "name a file"),
        (["diff", "graded.jsonl", "rows.jsonl"], "is no graded file"),
        (["diff", "graded.jsonl", "rows.jsonl"], "`graders run GRADER rows.jsonl -o GRADED` grades rows"),
        (
            ["data", "select", "graded.jsonl", "--pass-rate", "0..1", "--balance-by", "none", "-o", "x"],
            "graded.jsonl: no item has the field 'none' of --balance-by; ",
        ),
        (
            ["data", "select", "graded.jsonl", "--pass-rate", "0..1", "--group-by", "none", "-o", "x"],
            "graded.jsonl: no item has the field 'none' of --group-by; ",
        ),
        (
            ["data", "select", "graded.jsonl", "--pass-rate", "0..1", "--group-by", "item.answre", "-o", "x"],
            "no item has the field 'item.answre' of --group-by; did you mean 'answer'?",
        ),
        (["calibrate", "grader.json", "graded.jsonl", "--group-by", "none"], "of --group-by"),
        (
            [
                "data",
                "export",
                "graded.jsonl",
                "--to",
                "rft",
                "--format",
                "trl",
                "-o",
                "x",
                "--disjoint",
                "y",
            ],
            "cannot read y.provenance.jsonl: No such file or directory; `graders data export` writes it beside y",
        ),
    ],
)
def test_a_wrong_use_is_one_line(folder: Path, arguments: list[str], message: str) -> None:
    done = graders(*arguments, cwd=folder)
    assert isinstance(done.exception, ConfigurationError)  # one line and exit code 2, as of every command
    assert message in str(done.exception)
    assert not (folder / "x").exists()


def test_moved_data_is_named_by_an_option(folder: Path, tmp_path: Path) -> None:
    for name in ("graded.jsonl", "rows.jsonl"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    (tmp_path / "rows.jsonl").rename(tmp_path / "now_here.jsonl")
    words = ["data", "select", "graded.jsonl", "--pass-rate", "0..1", "-o", "out.jsonl"]
    assert "give --data" in str(graders(*words, cwd=tmp_path).exception)
    done = graders(*words, "--data", "now_here.jsonl", cwd=tmp_path)
    assert done.exit_code == 0, done.output
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [(row["item"], row["samples"]) for row in rows] == [(row["item"], row["samples"]) for row in ROWS]

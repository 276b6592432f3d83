"""`graders test`, as an author types it, and the Countdown grader's case file."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from typing import IO
from xml.etree import ElementTree as ET

import pytest
from typer.testing import CliRunner

from graders import ConfigurationError
from service.cli import app
from tests.conftest import EXAMPLES, ROOT
from tests.judge_server import JudgeServer, verdict
from tests.processes import inheriting
from tests.service.test_cli import command, environment, graders

PATIENCE_S = 120
"""Seconds after which a process is killed that does not do what it is to do, in a test that fails then."""

EXACT = (
    'grader: {type: string_check, input: "{{sample.output_text}}", reference: "{{item.answer}}", operation: eq}\n'
    "item: {answer: a}\n"
)
SCORED = (
    'grader: {type: score_model, model: m, input: [{role: user, content: "Rate {{sample.output_text}}"}]}\n'
)
PASSING = EXACT + "cases:\n  - {name: right, sample: a, expect: 1}\n  - {name: wrong, sample: b, expect: 0}\n"
FAILING = PASSING + "  - {name: odd, sample: c, expect: 1}   # hm\norder: [right > wrong]\n"


def here(*arguments: object) -> tuple[int, str]:
    """Run the command in this process, where it need not start first: its exit code and what it wrote."""
    done = CliRunner().invoke(app, ["test", *map(str, arguments)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.output


def case_file(folder: Path, text: str, name: str = "a.cases.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_a_file_whose_cases_pass_is_a_line_of_dots(tmp_path: Path) -> None:
    case_file(tmp_path, PASSING)
    done = graders("test", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    first, empty, last = done.stdout.splitlines()
    assert (first, empty) == ("a.cases.yaml ..", "")
    assert last.startswith("2 passed in ")


@pytest.mark.few(3)
@pytest.mark.parametrize(
    "text",
    [
        "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 20)),
        "x: &x [*x]\ngrader: *x\n",
        "a: " + "[" * 5_000,
        "grader: !!python/object/apply:os.system [touch PWNED]\n",
    ],
)
def test_hostile_yaml_is_refused_with_its_line(text: str, tmp_path: Path) -> None:
    path = case_file(tmp_path, text)
    done = graders("test", path, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {path}:")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_is_laid_open(tmp_path: Path) -> None:
    path = case_file(tmp_path, FAILING)
    done = graders("test", path)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith(f"{path} ..F.\n")
    assert f"failed: odd ({path}:6)\n  reward: expected 1, got 0\n" in done.stdout
    assert "{{item.answer}}" in done.stdout  # the template, and below it what became of it
    assert "1 failed, 3 passed in " in done.stdout


def test_a_program_reads_json(tmp_path: Path) -> None:
    code, output = here(case_file(tmp_path, FAILING), "--json")
    report = json.loads(output)
    assert [report[count] for count in ("passed", "failed", "errors")] == [3, 1, 0]
    (file,) = report["files"]
    assert [case["status"] for case in file["cases"]] == ["passed", "passed", "failed", "passed"]
    odd = file["cases"][2]
    assert (odd["name"], odd["line"], odd["reward"]) == ("odd", 6, 0.0)
    assert odd["mismatches"] == [{"what": "reward", "expected": "1", "got": "0"}]
    assert odd["explanation"]["grader"]["type"] == "string_check"
    assert code == 1


def test_update_shows_the_difference_and_writes_it(tmp_path: Path) -> None:
    path = case_file(tmp_path, FAILING)
    code, output = here(path, "--update")
    assert code == 0
    assert "-  - {name: odd, sample: c, expect: 1}   # hm\n" in output
    assert "+  - {name: odd, sample: c, expect: 0}   # hm\n" in output
    assert f"{path} is updated; look at the difference before you keep it" in output
    assert "1 updated, 3 passed in " in output
    assert path.read_text() == FAILING.replace("sample: c, expect: 1", "sample: c, expect: 0")
    assert here(path)[0] == 0


def test_update_leaves_what_cannot_be_made_right(tmp_path: Path) -> None:
    path = case_file(tmp_path, FAILING.replace("right > wrong", "wrong > right"))
    code, output = here(path, "--update")
    assert code == 1
    assert "order: expected wrong > right, got wrong gets 0 and right gets 1" in output
    assert "1 failed, 1 updated, 2 passed in " in output


def test_junit_is_written(tmp_path: Path) -> None:
    out = tmp_path / "out.xml"
    assert here(case_file(tmp_path, FAILING), "--junit", out)[0] == 1
    (suite,) = ET.fromstring(out.read_bytes()).findall("testsuite")  # noqa: S314  # our own
    assert (suite.get("tests"), suite.get("failures")) == ("4", "1")
    with pytest.raises(ConfigurationError, match=r"cannot write .*/no/out\.xml: No such file or directory"):
        here(tmp_path, "--junit", tmp_path / "no" / "out.xml")


def test_parts_that_no_case_tells_apart_are_reported(tmp_path: Path) -> None:
    text = (
        'grader: {type: multi, graders: {a: {type: string_check, input: "{{sample.output_text}}", reference: x, '
        "operation: eq}}, calculate_output: a}\ncases: [{sample: x, expect: 1}]\n"
    )
    _code, output = here(case_file(tmp_path, text))
    assert f"no case tells apart ({tmp_path}/a.cases.yaml):\n  a: every case gets 1 from it\n" in output


def test_answers_are_recorded_replayed_and_reported_when_stale(tmp_path: Path) -> None:
    path = case_file(tmp_path, SCORED + "cases: [{name: a, sample: x, expect: 0.75}]\n")
    code, output = here(path)
    assert code == 1
    assert f"error: a ({path}:2)\n  it asks the judge 'm', and a test asks no model by accident" in output
    with JudgeServer([verdict(0.75)]) as server:
        config = tmp_path / "graders.toml"
        config.write_text(f'judge_cache_mb = 0\n[judges.m]\nbase_url = "{server.url}"\n')
        code, output = here(path, "--record", "--config", config)
        assert (code, len(server.requests)) == (0, 1)
        assert f"recorded answers are in {tmp_path}/a.recorded.json" in output
        code, _ = here(path, "--live", "--config", config)
        assert (code, len(server.requests)) == (0, 2)
    assert here(path)[0] == 0
    path.write_text(
        SCORED + "cases: [{name: new, sample: z, expect: 1}]\n"
    )  # it ends early: who knows what it asks
    assert "stale" not in here(path)[1]
    path.write_text(SCORED + "cases: [{name: b, sample: y, judge: [0.5], expect: 0.5}]\n")
    code, output = here(path)
    assert code == 0
    assert (
        f"stale ({path}):\n  a.recorded.json: an answer of m to 'a' is not asked for any more; --record drops it"
        in output
    )


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["HERE/no"], "there is no file or directory HERE/no"),
        (["HERE"], "no case file in HERE; they are named *.cases.yaml, *.cases.yml, *.cases.jsonl"),
        (["--record", "--live"], "--record keeps answers and --live keeps none: give one of them"),
        (
            ["-", "--update"],
            "what comes from the standard input cannot be written; give the case file's name",
        ),
        (["-", "--watch"], "the standard input cannot be watched; give the case file's name"),
    ],
)
def test_wrong_usage_is_refused(tmp_path: Path, arguments: list[str], error: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        here(*(word.replace("HERE", str(tmp_path)) for word in arguments))
    assert str(caught.value).replace(str(tmp_path), "HERE") == error


def test_mistakes_in_several_files_are_all_said(tmp_path: Path) -> None:
    case_file(tmp_path, EXACT + "cases: []\n")
    case_file(tmp_path, '{"grader": {"type": "x"}}\n{"sample": 3, "expect": 1}\n', "b.cases.jsonl")
    done = graders("test", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert [line.split(": expected")[0].split(": a sample")[0] for line in done.stderr.splitlines()] == [
        "error: a.cases.yaml:3: cases",
        "error: b.cases.jsonl:2: case 'case 1': sample",
    ]


def test_standard_input_is_yaml(tmp_path: Path) -> None:
    done = graders("test", "-", cwd=tmp_path, stdin=PASSING.encode())
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "- ..")


@pytest.mark.full
def test_watching_runs_again_when_a_file_changes(tmp_path: Path) -> None:
    path = case_file(tmp_path, FAILING)
    with (
        subprocess.Popen(
            inheriting("ignored", command("test", "--watch", path)),
            env=environment(),
            stdout=subprocess.PIPE,
            text=True,
        ) as watching,
        killed_after(PATIENCE_S, watching),
    ):
        assert watching.stdout is not None
        until(watching.stdout, "1 failed, 3 passed in ")
        until(watching.stdout, "watching 1 file; Ctrl-C ends")
        path.write_text(PASSING)
        os.utime(path, ns=(1, 1))  # another time, however coarse the clock of the file system is
        until(watching.stdout, "2 passed in ")
        until(watching.stdout, "watching 1 file; Ctrl-C ends")
        watching.send_signal(signal.SIGINT)
        assert watching.wait(timeout=PATIENCE_S) == 0


@contextmanager
def killed_after(seconds: float, process: "subprocess.Popen[str]") -> Iterator[None]:
    """Kill a process that still runs after so long, which ends the streams that are read from it; and at the end."""
    timer = Timer(seconds, process.kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        process.kill()


def until(stream: IO[str], beginning: str) -> None:
    """Read lines until one begins like this; the end of the stream is a failure."""
    assert any(line.startswith(beginning) for line in stream), beginning


def countdown_copy(folder: Path, old: str, new: str) -> Path:
    """The Countdown case file with its graders beside it, in whose source one thing is another."""
    for name in ("countdown.cases.yaml", "countdown_multi.json", "countdown_grade.py"):
        shutil.copy(EXAMPLES / name, folder)
    source = folder / "countdown_grade.py"
    text = source.read_text()
    assert text.count(old) == 1
    source.write_text(text.replace(old, new))
    return folder / "countdown.cases.yaml"


def failed_cases(path: Path) -> list[str]:
    code, output = here(path, "--json")
    assert code == 1
    (file,) = json.loads(output)["files"]
    return [case["name"] for case in file["cases"] if case["status"] != "passed"]


@pytest.mark.full
def test_the_countdown_graders_are_as_their_cases_expect() -> None:
    done = graders("test", EXAMPLES / "countdown.cases.yaml")
    assert (done.returncode, done.stderr) == (0, "")
    assert "39 passed in " in done.stdout


@pytest.mark.full
def test_pytest_runs_the_same_cases() -> None:
    pytest_ = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "graders.pytest_plugin"]
    done = subprocess.run(
        [*pytest_, EXAMPLES / "countdown.cases.yaml"],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "39 passed in " in done.stdout


@pytest.mark.full
def test_an_off_by_one_in_the_ladder_fails_the_case_that_says_so(tmp_path: Path) -> None:
    path = countdown_copy(tmp_path, "(1, 4.0)", "(2, 4.0)")
    assert failed_cases(path) == [
        "off by exactly 2 gets 3, not 4: 33 for 31",
        (
            "order: reaches the target: 31 of [2, 10, 65, 90] > off by exactly 1 gets 4: 30 for 31 > "
            "off by exactly 2 gets 3, not 4: 33 for 31"
        ),
    ]


@pytest.mark.full
def test_numbers_that_are_not_checked_fail_the_cases_about_numbers(tmp_path: Path) -> None:
    path = countdown_copy(
        tmp_path, '    if used != Counter(map(Fraction, json.loads(item["nums"]))):\n        return 0.0\n', ""
    )
    assert failed_cases(path) == [
        "numbers: 22 and 2 are used twice, though 38 is reached",
        "numbers: 95, 50 and 51 are used twice, though 38 is reached",
        "numbers: 42 is missing, though the result is near",
        "numbers: 7 is not one of the puzzle's",
    ]


@pytest.mark.full
def test_the_example_of_the_documents_passes(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "cases.md").read_text().split("```yaml\n")[1].split("```")[0]
    done = graders("test", case_file(tmp_path, text))
    assert (done.returncode, done.stderr) == (0, "")
    assert "4 passed in " in done.stdout

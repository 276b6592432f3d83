"""The opt-in pytest plugin, in runs of pytest as an author starts them."""

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

GRADER = '{"type": "string_check", "input": "{{sample.output_text}}", "reference": "{{item.answer}}", "operation": "eq"}'
JUDGED = (
    '{"type": "score_model", "model": "m", "input": [{"role": "user", "content": "{{sample.output_text}}"}]}'
)
CASES = """\
grader: exact.json
item: {answer: a}
cases:
  - {name: right, sample: a, expect: 1}
  - {name: odd, sample: b, expect: 1}
order:
  - right > odd
"""


def run_pytest(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", "."]
    return subprocess.run(
        [*command, *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory with a grader, its cases and a `conftest.py` that loads the plugin."""
    (tmp_path / "exact.json").write_text(GRADER)
    (tmp_path / "judged.json").write_text(JUDGED)
    (tmp_path / "exact.cases.yaml").write_text(CASES)
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["graders.pytest_plugin"]\n')
    return tmp_path


def test_the_plugin_is_never_loaded_by_itself() -> None:
    assert "graders.pytest_plugin" not in {point.value for point in entry_points(group="pytest11")}


def test_each_case_and_each_order_is_a_test(folder: Path) -> None:
    done = run_pytest(folder, "-v")
    assert done.returncode == 1
    assert "exact.cases.yaml::right PASSED" in done.stdout
    assert "exact.cases.yaml::odd FAILED" in done.stdout
    assert "exact.cases.yaml::order: right > odd PASSED" in done.stdout
    assert f"failed: odd ({folder}/exact.cases.yaml:5)\n  reward: expected 1, got 0\n" in done.stdout
    assert "{{item.answer}}" in done.stdout
    assert "Traceback" not in done.stdout


def test_a_wrong_case_file_is_an_error_of_collection(folder: Path) -> None:
    (folder / "exact.cases.yaml").write_text(CASES.replace("expect: 1", "expct: 1"))
    done = run_pytest(folder)
    assert done.returncode == 2
    assert "case 'right': expct: unknown key; did you mean 'expect'?" in done.stdout


def test_a_wrong_grader_fails_its_cases_without_a_traceback(folder: Path) -> None:
    (folder / "exact.json").write_text(GRADER.replace('"eq"', '"equals"'))
    done = run_pytest(folder, "exact.cases.yaml::right")
    assert done.returncode == 1
    assert f"{folder}/exact.json:1: operation: expected 'eq'," in done.stdout
    assert "Traceback" not in done.stdout
    assert "runtest" not in done.stdout


def test_what_others_raise_is_shown_as_pytest_shows_it(folder: Path) -> None:
    (folder / "conftest.py").write_text(
        'pytest_plugins = ["graders.pytest_plugin"]\n'
        "def pytest_runtest_call(item):\n    raise RuntimeError('of somebody else')\n"
    )
    done = run_pytest(folder, "exact.cases.yaml::right")
    assert done.returncode == 1
    assert "RuntimeError: of somebody else" in done.stdout


def test_the_fixtures_grade_and_ask_the_fake_judge(folder: Path) -> None:
    (folder / "exact.cases.yaml").unlink()
    (folder / "test_own.py").write_text(f"""\
import json

def test_a_path(grade):
    assert grade("exact.json", "a", {{"answer": "a"}}).reward == 1.0

def test_json_and_a_grader(grade, evaluator):
    config = json.loads('''{GRADER}''')
    assert grade(config, "b", {{"answer": "a"}}).reward == 0.0
    assert grade(evaluator.load(config), "a", {{"answer": "a"}}).reward == 1.0

def test_a_judge(grade, fake_judge):
    fake_judge.answers.append({{"steps": [], "result": 0.25}})
    assert grade("judged.json", "x").reward == 0.25
    assert fake_judge.calls[0]["model"] == "m"

def test_nobody_is_asked_by_accident(grade, evaluator):
    result = grade("judged.json", "x")
    assert result.reward is None
    assert "use the fixture fake_judge and append {{result: 1}} to fake_judge.answers" in result.failure.message
    assert evaluator.grade(json.loads('''{JUDGED}'''), "x").reward is None
""")
    done = run_pytest(folder)
    assert (done.returncode, "4 passed" in done.stdout) == (0, True), done.stdout


def test_judges_are_asked_live_with_leave(folder: Path) -> None:
    cases = "grader: judged.json\ncases: [{name: a, sample: x, expect: 1}]\n"
    (folder / "exact.cases.yaml").write_text(cases)
    (folder / "graders.toml").write_text('[judges.m]\nbase_url = "http://127.0.0.1:9/v1"\nretries = 0\n')
    done = run_pytest(folder, "--graders-live")
    assert done.returncode == 1
    assert "reward: expected 1, got ungraded: the judge 'm'" in done.stdout

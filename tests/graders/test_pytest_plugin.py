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

OWN_TESTS = f"""\
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
"""


def run_pytest(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", "."]
    return subprocess.run(
        [*command, *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=250
    )


def write_folder(folder: Path) -> None:
    """A directory with a grader, its cases and a `conftest.py` that loads the plugin."""
    (folder / "exact.json").write_text(GRADER)
    (folder / "judged.json").write_text(JUDGED)
    (folder / "exact.cases.yaml").write_text(CASES)
    (folder / "conftest.py").write_text('pytest_plugins = ["graders.pytest_plugin"]\n')


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Such a directory, with tests that use the fixtures, and the same cases of a wrong grader inside it."""
    folder = tmp_path_factory.mktemp("graders")
    write_folder(folder)
    (folder / "test_own.py").write_text(OWN_TESTS)
    (folder / "wrong").mkdir()
    (folder / "wrong" / "wrong.json").write_text(GRADER.replace('"eq"', '"equals"'))
    (folder / "wrong" / "wrong.cases.yaml").write_text(CASES.replace("exact.json", "wrong.json"))
    return folder


@pytest.fixture(scope="module")
def run(folder: Path) -> "subprocess.CompletedProcess[str]":
    """One run of all of them: to start pytest takes far longer than the tests."""
    return run_pytest(folder, "-v")


def test_the_plugin_is_never_loaded_by_itself() -> None:
    assert "graders.pytest_plugin" not in {point.value for point in entry_points(group="pytest11")}


def test_each_case_and_each_order_is_a_test(run: "subprocess.CompletedProcess[str]", folder: Path) -> None:
    assert run.returncode == 1
    assert "\nexact.cases.yaml::right PASSED" in run.stdout
    assert "\nexact.cases.yaml::odd FAILED" in run.stdout
    assert "\nexact.cases.yaml::order: right > odd PASSED" in run.stdout
    assert f"failed: odd ({folder}/exact.cases.yaml:5)\n  reward: expected 1, got 0\n" in run.stdout
    assert "{{item.answer}}" in run.stdout
    assert "Traceback" not in run.stdout


def test_a_wrong_grader_fails_its_cases_without_a_traceback(
    run: "subprocess.CompletedProcess[str]", folder: Path
) -> None:
    assert "\nwrong/wrong.cases.yaml::right FAILED" in run.stdout
    assert f"{folder}/wrong/wrong.json:1: operation: expected 'eq'," in run.stdout
    assert "Traceback" not in run.stdout
    assert "runtest" not in run.stdout


OWN = ("test_a_path", "test_json_and_a_grader", "test_a_judge", "test_nobody_is_asked_by_accident")


@pytest.mark.parametrize("name", OWN)
def test_the_fixtures_grade_and_ask_the_fake_judge(
    name: str, run: "subprocess.CompletedProcess[str]"
) -> None:
    assert f"\ntest_own.py::{name} PASSED" in run.stdout, run.stdout


def test_a_wrong_case_file_is_an_error_of_collection(tmp_path: Path) -> None:
    write_folder(tmp_path)
    (tmp_path / "exact.cases.yaml").write_text(CASES.replace("expect: 1", "expct: 1"))
    done = run_pytest(tmp_path)
    assert done.returncode == 2
    assert "case 'right': expct: unknown key; did you mean 'expect'?" in done.stdout


def test_judges_are_asked_live_with_leave_and_what_others_raise_is_shown_as_pytest_shows_it(
    tmp_path: Path,
) -> None:
    write_folder(tmp_path)
    cases = "grader: judged.json\ncases: [{name: a, sample: x, expect: 1}]\n"
    (tmp_path / "exact.cases.yaml").write_text(cases)
    (tmp_path / "graders.toml").write_text('[judges.m]\nbase_url = "http://127.0.0.1:9/v1"\nretries = 0\n')
    others = tmp_path / "others"
    others.mkdir()
    (others / "exact.cases.yaml").write_text(CASES.replace("exact.json", "../exact.json"))
    (others / "conftest.py").write_text(
        "def pytest_runtest_call(item):\n    raise RuntimeError('of somebody else')\n"
    )
    done = run_pytest(tmp_path, "--graders-live")
    assert done.returncode == 1
    assert "reward: expected 1, got ungraded: the judge 'm'" in done.stdout
    assert "RuntimeError: of somebody else" in done.stdout

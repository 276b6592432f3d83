"""The training run: its task, its grader, what it concludes; and all of it with TRL, in the environment that has it."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
from graders_client import Failure, Graded
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from examples.finetuning.train import report, run, task
from runtime import SyncEvaluator
from service.cli import app
from tests.conftest import ROOT

DIGITS = st.text("0123456789", min_size=5, max_size=5)
UNGRADED = Graded(None, failure=Failure("other_error", "infrastructure", "no answer", {"type": "no_answer"}))


def figures(means: Sequence[float], curve: Sequence[float]) -> dict[str, Any]:
    """What a run of stages with these mean rewards measures: 40 questions with two answers each."""
    stages = [
        {
            "name": name,
            "rewards": [[mean + ((question + place) % 5 - 2) / 100, mean] for question in range(40)],
            "seconds": 10.0,
            "grading_seconds": 2.5,
        }
        for place, (name, mean) in enumerate(zip(("warm-up", "best of n", "DPO", "GRPO"), means, strict=True))
    ]
    return {"seed": 0, "stages": stages, "curve": list(curve)}


RISING = [0.5 + step / 100 for step in range(20)]
FLAT = [0.5] * 20
LEARNED = figures([0.4, 0.5, 0.6, 0.7], RISING)


@pytest.fixture(scope="module")
def evaluator() -> Any:
    with SyncEvaluator() as made:
        yield made


@given(digits=DIGITS, answer=DIGITS | st.text("0123456789 =x", max_size=7))
def test_the_reward_is_half_for_the_whole_and_half_for_the_places(
    evaluator: SyncEvaluator, digits: str, answer: str
) -> None:
    right = "".join(sorted(digits))
    is_form = len(answer) == 5 and answer.isdecimal()
    places = sum(given == wanted for given, wanted in zip(answer, right, strict=True)) / 5 if is_form else 0.0
    grader = json.loads(task.GRADER.read_text())
    (result,) = evaluator.grade_many(grader, [answer], [task.item_of(digits)])
    assert result.reward == pytest.approx(0.5 * (answer == right) + 0.5 * places)


@given(digits=DIGITS, data=st.data())
def test_all_orders_of_the_same_digits_are_on_one_side(digits: str, data: st.DataObject) -> None:
    other = "".join(data.draw(st.permutations(digits)))
    assert task.is_held_out(digits) == task.is_held_out(other)


@given(seed=st.integers(0, 2**32))
def test_questions_are_different_and_of_one_side(seed: int) -> None:
    drawn = task.questions(Random(seed), 20)  # noqa: S311  # no secret
    held_out = task.questions(Random(seed), 20, held_out=True)  # noqa: S311
    assert len(set(drawn)) == len(set(held_out)) == 20
    assert not any(map(task.is_held_out, drawn))
    assert all(map(task.is_held_out, held_out))


@given(digits=DIGITS, seed=st.integers(0, 2**32))
def test_a_demonstration_has_the_form_of_an_answer(digits: str, seed: int) -> None:
    generator = Random(seed)  # noqa: S311
    assert task.demonstration(digits, generator, right=1.0) == "".join(sorted(digits))
    shown = task.demonstration(digits, generator, right=0.0)
    assert len(shown) == 5
    assert shown.isdecimal()


def test_a_graded_row_is_read_by_the_commands_and_ungraded_answers_are_not_exported(tmp_path: Path) -> None:
    rewards = [Graded(0.2), Graded(1.0), UNGRADED, Graded(0.0)]
    answers = ["31245", "12345", "12354", "1"]
    lone = task.graded_row(2, "11111", ["11111"], [UNGRADED])
    task.write_rows(tmp_path / "graded.jsonl", [task.graded_row(1, "54321", answers, rewards), lone])
    for command in (
        "select graded.jsonl --threshold 1 --pass-rate 0.05..0.95 -o selected.jsonl",
        "export selected.jsonl --to sft --format trl --min-reward 1 -o sft.jsonl",
        "export graded.jsonl --to dpo --format trl --min-gap 0.2 -o dpo.jsonl",
        "export graded.jsonl --to rft --format trl -o prompts.jsonl",
    ):
        with contextlib.chdir(tmp_path):
            done = CliRunner().invoke(app, ["data", *command.split()])
        assert done.exit_code == 0, done.output
    asked = {"role": "user", "content": "54321"}
    answered = {"role": "assistant", "content": "12345"}
    (sft,) = task.read_rows(tmp_path / "sft.jsonl")
    (dpo,) = task.read_rows(tmp_path / "dpo.jsonl")
    (prompt,) = task.read_rows(tmp_path / "prompts.jsonl")
    assert sft["messages"] == [asked, answered]
    assert (dpo["chosen"], dpo["rejected"]) == ([answered], [{"role": "assistant", "content": "1"}])
    assert (prompt["prompt"], prompt["sorted"]) == ([asked], "12345")


def test_a_run_that_learned_gives_a_table_a_picture_and_0(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run.conclude(LEARNED, RISING, tmp_path) == 0
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines()[:9])) <= 80
    assert "2 answers to each of 40 questions, 0 of them ungraded" in shown
    assert "warm-up               0.400  0.398 to 0.402" in shown
    assert "best of n             0.500  0.498 to 0.502   +0.100" in shown
    assert "GRPO: 0.515 in the first fifth of 20 steps, 0.675 in the last" in shown
    assert (tmp_path / "rewards.png").read_bytes().startswith(b"\x89PNG")
    assert "</svg>" in (tmp_path / "rewards.svg").read_text()


@pytest.mark.parametrize(
    ("measured", "reason"),
    [
        (figures([0.4, 0.4, 0.6, 0.7], RISING), "best of n is no better than warm-up"),
        (figures([0.4, 0.5, 0.45, 0.7], RISING), "DPO is no better than best of n"),
        (figures([0.4, 0.5, 0.6, 0.55], RISING), "GRPO is no better than DPO"),
        (figures([0.4, 0.5, 0.6, 0.7], FLAT), "GRPO's last fifth is +0.000 above its first"),
        (figures([0.4, 0.5, 0.6, 0.7], RISING[::-1]), "GRPO's last fifth is -0.160 above its first"),
        (figures([0.4, 0.5, 0.6, 0.7], [*RISING[:-1], float("nan")]), "GRPO's last fifth is +nan"),
    ],
)
def test_a_run_that_did_not_learn_says_why(measured: dict[str, Any], reason: str) -> None:
    (problem,) = report.shortcomings(report.stages_of(measured["stages"]), measured["curve"])
    assert problem.startswith(reason)


@pytest.mark.parametrize(
    ("means", "differing"),
    [
        (RISING, 0),
        ([mean + 1e-6 for mean in RISING], 0),
        ([*RISING[:-1], None], 1),
        ([0.4, *RISING[1:]], 1),
        ([float("nan"), *RISING[1:]], 1),
        (RISING[::-1], 20),
    ],
)
def test_steps_that_the_service_counted_otherwise_are_found(
    means: list[float | None], differing: int
) -> None:
    assert report.differing_steps(RISING, means) == differing


def test_a_run_that_did_not_learn_gives_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    measured = figures([0.4, 0.4, 0.6, 0.7], RISING)
    assert run.conclude(measured, [None, *RISING[1:]], tmp_path) == 1
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("not learned: best of n is no better than warm-up")
    assert second == "not learned: 1 of 20 steps differ in the statistics of the service"


def test_ungraded_answers_are_in_no_mean() -> None:
    measured = figures([0.4, 0.5, 0.6, 0.7], RISING)["stages"]
    measured[0]["rewards"][0] = [None, 0.4]
    measured[1]["rewards"][1] = [None, None]
    stages = report.stages_of(measured)
    assert stages[0].reward.value == pytest.approx(0.4, abs=0.002)
    gain = stages[1].gain
    assert gain is not None
    assert gain.value == pytest.approx(0.1, abs=0.002)
    assert report.questions_of(measured) == "2 answers to each of 40 questions, 3 of them ungraded"


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60))
def test_fifths_lie_between_the_lowest_and_the_highest_step(curve: list[float]) -> None:
    for mean in report.fifths(curve):
        assert min(curve) - 1e-9 <= mean <= max(curve) + 1e-9


@pytest.mark.slow
@pytest.mark.skipif(not run.TRL.is_file(), reason="`make .cache/trl` makes the environment")
def test_the_model_learns_in_every_stage() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "examples.finetuning.train.run"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr

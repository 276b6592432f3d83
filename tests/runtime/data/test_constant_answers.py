"""What a constant answer gets from the grader itself is what grading it row by row gives."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graders import Grader
from runtime import SyncEvaluator
from runtime.data.check import AnswerGrading, CheckReport, check_data
from runtime.data.check.constant_answers import PHRASE

EXACT = {
    "type": "string_check",
    "operation": "eq",
    "input": "{{sample.output_text}}",
    "reference": "{{item.answer}}",
}
MARKED = {**EXACT, "reference": "#### {{item.answer}}"}
PYTHON = {
    "type": "python",
    "source": "def grade(sample, item):\n    return 0.75 if sample['output_text'] == '' else 0.0\n",
}


@pytest.fixture(scope="module")
def evaluator() -> Iterator[SyncEvaluator]:
    with SyncEvaluator() as evaluator:
        yield evaluator


def check(folder: Path, evaluator: SyncEvaluator, grader: Grader, rows: list[Any], most: int) -> CheckReport:
    path = folder / "rows.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return check_data(path, grader=grader, answers=AnswerGrading(evaluator.grade_many, rows=most))


def scores(report: CheckReport) -> dict[str, float]:
    return {
        each["answer"]: each["score"] for each in report.files[0].figures["constant_by_grader"]["answers"]
    }


def rows(labels: str) -> list[dict[str, Any]]:
    return [
        {"messages": [{"role": "user", "content": f"Which, number {number}?"}], "answer": label}
        for number, label in enumerate(labels)
    ]


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text("ABC ", min_size=10, max_size=40).filter(str.strip))
def test_the_score_is_the_mean_of_the_rewards(
    tmp_path_factory: pytest.TempPathFactory, evaluator: SyncEvaluator, labels: str
) -> None:
    grader = evaluator.load(EXACT)
    found = check(tmp_path_factory.mktemp("rows"), evaluator, grader, rows(labels), 2_000)
    for answer, score in scores(found).items():
        rewards = [evaluator.grade(grader, answer, row).reward or 0.0 for row in rows(labels)]
        assert score == pytest.approx(sum(rewards) / len(rewards), abs=1e-4)
    assert set(labels.replace(" ", "")) | {"", PHRASE} <= scores(found).keys()


def test_an_answer_that_gets_much_without_skill_is_a_warning(
    tmp_path: Path, evaluator: SyncEvaluator
) -> None:
    found = check(tmp_path, evaluator, evaluator.load(EXACT), rows("BBABBACBBD" * 3), 2_000)
    [message] = [group.first.message for group in found.findings if group.first.code == "constant-answer"]
    assert message == "always 'B': 0.60 by the grader"


@pytest.mark.full
@pytest.mark.parametrize(
    ("grader", "answer", "score"), [(MARKED, "#### B", 0.6), (PYTHON, "", 0.75)], ids=["marked", "python"]
)
def test_marked_and_empty_answers_are_tried_too(
    tmp_path: Path, evaluator: SyncEvaluator, grader: dict[str, Any], answer: str, score: float
) -> None:
    found = check(tmp_path, evaluator, evaluator.load(grader), rows("BBABBACBBD"), 2_000)
    assert scores(found)[answer] == pytest.approx(score)
    assert "constant-answer" in {group.first.code for group in found.findings}


def test_a_share_of_the_rows_is_said_and_is_the_same_each_time(
    tmp_path: Path, evaluator: SyncEvaluator
) -> None:
    reports = [check(tmp_path, evaluator, evaluator.load(EXACT), rows("BBBBA" * 20), 30) for _ in range(2)]
    assert scores(reports[0]) == scores(reports[1])
    figures = reports[0].files[0].figures["constant_by_grader"]
    assert (figures["rows"], figures["graded_rows"], figures["seed"]) == (100, 30, 0)
    [message] = [
        group.first.message for group in reports[0].findings if group.first.code == "constant-answer"
    ]
    assert "on 30 of 100 rows (30 %), drawn with the seed 0" in message


def test_rows_that_cannot_be_graded_are_counted_by_cause_and_never_zero(
    tmp_path: Path, evaluator: SyncEvaluator
) -> None:
    given_rows = rows("B" * 12)
    del given_rows[3]["answer"]
    found = check(tmp_path, evaluator, evaluator.load(EXACT), given_rows, 2_000)
    [first, *_] = found.files[0].figures["constant_by_grader"]["answers"]
    assert (first["answer"], first["score"], first["graded"]) == ("B", 1.0, 11)
    assert sum(first["ungraded"].values()) == 1


def test_each_text_of_a_list_of_references_is_an_answer(tmp_path: Path, evaluator: SyncEvaluator) -> None:
    given_rows = [{**row, "answer": [row["answer"], "none"]} for row in rows("B" * 12)]
    grader = evaluator.load({**EXACT, "reference": "{{item.answer[1]}}"})
    assert scores(check(tmp_path, evaluator, grader, given_rows, 2_000))["none"] == 1.0


def test_nothing_is_graded_where_the_grader_calls_others(tmp_path: Path, evaluator: SyncEvaluator) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows("AB" * 6)))
    reason = AnswerGrading(reason="the grader calls judges or services")
    found = check_data(path, grader=evaluator.load(EXACT), answers=reason)
    assert found.files[0].figures["constant_by_grader"] == {"skipped": reason.reason}

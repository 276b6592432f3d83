"""The examples run, and the Countdown plugin keeps the published rules."""

import json
import subprocess
import sys
from typing import Any

import pytest
from countdown_grader import countdown

from graders import FailureKind, GraderResult, GradingError, Sample, Template
from tests.conftest import EXAMPLES

ITEM = {"target": "24", "nums": "[2, 3, 4]"}


def reward(expression: str, result: str, item: dict[str, str] = ITEM, **options: Any) -> float | None:
    answer = Sample(json.dumps({"expression": expression, "result": result}))
    return grade(answer, item, **options).reward


def grade(answer: Sample, item: dict[str, str] = ITEM, **options: Any) -> GraderResult:
    text, numbers, target = (
        Template("{{sample.output_text}}"),
        Template("{{item.nums}}"),
        Template("{{item.target}}"),
    )
    return countdown(answer, item, answer=text, numbers=numbers, target=target, **options)


@pytest.mark.parametrize(
    ("expression", "result", "expected"),
    [
        ("2 * 3 * 4", "24", 5.0),
        ("2 × 3 × 4", "24.0", 5.0),
        ("(2*4)*3", "25", 1.0),
        ("2 * 3 * 4 * 1", "24", 0.0),
        ("2 * 3", "6", 0.0),
        ("2 ** 3 * 4", "32", 0.0),
        ("2 * (3 + 4)", "14", 2.0),
        ("(2 + 4) * 3", "18", 2.0),
        ("4 ÷ 2 − -3", "5", 2.0),
        ("4 / (2 - 2) + 3", "0", 0.0),
        ("2 * 3 *", "24", 0.0),
        ("__import__('os').system('true')", "24", 0.0),
        ("True + 2 + 3", "24", 0.0),
        ("(" * 600, "24", 0.0),
        ("(" * 200 + "2" + ")" * 200, "24", 0.0),
        ("-" * 480 + "2*3*4", "24", 5.0),
        ("2 * 3 * 4", "twenty-four", 1.0),
        ("2 * 3 * 4", "1/0", 1.0),
    ],
)
def test_the_published_rules(expression: str, result: str, expected: float) -> None:
    assert reward(expression, result) == expected


@pytest.mark.parametrize(
    ("target", "expected"), [("24", 5.0), ("25", 4.0), ("23", 4.0), ("26", 3.0), ("19", 3.0), ("18", 2.0)]
)
def test_the_ladder(target: str, expected: float) -> None:
    assert reward("2 * 3 * 4", "24", {**ITEM, "target": target}) == expected


def test_a_rounded_result_is_not_the_value_unless_that_is_allowed() -> None:
    assert reward("2 / 3 * 4", "2.67") == 1.0
    assert reward("2 / 3 * 4", "2.67", decimals=2) == 2.0
    assert reward("2 / 3 * 4", "2.66", decimals=2) == 1.0


@pytest.mark.parametrize("text", ["", "24", "[]", '{"expression": "2*3*4"}', "[" * 10_000])
def test_an_answer_that_is_not_the_json_asked_for_is_the_models_failure(text: str) -> None:
    with pytest.raises(GradingError) as caught:
        grade(Sample(text))
    assert (caught.value.failure.kind, caught.value.failure.caused_by) == (FailureKind.SAMPLE_PARSE, "model")


@pytest.mark.parametrize(
    "item", [{**ITEM, "nums": "2, 3"}, {**ITEM, "nums": '["x"]'}, {**ITEM, "target": "many"}]
)
def test_an_item_that_is_no_puzzle_is_not_the_models_failure(item: dict[str, str]) -> None:
    with pytest.raises(GradingError) as caught:
        grade(Sample('{"expression": "2*3*4", "result": "24"}'), item)
    assert (caught.value.failure.kind, caught.value.failure.caused_by) == (
        FailureKind.INVALID_VARIABLE,
        "grader",
    )


def test_the_demo_prints_every_answer_and_its_summary() -> None:
    done = subprocess.run(
        [sys.executable, EXAMPLES / "demo.py"], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) >= 40
    assert max(map(len, lines)) < 80
    said = " ".join(done.stdout.split())
    assert "answer target exact rounded stated reward judge" in said
    assert "38 answers graded over HTTP" in said
    assert "mean reward 3.66 of 5, 19 passed, 0 failed gradings" in said
    assert (
        "differs from the exact rules on 8 answers (marked *), and on 0 once the result may be rounded"
        in said
    )

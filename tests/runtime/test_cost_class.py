"""Every type has a class, and a grader has that of its dearest part."""

from typing import Any

import pytest

from graders import Registry
from runtime.evaluation.cost_class import Cost, cost_of

MESSAGES = [{"role": "user", "content": "?"}]
CHECK = {"type": "string_check", "input": "a", "reference": "a", "operation": "eq"}
PYTHON = {"type": "python", "source": "def grade(sample, item):\n    return 1.0\n"}
JUDGE = {"type": "score_model", "model": "m", "input": MESSAGES}
SIMILAR = {"type": "text_similarity", "input": "a", "reference": "a"}


def multi(**graders: dict[str, Any]) -> dict[str, Any]:
    return {"type": "multi", "graders": graders, "calculate_output": " + ".join(graders)}


def google(scorer: dict[str, Any]) -> dict[str, Any]:
    return {"type": "google_reward", "singleRewardConfig": {"rewardName": "a", **scorer}}


MATCH = {
    "correctAnswerReward": 1.0,
    "wrongAnswerReward": 0.0,
    "stringMatchExpression": {"matchOperation": "EXACT_MATCH", "expression": "a"},
}
GRADERS: list[tuple[dict[str, Any], Cost]] = [
    (CHECK, "inline"),
    ({"type": "numeric_check", "input": "1", "reference": "1"}, "inline"),
    ({"type": "pattern_match", "input": "a", "pattern": "a"}, "inline"),
    ({**SIMILAR, "evaluation_metric": "fuzzy_match"}, "inline"),
    ({**SIMILAR, "evaluation_metric": "cosine"}, "judge"),
    (PYTHON, "sandbox"),
    ({"type": "code_tests", "tests": "assert True"}, "sandbox"),
    (JUDGE, "judge"),
    (
        {"type": "label_model", "model": "m", "input": MESSAGES, "labels": ["a"], "passing_labels": ["a"]},
        "judge",
    ),
    ({"type": "equivalence", "model": "m", "reference": "a"}, "judge"),
    (
        {"type": "rubric", "model": "m", "criteria": {"a": {"text": "is good", "weight": 1}}},
        "judge",
    ),
    ({"type": "rank", "model": "m", "criterion": "is better"}, "judge"),
    ({"type": "endpoint", "url": "https://example.com/"}, "judge"),
    (google({"stringMatchRewardScorer": MATCH}), "inline"),
    (google({"cloudRunRewardScorer": {"cloudRunUri": "https://example.com/"}}), "judge"),
    (multi(a=CHECK, b=CHECK), "inline"),
    ({"type": "keyword", "words": ["a"]}, "worker"),
    (multi(a=CHECK, b={"type": "keyword", "words": ["a"]}), "worker"),
    (multi(a=CHECK, b=PYTHON), "sandbox"),
    (multi(a=PYTHON, b=JUDGE, c=CHECK), "judge"),
]


@pytest.mark.parametrize(("config", "cost"), GRADERS)
def test_a_grader_has_the_class_of_its_dearest_part(config: dict[str, Any], cost: Cost) -> None:
    assert cost_of(Registry.installed().load(config)) == cost


def test_no_built_in_type_was_forgotten() -> None:
    registry = Registry.installed()
    built_in = {name for name in registry if registry[name].built_in}
    assert built_in == {config["type"] for config, _ in GRADERS} & built_in

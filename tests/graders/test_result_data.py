"""Results as plain data: every view writes known attributes, and what is bare has nothing that a view would show."""

import dataclasses
import json
from types import MappingProxyType
from typing import Any

import pytest

from graders import Failure, FailureKind, GraderResult
from graders.result_data import BESIDE_SCORE, EXPLAINED, RECORD, RESPONSE, View, result_data, turn_rewards

FAILURE = Failure(
    kind=FailureKind.SAMPLE_PARSE,
    caused_by="model",
    message="it is not JSON",
    details={"type": "not_json"},
    retryable=True,
)
FULL = GraderResult(
    0.0,
    sub_rewards={"a": 1.0, "b": None},
    passed=False,
    explanation="half right",
    failure=FAILURE,
    metrics={"words": 2.0},
    metadata={"label": "x"},
    usage={"m": {"prompt_tokens": 3}},
    execution_time=0.25,
)
FAILURE_DATA = {
    "kind": "sample_parse_error",
    "caused_by": "model",
    "message": "it is not JSON",
    "details": {"type": "not_json"},
    "retryable": True,
}


def test_a_record_says_everything_but_times() -> None:
    data = result_data(FULL, RECORD)
    assert data == {
        "reward": 0.0,
        "passed": False,
        "sub_rewards": {"a": 1.0, "b": None},
        "failure": FAILURE_DATA,
        "substituted": False,
        "explanation": "half right",
        "metrics": {"words": 2.0},
        "metadata": {"label": "x"},
        "usage": {"m": {"prompt_tokens": 3}},
    }
    assert tuple(data) == RECORD
    assert json.loads(json.dumps(data)) == data


@pytest.mark.parametrize("view", [RECORD, EXPLAINED, RESPONSE, BESIDE_SCORE])
def test_a_view_gives_its_attributes_in_its_order(view: View) -> None:
    assert tuple(result_data(FULL, view)) == view
    assert result_data(GraderResult(1.0), view).get("failure") is None


def test_texts_and_mappings_are_converted_and_numbers_are_not() -> None:
    seen: list[Any] = []

    def convert(value: object) -> object:
        seen.append(value)
        return "converted"

    data = result_data(FULL, EXPLAINED, convert)
    assert data["failure"] == FAILURE_DATA | {"message": "converted", "details": "converted"}
    assert {name for name, value in data.items() if value == "converted"} == {
        *("explanation", "sub_rewards", "metrics", "metadata", "usage"),
    }
    assert len(seen) == 7
    assert result_data(GraderResult(1.0), EXPLAINED, convert)["explanation"] is None


def test_a_mapping_of_any_class_reaches_the_conversion() -> None:
    result = GraderResult(1.0, metadata=MappingProxyType({"a": 1}))
    assert result_data(result, ("metadata",), dict) == {"metadata": {"a": 1}}


SAYING = [
    field.name
    for field in dataclasses.fields(GraderResult)
    if field.name
    not in (
        *("reward", "passed", "execution_time", "grader", "substituted"),  # the last only beside a failure
    )
]


@pytest.mark.parametrize("name", SAYING)
def test_a_result_that_says_anything_but_a_reward_is_not_bare(name: str) -> None:
    value = {"parts": {"a": GraderResult(1.0)}}.get(name, getattr(FULL, name))
    assert GraderResult(0.0, passed=False, execution_time=1.0).is_bare
    assert not GraderResult(0.0, **{name: value}).is_bare


@pytest.mark.parametrize(
    ("turns", "read"),
    [
        ([1, 0.5, 0], [1.0, 0.5, 0.0]),
        ((1.0, None), [1.0, None]),
        ([True, "1", float("nan"), float("inf"), 10**400, [1]], [None] * 6),
        ([], []),
        ("1", None),
        ({"0": 1}, None),
        (None, None),
    ],
)
def test_rewards_of_turns_are_finite_numbers_or_missing(
    turns: object, read: list[float | None] | None
) -> None:
    assert turn_rewards(GraderResult(0.5, metadata={"turn_rewards": turns})) == read


def test_an_ungraded_result_has_no_rewards_of_turns() -> None:
    failure = dataclasses.replace(FAILURE, caused_by="infrastructure")
    assert turn_rewards(GraderResult(None, failure=failure, metadata={"turn_rewards": [1.0]})) is None
    assert turn_rewards(GraderResult(1.0)) is None

"""A result is graded or says why not, and no other can be made."""

import math
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graders import CausedBy, Failure, FailureKind, GraderInfo, GraderResult
from graders.contract import brief, checked_number, checked_range

INFO = GraderInfo("mine", "keyword", "keyword:1.2.3:0123456789abcdef", (0.0, 1.0))


def failure(caused_by: CausedBy) -> Failure:
    return Failure(kind=FailureKind.OTHER, caused_by=caused_by, message="it broke")


def test_a_plain_reward_is_a_graded_result() -> None:
    result = GraderResult(1)
    assert result.graded
    assert result.reward == 1.0
    assert type(result.reward) is float


def test_a_missing_reward_needs_its_reason() -> None:
    with pytest.raises(ValueError, match="ungraded and must say why"):
        GraderResult(None)


@pytest.mark.parametrize("caused_by", ["grader", "infrastructure"])
def test_a_failed_measurement_is_never_a_low_reward(caused_by: CausedBy) -> None:
    assert not GraderResult(None, failure=failure(caused_by)).graded
    with pytest.raises(ValueError, match=f"caused by the {caused_by} is ungraded: its reward is None"):
        GraderResult(0.0, failure=failure(caused_by))


def test_a_failure_of_the_model_is_graded() -> None:
    assert GraderResult(0.0, failure=failure("model")).graded
    with pytest.raises(ValueError, match="give it a reward"):
        GraderResult(None, failure=failure("model"))


def test_a_substituted_reward_stands_for_any_failure_and_for_nothing_else() -> None:
    assert GraderResult(-1.0, failure=failure("infrastructure"), substituted=True).reward == -1.0
    with pytest.raises(ValueError, match="needs the failure that it stands for"):
        GraderResult(-1.0, substituted=True)
    with pytest.raises(ValueError, match="give it a reward"):
        GraderResult(None, failure=failure("grader"), substituted=True)


def test_an_ungraded_result_neither_passes_nor_fails() -> None:
    with pytest.raises(ValueError, match="neither passed nor failed"):
        GraderResult(None, failure=failure("grader"), passed=False)


@pytest.mark.parametrize("reward", [-0.001, 1.001])
def test_a_reward_outside_the_declared_range_is_refused(reward: float) -> None:
    with pytest.raises(ValueError, match=r"outside the range 0 to 1 that 'keyword' declares"):
        GraderResult(reward, grader=INFO)


@given(
    reward=st.none() | st.floats() | st.booleans() | st.integers(),
    caused_by=st.sampled_from([None, "model", "grader", "infrastructure"]),
    substituted=st.booleans(),
    passed=st.sampled_from([None, True, False]),
    info=st.sampled_from([None, INFO]),
)
def test_whatever_is_made_is_graded_exactly_when_it_has_a_finite_reward_in_range(
    reward: float | None,
    caused_by: CausedBy | None,
    substituted: bool,
    passed: bool | None,
    info: GraderInfo | None,
) -> None:
    why = None if caused_by is None else failure(caused_by)
    try:
        result = GraderResult(reward, failure=why, substituted=substituted, passed=passed, grader=info)
    except ValueError:
        return
    excused = caused_by in (None, "model") or substituted
    assert result.graded == excused
    assert (result.reward is None) == (not excused)
    if result.reward is None:
        assert result.passed is None
    else:
        assert math.isfinite(result.reward)
        assert info is None or 0.0 <= result.reward <= 1.0
    assert not (substituted and why is None)
    assert pickle.loads(pickle.dumps(result)) == result  # noqa: S301  # our own bytes


def test_a_changed_result_is_checked_again() -> None:
    assert GraderResult(0.5).replace(passed=True) == GraderResult(0.5, passed=True)
    with pytest.raises(ValueError, match="outside the range"):
        GraderResult(2.0).replace(grader=INFO)


def test_failures_are_those_of_the_result_and_of_its_parts() -> None:
    inner = GraderResult(None, failure=failure("infrastructure"))
    outer = GraderResult(0.0, failure=failure("model"), parts={"a": GraderResult(1.0), "b": inner})
    assert [found.caused_by for found in outer.failures()] == ["model", "infrastructure"]


def test_failure_kinds_are_the_published_error_flags() -> None:
    assert {kind.value for kind in FailureKind} == {
        "formula_parse_error",
        "sample_parse_error",
        "truncated_observation_error",
        "unresponsive_reward_error",
        "invalid_variable_error",
        "other_error",
        "python_grader_server_error",
        "python_grader_runtime_error",
        "model_grader_server_error",
        "model_grader_refusal_error",
        "model_grader_parse_error",
        "model_grader_exceeded_max_tokens_error",
        "endpoint_grader_internal_error",
        "endpoint_grader_server_error",
        "endpoint_grader_safety_check_error",
    }


@pytest.mark.parametrize(
    ("returned", "number"),
    [
        (0.25, 0.25),
        (3, 3.0),
        (True, 1.0),
        (False, 0.0),
        (np.float32(0.5), 0.5),
        (np.int64(2), 2.0),
        (np.bool_(True), 1.0),
        (np.array(0.5), 0.5),
    ],
)
def test_numbers_of_python_and_numpy_are_rewards(returned: object, number: float) -> None:
    checked = checked_number(returned)
    assert checked == number
    assert type(checked) is float


class Hostile:
    def __repr__(self) -> str:
        raise RuntimeError("no text for you")


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (None, "a reward is a number, not None"),
        ("1.0", "a reward is a number, not str '1.0'"),
        ([1.0], r"a reward is a number, not list \[1.0\]"),
        (math.nan, "a reward is a finite number, not nan"),
        (-math.inf, "a reward is a finite number, not -inf"),
        (10**400, "not an integer too large for a float"),
        (np.float64("nan"), "a reward is a finite number, not nan"),
        (1j, "a reward is a number, not complex 1j"),
        (np.complex128(1), "a reward is a number, not complex128"),
        (np.str_("1.0"), "a reward is a number, not str_"),
        (np.datetime64("2024-01-01"), "a reward is a number, not datetime64"),
        (np.array([1.0]), "a reward is a number, not ndarray"),
        (np.float64, "a reward is a number, not type"),
        (np, "a reward is a number, not module"),
        (Hostile(), "a reward is a number, not Hostile <Hostile>"),
        ("x" * 1000, "a reward is a number, not str 'x{77}…'$"),
    ],
)
def test_anything_else_is_no_reward_and_is_named(returned: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        checked_number(returned)


@pytest.mark.parametrize(
    ("declared", "checked"), [((0, 5), (0.0, 5.0)), ([-1.0, 1.0], (-1.0, 1.0)), ((-math.inf, math.inf),) * 2]
)
def test_a_range_is_two_numbers_the_lower_one_first(declared: object, checked: tuple[float, float]) -> None:
    assert checked_range(declared) == checked


@pytest.mark.parametrize(
    "declared",
    [(1, 0), (0, 0), (0, math.nan), (0,), (0, 1, 2), 5, None, ("a", "b"), (0, 10**400), (None, 1), print],
)
def test_no_other_range_is_accepted(declared: object) -> None:
    with pytest.raises(ValueError, match="a range is two numbers, the lowest and the highest reward; got"):
        checked_range(declared)


def nested(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("a", "'a'"),
        ("a" * 100, "'" + "a" * 57 + "…'"),
        (10**5000, "<int>"),
        (nested(100_000), "<list>"),
        (Hostile(), "<Hostile>"),
    ],
    ids=["short", "long", "huge", "deep", "hostile"],
)
def test_any_value_has_a_short_form_for_messages(value: object, shown: str) -> None:
    assert brief(value) == shown


@pytest.mark.parametrize("number", [math.nan, math.inf, "1", None])
def test_metrics_and_sub_rewards_are_finite_numbers(number: Any) -> None:
    with pytest.raises(ValueError, match="metric 'n': it is a"):
        GraderResult(1.0, metrics={"n": number})
    if number is not None:
        with pytest.raises(ValueError, match="sub-reward 's': it is a"):
            GraderResult(1.0, sub_rewards={"s": number})
    assert GraderResult(1.0, sub_rewards={"s": None}, metrics={"n": 2}).sub_rewards == {"s": None}

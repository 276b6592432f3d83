"""Intervals stay inside what can be, hold the mean, and are not given for fewer than ten rows."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.statistics import intervals
from service.cli.summary import summarize

ANYTHING = (-math.inf, math.inf)
BOUNDS = [(0.0, 1.0), (-1.0, 1.0), (0.0, 5.0), ANYTHING]


@given(
    st.sampled_from(BOUNDS).flatmap(
        lambda bounds: st.tuples(
            st.just(bounds),
            st.lists(
                st.floats(max(bounds[0], -1e6), min(bounds[1], 1e6))
                | st.sampled_from([bound for bound in bounds if math.isfinite(bound)] or [0.0, 1.0]),
                min_size=1,
                max_size=60,
            ),
        )
    )
)
def test_the_interval_of_a_mean_lies_inside_the_range_and_around_the_mean(
    drawn: tuple[tuple[float, float], list[float]],
) -> None:
    (low, high), values = drawn
    found = intervals.of_mean(np.array(values), (low, high))
    if len(values) < 10:
        assert found is None
    if found is not None:
        assert low <= found[0] <= found[1] <= high
        assert found[0] <= np.mean(values) + 1e-9
        assert found[1] >= np.mean(values) - 1e-9


@given(st.integers(0, 200), st.integers(0, 200))
def test_the_interval_of_a_share_lies_inside_0_to_1_and_around_the_share(passed: int, more: int) -> None:
    total = passed + more
    found = intervals.of_share(passed, total)
    assert (found is None) == (total < 10)
    if found is not None:
        assert 0 <= found[0] <= passed / total <= found[1] <= 1
        assert found[0] < found[1]


@pytest.mark.parametrize(
    ("values", "bounds", "expected"),
    [
        # Wilson 1927, for 10 of 10 and 0 of 10: 1 / (1 + z² / 10) and its mirror image
        ([1.0] * 10, (0.0, 1.0), (0.7224672, 1.0)),
        ([0.0] * 10, (0.0, 1.0), (0.0, 0.2775328)),
        ([5.0] * 10, (0.0, 5.0), (3.6123360, 5.0)),
        # Wilson for 9 of 10
        ([1.0] * 9 + [0.0], (0.0, 1.0), (0.5958500, 0.9821238)),
        ([1.0] * 9 + [0.0], ANYTHING, (0.5958500, 0.9821238)),
        # normal: mean 0.5, sample variance 10 * 0.25 / 10, so 0.5 ± 1.959964 * 0.5 / sqrt(11)
        ([0.0] * 5 + [0.5] + [1.0] * 5, (0.0, 1.0), (0.2045243, 0.7954757)),
        # 0.9545454 ± 1.959964 * 0.150756 / sqrt(11), cut at the largest value
        ([1.0] * 9 + [0.5] + [0.999999], (0.0, 1.0), (0.8654561, 1.0)),
        ([0.5] * 10, (0.0, 1.0), None),
        ([1.0] * 10, ANYTHING, None),
        ([1.0] * 9, (0.0, 1.0), None),
    ],
)
def test_intervals_are_those_that_were_worked_out(
    values: list[float], bounds: tuple[float, float], expected: tuple[float, float] | None
) -> None:
    found = intervals.of_mean(np.array(values), bounds)
    assert found == (None if expected is None else pytest.approx(expected, abs=1e-6))


def test_a_summary_has_intervals_from_ten_rows_on_and_says_what_was_taken_over() -> None:
    record: dict[str, Any] = {
        "reward": 1.0,
        "passed": True,
        "failure": None,
        "sub_rewards": {},
        "metrics": {},
        "usage": {},
    }
    few = summarize([record] * 9, bounds=(0, 1))
    assert "low_95" not in few["reward"]
    assert "low_95" not in few["pass_rate"]
    many = summarize([record] * 10, bounds=(0, 1), taken_over=3)
    assert (many["reward"]["low_95"], many["reward"]["high_95"]) == pytest.approx((0.7224672, 1.0))
    assert (many["pass_rate"]["low_95"], many["pass_rate"]["high_95"]) == pytest.approx((0.7224672, 1.0))
    assert many["taken_over"] == 3

"""Groups of rows, and those whose rewards are all equal."""

from itertools import groupby

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graders import Item
from service.telemetry.reward_groups import equal_groups

A: Item = {"q": "a"}
B: Item = {"q": "b"}
NONE = float("nan")


@pytest.mark.parametrize(
    ("items", "rewards", "expected"),
    [
        ([], [], (0, 0)),
        ([A], [1.0], (0, 0)),
        ([A, B], [1.0, 1.0], (0, 0)),  # one row is no group
        ([A, {"q": "a"}], [1.0, 1.0], (1, 1)),  # equal, though not the same
        ([A, A], [1.0, 0.0], (1, 0)),
        ([A, A, B, B], [0.0, 0.0, 0.0, 1.0], (2, 1)),
        ([A, A, B, A, A], [0.5, 0.5, 1.0, 0.5, 0.5], (2, 2)),  # only consecutive rows belong together
        ([A, A, B, B], [NONE, 1.0, 1.0, 1.0], (1, 1)),  # an ungraded row takes its group out
        ([A, A, A], [1.0, 1.0, NONE], (0, 0)),
        ([B, A, A], [NONE, 1.0, 1.0], (1, 1)),  # and no other
    ],
)
def test_counts_groups_and_those_whose_rewards_are_equal(
    items: list[Item], rewards: list[float], expected: tuple[int, int]
) -> None:
    assert equal_groups(items, np.array(rewards, float)) == expected


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from([0.0, 0.5, 1.0, NONE]))))
def test_agrees_with_going_through_the_rows_one_by_one(rows: list[tuple[int, float]]) -> None:
    groups = [[reward for _, reward in group] for _, group in groupby(rows, key=lambda row: row[0])]
    whole = [group for group in groups if len(group) > 1 and not np.isnan(group).any()]
    equal = [group for group in whole if len(set(group)) == 1]
    found = equal_groups([{"q": q} for q, _ in rows], np.array([reward for _, reward in rows], float))
    assert found == (len(whole), len(equal))


def test_refuses_items_and_rewards_of_different_number() -> None:
    with pytest.raises(ValueError, match="2 items and 1 rewards"):
        equal_groups([A, B], np.array([1.0]))

"""The difference of two graded files: pairs that fit, failures that are no low rewards, and figures worked out by hand."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from graders import ConfigurationError
from runtime.compare.diff import diff, is_worse
from runtime.data.graded.reading import GradedFile
from tests.runtime.graded.files import Reward, prompts, write_graded


def compared(
    folder: Path, before: Sequence[Reward], after: Sequence[Reward], rows: Any = None, **options: Any
) -> Any:
    first = rows or [{"item": {"n": n}, "sample": "s"} for n in range(len(before))]
    others = options.pop("after_rows", first)
    one = write_graded(folder, first, before, name="before")
    other = write_graded(folder, others, after, name="after")
    with GradedFile(one) as a, GradedFile(other) as b:
        return diff(a, b, **options)


def test_figures_worked_out_by_hand(tmp_path: Path) -> None:
    found = compared(tmp_path, [1.0, 0.5, 0.0, None, 1.0, 0.75], [0.0, 0.5, 1.0, 1.0, None, 0.25])
    assert (found["paired_by"], found["pairs"], found["graded_pairs"]) == ("sample", 6, 4)
    assert found["ungraded"] == {"before": 1, "after": 1, "newly": 1}
    assert found["reward"] == {"before": 0.5625, "after": 0.4375, "difference": -0.125}
    assert found["changed"] == {"worse": 2, "better": 1, "equal": 1}
    assert found["passed"] == {"of": 4, "before": 3, "after": 2, "to_fail": 2, "to_pass": 1, "mcnemar_p": 1.0}
    assert [(row["row"], row["difference"]) for row in found["worst"]] == [("line 1", -1.0), ("line 6", -0.5)]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(*[st.sampled_from([None, 0.0, 0.25, 0.5, 1.0])] * 2), min_size=1, max_size=16))
def test_a_diff_is_that_of_the_pairs_that_are_graded(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[float | None, float | None]]
) -> None:
    found = compared(tmp_path_factory.mktemp("diff"), [p[0] for p in pairs], [p[1] for p in pairs])
    graded = [(one, other) for one, other in pairs if one is not None and other is not None]
    assert found["graded_pairs"] == len(graded)
    if not graded:
        assert found["reward"] is None
        assert not is_worse(found, 0.0)
        return
    difference = float(np.mean([other - one for one, other in graded]))
    assert found["reward"]["difference"] == pytest.approx(difference, abs=1e-12)
    assert is_worse(found, 0.02) is (difference <= -0.02)
    worse = sum(one >= 0.5 > other for one, other in graded)
    better = sum(one < 0.5 <= other for one, other in graded)
    assert (found["passed"]["to_fail"], found["passed"]["to_pass"]) == (worse, better)
    if worse + better:
        assert found["passed"]["mcnemar_p"] == pytest.approx(
            float(stats.binomtest(worse, worse + better).pvalue)
        )
    listed = [row["difference"] for row in found["worst"]]
    assert listed == sorted(listed)
    assert all(each < 0 for each in listed)
    assert ("low_95" in found["reward"]) is (len(graded) >= 10)


def test_other_answers_to_the_same_prompts_are_compared_by_prompt(tmp_path: Path) -> None:
    other = [{**row, "samples": ["new", "newer", "newest"]} for row in prompts(3, 2)]
    found = compared(tmp_path, [0.0, 1.0] * 3, [1.0, 1.0, 0.0] * 3, prompts(3, 2), after_rows=other)
    assert (found["paired_by"], found["pairs"]) == ("prompt", 3)
    assert found["reward"]["difference"] == pytest.approx(2 / 3 - 1 / 2)


def test_rows_of_one_file_only_are_counted(tmp_path: Path) -> None:
    rows = [{"item": {"n": n}, "sample": "s"} for n in range(5)]
    found = compared(tmp_path, [1.0] * 3, [0.0] * 4, rows[:3], after_rows=rows[1:])
    assert (found["pairs"], found["only_before"], found["only_after"]) == (2, 1, 2)


def test_a_row_that_is_twice_in_a_file_is_two_pairs(tmp_path: Path) -> None:
    found = compared(tmp_path, [1.0, 0.5], [0.5, 0.5], [{"item": {"n": 1}, "sample": "s"}] * 2)
    assert (found["pairs"], found["changed"]["worse"]) == (2, 1)


def test_files_of_other_rows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="they are not of the same rows"):
        compared(
            tmp_path,
            [1.0],
            [1.0],
            [{"item": {"n": 1}, "sample": "s"}],
            after_rows=[{"item": {"n": 2}, "sample": "s"}],
        )


@pytest.mark.parametrize(("difference", "limit", "expected"), [(-0.02, 0.02, True), (-0.0199, 0.02, False), (0.0, 0.0, False), (-0.001, 0.0, True), (0.5, 0.02, False)])  # fmt: skip
def test_a_fall_by_the_limit_is_worse(difference: float, limit: float, expected: bool) -> None:
    assert is_worse({"reward": {"difference": difference}}, limit) is expected

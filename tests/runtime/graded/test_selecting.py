"""Selected prompts are in the range, balanced, as many as wanted, and the same for one seed."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graders import ConfigurationError
from runtime.data.graded.reading import GradedFile
from runtime.data.selecting import read_range, select, selected_rows
from tests.runtime.graded.files import prompts, write_graded


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty prompts of four samples, of which 0, 1, 2, 3, 4, 0, … pass."""
    rewards = [float(draw < n % 5) for n in range(20) for draw in range(4)]
    return write_graded(tmp_path_factory.mktemp("selecting"), prompts(20, 4), rewards)


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(st.integers(0, 4), st.integers(0, 4)).map(sorted),
    st.none() | st.integers(1, 25),
    st.sampled_from([None, "kind", "answer"]),
    st.integers(0, 3),
)
def test_selected_prompts_are_what_was_wanted(
    graded: Path, quarters: list[int], size: int | None, by: str | None, seed: int
) -> None:
    low, high = quarters
    with GradedFile(graded) as file:
        options = {"balance_by": by, "size": size, "seed": seed}
        found = select(file, (low / 4, high / 4), **options)  # type: ignore[arg-type]
        assert select(file, (low / 4, high / 4), **options).chosen == found.chosen  # type: ignore[arg-type]
        rows = list(selected_rows(file, found))
    assert len(rows) == len(found.chosen) == len({row["item"]["question"] for row in rows})
    assert all(low / 4 <= row["pass_rate"] <= high / 4 for row in rows)
    assert len(found.chosen) + sum(found.left_out.values()) == 20
    assert size is None or len(rows) <= size
    if by == "kind" and size is None:
        assert len(set(Counter(row["item"]["kind"] for row in rows).values())) <= 1
    if by is None and size is None:
        assert len(rows) == sum(low <= n % 5 <= high for n in range(20))


def test_rows_are_written_in_the_order_of_the_file_and_can_be_graded_again(graded: Path) -> None:
    with GradedFile(graded) as file:
        rows = list(selected_rows(file, select(file, (0.25, 0.75), size=6, seed=1)))
    numbers = [int(row["item"]["answer"]) for row in rows]
    assert numbers == sorted(numbers)
    assert all(len(row["samples"]) == len(row["results"]) == 4 for row in rows)


def test_prompts_without_a_graded_sample_are_left_out_and_counted(tmp_path: Path) -> None:
    path = write_graded(tmp_path, prompts(2, 2), [None, None, 1.0, None])
    with GradedFile(path) as file:
        found = select(file, (0.0, 1.0))
    assert (len(found.chosen), found.left_out) == (1, {"no sample is graded": 1})


def test_without_a_threshold_one_has_to_be_given(tmp_path: Path) -> None:
    path = write_graded(tmp_path, prompts(1, 2), [0.1, 0.9], threshold=None)
    with GradedFile(path) as file:
        with pytest.raises(ConfigurationError, match="give --threshold"):
            select(file, (0.0, 1.0))
        assert len(select(file, (0.5, 0.5), threshold=0.5).chosen) == 1


@pytest.mark.parametrize("text", ["", "0.5", "0.9..0.1", "a..b", "0..2", "-1..1", "nan..1"])
def test_a_range_is_two_shares(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"such as 0\.05\.\.0\.95"):
        read_range(text)
    assert read_range("0.05..0.95") == (0.05, 0.95)

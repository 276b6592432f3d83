"""What a distance is worth."""

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from graders.kinds.numeric.closeness import Closeness, Score, Tolerance, as_float, as_written, compare

COUNTDOWN = {"steps": [[0, 5], [1, 4], [5, 3]], "range": [0, 5]}
values = st.decimals(-1000, 1000, places=3).map(Fraction)


def score(value: Any) -> Score:
    return Score.model_validate(value)


def reward(
    rule: Any, sample: str, reference: str, *, abs_tol: float = 0.0, rel_tol: float | None = None
) -> float:
    closeness = compare([Fraction(sample)], [Fraction(reference)], Tolerance.of(abs_tol, rel_tol))
    return score(rule).reward(closeness)


@pytest.mark.parametrize(
    ("sample", "reference", "abs_tol", "rel_tol", "accepted"),
    [
        ("1.1", "1", 0.1, None, True),  # in floats 1.1 - 1 > 0.1
        ("1.11", "1", 0.1, None, False),
        ("110", "100", 0, 0.1, True),
        ("100", "110", 0, 0.1, True),
        ("111", "100", 0, 0.1, False),
        ("0.01", "0", 0, 0.5, False),  # a share of nothing is nothing
        ("1/3", "0.3333333333333333", 0, None, True),
        ("1/3", "0.33", 0, None, False),
        ("10000000000000", "10000000000001", 0, None, False),  # whole numbers are equal or not
        ("9007199254740993", "9007199254740992", 0, None, False),
        ("0.30000000000000004", "0.3", 0, None, True),
        ("0.30000000000000004", "0.3", 0, 0, False),
    ],
)
def test_tolerances_are_exact(
    sample: str, reference: str, abs_tol: float, rel_tol: float | None, accepted: bool
) -> None:
    assert reward("exact", sample, reference, abs_tol=abs_tol, rel_tol=rel_tol) == accepted


@given(
    pairs=st.lists(st.tuples(values, values), max_size=5),
    absolute=st.sampled_from([0.0, 0.5, 2.0]),
    relative=st.sampled_from([0.0, 0.25]),
)
def test_the_tolerances_agree_with_numpys_allclose(
    pairs: list[tuple[Fraction, Fraction]], absolute: float, relative: float
) -> None:
    pairs = [
        (one, other)
        for one, other in pairs
        # numpy works on floats: at the very edge it may round to the other side
        if abs(abs(one - other) - Fraction(absolute) - Fraction(relative) * abs(other)) > Fraction(1, 10**9)
    ]
    samples, references = [one for one, _ in pairs], [other for _, other in pairs]
    mine = compare(samples, references, Tolerance.of(absolute, relative)).accepted
    theirs = np.allclose(
        list(map(float, samples)), list(map(float, references)), rtol=relative, atol=absolute
    )
    assert mine == bool(theirs)


@pytest.mark.parametrize(
    ("distance", "worth"), [("0", 5), ("0.5", 4), ("1", 4), ("1.01", 3), ("5", 3), ("5.1", 0), ("900", 0)]
)
def test_countdown_ladder(distance: str, worth: float) -> None:
    assert reward(COUNTDOWN, distance, "0") == worth


@pytest.mark.parametrize(
    ("rule", "sample", "reference", "worth"),
    [
        ({"linear": {"scale": 10}}, "100", "100", 1),
        ({"linear": {"scale": 10}}, "104", "100", 0.6),
        ({"linear": {"scale": 10}}, "120", "100", 0),
        ({"linear": {"scale": 0.1, "relative": True}}, "95", "100", 0.5),
        ({"linear": {"scale": 0.1, "relative": True}}, "1", "0", 0),
        ({"exponential": {"scale": 10}}, "110", "100", math.exp(-1)),
        ({"exponential": {"scale": 1e-300}}, "1e308", "-1e308", 0),
        ({"exponential": {"scale": 1, "relative": True}}, "1", "0", 0),
        ("exact", "1", "0", 0),
    ],
)
def test_decay(rule: Any, sample: str, reference: str, worth: float) -> None:
    assert reward(rule, sample, reference) == pytest.approx(worth)


def test_within_the_tolerance_every_rule_gives_its_most() -> None:
    for rule in ({"linear": {"scale": 1}}, {"exponential": {"scale": 1}}, "exact"):
        assert reward(rule, "10.5", "10", abs_tol=0.5) == 1
    assert reward(COUNTDOWN, "10.5", "10", abs_tol=0.5) == 5


@given(values, values, values)
def test_a_nearer_answer_is_never_worth_less(reference: Fraction, one: Fraction, other: Fraction) -> None:
    near, far = sorted((one, other), key=lambda value: abs(value - reference))
    for rule in ("exact", {"linear": {"scale": 50}}, {"exponential": {"scale": 50}}, COUNTDOWN):
        assert reward(rule, str(near), str(reference)) >= reward(rule, str(far), str(reference))


def test_lists_compare_pair_by_pair_by_their_largest_distance() -> None:
    closeness = compare([Fraction(1), Fraction(4)], [Fraction(1), Fraction(2)], Tolerance())
    assert closeness == Closeness(accepted=False, distance=Fraction(2), relative=Fraction(1))


def test_order_counts_unless_it_is_told_not_to() -> None:
    one, other = [Fraction(1), Fraction(2)], [Fraction(2), Fraction(1)]
    assert not compare(one, other, Tolerance()).accepted
    assert compare(one, other, Tolerance(), ordered=False).accepted


@pytest.mark.parametrize(
    "rule", ["exact", {"linear": {"scale": 10}}, {"exponential": {"scale": 1}}, COUNTDOWN]
)
def test_lists_of_different_length_get_the_lowest_reward(rule: Any) -> None:
    assert score(rule).reward(compare([Fraction(1)], [Fraction(1)] * 2, Tolerance())) == 0


@pytest.mark.parametrize(
    ("rule", "bounds"),
    [
        ("exact", (0, 1)),
        ({"linear": {"scale": 1}}, (0, 1)),
        (COUNTDOWN, (0, 5)),
        ({"steps": [[0, 5], [1, 4]]}, (0, 5)),
        ({"steps": [[0, 5], [1, -4]]}, (-4, 5)),
        ({"steps": [[0, 1]], "range": [-1, 1]}, (-1, 1)),
    ],
)
def test_bounds(rule: Any, bounds: tuple[float, float]) -> None:
    assert score(rule).bounds == bounds


@pytest.mark.parametrize(
    "wrong",
    [
        {}, "near", {"linear": {}}, {"linear": {"scale": 0}}, {"linear": {"scale": math.inf}}, {"linear": {"scale": 1, "scales": 1}},
        {"linear": {"scale": 1}, "exponential": {"scale": 1}}, {"kind": "exact", "range": [0, 5]}, {"steps": []},
        {"steps": [[1, 4], [0, 5]]}, {"steps": [[0, 4], [1, 5]]}, {"steps": [[-1, 4]]}, {"steps": [[0, math.nan]]},
        {"steps": [[0, 5]], "range": [0, 4]}, {"steps": [[0, 5]], "range": [5, 5]}, {"steps": [[0, 0]]}, 7,
    ],
)  # fmt: skip
def test_refuses_rules_that_make_no_sense(wrong: Any) -> None:
    with pytest.raises(ValidationError):
        score(wrong)


def test_numbers_keep_the_value_their_author_wrote() -> None:
    assert as_written(0.1) == Fraction(1, 10)
    assert as_float(Fraction(10) ** 400) == 1.7976931348623157e308
    assert as_float(Fraction(-10) ** 401) == -1.7976931348623157e308


def test_the_json_schema_offers_a_word_or_an_object() -> None:
    word, rules = TypeAdapter(Score).json_schema()["anyOf"]
    assert word["enum"] == ["exact"]
    assert sorted(rules["properties"]) == ["exponential", "linear", "range", "steps"]

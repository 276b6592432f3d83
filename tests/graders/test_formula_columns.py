"""A formula over columns gives the very numbers that it gives row by row, and none where it has none."""

import math
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graders import Formula, GradingError
from graders.formula_columns import ColumnFormula
from tests.strategies import formulas

NUMBERS = st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 1e308, -1e308, 5e-324, 0.1, 0.3]) | st.floats(
    -10, 10
)
ROWS = st.lists(st.fixed_dictionaries(dict.fromkeys("abc", NUMBERS)), max_size=6)


def alone(formula: Formula, values: dict[str, float]) -> float:
    try:
        return formula(values)
    except GradingError:
        return math.nan


def check(source: str, rows: list[dict[str, float]]) -> None:
    formula = Formula(source)
    columns = {name: np.array([row[name] for row in rows], dtype=np.float64) for name in "abc"}
    found = ColumnFormula(formula)(columns, len(rows))
    assert found.shape == (len(rows),)
    assert found.dtype == np.float64
    expected = [alone(formula, row) for row in rows]
    # the bits, so that 0 is not -0
    assert [_bits(number) for number in found.tolist()] == [_bits(number) for number in expected]


def _bits(number: float) -> bytes:
    return b"nan" if math.isnan(number) else struct.pack("d", number)


@given(formulas(), ROWS)
def test_a_column_is_its_rows(pair: tuple[str, str], rows: list[dict[str, float]]) -> None:
    check(pair[0], rows)


@given(st.recursive(st.sampled_from(["a", "b", "c", "0", "0.1", "2"]), lambda inner: st.one_of(
    st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda parts: f"({parts[0]} {parts[1]} {parts[2]})"),
    st.tuples(st.sampled_from(["abs", "floor", "ceil", "sqrt", "-", "+"]), inner).map(lambda parts: f"{parts[0]}({parts[1]})"),
    st.tuples(st.sampled_from(["min", "max"]), st.lists(inner, min_size=1, max_size=3)).map(
        lambda parts: f"{parts[0]}({', '.join(parts[1])})"),
), max_leaves=12), ROWS)  # fmt: skip
def test_what_numpy_computes_is_what_python_computes(source: str, rows: list[dict[str, float]]) -> None:
    check(source, rows)


@pytest.mark.parametrize(
    "source",
    ["1 / a", "1 / (1 / a)", "sqrt(a)", "max(0, sqrt(a))", "floor(a * 1e308 * 10)", "a * 1e308 * 10 - a * 1e308 * 10", "3",
     "1 / 0", "ceil(a)", "min(a, -a)", "max(a, -a)", "min(a * 1e308 * 10 - a * 1e308 * 10, 1)", "a ^ 2", "log(a)", "exp(a)",
     "sqrt(exp(a))", "1 + log(a)", "min(1, a ^ 0.5)", "-log(a)", "1 - 2 - a - 3"],
)  # fmt: skip
def test_rows_without_a_value_leave_the_others_theirs(source: str) -> None:
    check(source, [{"a": value, "b": 0.0, "c": 0.0} for value in (1.0, 0.0, -0.0, -2.5, 3.0)])


def test_a_row_that_lacks_a_number_has_none() -> None:
    columns = {"a": np.array([1.0, np.nan, 3.0])}
    for source in ("a + 1", "a ^ 1 + 1"):
        assert str(ColumnFormula(Formula(source))(columns, 3).tolist()) == "[2.0, nan, 4.0]"

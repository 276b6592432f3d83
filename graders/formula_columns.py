"""A formula over columns: the same numbers as row by row, computed by NumPy for all rows at once.

NumPy rounds `+ - * /` and `sqrt` as Python does, so these, comparisons and `floor`, `ceil` and `abs` are computed on whole
columns. It does not round powers, `exp` and `log` as the C library does: a formula with one of them is computed row by row.
"""

import ast
import math
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from graders.errors import GradingError
from graders.formula import Formula

Column: TypeAlias = Any
"""NDArray[np.float64] of one number a row, or one np.float64 for all rows."""
Failed: TypeAlias = NDArray[np.bool_]
"""One for each row: whether the formula raises there."""
_Term: TypeAlias = Callable[[Mapping[str, Column], Failed], Column]


class ColumnFormula:
    """A formula, ready for columns."""

    def __init__(self, formula: Formula) -> None:
        self._formula = formula
        self._term = _compiled(formula.tree())

    def __call__(self, columns: Mapping[str, NDArray[np.float64]], rows: int) -> NDArray[np.float64]:
        """Compute the formula for each row; NaN where a value is NaN, and where the formula has no value.

        Args:
            columns: One for each variable, of shape (rows,).
            rows: How many.
        """
        if self._term is None:
            return np.array([self._alone(columns, row) for row in range(rows)], dtype=np.float64)
        failed = np.zeros(rows, dtype=np.bool_)
        with np.errstate(all="ignore"):
            computed = self._term(columns, failed)
        failed |= ~np.isfinite(computed)
        return np.where(failed, np.nan, computed)

    def _alone(self, columns: Mapping[str, NDArray[np.float64]], row: int) -> float:
        values = {name: float(column[row]) for name, column in columns.items()}
        if any(map(math.isnan, values.values())):
            return math.nan
        try:
            return self._formula(values)
        except GradingError:
            return math.nan


def _divided(left: Column, right: Column, failed: Failed) -> Column:
    failed |= right == 0
    return left / right


def _root(value: Column, failed: Failed) -> Column:
    failed |= value < 0
    return np.sqrt(value)


def _whole(round_: Callable[[Column], Column]) -> Callable[[Column, Failed], Column]:
    def compute(value: Column, failed: Failed) -> Column:
        failed |= ~np.isfinite(value)
        return round_(value) + 0.0  # Python's integers have no -0

    return compute


_BINARY: Mapping[type[ast.operator], Callable[[Column, Column, Failed], Column]] = {
    ast.Add: lambda left, right, failed: left + right,
    ast.Sub: lambda left, right, failed: left - right,
    ast.Mult: lambda left, right, failed: left * right,
    ast.Div: _divided,
}
_UNARY: Mapping[str, Callable[[Column, Failed], Column]] = {
    "abs": lambda value, failed: np.abs(value),
    "floor": _whole(np.floor),
    "ceil": _whole(np.ceil),
    "sqrt": _root,
}
_PICKING: Mapping[str, Callable[[Column, Column], Column]] = {
    # as Python's own: the first of equal ones, and of those that cannot be compared
    "min": lambda picked, other: np.where(other < picked, other, picked),
    "max": lambda picked, other: np.where(other > picked, other, picked),
}


def _compiled(node: ast.expr) -> _Term | None:
    """What computes a part of a formula that has been checked; None where NumPy rounds it otherwise."""
    match node:
        case ast.Constant(value=float() as number):
            constant = np.float64(number)
            return lambda columns, failed: constant
        case ast.Name(id=name):
            return lambda columns, failed: columns[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return _combined([operand], lambda values, failed: -values[0])
        case ast.UnaryOp(operand=operand):
            return _compiled(operand)
        case ast.BinOp():
            return _chain(node)
        case ast.Call(func=ast.Name(id=name), args=arguments) if name in _UNARY:
            unary = _UNARY[name]
            return _combined(arguments, lambda values, failed: unary(values[0], failed))
        case ast.Call(func=ast.Name(id=name), args=arguments) if name in _PICKING:
            pick = _PICKING[name]
            return _combined(arguments, lambda values, failed: reduce(pick, values))
    return None


def _chain(node: ast.expr) -> _Term | None:
    """What is computed from left to right, in a loop: the sum of 500 keys is long, not deep."""
    steps: list[Callable[[Column, Column, Failed], Column]] = []
    operands: list[ast.expr] = []
    while isinstance(node, ast.BinOp):
        if type(node.op) not in _BINARY:
            return None
        steps.append(_BINARY[type(node.op)])
        operands.append(node.right)
        node = node.left
    steps.reverse()

    def compute(values: Sequence[Column], failed: Failed) -> Column:
        result = values[0]
        for step, value in zip(steps, values[1:], strict=True):
            result = step(result, value, failed)
        return result

    return _combined([node, *reversed(operands)], compute)


def _combined(
    nodes: Sequence[ast.expr], compute: Callable[[Sequence[Column], Failed], Column]
) -> _Term | None:
    terms = [term for node in nodes if (term := _compiled(node)) is not None]
    if len(terms) < len(nodes):
        return None
    return lambda columns, failed: compute([term(columns, failed) for term in terms], failed)

"""Arithmetic as models write it: exact values, and the numbers that were used."""

import ast
from collections import Counter
from fractions import Fraction

MAX_LENGTH = 500
_AS_PYTHON = str.maketrans(
    {"×": "*", "x": "*", "X": "*", "·": "*", "÷": "/", "−": "-", "–": "-", "[": "(", "]": ")"}
)


class NotArithmetic(ValueError):
    """A text is not an expression of + - × ÷ over whole numbers."""


def evaluate(text: str) -> tuple[Fraction, Counter[Fraction]]:
    """The exact value of an expression and how often it uses each number.

    Raises:
        NotArithmetic: When it is anything else, or divides by zero.
    """
    if len(text) > MAX_LENGTH:
        raise NotArithmetic(f"longer than {MAX_LENGTH} characters")
    try:
        tree = ast.parse(text.translate(_AS_PYTHON).strip(), mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise NotArithmetic("it does not parse") from None
    used: Counter[Fraction] = Counter()
    try:
        return _value(tree.body, used), used
    except ZeroDivisionError:
        raise NotArithmetic("it divides by zero") from None
    except RecursionError:
        raise NotArithmetic("it is nested too deeply") from None


def _value(node: ast.expr, used: Counter[Fraction]) -> Fraction:
    match node:
        case ast.Constant(value=int() as number) if not isinstance(number, bool):
            used[Fraction(number)] += 1
            return Fraction(number)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, used)
        case ast.BinOp(op=ast.Add(), left=left, right=right):
            return _value(left, used) + _value(right, used)
        case ast.BinOp(op=ast.Sub(), left=left, right=right):
            return _value(left, used) - _value(right, used)
        case ast.BinOp(op=ast.Mult(), left=left, right=right):
            return _value(left, used) * _value(right, used)
        case ast.BinOp(op=ast.Div(), left=left, right=right):
            return _value(left, used) / _value(right, used)
    raise NotArithmetic(f"it has {type(node).__name__}, which is not + - × ÷ over whole numbers")

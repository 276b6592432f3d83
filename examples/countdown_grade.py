"""The source of a `python` grader: the rules of the Countdown demo, 0 to 5.

5: the expression is valid, uses every number once and reaches the target; 4: off by at most 1; 3: off by at most 5; 2: further
off; 1: the reported result, which may be rounded to two decimals, is not the expression's value; 0: anything else. Source: the
judge's instructions in microsoft-foundry/fine-tuning, Demos/RFT_Countdown.
"""

import ast
import json
from collections import Counter
from fractions import Fraction
from operator import add, mul, sub, truediv
from typing import Any

OPERATORS = {ast.Add: add, ast.Sub: sub, ast.Mult: mul, ast.Div: truediv}
LADDER = ((0, 5.0), (1, 4.0), (5, 3.0))


def grade(sample: dict[str, Any], item: dict[str, Any]) -> float:
    """Grade one answer, `{"expression": …, "result": …}`; any other output gives 0."""
    used: Counter[Fraction] = Counter()
    try:
        answer = sample["output_json"]
        expression = str(answer["expression"]).replace("×", "*").replace("÷", "/")
        value = evaluate(ast.parse(expression.strip(), mode="eval").body, used)
    except (KeyError, TypeError, ValueError, SyntaxError, ZeroDivisionError, RecursionError, MemoryError):
        return 0.0
    if used != Counter(map(Fraction, json.loads(item["nums"]))):
        return 0.0
    try:
        reported = Fraction(str(answer["result"]))
    except (KeyError, ValueError, ZeroDivisionError):
        return 1.0
    if abs(reported - value) > Fraction(1, 200):
        return 1.0
    distance = abs(value - Fraction(item["target"]))
    return next((reward for limit, reward in LADDER if distance <= limit), 2.0)


def evaluate(node: ast.expr, used: Counter[Fraction]) -> Fraction:
    """The exact value of an expression; counts the numbers in it.

    Raises:
        ValueError: When it is not + - * / over whole numbers.
    """
    match node:
        case ast.Constant(value=int() as number):
            used[Fraction(number)] += 1
            return Fraction(number)
        case ast.BinOp(op=op, left=left, right=right) if type(op) in OPERATORS:
            result: Fraction = OPERATORS[type(op)](evaluate(left, used), evaluate(right, used))
            return result
    raise ValueError(ast.dump(node))

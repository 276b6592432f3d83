"""Equations that are not solved: in `2x = 42`, `x^2 = 42`, `n! = 42` and `1/x = 42`, 42 is not the value of the unknown.

The other side of the equation decides. A name (`x`, `x_1`, `AB`, `f(3)`, `total cost`) has the number as its value, numbers
alone (`6*7`) are a calculation, and an expression in two unknowns or more (`x + y`) is a quantity of its own. An expression
in exactly one unknown states a condition on it. In a chain (`P = 4s = 42`, `2x = 2(21) = 42`), a name or a calculation on
one side is enough. An expression that is not understood is not refused.
"""

import re
from typing import Final

from graders.kinds.numeric.marks import ALGEBRA, GREEK, SPACES
from graders.kinds.numeric.phrases import FUNCTIONS

WINDOW: Final = 120
"""Characters on each side of a number that are looked at."""
_DRESS: Final = f"{SPACES}*_`&$"
_EQUALS_BEFORE = re.compile(r"(?<![<>!/+\-])[:=]?=[ \xa0$*_`(\[]*$")
_EQUALS_AFTER = re.compile(r"[ \xa0$*_`)\]]*={1,2}(?![=>])")
_EQUALS = re.compile(r"[:=]?=")
_BREAK = re.compile(r"[,;?\n\"\xa6<>]|:(?!=)|\.(?![0-9])|->|=>|\$(?![0-9.])|[A-Za-z]{2,}(?:'[a-z]+)?")
_ARGUMENTS = re.compile(r"\([^()\n]*\)")
_LABEL = re.compile(r"^[ ]*(?:\(?[a-zA-Z0-9]{1,2}[.)]|[-+*][ ](?=[ ]*\S))[ ]+")
_EXPRESSION = re.compile(rf"{ALGEBRA}1([^{ALGEBRA}]*){ALGEBRA}")
"""What a root, a fraction, a logarithm and their like become: their unknowns, in two marks."""
_FUNCTION = re.compile(rf"{ALGEBRA}(?=[A-Za-z]{{2}})")
_SIZE = re.compile(r"\|([A-Zwz])\|")
_NAME = re.compile(
    rf"[-+]?[A-Za-z{GREEK}](?![A-Za-z])[0-9]*(?:_[A-Za-z0-9{ALGEBRA}{GREEK}]+)?'*(?:\^-1)?[ ]?(?:[(\[].*[)\]])?"
)
_PRODUCT = re.compile(rf"([A-Za-z{GREEK}])[ ]?\(.*(?<![A-Za-z])\1(?![A-Za-z]).*\)")
_TIMES = re.compile(r"(?<=[0-9)])([ ]?)x(?=\1-?[0-9.($])")
_COMBINATIONS = re.compile(r"(?<=[0-9])[CP](?=_?[0-9])|(?<=[0-9])[eE](?=[-+]?[0-9])")
_UNIT = re.compile(r"(?<=[0-9])[ \xa0][mgshlLkNJWV](?![A-Za-z])")
_ARTICLE = re.compile(r"(?<![A-Za-z])[aAI][ ]+(?=[0-9$(]|$)")
_SYMBOL = re.compile(
    rf"(?<![A-Za-z_])(?:[f-hF-HPT]'*\([^()]*\)|[A-Za-z{GREEK}](?:_?[0-9]+|_[A-Za-z{ALGEBRA}{GREEK}])?)(?![A-Za-z])"
)
_NAMED = re.compile(r"\b(?:is|are|was|were|be|of)$", re.IGNORECASE)
_ANSWER = re.compile(
    r"\b(?:answer|result|solution|equation|condition|it) (?:\w+ )?(?:is|was|be)$", re.IGNORECASE
)
_SAME_UNIT = re.compile(r"[ \xa0$]*([A-Za-z])(?![A-Za-z])")
_CONSTANTS: Final = frozenset("eEi")
_OPERATORS: Final = f"+-*/^×·÷={ALGEBRA}"


def is_unsolved(before: str, after: str) -> bool:
    """Whether a number is one side of an equation in one unknown that the other side does not isolate.

    Args:
        before: What stands before the number, in plain notation.
        after: What follows it.
    """
    if "=" in before[-16:] and (equals := _EQUALS_BEFORE.search(before)):
        unit = _SAME_UNIT.match(after)
        return _is_condition(_left_sides(before[: equals.start()]), unit.group(1) if unit else "")
    if "=" in after[:16] and (equals := _EQUALS_AFTER.match(after)):
        return _is_condition(_right_sides(after[equals.end() :]), "")
    return False


def left_side(before: str) -> int:
    """Where the equation begins that ends with the `=` before a number; the length of the text without one."""
    equals = _EQUALS_BEFORE.search(before)
    return _begin(before[: equals.start()])[0] if equals else len(before)


def _left_sides(text: str) -> list[str]:
    """The sides of a chain of equations that ends here; one that is not understood is empty."""
    text = _ARGUMENTS.sub(_without_commas, text).rstrip(_DRESS)
    begin, word = _begin(text)
    sides = _EQUALS.split(text[begin:])
    if word and (_continues(sides[0]) or _is_named(text[:begin])):
        sides[0] = ""
    return sides


def _begin(text: str) -> tuple[int, bool]:
    """Where the expression begins that ends a text, and whether a word stands before it."""
    begin, word = 0, False
    for stop in _BREAK.finditer(text):
        found = stop.group()
        word = len(found) > 1 and found[0].isalpha()
        if not (word and found.lower() in FUNCTIONS):
            begin = stop.end()
    return begin, bool(begin) and text[begin - 1].isalpha()


def _right_sides(text: str) -> list[str]:
    text = _ARGUMENTS.sub(_without_commas, text)
    end = next(
        (stop.start() for stop in _BREAK.finditer(text) if stop.group().lower() not in FUNCTIONS), len(text)
    )
    sides = _EQUALS.split(text[:end])
    if text[end : end + 1].isalpha() and sides[-1].rstrip()[-1:] in ("", *_OPERATORS):
        sides[-1] = ""
    return sides


def _without_commas(arguments: re.Match[str]) -> str:
    return arguments.group().replace(",", " ")


def _is_named(text: str) -> bool:
    """Whether words say what an expression stands for: `the area is s^2`, `the value of 2x`, but not `the answer is 2x`."""
    return _NAMED.search(text) is not None and not _ANSWER.search(text[-40:])


def _continues(side: str) -> bool:
    """Whether the word before a side is its first operand, or the name of a function: `speed × t`, `speed*t`, `max(x, 3)`."""
    bare = side.lstrip(SPACES)
    if (
        not bare
        or bare[0] in ")]"
        or (bare[0] == "|" and bare.count("|") == 1)
        or (bare is side and bare[0] in "([_")
    ):
        return True
    return bare[0] in _OPERATORS and (len(bare) == len(side) or bare[1:2] in SPACES)


def _is_condition(sides: list[str], unit: str) -> bool:
    """Whether the sides hold one unknown in all, which none of them isolates."""
    found: set[str] = set()
    for written in sides:
        side = _FUNCTION.sub("", _EXPRESSION.sub(r"1*(\1)", written))
        side = _SIZE.sub(r"\1", _LABEL.sub("", side).strip(_DRESS))
        side = _ARTICLE.sub("", _UNIT.sub("", _COMBINATIONS.sub("*", _TIMES.sub("*", side))))
        if (
            not side
            or ALGEBRA in _SYMBOL.sub("", side)
            or _is_name(side.strip(_DRESS + "()[]"))
            or _is_name(side)
        ):
            return False
        unknowns = {
            f"{symbol}{index if GREEK in symbol else ''}"
            for index, symbol in enumerate(_SYMBOL.findall(side))
            if symbol not in _CONSTANTS and symbol != unit
        }
        if not unknowns and (len(sides) == 1 or not side.replace(".", "").isdigit()):
            return False
        found |= unknowns
    return len(found) == 1


def _is_name(side: str) -> bool:
    return _NAME.fullmatch(side) is not None and not _PRODUCT.fullmatch(side)

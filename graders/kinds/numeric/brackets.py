"""What brackets around a number make of it: `max(3, 5)`, `(3, 5)`, `(0, 5]`, `(101)_2`, `(5)!` and `|3|^2` are not one of their numbers."""

import re
from typing import Final

from graders.kinds.numeric.marks import ALGEBRA, GREEK, SPACES
from graders.kinds.numeric.phrases import FUNCTIONS, TRANSPARENT_CALLS

_ITEM = rf"[ $]*(?:[-+]?[0-9][0-9./]*|[-+]? ?infinity|[a-z]|{GREEK}|{ALGEBRA}[0-9]?{ALGEBRA}?)[ $]*"
_TUPLE_BEFORE = re.compile(rf"[(\[<\]](?:{_ITEM}[,;])*[ $]*$")
_TUPLE_AFTER = re.compile(rf"[ $]*(?:[,;]{_ITEM})*[)\]>\[]")
_REPEATED = re.compile(r"[0-9]\.[0-9]*\($")
_ROOT_INDEX = re.compile(r"(?:sqrt|root) ?\[[^\]\n]{0,16}\][ ({]*$")
_PRIMES = re.compile(r"(?<=[A-Za-z])'+$")
_CLOSING: Final = ")]|"
_OPENING: Final = "([|"
_NAMED: Final = FUNCTIONS | {"max", "min", "mod"}


def is_in_expression(before: str, after: str) -> bool:
    """Whether the brackets around a number make it an argument, a coordinate, the end of an interval, or an operand.

    Args:
        before: What stands before the number, in plain notation.
        after: What follows it.
    """
    if _ROOT_INDEX.search(before[-32:]):
        return True
    if any(mark in before for mark in "([<]") and (_is_tuple(before, after) or _is_argument(before)):
        return True
    if (
        before.endswith("|")
        and before[:-1].rstrip(SPACES)
        and _last_word(before[:-1].rstrip(SPACES)) in _NAMED
    ):
        return True  # ln|5|
    closed = after.lstrip(SPACES)
    return closed[:1] in tuple(_CLOSING) and _is_operand(before.rstrip(SPACES), closed.lstrip(_CLOSING))


def is_absolute(before: str, after: str) -> bool:
    """Whether a number stands between the only two bars of its line: `| -3 |` is 3, unlike a cell of a table.

    Args:
        before: What stands before the number, in plain notation.
        after: What follows it.
    """
    left, right = before.rpartition("\n")[2].rstrip(SPACES), after.partition("\n")[0].lstrip(SPACES)
    return left.endswith("|") and right.startswith("|") and left.count("|") == right.count("|") == 1


def _is_tuple(before: str, after: str) -> bool:
    """A point, an interval or a list in brackets: numbers and commas only."""
    if _REPEATED.search(before[-16:]):
        return True  # 0.(3)
    if "," not in before and ";" not in before and "," not in after and ";" not in after:
        return False
    left, right = _TUPLE_BEFORE.search(before), _TUPLE_AFTER.match(after)
    return left is not None and right is not None and not {*",;"}.isdisjoint(left.group() + right.group())


def _is_argument(before: str) -> bool:
    """`gcd(42, 7)`, `f(x = 7)`: the last bracket that is open on the line stands right behind a name."""
    line = before.rpartition("\n")[2]
    depth = 0
    for index in range(len(line) - 1, -1, -1):
        if line[index] in ")]":
            depth += 1
        elif line[index] in "([":
            depth -= 1
            if depth < 0:
                return _is_applied(line[:index], line[index])
    return False


def _is_applied(left: str, bracket: str) -> bool:
    """Whether a function stands before an opening bracket."""
    if left[-1:] in (" ", "\xa0"):
        return _last_word(left.rstrip(SPACES)) in _NAMED
    left = _PRIMES.sub("", left)
    name = _last_word(left).lower()
    return bracket == "(" and (left[-1:] == ALGEBRA or (bool(name) and name not in TRANSPARENT_CALLS))


def _last_word(text: str) -> str:
    return re.split(r"[^A-Za-z0-9_]", text)[-1]


def _is_operand(left: str, tail: str) -> bool:
    """Whether something is done to what the brackets end: `(101)_2`, `|3|^2`, `(5)!`, `(5)(6)`, `(5)x`."""
    if tail[:1] == "^" or (tail[:1] == "_" and (tail[1:2].isalnum() or tail[1:2] == ALGEBRA)):
        return True
    if left[-1:] not in tuple(_OPENING):
        return False
    lone = tail[:1].isalpha() and not tail[1:2].isalnum() and tail[0] not in "smgLV"
    return lone or (tail[:1] == "(" and left[-1] != "[") or tail[:1] == "!"

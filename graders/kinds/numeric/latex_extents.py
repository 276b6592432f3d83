r"""How far a LaTeX command reaches: its arguments, its scripts, and the brackets that a function is applied to.

A command that is not understood makes all of that "not a number": the `2` of `\frac{\sqrt{3}}{2}` is no quantity of its own.
Brackets are paired once for a text, so that all of it takes linear time.
"""

import re
from typing import Final

from graders.kinds.numeric.marks import ALGEBRA

NOT_A_NUMBER: Final = f"{ALGEBRA}0{ALGEBRA} ".encode("latin-1")
"""What an expression becomes: something that is found, and refused as part of a larger expression."""
SYMBOL: Final = ALGEBRA.encode("latin-1")
"""What a command without digits becomes."""
_SOLVABLE: Final = frozenset(
    b"sqrt surd frac dfrac tfrac cfrac sfrac nicefrac binom dbinom tbinom sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh "
    b"log ln lg exp".split()
)
"""Commands whose value says what an unknown in their arguments is worth."""
_UNKNOWN = re.compile(rb"\[A-Za-z]+|(?<![A-Za-z])[A-Za-z](?![A-Za-z])(?:_?[0-9])?")
_DERIVATIVE = re.compile(rb"\\partial|\bd[A-Za-z]\b")
_ARGUMENTS: Final = {
    **dict.fromkeys(
        b"sqrt surd overline underbrace overbrace dot ddot cancel bcancel xcancel sout st".split(), 1
    ),
    **dict.fromkeys(
        b"frac dfrac tfrac cfrac sfrac nicefrac binom dbinom tbinom stackrel overset underset".split(), 2
    ),
}
"""Arguments that a command takes even without braces."""
_OPERATORS: Final = frozenset(
    b"sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh log ln lg exp max min sup inf gcd lim limsup liminf det dim deg "
    b"ker arg sum prod int iint iiint oint coprod bigcup bigcap Pr varphi phi zeta Gamma".split()
)
"""Commands that are applied to the brackets behind them."""
_UNBRACED: Final = frozenset((b"begin", b"end"))
_MAX_PARTS: Final = 8
_BRACKET = re.compile(rb"\\.|[{}()\[\]]", re.DOTALL)
_CLOSES: Final = {b"}": b"{", b")": b"(", b"]": b"["}
_TOKEN = re.compile(rb"\\[A-Za-z]+|[^\s{}$\\]")
_DIGIT = re.compile(rb"[0-9]")


def closings(data: bytes) -> dict[int, int]:
    r"""The position behind each bracket's partner, by the position of the bracket; `\{` and `\(` are not brackets."""
    opened: dict[bytes, list[int]] = {b"{": [], b"(": [], b"[": []}
    found: dict[int, int] = {}
    for match in _BRACKET.finditer(data):
        mark = match.group()
        if mark in opened:
            opened[mark].append(match.start())
        elif mark in _CLOSES and opened[_CLOSES[mark]]:
            found[opened[_CLOSES[mark]].pop()] = match.end()
    return found


def extent(data: bytes, name: bytes, end: int, closed: dict[int, int]) -> tuple[bytes, int]:
    """What a command that is not understood becomes, and where it ends.

    Args:
        data: The text.
        name: The command's name.
        end: The position behind the name.
        closed: The `closings` of the text.
    """
    if name in _UNBRACED:
        return SYMBOL, end
    operator, wanted = name in _OPERATORS, _ARGUMENTS.get(name, 0)
    position, arguments, digits = end, 0, False
    for _ in range(_MAX_PARTS):
        script = _is_script(data, position)
        after = _part(
            data, position, closed, bare=arguments < wanted, operator=operator, first=position == end
        )
        if after == position:
            break
        digits = digits or ((operator or not script) and _DIGIT.search(data, position, after) is not None)
        arguments += not script
        position = after
    if not (digits or (position > end and (operator or wanted))):
        named = SYMBOL + name + b" " if operator and name in _SOLVABLE else SYMBOL
        return named, position
    return (_with_unknowns(data[end:position]) if name in _SOLVABLE else NOT_A_NUMBER), position


def _with_unknowns(arguments: bytes) -> bytes:
    r"""An expression with its unknowns: at most two, since more make no difference; a derivative is a quantity of its own."""
    if _DERIVATIVE.search(arguments):
        return NOT_A_NUMBER
    found = (match.group() for match in _UNKNOWN.finditer(arguments))
    unknowns = dict.fromkeys(name for name in found if not name.startswith(b"\\"))
    return b"".join((SYMBOL, b"1", b"*".join(list(unknowns)[:2]), SYMBOL, b" "))


def _skip(data: bytes, position: int) -> int:
    while data[position : position + 1] in (b" ", b"\t"):
        position += 1
    return position


def _is_script(data: bytes, position: int) -> bool:
    position = _skip(data, position)
    return data[position : position + 1] in (b"_", b"^")


def _part(
    data: bytes, position: int, closed: dict[int, int], *, bare: bool, operator: bool, first: bool
) -> int:
    """Where the next argument, script or bracket of a command ends; the same position without one."""
    start = _skip(data, position)
    mark = data[start : start + 1]
    if mark == b"{" or (mark == b"[" and (first or operator)) or (mark == b"(" and operator):
        return closed.get(start, position)
    if mark in (b"_", b"^"):
        start = _skip(data, start + 1)
        return (
            closed.get(start, position) if data[start : start + 1] == b"{" else _token(data, start, position)
        )
    if operator and mark == b"|":
        bar = data.find(b"|", start + 1, start + 100)
        return bar + 1 if bar > 0 else position
    return _token(data, start, position) if bare else position


def _token(data: bytes, start: int, otherwise: int) -> int:
    token = _TOKEN.match(data, start)
    return token.end() if token else otherwise

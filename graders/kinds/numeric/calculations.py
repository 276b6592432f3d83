"""A calculation that is stated with its result: `6*7 = 42` says 42, `x - 3 = 42` and `41 = 42` say nothing."""

import re

from graders.kinds.numeric.marks import ALGEBRA, GREEK
from graders.kinds.numeric.notation import plain
from graders.kinds.numeric.scanner import Occurrence

_EQUALS = re.compile(rb"=+>?|\b(?:is equal to|equals|makes|gives|is)\b", re.IGNORECASE)
_ROOT = re.compile(r"\\sqrt(?![A-Za-z])|√")
_OPERATION = re.compile(
    rb"[0-9)] *\(|[0-9)\]!%A-Za-z] *(?:[-+*/^\xd7\xb7\xf7\xad]|\*\*|x|(?:plus|minus|times|over|divided by|multiplied by)) *[-+(0-9$.]"
)
_TIMES = rb"(?:(?<=[0-9])|(?<=[0-9] ))x ?[0-9(]"
_NOT_CALCULATED = re.compile(
    rb"[,;]\s|\b(?:or|and|not)\b|(?<![A-Za-z])(?!"
    + _TIMES
    + rb")[A-Za-z](?![A-Za-z])|["
    + f"{ALGEBRA}{GREEK}".encode("latin-1")
    + rb"]"
)
_APPLICATION = re.compile(rb"[\s$(]*[A-Za-z][A-Za-z_0-9]*\s*\([^()=]*\)[\s)$&]*")


def results(found: list[Occurrence], data: bytes, text: str) -> list[Occurrence]:
    """The numbers of a place that state its answer.

    Where the last `=` (or `is`, `equals`) has a number behind it, those before it that belong to a calculation of numbers
    alone, or to a function's name such as `f(3)`, do not count.

    Args:
        found: All numbers of the place.
        data: The place in plain notation, in which they were found.
        text: The place as it was written.
    """
    equals = [match.span() for match in _EQUALS.finditer(data)] if len(found) > 1 else []
    if not equals or found[-1].start < equals[-1][0]:
        return found
    sides = _EQUALS.split(plain(_ROOT.sub(" 1* ", text)))
    cuts = [0, *(end for _, end in equals), len(data) + 1]
    calculated = [_is_calculation(side) for side in sides[:-1]]
    return [
        occurrence
        for occurrence in found
        if not any(
            is_calculated and begin <= occurrence.start < end
            for is_calculated, begin, end in zip(calculated, cuts, cuts[1:-1], strict=False)
        )
    ]


def _is_calculation(side: bytes) -> bool:
    """Whether a side of an equation is an operation on numbers, without a variable and without an alternative."""
    if _APPLICATION.fullmatch(side):
        return True
    return _OPERATION.search(side) is not None and _NOT_CALCULATED.search(side) is None

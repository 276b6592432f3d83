r"""What stands around a number: whether it is a quantity of its own, a part of a name, or a piece of an expression.

Reading `2` out of `2x`, `\sqrt{2}`, `2 + 3` or `x > 2` would reward an answer that is not 2, so such a number is unreadable:
it is reported, with the reason, and earns nothing. A number inside a name (`x2`, `H2O`, `GPT-4`, `x_1`, `m^2`, `3rd`) is
skipped: it was never meant as a quantity. Only a bounded window is looked at, so that a text is read in linear time.
"""

import re
from enum import Enum
from typing import Final

from graders.kinds.numeric import equations
from graders.kinds.numeric.brackets import is_absolute, is_in_expression
from graders.kinds.numeric.labels import is_label
from graders.kinds.numeric.marks import ALGEBRA, DASH, GREEK, SPACES
from graders.kinds.numeric.phrases import FUNCTIONS, TRANSPARENT_CALLS
from graders.kinds.numeric.questions import is_asked
from graders.kinds.numeric.ranges import is_in_range
from graders.kinds.numeric.struck import is_struck

_WINDOW = 64
_UNIT_LETTERS: Final = frozenset("aAcCdFgGhHIJKlLmNsVWµ°$")
"""Single letters that follow a number as a unit or an English word; any other one is a variable."""
_HEXADECIMAL: Final = frozenset("aAbBcCdDeEfF")
"""Single letters that, glued to a number, may be a digit, a variable or a unit."""
_VARIABLES: Final = frozenset(f"eijnqrvwxyzXYZ{GREEK}")
"""Single letters that are variables, spaces apart from the number too."""
_AREA_UNITS: Final = frozenset({"m", "cm", "mm", "km", "ft", "in", "yd", "dm"})
_ORDINALS: Final = frozenset({"st", "nd", "rd", "th"})


_FUNCTION = re.compile(rf"{ALGEBRA}[_^][-+]?\w{{1,6}}[ (]*$")
_POWER = re.compile(r"\^[-+]?\d{1,3} ?$")


_EMPHASIS = "*_`\"'(["
"""What may stand between an operator and the number that it is about."""


class Standing(Enum):
    """How a number stands in its text."""

    FREE = "a quantity"
    NAME = "part of a name"
    EXPRESSION = "part of a larger expression"
    INEQUALITY = "a bound, not a value"
    GLUED = "run together with letters"
    STRUCK = "struck out"
    UNSOLVED = "a side of an equation that is not solved"
    ASKED = "asked about, not stated"
    SIGN = "a bullet or a sign: it cannot be told"


def standing(text: str, start: int, end: int) -> Standing:
    """How the number at `text[start:end]` (its sign and units of money included) stands in plain notation."""
    before, after = text[max(0, start - _WINDOW) : start], text[end : end + _WINDOW]
    if is_struck(before, after):
        return Standing.STRUCK
    if before[-1:] == "<" and after[:1] == ">" and not before[-2:-1].isalnum():
        return Standing.FREE  # <42>
    signed = text[start] in f"+-{DASH}"
    found = _behind_sign(before, text[start]) if signed else _behind(before)
    if found is Standing.NAME:
        return found
    found = _worse(found, _ahead(after, before, text[start:end]))
    if found is not Standing.FREE:
        return found
    if (
        is_in_expression(before, after)
        or is_in_range(before, text[start:end], after)
        or (signed and is_absolute(before, after))
    ):
        return Standing.EXPRESSION
    return _in_sentence(text, start, end)


def _in_sentence(text: str, start: int, end: int) -> Standing:
    """How a quantity of its own stands in its sentence, or in its equation."""
    before = text[max(0, start - equations.WINDOW) : start]
    after = text[end : end + equations.WINDOW]
    if is_label(before, text[start:end], after):
        return Standing.NAME
    if equations.is_unsolved(before, after):
        return Standing.UNSOLVED
    return Standing.ASKED if is_asked(after) else Standing.FREE


def _worse(first: Standing, second: Standing) -> Standing:
    if second is Standing.NAME or first is Standing.FREE:
        return second
    return first


def _behind_sign(before: str, sign: str) -> Standing:
    """A sign glued to its number: a sign indeed, a hyphen in a name, a range, or an operator."""
    if not before:
        return Standing.FREE
    if before[-1].isalpha():
        if sign == DASH:
            return Standing.FREE
        return Standing.EXPRESSION if _is_lone_variable(before, sign) else Standing.NAME
    if before[-1] == "^":
        return Standing.NAME
    if _is_called(before) or (before[-1] == "|" and not before.endswith("<|")):
        return Standing.EXPRESSION  # f(-5); |-5| is 5
    if before[-1] == "]" and _closes_label(before):
        return Standing.FREE
    if before[-1] in f")]%°+-{DASH}" or _ends_operand(before.rstrip(SPACES)):
        return Standing.EXPRESSION
    return _behind_mark(before.rstrip(SPACES))


def _behind(before: str) -> Standing:
    if not before:
        return Standing.FREE
    last = before[-1]
    if last.isalpha() or last == "^" or (last == "_" and _is_subscripted(before[-2:-1])):
        return Standing.NAME
    if last in ")]":
        return Standing.FREE if _closes_label(before) else Standing.EXPRESSION
    if _is_called(before):
        return Standing.EXPRESSION
    return _behind_mark(before.rstrip(SPACES))


def _is_subscripted(base: str) -> bool:
    """`x_1`, `(101)_2`, but not the emphasis of `_42_`."""
    return base.isalnum() or base in (")", "]", ALGEBRA)


def _is_lone_variable(before: str, sign: str) -> bool:
    """`x-3`, `a+3`, but not `GPT-4`, `B-2` and `kg m-3`."""
    return before[-1].islower() and not before[-2:-1].isalnum() and (sign == "+" or before[-1] not in "gmsl")


def _closes_label(before: str) -> bool:
    """`[ANSWER]42`: a tag in brackets."""
    opened = before.rfind("[")
    label = before[opened + 1 : -1].strip("/ ")
    return (
        before[-1] == "]"
        and opened >= 0
        and len(label) > 1
        and label.replace("_", "").replace(" ", "").isalpha()
    )


def _is_called(before: str) -> bool:
    """`sin(5)`, `f(5)`, `2(5)`, `(2)(5)`, `cos^-1 (5)`, but not `print(5)` and `total (5)`."""
    if before[-1] != "(":
        return before[-1] == "!" and before[-2:-1] in ("", " ")  # !5
    name = _last_word(before[:-1].rstrip("'"))
    if not name:
        return before[-2:-1] in (")", "]") or _POWER.search(before[-12:-1]) is not None
    return name.lower() not in TRANSPARENT_CALLS


def _last_word(text: str) -> str:
    index = len(text)
    while index and (text[index - 1].isalnum() or text[index - 1] == "_"):
        index -= 1
    return text[index:]


def _behind_mark(left: str) -> Standing:
    """The mark that a number follows, spaces apart."""
    if not left:
        return Standing.FREE
    if left[-1] in _EMPHASIS and (found := _behind_emphasis(left)) is not Standing.FREE:
        return found
    if left[-1] in "([" and left[:-1].rstrip(SPACES + "([")[-1:] in tuple(f"+-{DASH}*/×·÷^%{ALGEBRA}"):
        left = left.rstrip(SPACES + "([")  # 5 - (3), -(3), √(3)
    if left[-1] in f"+-{DASH}":
        return _behind_spaced_sign(left)
    if left[-1] in "<>":
        return _behind_angle(left)
    if left[-1] == "=":
        return _behind_equals(left.rstrip("="))
    if left.endswith("**"):
        operand = _ends_operand(left[:-2].rstrip(SPACES)) and (
            left[-3:-2] in SPACES or left[-3:-2] == ")" or left[-3:-2].isdigit()
        )
        return Standing.EXPRESSION if operand and len(left) > 2 else Standing.FREE
    if left[-1] in "*/×·÷^":
        earlier = left[:-1].removesuffix("/").rstrip(SPACES)
        return Standing.EXPRESSION if earlier[-1:].isalnum() or _ends_operand(earlier) else Standing.FREE
    if left[-1] == "%" or (ALGEBRA in left[-16:] and _FUNCTION.search(left[-16:])):
        return Standing.EXPRESSION
    return Standing.EXPRESSION if left.endswith(ALGEBRA) else Standing.FREE


def _behind_emphasis(left: str) -> Standing:
    """What stands before the emphasis, quotation marks or brackets that a number is in: `x + **42**`, `x >= (42)`."""
    left = left.rstrip(SPACES + _EMPHASIS)
    if not left.rpartition("\n")[2].strip(f"> {SPACES}"):
        return Standing.FREE  # Markdown's quotation, or the beginning of a line
    found = _behind_mark(left) if left[-1:] in tuple(f"+-{DASH}/×·÷^<>=") else Standing.FREE
    return found if found in (Standing.EXPRESSION, Standing.INEQUALITY) else Standing.FREE


def _behind_spaced_sign(left: str) -> Standing:
    """`Total — 42` is a dash; `- 42` may be a bullet or a sign, `x - 42` a difference."""
    earlier = left[:-1].rstrip(SPACES)
    if left[-1] == DASH and earlier[-1:] and earlier[-1] not in "\n=(" and not _ends_operand(earlier):
        return Standing.FREE
    return Standing.EXPRESSION if _ends_operand(earlier) else Standing.SIGN


def _behind_equals(left: str) -> Standing:
    """`x >= 5`, `x != 5`, `x += 5`."""
    if left[-1:] in ("<", ">", "!", "/"):
        return Standing.INEQUALITY
    return Standing.EXPRESSION if left[-1:] in ("+", "-") else Standing.FREE


def _behind_angle(left: str) -> Standing:
    """`>` may close a tag or a special token, end an arrow, quote a line, or bound the number."""
    if left.endswith((">>", "<<", "->", "=>", DASH + ">")):
        return Standing.FREE
    opened = left.rfind("<")
    if left[-1] == ">" and opened >= 0 and (left[opened + 1] in "/!?|" or left[opened + 1].isalpha()):
        return Standing.FREE
    return Standing.FREE if left[-1] == ">" and _quotes_line(left) else Standing.INEQUALITY


def _quotes_line(left: str) -> bool:
    """Markdown's mark of a quotation: first on its line, behind an empty line, a colon, a full stop, or more of it."""
    earlier, newline, line = left.rpartition("\n")
    if not newline or line.strip("> \t"):
        return False
    above = earlier.rpartition("\n")[2].strip()
    return not above or above[0] == ">" or above[-1] in ":.!?*"


def _ahead(after: str, before: str, written: str) -> Standing:
    if not after:
        return Standing.FREE
    if after[0].isalpha():
        return _letters(after)
    if after[0] in "(^" or (after[0] == "_" and (after[1:2].isalnum() or after[1:2] == ALGEBRA)):
        return Standing.EXPRESSION
    rest = after.lstrip(SPACES)
    if rest[:1] == "!" and rest[1:2] != "=" and _is_factorial(rest, before):
        return Standing.FREE if rest != after and _exclaims(rest, written) else Standing.EXPRESSION
    if rest[:1].isalpha() and len(rest) < len(after):
        return Standing.EXPRESSION if _is_variable(rest) else Standing.FREE
    return _operator(after.lstrip(SPACES + ")]"), emphasised=before.endswith("*"))


def _is_variable(rest: str) -> bool:
    """`2 x`, `5 e3`, `5 R3`, but not `42 e.g.`."""
    return (
        rest[0] in _VARIABLES and not rest[1:2].isalnum() and not (rest[1:2] == "." and rest[2:3].isalpha())
    ) or (rest[0] in "eErR" and rest[1:2].isdigit())


def _is_factorial(after: str, before: str) -> bool:
    r"""Whether one `!` is a factorial, as in a formula, and not the end of a sentence: `\(5!\)`, `5! = 120`, `Answer: 5!`."""
    marks = len(after) - len(after.lstrip("!"))
    rest = after[marks:].lstrip(SPACES + "$*`\"'_)]}")
    if marks > 2 or rest[:1].isalpha():
        return after[marks : marks + 1].isalpha()
    after = after[marks - 1 :]
    if rest[:1] in tuple("=+-*/^×·÷") or after[1:2] in ("$", ")", "]"):
        return True
    earlier = before.rstrip(SPACES + "$*`\"'_([")
    return not earlier[-1:].isalpha()


def _exclaims(rest: str, written: str) -> bool:
    """Whether `!` behind a space ends a sentence, as in `$420 !` and `1267 !`, and is no factorial, as in `5 !`."""
    if rest[1:2] == "$":
        return False
    return (len(written) > 2 and "/" not in written) or rest[1:].lstrip(SPACES)[:1] == "?"


def _letters(after: str) -> Standing:
    """Letters glued to the end of a number: a unit, an ordinal, a variable, or a code."""
    length = next((index for index, letter in enumerate(after) if not letter.isalpha()), len(after))
    word, following = after[:length], after[length : length + 1]
    if word.lower() in _ORDINALS and not following.isdigit():
        return Standing.NAME
    if following == "_" and after[length + 1 : length + 2].isalnum():
        return Standing.GLUED
    if following.isdigit():
        area = (
            word.lower() in _AREA_UNITS and following in "23" and not after[length + 1 : length + 2].isalnum()
        )
        return Standing.FREE if area else Standing.GLUED
    if length == 1 and word in _HEXADECIMAL:
        return Standing.GLUED  # 2A
    if following == "(" or (length == 1 and word not in _UNIT_LETTERS):
        return Standing.EXPRESSION
    return Standing.FREE


def _operator(rest: str, *, emphasised: bool) -> Standing:
    """An operator after the number, when an operand follows it."""
    if rest[:1] == ALGEBRA:
        return Standing.EXPRESSION
    if rest[:1] in ("<", ">") or rest[:2] == "!=":
        return Standing.INEQUALITY if _starts_operand(rest[1:].removeprefix("=")) else Standing.FREE
    if rest[:1] == "+":
        return Standing.EXPRESSION  # 42+, 42 + C
    if not rest or rest[0] not in f"+-{DASH}*/×·÷^" or (rest[0] == "*" and emphasised):
        return Standing.FREE
    return Standing.EXPRESSION if _starts_operand(rest[1:].removeprefix("*")) else Standing.FREE


def _ends_operand(left: str) -> bool:
    """Whether a digit, a closing bracket, a percent sign or a variable stands at the end."""
    if not left or left[-1] == ALGEBRA:
        return bool(left)
    if left[-1].isalpha():
        return left[-1] not in _UNIT_LETTERS and not left[-2:-1].isalnum()
    return left[-1].isdigit() or left[-1] in ")]%"


def _starts_operand(right: str) -> bool:
    """Whether a digit, an opening bracket, a unit of money or a variable stands at the beginning."""
    right = right.lstrip(SPACES)
    if right[:1].isalpha():
        length = next((index for index, letter in enumerate(right) if not letter.isalpha()), len(right))
        if right[:length] in FUNCTIONS:
            return True
        return right[0] not in _UNIT_LETTERS and not right[1:2].isalpha() and right[1:2] != ">"
    return bool(right) and (right[0].isdigit() or right[0] in f"($£¥¤.+-{ALGEBRA}")

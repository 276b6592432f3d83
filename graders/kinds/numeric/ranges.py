"""Numbers that are an end of a range, one of several, cut off, or a part of a quantity: `2..3`, `41~42`, `2|3`, `0.333...`, `5'6"`."""

import re
from typing import Final

from graders.kinds.numeric.marks import SPACES

_MARKS: Final = frozenset("~.|'\"°:")
_BEFORE = re.compile(rf"[0-9][{SPACES}]*(?:~|\.{{2,}}|°|['\"]|\|\|)[{SPACES}]*$|[0-9]\|$")
_BEFORE_PIPE = re.compile(rf"^[^|\n]*[0-9][{SPACES}]*\|[{SPACES}]*$")
_AFTER = re.compile(rf"[{SPACES}]*(?:~|\.{{2,}}|°|\|\|)[{SPACES}]*[0-9]|['\"][{SPACES}]*[0-9]+['\"]|\|[0-9]")
_AFTER_PIPE = re.compile(rf"[{SPACES}]*\|[{SPACES}]*[-+]?[0-9][0-9.,]*[{SPACES}]*(?:\n|$)")
_DOTS = re.compile(r" ?(?:\.{2,}|\. \. ?\.)")
_REPEATS = re.compile(r"\.(?:\xac|\([0-9])")
_RATIO_BEFORE = re.compile(r"(?:^|([A-Za-z]*)[^\w\n]{1,3}|\n)[0-9][0-9.]* : $")
_RATIO_AFTER = re.compile(r" : [0-9]")
_HEADINGS: Final = frozenset(
    {
        "step",
        "part",
        "question",
        "problem",
        "case",
        "answer",
        "exercise",
        "example",
        "task",
        "line",
        "item",
        "no",
        "number",
        "q",
    }
    | {"figure", "table", "round", "day"}
)


def is_in_range(before: str, written: str, after: str) -> bool:
    """Whether a number is one of several that belong together, or lacks its last digits.

    Args:
        before: What stands before the number, in plain notation.
        written: The number as it is written.
        after: What follows it.
    """
    if after[:1] in (".", " ") and _is_cut_off(written, after):
        return True
    if before.endswith(" : ") and _is_ratio(before):
        return True
    left, right = before.rstrip(SPACES)[-1:], after.lstrip(SPACES)[:1]
    if left in _MARKS and left and (_BEFORE.search(before) or _is_piped(before)):
        return True
    return (
        bool(right)
        and right in _MARKS
        and (
            _AFTER.match(after) is not None
            or (_RATIO_AFTER.match(after) is not None and _is_ratio(before + written + " : "))
            or _leads_to_pipe(before, after)
        )
    )


def _is_cut_off(written: str, after: str) -> bool:
    """`0.333...`, `0.(3)`, but not `42...` and `42.00...`."""
    if _REPEATS.match(after):
        return True
    return _DOTS.match(after) is not None and bool(written.partition(".")[2].strip("0"))


def _is_ratio(before: str) -> bool:
    """`5 : 2`, but not `Step 1 : 42`."""
    match = _RATIO_BEFORE.search(before)
    return match is not None and (match.group(1) or "").lower() not in _HEADINGS


def _is_piped(before: str) -> bool:
    """`2 | 3`, but not a row of a table, which begins with a bar."""
    line = before.rpartition("\n")[2]
    return line.endswith(("|", "| ")) and _BEFORE_PIPE.match(line) is not None


def _leads_to_pipe(before: str, after: str) -> bool:
    return "|" not in before.rpartition("\n")[2] and _AFTER_PIPE.match(after) is not None

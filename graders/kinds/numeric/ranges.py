"""Numbers that are an end of a range, one of several, cut off, or a part of a quantity: `2..3`, `41~42`, `2|3`, `0.333...`, `5'6"`."""

import re
from typing import Final

from graders.kinds.numeric.marks import SPACES

_MARKS: Final = frozenset("~.|'\"°:")
_BEFORE = re.compile(rf"[0-9][{SPACES}]*(?:~|\.{{2,}}|°|['\"])[{SPACES}]*$|[0-9]\|$")
_BEFORE_PIPE = re.compile(rf"^[^|\n]*[0-9][{SPACES}]*\|[{SPACES}]*$")
_AFTER = re.compile(rf"[{SPACES}]*(?:~|\.{{2,}}|°)[{SPACES}]*[0-9]|['\"][{SPACES}]*[0-9]+['\"]|\|[0-9]")
_AFTER_PIPE = re.compile(rf"[{SPACES}]*\|[{SPACES}]*[-+]?[0-9][0-9.,]*[{SPACES}]*(?:\n|$)")
_CUT_OFF = re.compile(rf"\.{{2,}}|\.[{{(]?\xac|\.\([0-9]")


def is_in_range(before: str, written: str, after: str) -> bool:
    """Whether a number is one of several that belong together, or lacks its last digits.

    Args:
        before: What stands before the number, in plain notation.
        written: The number as it is written.
        after: What follows it.
    """
    if after[:1] == "." and (_CUT_OFF.match(after) and ("." in written or after[:2] != "..")):
        return True
    left, right = before.rstrip(SPACES)[-1:], after.lstrip(SPACES)[:1]
    if left in _MARKS and left and (_BEFORE.search(before) or _is_piped(before)):
        return True
    return bool(right) and right in _MARKS and (_AFTER.match(after) is not None or _leads_to_pipe(before, after))


def _is_piped(before: str) -> bool:
    """`2 | 3`, but not a row of a table, which begins with a bar."""
    line = before.rpartition("\n")[2]
    return line.endswith(("|", "| ")) and _BEFORE_PIPE.match(line) is not None


def _leads_to_pipe(before: str, after: str) -> bool:
    return "|" not in before.rpartition("\n")[2] and _AFTER_PIPE.match(after) is not None

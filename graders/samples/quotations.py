"""Inline code and quotation marks, which make a tag a part of the text; and where they end a thought's text instead.

A tag between backticks or quotation marks is usually quoted. But a thought can end anywhere, also behind a backtick that
nothing closes, and the next one then belongs to the answer. Which of the two it is, the next one shows: `opens`.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator

_TICKS = re.compile(r"`+|\n")
_QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’", "«": "»"}
_SAME = {'"': re.compile('"'), "'": re.compile(r"(?<!\w)'|'(?!\w)")}
"""Quotation marks that open and close; an apostrophe inside a word is not one."""
_CLOSES_BEFORE = re.compile(r"\s|\Z|[,;:!?]|\.(?!\d)")
"""What follows a mark that closes."""
_UNCLEAR_BEFORE = re.compile(r"[-)\]}…—]")
_OPENS_BEHIND = frozenset("([{*_\"'=:>|$")
"""What stands in front of a mark that opens, beside white space."""
_INFO = re.compile(r"[^`\n]*(?=\n|\Z)")
_CLOSING_FENCE = re.compile(r"^[ \t>]{0,80}`{3,}[ \t]*(?:<[^\n]*)?$", re.MULTILINE)
MAX_RUNS = 200
"""Runs of backticks of an answer that are looked at."""
WINDOW = 500
"""Characters of a line that are looked at on either side."""


def is_quoted(text: str, start: int, end: int) -> bool:
    """Whether quotation marks stand directly around a part of a text."""
    before = text[start - 1 : start]
    return bool(before) and _QUOTES.get(before) == text[end : end + 1]


def quotation_opens(text: str, begin: int, start: int, end: int) -> bool:
    """Whether the quotation mark behind a quoted part begins another quotation, so that the part is not quoted.

    Args:
        text: The text.
        begin: Where the thought began.
        start: Where the part begins, directly behind a quotation mark.
        end: Where it ends, directly before one.
    """
    same = _SAME.get(text[end])
    if same is None or text[start - 1] != text[end]:
        return False
    line = max(text.rfind("\n", begin, start) + 1, begin, start - WINDOW)
    if len(same.findall(text, line, start)) % 2 == 0:
        return True  # the one before it closes
    clear = opens("", text, end + 1)
    if clear is not None:
        return clear
    stop = text.find("\n", end, end + WINDOW)
    return len(same.findall(text, end, stop if stop >= 0 else end + WINDOW)) % 2 == 0


def opens(before: str, text: str, end: int) -> bool | None:
    """Whether a backtick or a quotation mark opens, by what stands around it; None when that does not show it.

    Args:
        before: The character before it; empty where something begins.
        text: The text.
        end: Where the mark ends.
    """
    if _CLOSES_BEFORE.match(text, end):
        return None if before.isspace() else False
    if _UNCLEAR_BEFORE.match(text, end):
        return None
    return True if not before or before.isspace() or before in _OPENS_BEHIND else None


class InlineCode:
    """The inline code of a text: it begins and ends on one line, with equally many backticks.

    Asked for places in order, it takes time linear in the length of the text.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._partners: list[int | None] = []
        self._left: list[int] = []
        for line in _lines_of_runs(text):
            self._add(line)
        self._begin = self._index = 0
        self._last_fence = max((found.start() for found in _CLOSING_FENCE.finditer(text)), default=-1)

    def _add(self, runs: list[tuple[int, int]]) -> None:
        """Add the runs of backticks of one line, each with the next one that is equally long, and how many of these there are."""
        following: dict[int, tuple[int, int]] = {}
        partners: list[int | None] = []
        left: list[int] = []
        first = len(self._starts)
        for index in range(len(runs) - 1, -1, -1):
            start, end = runs[index]
            partner, count = following.get(end - start, (None, 0))
            following[end - start] = first + index, count + 1
            partners.append(partner)
            left.append(count + 1)
        self._starts += [start for start, _ in runs]
        self._ends += [end for _, end in runs]
        self._partners += reversed(partners)
        self._left += reversed(left)

    def around(self, begin: int, start: int, end: int) -> int | None:
        """The number of the run that closes the inline code around a part of the text; None where it is not in any.

        Args:
            begin: Where the text begins that the part belongs to.
            start: Where the part begins.
            end: Where it ends.
        """
        if begin != self._begin:
            self._begin, self._index = begin, bisect_left(self._starts, begin)
        while self._index < len(self._starts) and self._starts[self._index] < start:
            partner = self._partners[self._index]
            if partner is None:
                self._index += 1
            elif self._starts[partner] >= end:
                return partner
            else:
                self._index = partner + 1
        return None

    def begins_anew(self, run: int, end: int, *, is_thought: bool) -> bool:
        """Whether a run that could close the inline code around a tag opens inline code, or a code block, behind it.

        Args:
            run: Its number.
            end: Where the tag ends.
            is_thought: Whether the tag is known to stand in a thought; otherwise it may as well stand in an answer.
        """
        start, behind = self._starts[run], self._ends[run]
        if self._is_fence(run) or self._is_inside(run, end):
            return True
        is_even = self._left[run] % 2 == 0
        if start == end:  # right behind the tag, which then most likely is all of the code
            # two or more are written with a space behind them: `` a ` b ``
            return is_even and (behind - start > 1 or opens("", self._text, behind) is not False)
        clear = opens(self._text[start - 1], self._text, behind)
        if is_thought:
            return is_even if clear is None else clear
        return is_even and clear is not False

    def _is_inside(self, run: int, begin: int) -> bool:
        """Whether a run stands in other inline code of the text from `begin` on."""
        index = bisect_left(self._starts, begin)
        for _ in range(MAX_RUNS):
            if index >= run:
                break
            partner = self._partners[index]
            if partner is not None and partner > run:
                return True
            index = index + 1 if partner is None else partner + 1
        return False

    def _is_fence(self, run: int) -> bool:
        """Whether a run begins a code block, wherever it stands on its line."""
        end = self._ends[run]
        info = _INFO.match(self._text, end)
        if end - self._starts[run] < 3 or info is None:
            return False
        return self._last_fence >= info.end() or self._text[end : end + 1].isalpha()


def _lines_of_runs(text: str) -> Iterator[list[tuple[int, int]]]:
    line: list[tuple[int, int]] = []
    for found in _TICKS.finditer(text) if "`" in text else ():
        if found[0] != "\n":
            line.append(found.span())
        elif line:
            yield line
            line = []
    yield line

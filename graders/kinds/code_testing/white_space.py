"""White space that cannot be told apart by sight, and that Python refuses.

Only white space is changed, and only outside of texts and comments: Python accepts none of these characters there, so that
no program which compiles is changed.
"""

import re
from collections.abc import Callable

from graders.kinds.code_testing.marks import TRIPLE_END

_SPACE = "\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000\x0b"
_NO_WIDTH = "\u200b-\u200d\u2060\ufeff"
_UNUSUAL = re.compile(f"[{_SPACE}{_NO_WIDTH}]")
_SPACES = re.compile(f"[{_SPACE}]")
_NOTHING = re.compile(f"[{_NO_WIDTH}]")
_LITERAL = re.compile(
    r"(?P<triple>\"\"\"|''')|\"(?:\\[^\r\n]|[^\"\\\r\n])*+\"?|'(?:\\[^\r\n]|[^'\\\r\n])*+'?|#[^\r\n]*+"
)
_INDENT = re.compile(r"(?:\A|(?<=[\r\n]))[ \t]+")
_TABS = re.compile(r"(?:\A|(?<=[\r\n]))[ ]*\t")
_BLANKS = re.compile(r"(?:\A|(?<=[\r\n]))\t*[ ]")
_FIRST = re.compile(r"(?:[ \t]*+(?:\r\n?|\n))*+([ \t]++)(?=\S)")
TAB = 4
"""Columns of a tab stop, as in CommonMark."""


def plain(code: str) -> str:
    """The code with plain white space.

    Other spaces of Unicode (U+00A0, U+2003, U+3000 and kin) and vertical tabs become spaces, characters without width
    (U+200B, U+200C, U+200D, U+2060, U+FEFF) vanish, and where some lines are indented with tabs and others with spaces, a tab reaches
    to the next fourth column.
    """
    if _UNUSUAL.search(code):
        code = _outside_literals(code, lambda part: _NOTHING.sub("", _SPACES.sub(" ", part)))
    if _TABS.search(code) and _BLANKS.search(code):
        code = _outside_literals(code, lambda part: _INDENT.sub(lambda found: found[0].expandtabs(TAB), part))
    return code


def dedented(code: str) -> str:
    """The code without the indentation of its first line, which is taken from each line that has it."""
    first = _FIRST.match(code)
    if first is None:
        return code
    return re.sub(rf"(?:\A|(?<=[\r\n])){first[1]}", "", code)


def _outside_literals(code: str, change: Callable[[str], str]) -> str:
    parts: list[str] = []
    unclosed: set[str] = set()
    begin = place = 0
    while (found := _LITERAL.search(code, place)) is not None:
        place, quotes = found.end(), found["triple"]
        if quotes in unclosed:
            continue
        if quotes:
            end = TRIPLE_END[quotes].match(code, place)
            if end is None:
                unclosed.add(quotes)
                continue
            place = end.end()
        # the change of a part may look at the line ending before it, but not at the literal
        parts += [change(code[begin : found.start()]), code[found.start() : place]]
        begin = place
    return "".join([*parts, change(code[begin:])])

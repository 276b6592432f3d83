r"""The places of a text where an answer is stated: behind a marker, or in a box.

A text may have several: they must not differ, so all of them are found. The last one is the answer. Each search is linear in
the text.
"""

import re
from dataclasses import dataclass
from itertools import islice
from typing import Final

_AROUND: Final = 96
"""Characters before and after a box that can change what its number is worth."""

_LINES: Final = 50
"""Lines behind a marker, of which one is to state the answer."""

_BOX = re.compile(r"\\(?:boxed|fbox|framebox)(?![A-Za-z])")
_BARE = re.compile(r"[ \t]{0,16}([^\s${}]{1,400})")
_FENCE = re.compile(r"[ \t]*(?:`{3,}|~{3,})[\w+-]*[ \t]*")
_OPENINGS: Final = {r"\[": r"\]", "$$": "$$", r"\(": r"\)", "$": "$"}
_ENVIRONMENT = re.compile(r"\\(?:begin|end)\{[A-Za-z]+\*?\}")
_TAGS = re.compile(r"(?:</?[A-Za-z|!][^<>\n]{0,48}>|\[/?[A-Za-z][A-Za-z_ ]{1,30}\]|\s)+")
_ITEM = re.compile(r"[ \t>]*(?:[-*+•][ \t]+|\d{1,2}[.)][ \t]+)(?=\S)")
_ANNOUNCEMENT = re.compile(
    r"[\W_]*(?:(?:the|my|our|a|final|correct|answer|result|solution|value|number|is|are|therefore|thus|so|hence|we|get|have)\b[\W_]*)+",
    re.IGNORECASE | re.ASCII,
)
_VERB = re.compile(
    r"\b(?:is|are|equals?|be|becomes|get|gives?|have|obtain|yields?|follows|of|to)[\s:*_]{0,8}$",
    re.IGNORECASE,
)
_FORMULA = re.compile(r"\s{0,8}(?:\\\[|\\\(|\$|\\begin\{)")
_QUOTE = re.compile(r"[ \t]*(?:>[ \t]*)+")


@dataclass(frozen=True, slots=True)
class Place:
    """A place where an answer may be stated.

    Attributes:
        text: What stands there.
        source: The text that it is a part of; empty when nothing around it counts.
        start: Where the box begins in the source; 0 for any other place.
        end: Where the place ends in the source.
        boxed: It is a box: what stands around it counts.
    """

    text: str
    source: str = ""
    start: int = 0
    end: int = 0
    boxed: bool = False

    @property
    def before(self) -> str:
        """What stands before a box, as far as it can change the number inside it."""
        return self.source[max(0, self.start - _AROUND) : self.start]

    @property
    def after(self) -> str:
        """What follows the place."""
        return self.source[self.end :]


def boxes(text: str) -> list[Place]:
    r"""What each outermost `\boxed{…}` or `\fbox{…}` holds, with balanced braces, and `\boxed 2` without any.

    Empty when the last one is cut off or holds nothing.
    """
    masked = text.replace(r"\{", "  ").replace(r"\}", "  ")
    found: list[Place] = []
    position = 0
    while start := _BOX.search(masked, position):
        opening = start.end()
        lead = masked[opening : opening + 16]
        opening += len(lead) - len(lead.lstrip())
        if masked[opening : opening + 1] == "{":
            position = _closing(masked, opening)
            if not position:
                return []
            found.append(Place(text[opening + 1 : position - 1], text, start.start(), position, boxed=True))
            continue
        bare = _BARE.match(text, start.end())
        if bare is None:
            return []
        content = bare.group(1).partition(r"\)")[0].partition(r"\]")[0]
        position = bare.start(1) + len(content)
        found.append(Place(content, text, start.start(), position, boxed=True))
    return found


def _closing(masked: str, opening: int) -> int:
    """The position behind the brace that closes the one at `opening`; 0 when it is missing."""
    depth, position = 1, opening + 1
    while depth:
        closing = masked.find("}", position)
        if closing < 0:
            return 0
        depth += masked.count("{", position, closing) - 1
        position = closing + 1
    return position


def behind_marker(text: str, marker: str) -> list[Place]:
    """What stands behind each occurrence of a marker, as far as the next one; what is repeated, once."""
    pieces = text.split(marker)[1:]
    while len(pieces) > 1 and not pieces[-1].strip():
        del pieces[-1]  # "#### 42 ####"
    return [_statement(piece) for piece in [*dict.fromkeys(pieces[:-1]), *pieces[-1:]]]


def _statement(piece: str) -> Place:
    """What is stated behind a marker.

    The rest of the marker's line, or, where that holds marks only, the next line with text: without its mark of a list or
    of a quotation, and the whole of it where a formula or a fenced block spans several lines. A line without a digit that
    ends in a colon, in `=` or in the beginning of a formula leads on to the next one.
    """
    first = piece.partition("\n")[0]
    if _states(first) and not _leads_on(first, piece[len(first) :]):
        return Place(first.strip(), piece, end=len(first))
    position, closing, lead = 0, "", ""
    for line in islice(piece.splitlines(keepends=True), _LINES):
        if _states(line):
            if _leads_on(line, piece[position + len(line) :]):
                lead += line
            elif closing and (end := piece.find(closing, position)) >= 0:
                return Place(lead + piece[position:end].strip(), piece, end=end + len(closing))
            else:
                text, end = _line_or_list(piece, position)
                return Place(lead + text, piece, end=end)
        closing = _opened(line) or closing
        position += len(line)
    return Place(lead)


def _states(line: str) -> bool:
    """Whether a line holds anything but marks, tags and the opening of a block."""
    if not any(map(str.isalnum, line)) or _FENCE.fullmatch(line.rstrip("\r\n")):
        return False
    bare = _ENVIRONMENT.sub("", line)
    return any(map(str.isalnum, bare)) and not _TAGS.fullmatch(bare)


def _leads_on(line: str, rest: str) -> bool:
    """Whether a line announces the answer and leaves it to a later one: to the next formula, where it ends in a verb."""
    if any(map(str.isnumeric, line)):
        return False
    if _VERB.search(line) and _FORMULA.match(rest):
        return True
    bare = line.rstrip(" \t\r\n*_")
    return bare.endswith((":", "=")) or _ANNOUNCEMENT.fullmatch(line) is not None or bool(_opened(line))


def _opened(line: str) -> str:
    """What closes the block that a line opens; empty when it opens none."""
    stripped = line.strip(" \t\r\n*_:>")
    if _FENCE.fullmatch(stripped):
        return stripped[:3]
    if stripped.startswith(r"\begin{") and _ENVIRONMENT.fullmatch(stripped):
        return r"\end{"
    return next((closing for opening, closing in _OPENINGS.items() if stripped.endswith(opening)), "")


def _line_or_list(piece: str, position: int) -> tuple[str, int]:
    """The line at a position and where it ends; all items, when it is the first one of a list."""
    lines = piece[position:].splitlines(keepends=True)
    first, end = lines[0], position + len(lines[0])
    quoted = _QUOTE.match(first)
    first = first[quoted.end() :] if quoted else first
    item = _ITEM.match(first)
    if item is None:
        return first.strip(), end
    items = [first[item.end() :].strip()]
    for line in lines[1:]:
        following = _ITEM.match(line)
        if following is None:
            break
        items.append(line[following.end() :].strip())
        end += len(line)
    return "\n".join(items), end

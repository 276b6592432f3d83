"""Fenced blocks as models write them, where CommonMark sees none or another: a fence may stand anywhere in a line.

In Python three backticks stand nowhere but in a text or a comment. So outside of an ordinary text or a docstring they end
the code, whatever stands before and behind them on their line; outside of a block they begin one. Tildes count only at the
beginning of a line: `~~~x` is an expression.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator

from graders.kinds.code_testing.languages import is_python
from graders.kinds.code_testing.markdown import MAX_LABEL, Block, label_of, lines_of

MAX_MARKS = 1_000
"""Fences that are looked at."""
MAX_CHARACTERS = 400_000
"""Characters before the end of a text in which fences are looked for."""
MAX_INFO = 200
"""Characters behind a fence that are looked at."""
MAX_PASSES = 3
"""Times that the whole rest of a text is searched for a fence that is not there."""
_MARK = re.compile(r"`{3,}|(?:(?<=[\r\n])|\A)[ \t]*~{3,}")
_IN_CODE = re.compile(
    r"(?P<triple>\"\"\"|''')"
    r"|\"(?:\\[^\r\n]|[^\"\\\r\n])*+\"?|'(?:\\[^\r\n]|[^'\\\r\n])*+'?|#[^`\r\n]*+"
    rf"|(?P<mark>{_MARK.pattern})"
)
TRIPLE_END = {
    '"""': re.compile(r'(?:[^\\"]++|\\.|"(?!""))*+"""', re.DOTALL),
    "'''": re.compile(r"(?:[^\\']++|\\.|'(?!''))*+'''", re.DOTALL),
}
_LEAD = re.compile(r"[ \t>]*+")
_LINE_END = re.compile(r"\r\n?|\n|\Z")
_WORD = re.compile(r"[ \t]*[A-Za-z][\w+#.-]*[ \t]*")
_QUOTE = re.compile(r"(?:[ \t]*>)*+[ \t]?")
_SPAN = re.compile(r"(?<!`)(`+)(?!`)([^`]+)\1(?!`)")


def spans(text: str) -> list[str]:
    """What stands between two equal runs of backticks with no other between them, in order."""
    return [found[2] for found in _SPAN.finditer(text)]


def relevant(text: str) -> str:
    """The end of a text that has more than so many fences or characters, from a fence on; other texts as they are.

    An even number of fences is left out, so that one which opens a block most likely still does.
    """
    marks = [found.start() for found in _MARK.finditer(text)]
    first = max(len(marks) - MAX_MARKS, bisect_left(marks, len(text) - MAX_CHARACTERS))
    first = min(first, len(marks) - 2)
    first -= first % 2
    if first <= 0:
        return text
    near = max(marks[first] - MAX_INFO, 0)
    line = max(text.rfind(end, near, marks[first]) for end in "\r\n") + 1
    return text[line or marks[first] :]


class Marks:
    """The fences of one text, which is `relevant`: the time that they take is a multiple of both.

    Attributes:
        count: How many there are.
    """

    def __init__(self, text: str) -> None:
        self._text, self._unclosed, self._passes = text, set[str](), 0
        self.count = sum(1 for _ in _MARK.finditer(text))

    def before(self) -> str | None:
        """What stands before the first fence, when that may be a closing one: it does not announce Python."""
        found = _MARK.search(self._text)
        return None if found is None or is_python(self._behind(found)) else self._text[: found.start()]

    def blocks(self) -> Iterator[Block]:
        """All blocks, in order; those in one line are left out."""
        place = 0
        while (found := _MARK.search(self._text, place)) is not None:
            in_line = _MARK.search(self._text, found.end(), self._line_end(found.end()))
            if in_line is not None and "`" in found[0]:
                place = in_line.end()
                continue
            label = label_of(self._text[max(place, found.start() - MAX_LABEL) : found.start()])
            block, place = self._block(found)
            yield block._replace(label=label)

    def _block(self, opening: re.Match[str]) -> tuple[Block, int]:
        """The block that a fence opens, and where to go on behind it."""
        info = self._behind(opening).strip()
        line_end = _LINE_END.match(self._text, self._line_end(opening.end()))
        begin = line_end.end() if line_end else len(self._text)
        prefix = self._lead(opening.start() + len(opening[0]) - len(opening[0].lstrip())) or ""
        closing = self._closing(begin, opening[0].strip())
        if closing is None:  # it may be closed by a shorter fence, or one of the other kind
            self._passes += 1
            closing = self._closing(begin, "")
        if closing is None:
            return Block(info, _without(prefix, self._text[begin:]), closed=False), len(self._text)
        end = closing.start("mark")
        end -= len(self._lead(end) or "")  # what stands before a fence on its own line is no code
        behind = self._behind(closing)
        is_opening = is_python(behind) or _WORD.fullmatch(behind) is not None
        block = Block(info, _without(prefix, self._text[begin:end]), closed=not is_opening)
        return block, closing.start("mark") if is_opening else closing.end()

    def _closing(self, place: int, run: str) -> re.Match[str] | None:
        """The fence that ends the code which begins at a place, or begins other code; any is, without an opening one."""
        if run and self._passes > MAX_PASSES:
            return None
        while (found := _IN_CODE.search(self._text, place)) is not None:
            place = found.end()
            quotes, mark = found["triple"], (found["mark"] or "").strip()
            if quotes and quotes not in self._unclosed:
                end = TRIPLE_END[quotes].match(self._text, place)
                if end is None:
                    self._unclosed.add(quotes)
                else:
                    place = end.end()
            elif mark.startswith(run) and mark:
                return found
        return None

    def _behind(self, mark: re.Match[str]) -> str:
        """The beginning of what stands behind a fence on its line."""
        return self._text[mark.end() : min(self._line_end(mark.end()), mark.end() + MAX_INFO)]

    def _line_end(self, place: int) -> int:
        """Where the line ends that a place is on, before its line ending."""
        ends = (self._text.find("\n", place), self._text.find("\r", place))
        return min((end for end in ends if end >= 0), default=len(self._text))

    def _lead(self, place: int) -> str | None:
        """What stands before a fence on its line, if that is nothing but white space and marks of a block quote."""
        start = max(self._text.rfind("\n", 0, place), self._text.rfind("\r", 0, place)) + 1
        lead = _LEAD.fullmatch(self._text, start, place)
        return lead[0] if lead else None


def _without(prefix: str, text: str) -> str:
    """The lines without what stands before their opening fence: marks of a block quote, or white space."""
    if not prefix:
        return text
    if ">" in prefix:
        return "".join(_QUOTE.sub("", line, count=1) for line in lines_of(text))
    return "".join(line.removeprefix(prefix) for line in lines_of(text))

"""Fenced code blocks as CommonMark 0.31 defines them, with their block quotes and list items.

Two rules differ from the specification, because answers of models are not written for a renderer: HTML is text like any
other, and a fence that is indented by four columns or more opens a block all the same.
"""

import re
from typing import NamedTuple

_LINE = re.compile(r"[^\r\n]*(?:\r\n?|\n)|[^\r\n]+")
_FENCE = re.compile(r"(?P<run>`{3,}|~{3,})(?P<info>[^\r\n]*)")
_BULLET = re.compile(r"(?:[-+*]|\d{1,9}[.)])(?=[ \t\r\n]|$)")
_RULE = re.compile(r"(?:\*[ \t]*){3,}$|(?:-[ \t]*){3,}$|(?:_[ \t]*){3,}$")
_SPECIAL = re.compile(r"(?:\A|(?<=[\r\n]))(?=[ \t]*+[`~>+*\d-])")
"""The beginning of a line that may be a fence or open a container."""
_TAB = 4
_NESTED = 20
"""Containers inside one another that are told apart; a line of nothing but marks must not take long."""
_QUOTE = 0
"""A block quote among the containers; a list item is the columns that its lines are indented by."""


class Block(NamedTuple):
    """A fenced code block.

    Attributes:
        info: What stands behind the opening fence, stripped.
        text: The lines inside, with their line endings.
        closed: Whether a fence closes it; otherwise its container or the text ends.
        label: The last line with text between the block and the one before it, or the end of it; empty without one.
    """

    info: str
    text: str
    closed: bool
    label: str = ""


MAX_LABEL = 200
"""Characters of a label that are kept."""


def label_of(text: str) -> str:
    """The label of a block that follows a text."""
    return text.rstrip()[-MAX_LABEL:].replace("\r", "\n").rpartition("\n")[2].strip()


def lines_of(text: str) -> list[str]:
    """The lines of a text with their ends, which are a line feed, a carriage return, or both; no other character ends one."""
    return _LINE.findall(text)


def fenced_blocks(text: str) -> list[Block]:
    """All fenced blocks, in order; takes time linear in the text."""
    reader = _LineReader()
    place = 0
    while (line := _LINE.match(text, place)) is not None:
        if reader.looks_for_marks:
            special = _SPECIAL.search(text, place)
            end = special.start() if special else len(text)
            reader.ordinary(text[place:end])
            line = _LINE.match(text, end)
            if line is None:
                break
        reader.line(line[0])
        place = line.end()
    reader.end(closed=False)
    return reader.blocks


class _Cursor:
    """A place in a line, counted in columns: a tab reaches to the next multiple of four."""

    def __init__(self, line: str) -> None:
        self.line = line
        self.place = self.column = 0

    def indent(self) -> int:
        """Columns of white space from here."""
        offset = self.column % _TAB
        rest = self.rest()
        space = rest[: len(rest) - len(rest.lstrip(" \t"))]
        return len((" " * offset + space).expandtabs(_TAB)) - offset

    def skip_indent(self, most: int) -> None:
        """Go over white space, at most so many columns; a tab that reaches further becomes the spaces that are left of it."""
        goal = self.column + most
        while self.column < goal and self.line[self.place : self.place + 1] in (" ", "\t"):
            if self.line[self.place] == "\t":
                width = _TAB - self.column % _TAB
                if self.column + width > goal:
                    left = self.column + width - goal
                    self.line = self.line[: self.place] + " " * left + self.line[self.place + 1 :]
                    self.column = goal
                    return
                self.column += width
            else:
                self.column += 1
            self.place += 1

    def skip(self, characters: int) -> None:
        """Go over characters that are no white space."""
        self.place += characters
        self.column += characters

    def rest(self) -> str:
        """The line from here."""
        return self.line[self.place :]

    def is_blank(self) -> bool:
        """Whether nothing but white space is left."""
        return not self.rest().strip(" \t\r\n")


class _LineReader:
    """Reads lines one after another.

    Attributes:
        blocks: Those that have ended.
    """

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self._containers: list[int] = []
        self._opening: re.Match[str] | None = None
        self._indent = 0
        self._lines: list[str] = []
        self._label = ""

    @property
    def looks_for_marks(self) -> bool:
        """Whether lines that begin with no mark mean nothing now, or stand for themselves."""
        return not self._containers and not (self._opening and self._indent)

    def ordinary(self, lines: str) -> None:
        """Read lines that begin with no mark."""
        if self._opening is not None:
            self._lines.append(lines)
        else:
            self._label = label_of(lines) or self._label

    def line(self, line: str) -> None:
        """Read any line."""
        cursor = _Cursor(line)
        matched = self._enter(cursor)
        if matched < len(self._containers):
            self.end(closed=False)
            del self._containers[matched:]
        if self._opening is not None:
            self._inside(cursor)
        else:
            self._open_containers(cursor)
            self._try_opening(cursor)

    def end(self, *, closed: bool) -> None:
        """End the present block, if there is one."""
        if self._opening is not None:
            info = self._opening["info"].strip(" \t")
            self.blocks.append(Block(info, "".join(self._lines), closed, self._label))
            self._opening, self._lines, self._label = None, [], ""

    def _enter(self, cursor: _Cursor) -> int:
        """Go over what continues the open containers, and say how many of them do."""
        for number, container in enumerate(self._containers):
            indent = cursor.indent()
            if container == _QUOTE:
                if indent > 3 or not _takes_quote(cursor):
                    return number
            elif indent >= container or cursor.is_blank():
                cursor.skip_indent(container)
            else:
                return number
        return len(self._containers)

    def _open_containers(self, cursor: _Cursor) -> None:
        while len(self._containers) < _NESTED and cursor.indent() <= 3:
            if _takes_quote(cursor):
                self._containers.append(_QUOTE)
                continue
            rest = cursor.rest().lstrip(" \t")
            bullet = _BULLET.match(rest)
            if bullet is None or _RULE.match(rest.rstrip("\r\n")):
                return
            indent = cursor.indent()
            cursor.skip_indent(indent)
            cursor.skip(len(bullet[0]))
            space = cursor.indent()
            # five columns of space or more begin indented code, and an empty item takes one
            space = 1 if space > _TAB or cursor.is_blank() else space
            self._containers.append(indent + len(bullet[0]) + space)
            cursor.skip_indent(space)

    def _try_opening(self, cursor: _Cursor) -> None:
        indent = cursor.indent()
        found = _FENCE.match(cursor.rest().lstrip(" \t"))
        if found is None or (found["run"][0] == "`" and "`" in found["info"]):
            self._label = label_of(cursor.rest()) or self._label
            return
        if indent > 3:
            self._containers.append(indent)
            indent = 0
        self._opening, self._indent = found, indent

    def _inside(self, cursor: _Cursor) -> None:
        if self._opening is not None and cursor.indent() <= 3:
            fence, mark = self._opening["run"], cursor.rest().strip(" \t\r\n")
            if len(mark) >= len(fence) and mark == fence[0] * len(mark):
                self.end(closed=True)
                return
        cursor.skip_indent(self._indent)
        self._lines.append(cursor.rest())


def _takes_quote(cursor: _Cursor) -> bool:
    """Go over the mark of a block quote, and the space behind it, if there is one."""
    indent = cursor.indent()
    if indent > 3 or cursor.rest().lstrip(" \t")[:1] != ">":
        return False
    cursor.skip_indent(indent)
    cursor.skip(1)
    cursor.skip_indent(1)
    return True

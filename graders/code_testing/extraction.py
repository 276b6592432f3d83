"""The code in a model's answer."""

import re
from typing import NamedTuple

_OPENING = re.compile(r"([ \t]*)(`{3,}|~{3,})[ \t]*([\w+#.-]*)[^`]*")
_PYTHON = frozenset({"python", "py", "python3", "py3"})


class _Block(NamedTuple):
    language: str
    text: str


def fenced_code(text: str) -> str:
    """The last fenced block of Python: one that says so, else one that says nothing, else any; else the whole text.

    A block that the answer does not close goes on to its end. A block that is indented, in a list say, loses as much
    indentation as its fence has.
    """
    blocks = _blocks(text)
    for accepted in (_PYTHON, {""}):
        for block in reversed(blocks):
            if block.language in accepted:
                return block.text
    return blocks[-1].text if blocks else text


def _blocks(text: str) -> list[_Block]:
    blocks: list[_Block] = []
    opening: re.Match[str] | None = None
    lines: list[str] = []
    for line in text.splitlines(keepends=True):
        if opening is None:
            opening = _OPENING.fullmatch(line.rstrip())
        elif _closes(line, opening[2]):
            blocks.append(_Block(opening[3].lower(), "".join(lines)))
            opening, lines = None, []
        else:
            lines.append(line.removeprefix(opening[1]))
    if opening is not None:
        blocks.append(_Block(opening[3].lower(), "".join(lines)))
    return blocks


def _closes(line: str, fence: str) -> bool:
    mark = line.strip()
    return len(mark) >= len(fence) and mark == fence[0] * len(mark)

"""Replaces `re2` where a bundle runs without google-re2: Python's `re`, with RE2's meaning of the syntax that both read.

What it cannot give is RE2's bound on time. It is only ever imported under the name `re2`.
"""

import codecs
import re
from typing import Any

error = re.error


class Options:
    """Options without effect, except the name of an encoding."""

    class Encoding:
        """RE2's encodings."""

        LATIN1, UTF8 = 1, 2


class Pattern:
    """A compiled pattern; what a replacement says is read as google-re2 reads it."""

    def __init__(self, compiled: Any) -> None:
        self._compiled = compiled
        self.groups, self.groupindex = compiled.groups, compiled.groupindex
        self.search, self.match, self.fullmatch = compiled.search, compiled.match, compiled.fullmatch
        self.finditer, self.findall, self.split = compiled.finditer, compiled.findall, compiled.split

    def sub(self, repl: Any, text: Any, count: int = 0) -> Any:
        """Replace matches."""
        return self._compiled.sub(
            repl if callable(repl) else lambda found: _expanded(found, repl), text, count
        )


def _expanded(found: Any, template: Any) -> Any:
    """A replacement with its groups in place, and its other escapes as Python has them."""
    is_bytes = isinstance(template, bytes)
    text = template.decode("latin-1") if is_bytes else template
    pieces: list[Any] = []
    for piece in re.split(r"(\\[1-9][0-9]?|\\g<[^>]+>)", text):
        if re.fullmatch(r"\\[1-9][0-9]?", piece):
            pieces.append(found.group(int(piece[1:])) or (b"" if is_bytes else ""))
        elif piece.startswith("\\g<"):
            name = piece[3:-1]
            pieces.append(found.group(int(name) if name.isdigit() else name) or (b"" if is_bytes else ""))
        else:
            plain = codecs.escape_decode(piece.encode("latin-1"))[0] if is_bytes else _unescaped(piece)
            pieces.append(plain)
    return (b"" if is_bytes else "").join(pieces)


def _unescaped(piece: str) -> str:
    return codecs.unicode_escape_decode(piece)[0] if "\\" in piece else piece


def compile(pattern: Any, options: Any = None) -> Any:  # noqa: A001  # the library's name
    """A pattern of RE2's: classes are ASCII, and `$` is the end of the text."""
    is_bytes = isinstance(pattern, bytes)
    text = pattern.decode("latin-1") if is_bytes else pattern
    written = _translated(text)
    return Pattern(re.compile(written.encode("latin-1")) if is_bytes else re.compile(written, re.ASCII))


def _translated(text: str) -> str:
    lines = "(?m" in text or "(?sm" in text or "(?im" in text
    out: list[str] = []
    inside, position = False, 0
    while position < len(text):
        letter, pair = text[position], text[position : position + 2]
        if letter == "\\":
            if pair == "\\z":
                pair = "\\Z"
            elif pair == "\\s":
                pair = "\\t\\n\\f\\r " if inside else "[\\t\\n\\f\\r ]"
            out.append(pair)
            position += 2
            continue
        if letter == "[" and not inside:
            inside = True
            head = 2 if text[position + 1 : position + 2] == "^" else 1
            head += text[position + head : position + head + 1] == "]"
            out.append(text[position : position + head])
            position += head
            continue
        if letter == "]":
            inside = False
        if letter == "[" and inside:
            letter = "\\["
        if letter == "$" and not inside and not lines:
            letter = "\\Z"
        out.append(letter)
        position += 1
    return "".join(out)

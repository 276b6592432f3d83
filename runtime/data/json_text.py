r"""JSON texts of strangers, read so that one value that cannot be held does not cost the values beside it.

A text that is JSON is read as a whole, whatever stands in it. Half a surrogate pair is text, however it is written
(`"\ud800"`, or its three bytes). A value that this machine does not hold (too deep, an integer of too many digits, a number
too large for a float) becomes an `Unreadable` in its place, so that the reader of a batch can say which row has it.
"""

import asyncio
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import re2
from pydantic_core import from_json

from graders.samples.plain_data import MAX_DIGITS
from runtime.data.json_weight import QUICK_BYTES, collector_paused

MAX_DEPTH = 200
"""Levels of lists and objects inside one another."""
_MAYBE_INFINITE = re2.compile(rb"\d[eE]\+?0*[1-9]\d\d|\d{200}")
"""Whether some number may be too large for a float. RE2, since it looks at every byte of every body."""
LONG_NUMBER = re2.compile(rb"\d{200}")
"""What takes more time to read than other values do."""
_TOLERABLE = ("hex escape", "recursion limit exceeded", "number out of range", "invalid unicode code point")
"""What the fast parser says of a text that may be JSON all the same."""
_AT = re.compile(r" at line (\d+) column (\d+)$")
_CONSTANT = re.compile(r"-?(?:NaN|Infinity)\b")
# an unterminated string runs to the end of the text: a search that begins anew at each quote would take quadratic time
_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[\]{},:]', re.DOTALL)
_BRACKETS = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|-?(?:NaN|Infinity)|[\[{]+|[\]}]+', re.DOTALL)
_PATH_DEPTH = 8
"""Levels of the path to a mistake that are named."""
_NAMED_KEY = 60


class NotJson(ValueError):
    """A text is not JSON; the message says what stands there, and where.

    Attributes:
        line: The line of the mistake, from 1.
        column: Its column in that line, from 1, in bytes.
        offset: Its offset in the text, from 0, in bytes.
        reason: What is wrong there, without the place: `NaN is not JSON`.
        path: What it is part of, as keys and indexes with dots: `rows.3.item`; empty where it is not inside anything.
    """

    def __init__(self, reason: str, text: bytes, offset: int, path: str) -> None:
        before = text[:offset]
        self.line = before.count(b"\n") + 1
        self.column = offset - before.rfind(b"\n")
        self.offset, self.path = offset, path
        where = f"line {self.line} column {self.column}"
        self.reason = reason
        inside = f", in {path}" if path else ""
        super().__init__(f"{reason} at {where} (byte {offset}){inside}")


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Stands where a JSON text has a value that this machine does not hold.

    Attributes:
        reason: Why not, in words that follow the value's place.
    """

    reason: str


def read_text(text: bytes) -> tuple[Any, bool]:
    """The one value of a JSON text.

    Args:
        text: UTF-8; a lone surrogate in it may be encoded like any other character.

    Returns:
        The value, in which an `Unreadable` stands for each part that cannot be held; and whether there is one.

    Raises:
        NotJson: When the text is not JSON. `NaN` and `Infinity` are not.
    """
    value, problem = _read_quickly(text)
    return (value, False) if problem is None else _read_again(text, problem)


async def read_aside(text: bytes) -> tuple[Any, bool]:
    """The same as `read_text`; what takes long is done in a thread."""
    value, problem = _read_quickly(text)
    if problem is None:
        return value, False
    if len(text) <= QUICK_BYTES:
        return _read_again(text, problem)
    return await asyncio.to_thread(_read_again, text, problem)


def unreadable_parts(value: object) -> Iterator[tuple[tuple[str | int, ...], Unreadable]]:
    """Every `Unreadable` in a value, in the order of the text, with the keys and indexes that lead to it.

    Takes time in proportion to the size of the value: a path is made only where there is an `Unreadable`.
    """
    if isinstance(value, Unreadable):
        yield (), value
        return
    steps: list[str | int] = []
    pending = [_members(value)]
    while pending:
        for step, part in pending[-1]:
            if isinstance(part, Unreadable):
                yield (*steps, step), part
            elif part and isinstance(part, (dict, list)):
                steps.append(step)
                pending.append(_members(part))
                break
        else:
            pending.pop()
            del steps[-1:]


def named_path(steps: Iterable[str | int]) -> str:
    """Keys and indexes with dots, for a message: the outer 8 levels, and 60 characters of each key."""
    first = [str(step)[:_NAMED_KEY] for step in islice(steps, _PATH_DEPTH + 1)]
    return ".".join([*first[:_PATH_DEPTH], "…"] if len(first) > _PATH_DEPTH else first)


def _members(value: object) -> Iterator[tuple[str | int, object]]:
    if isinstance(value, dict):
        return iter(value.items())
    return iter(enumerate(value if isinstance(value, list) else ()))


def _read_quickly(text: bytes) -> tuple[Any, str | None]:
    """The value, and None; or what keeps the fast parser from it."""
    try:
        with collector_paused(text):
            value = from_json(text, allow_inf_nan=False)
    except ValueError as error:
        return None, str(error)
    if _MAYBE_INFINITE.search(text):  # 1e999 is infinity to the fast parser
        return None, "number out of range"
    return value, None


def _read_again(text: bytes, problem: str) -> tuple[Any, bool]:
    """Read what the fast parser does not take."""
    if not any(known in problem for known in _TOLERABLE):
        raise _not_json(text, problem)
    return _read_tolerantly(text)


def _read_tolerantly(text: bytes) -> tuple[Any, bool]:
    try:
        characters = text.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        reason = f"not JSON: the byte 0x{text[error.start]:02x} is not UTF-8"
        raise NotJson(reason, text, error.start, _path_to(text, error.start)) from None
    characters = _without_depths(text, characters)
    found = False

    def unreadable(reason: str) -> Unreadable:
        nonlocal found
        found = True
        return Unreadable(reason)

    def whole(digits: str) -> int | Unreadable:
        count = len(digits.removeprefix("-"))
        return int(digits) if count <= MAX_DIGITS else unreadable(f"an integer of {count:,} digits")

    def number(digits: str) -> float | Unreadable:
        value = float(digits)
        if value - value == 0.0:
            return value
        return unreadable(f"the number {digits[:40]}{'…' * (len(digits) > 40)} is too large")

    def too_deep(_: str) -> Unreadable:
        return unreadable(f"nested more than {MAX_DEPTH} levels deep")

    try:
        value = json.loads(characters, parse_int=whole, parse_float=number, parse_constant=too_deep)
    except json.JSONDecodeError as error:
        offset = len(characters[: error.pos].encode("utf-8", "surrogatepass"))
        raise NotJson(f"not JSON: {error.msg}", text, offset, _path_to(text, offset)) from None
    return value, found


def _without_depths(text: bytes, characters: str) -> str:
    """The text with the constant `NaN`, padded to the same length, in place of what is nested too deeply.

    Raises:
        NotJson: When there is a constant already, which is not JSON.
    """
    depth = start = end = 0
    is_deeper = False
    parts: list[str] = []
    for token in _BRACKETS.finditer(characters):
        first, size = token[0][0], token.end() - token.start()
        if first in "[{":
            if depth < MAX_DEPTH <= depth + size:
                start, is_deeper = token.start() + MAX_DEPTH - depth - 1, False
            depth += size
            is_deeper |= depth > MAX_DEPTH
        elif first in "]}":
            if is_deeper and depth - size < MAX_DEPTH <= depth:
                closed = token.start() + depth - MAX_DEPTH + 1
                parts += [characters[end:start], "NaN".ljust(closed - start)]
                end, is_deeper = closed, False
            depth -= size
        elif first in "-NI" and depth <= MAX_DEPTH:
            offset = len(characters[: token.start()].encode("utf-8", "surrogatepass"))
            raise NotJson(f"{token[0]} is not JSON", text, offset, _path_to(text, offset))
    if depth >= MAX_DEPTH and is_deeper:  # it has no end: not JSON, and too deep for a parser to say so
        offset = len(text)
        raise NotJson("not JSON: the text ends inside a list or an object", text, offset, "")
    return "".join([*parts, characters[end:]])


def _not_json(text: bytes, message: str) -> NotJson:
    """What the fast parser says of a text that is not JSON."""
    place = _AT.search(message)
    reason = "not JSON: " + message[: place.start() if place else None]
    offset = _offset(text, int(place[1]), int(place[2])) if place else 0
    begin = offset - (text[offset - 1 : offset] == b"-" if offset else 0)
    constant = _CONSTANT.match(text[begin : begin + 10].decode("ascii", "replace"))
    if constant is not None:
        reason, offset = f"{constant[0]} is not JSON", begin
    return NotJson(reason, text, offset, _path_to(text, offset))


def _offset(text: bytes, line: int, column: int) -> int:
    begin = 0
    for _ in range(line - 1):
        begin = text.index(b"\n", begin) + 1
    return min(begin + max(column, 1) - 1, len(text))


def _path_to(text: bytes, offset: int) -> str:
    """What the byte at an offset is part of, with dots; the outer levels only."""
    steps: list[str | int | None] = []
    depth, last = 0, ""
    for token in _TOKEN.finditer(text[:offset].decode("utf-8", "replace")):
        first = token[0][0]
        if first in "[{":
            depth += 1
            if depth <= _PATH_DEPTH:
                steps.append(0 if first == "[" else None)
        elif first in "]}":
            depth = max(0, depth - 1)
            del steps[depth:]
        elif first == '"':
            last = token[0]
        elif 0 < depth <= _PATH_DEPTH:
            step = steps[-1]
            if first == ":":
                steps[-1] = last.strip('"')[:_NAMED_KEY]
            elif first == "," and isinstance(step, int):
                steps[-1] = step + 1
            elif first == ",":
                steps[-1] = None
    return ".".join(str(step) for step in steps if step is not None)

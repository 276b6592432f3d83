"""How many values a JSON text has, and how deep they are, found out before it is parsed.

A parser holds Python's lock from the first byte to the last, and takes some 100 ns for a list of two characters: a megabyte of
`[],[],…` stops the event loop for a tenth of a second, in whatever thread it is parsed. The length of a text says little,
since a long string costs nothing. So texts of strangers are weighed first. numpy does that without holding the lock.
"""

import asyncio
import gc
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

INLINE_BYTES = 256 << 10
"""Of a text that is weighed, or parsed, on the event loop."""
QUICK_BYTES = 100_000
"""A text of more bytes takes some milliseconds to parse."""
_CHUNK = 1 << 20
"""Bytes that are looked at together."""
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

Places: TypeAlias = npt.NDArray[np.bool_]

_paused: list[bytes] = []
"""One for each text that is parsed without garbage collection."""


class TooManyValues(ValueError):
    """A JSON text has more values than its reader takes."""


@dataclass(frozen=True, slots=True)
class Weight:
    """What parsing a text costs.

    Attributes:
        values: Objects, lists, texts, numbers, constants and keys; of a text that is not JSON, about as many as a parser sees.
        depth: Levels of objects and lists inside one another.
        containers: Objects and lists among the values.
    """

    values: int
    depth: int
    containers: int


def weigh(text: bytes, *, chunk: int = _CHUNK) -> Weight:
    """Count the values of a JSON text in UTF-8, which need not be valid.

    Takes some milliseconds for each megabyte, whatever is in it.

    Args:
        text: The text.
        chunk: Bytes that are looked at together.
    """
    between, depth, deepest, containers = 0, 0, 0, 0
    is_inside = is_escaped = False
    for start in range(0, len(text), chunk):
        part = np.frombuffer(text, np.uint8, min(chunk, len(text) - start), start)
        quotes = part == ord('"')
        escapes = part == ord("\\")
        if is_escaped or escapes.any():
            is_escaped = _drop_escaped(quotes, escapes, is_first_escaped=is_escaped)
        inside = np.logical_xor.accumulate(quotes)
        if is_inside:
            inside = ~inside
        is_inside = bool(inside[-1])
        outside = ~inside
        opens = ((part == ord("[")) | (part == ord("{"))) & outside
        closes = ((part == ord("]")) | (part == ord("}"))) & outside
        containers += int(np.count_nonzero(opens))
        between += int(np.count_nonzero(((part == ord(",")) | (part == ord(":"))) & outside))
        levels = np.cumsum(opens.view(np.int8) - closes.view(np.int8), dtype=np.int32)
        deepest = max(deepest, depth + int(levels.max()))
        depth += int(levels[-1])
    return Weight(1 + containers + between, deepest, containers)


async def weigh_aside(text: bytes) -> Weight:
    """The same; a long text is weighed in a thread, which keeps nobody waiting."""
    return weigh(text) if len(text) <= INLINE_BYTES else await asyncio.to_thread(weigh, text)


async def read_weighed(text: bytes, most: int) -> Any:
    """The value of a JSON text in UTF-8, read on the event loop when it has few values, and not at all when it has many.

    Args:
        text: The text; a byte order mark is passed over.
        most: Values that it may have; 100,000 take some 20 ms to parse.

    Raises:
        TooManyValues: When it has more; nothing of it was parsed.
        ValueError: When it is not JSON, or is nested too deeply for the parser.
    """
    if len(text) > INLINE_BYTES or _may_have(text, most):
        check_values(await weigh_aside(text), most)
    with collector_paused(text):
        try:
            return json.loads(text.removeprefix(_BYTE_ORDER_MARK).decode())
        except RecursionError:
            raise ValueError("it is nested too deeply") from None


def check_values(weight: Weight, most: int) -> None:
    """See that a text has few values.

    Raises:
        TooManyValues: When it has more than that.
    """
    if weight.values > most:
        raise TooManyValues(f"it has {weight.values:,} JSON values, more than {most:,}")


@contextmanager
def collector_paused(text: bytes) -> Iterator[None]:
    """Parse a long text without garbage collection, which would look at its many small lists again and again.

    It goes on when the last of those who have paused it at the same time is done; what somebody else has stopped stays so.
    """
    is_pausing = len(text) > QUICK_BYTES and (bool(_paused) or gc.isenabled())
    if is_pausing:
        gc.disable()
        _paused.append(text)
    try:
        yield
    finally:
        if is_pausing:
            _paused.pop()
            if not _paused:
                gc.enable()


def _may_have(text: bytes, most: int) -> bool:
    """Whether a text may have more values than that: each takes a character at least, and a separator."""
    return len(text) // 2 > most


def _drop_escaped(quotes: Places, escapes: Places, *, is_first_escaped: bool) -> bool:
    """Take away the quotes that stand behind a backslash that is not itself escaped.

    Args:
        quotes: Where quotes are; changed.
        escapes: Where backslashes are; changed.
        is_first_escaped: Whether the first character is escaped by the last one before it.

    Returns:
        Whether the character behind the last one is escaped.
    """
    if is_first_escaped:
        quotes[0] = escapes[0] = False
    places = np.flatnonzero(escapes)
    if not len(places):
        return False
    ends = np.flatnonzero(np.diff(places, append=-1) != 1)
    lengths = np.diff(ends, prepend=-1)
    escaped = places[ends[lengths % 2 == 1]] + 1
    is_open = len(escaped) > 0 and bool(escaped[-1] == len(quotes))
    quotes[escaped[:-1] if is_open else escaped] = False
    return is_open


def is_small(value: object, values: int, characters: int) -> bool:
    """Whether plain data has at most so many values and keys, and its texts at most so many characters."""
    pending: list[object] = [value]
    seen = length = 0
    while pending:
        part = pending.pop()
        seen += 1
        if isinstance(part, str):
            length += len(part)
        elif isinstance(part, Mapping):
            pending += part.keys()
            pending += part.values()
        elif isinstance(part, list | tuple):
            pending += part
        if seen + len(pending) > values or length > characters:
            return False
    return True

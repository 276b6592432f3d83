"""What runs in the process that reads long JSON texts, and how the service has their values piece by piece.

Making the objects of a text takes as long as reading it, and cannot be done elsewhere. So the process finds the longest list
of the text (the rows of a batch, the content of a data source) and gives its elements in small pieces, between which the
event loop gets its turn. The elements are written by `marshal`, which the service reads only from this process of its own.
"""

import asyncio
import gc
import marshal
from collections.abc import Iterator
from typing import Any, TypeAlias

from runtime.data.json_text import NotJson, Unreadable, read_text, unreadable_parts
from runtime.data.json_weight import collector_paused
from runtime.processes.helper_process import HelperProcess, Kind, serve

KIND = Kind("runtime.data.json_process", cpu_seconds=20.0, memory_bytes=4 << 30)
PIECE_BYTES = 256 << 10
"""Of a piece, about, unless one element is longer."""
MAX_REST = 100_000
"""JSON values of a text besides its longest list."""
MAX_ELEMENT = 200_000
"""JSON values of one element of that list."""
MAX_STEPS = 6
"""Keys that lead to the list."""
SMALL_BYTES = 400_000
"""Of an element as `marshal` writes it, that cannot have too many values: each takes 2 bytes at least."""

Path: TypeAlias = tuple[str | int, ...]
Marked: TypeAlias = list[tuple[Path, str]]
"""Where values cannot be held, and why."""


class TooMuch(ValueError):
    """A text has more values than are held, or takes too long to read."""


def main(descriptor: int) -> None:
    """Answer requests until the service closes the socket: each is a JSON text."""
    gc.disable()  # JSON has no cycles
    serve(descriptor, KIND, _replies)


def _replies(text: bytes) -> Iterator[bytes]:
    """The head of a value, then pieces of its longest list, then an empty frame."""
    try:
        value, has_unreadable = read_text(text)
    except NotJson as error:
        yield marshal.dumps(("not JSON", error.reason, error.offset, error.path))
        return
    steps = _longest_list(value)
    elements: list[Any] = []
    if steps is not None:
        elements, value = _without_list(value, steps)
    marked = _marked(value) if has_unreadable else []
    value = None if isinstance(value, Unreadable) else value
    head = marshal.dumps(("value", value, steps, marked, has_unreadable))
    if len(head) > SMALL_BYTES and _count(value, MAX_REST) > MAX_REST:
        yield marshal.dumps(("too much",))
        return
    yield head
    yield from _pieces(elements, has_unreadable=has_unreadable)
    yield b""


def _pieces(elements: list[Any], *, has_unreadable: bool) -> Iterator[bytes]:
    """Elements in pieces, each a list; and between them, as `(position, path, reason)`, what cannot be held in an element."""
    piece: list[Any] = []
    size = 0
    for position, element in enumerate(elements):
        marked = _marked(element) if has_unreadable else []
        held = None if isinstance(element, Unreadable) else element
        length = len(marshal.dumps(held))
        if length > SMALL_BYTES and _count(held, MAX_ELEMENT) > MAX_ELEMENT:
            held, length, marked = None, 1, [((), f"more than {MAX_ELEMENT:,} JSON values")]
        if piece and size + length > PIECE_BYTES:
            yield marshal.dumps(piece)
            piece, size = [], 0
        piece.append(held)
        size += length
        for path, reason in marked:
            yield marshal.dumps((position, path, reason))
    if piece:
        yield marshal.dumps(piece)


def _longest_list(value: Any) -> list[str] | None:
    """The keys to the longest list that objects lead to; None where there is no list."""
    best: list[str] | None = None
    most = -1
    pending: list[tuple[Any, list[str]]] = [(value, [])]
    while pending:
        part, steps = pending.pop()
        if isinstance(part, list):
            if len(part) > most:
                best, most = steps, len(part)
        elif isinstance(part, dict) and len(steps) < MAX_STEPS and len(part) <= MAX_REST:
            pending += [(inner, [*steps, key]) for key, inner in part.items()]
    return best


def _without_list(value: Any, steps: list[str]) -> tuple[list[Any], Any]:
    """The list at the end of some keys, and the value with an empty list in its place."""
    if not steps:
        return value, []
    outer = value
    for step in steps[:-1]:
        outer = outer[step]
    found, outer[steps[-1]] = outer[steps[-1]], []
    return found, value


def _marked(value: Any) -> Marked:
    """Every value that cannot be held, which becomes None."""
    found = [(path, part.reason) for path, part in unreadable_parts(value)]
    for path, _ in found:
        if path:
            put(value, path, None)
    return found


def _count(value: Any, most: int) -> int:
    """How many values there are; counting ends beyond `most`."""
    pending, count = [value], 0
    while pending and count <= most:
        part = pending.pop()
        count += 1
        if isinstance(part, dict):
            count += len(part)
            pending += part.values()
        elif isinstance(part, list):
            pending += part
    return count + len(pending)


def put(value: Any, path: Path, new: object) -> None:
    """Put something in the place that keys and indexes lead to, of which there is at least one."""
    *outer, last = path
    for step in outer:
        value = value[step]
    value[last] = new


async def read_piece_by_piece(text: bytes, process: HelperProcess) -> tuple[Any, bool]:
    """The same as `runtime.data.json_text.read_text`, by a process.

    Raises:
        NotJson: When it is not JSON.
        TooMuch: When it has more than `MAX_REST` values besides its longest list.
        HelperFailed: When the process does not answer.
    """
    most = 2 * len(text) + (1 << 20)
    head = marshal.loads(await process.ask(text, most))  # noqa: S302  # of our own process
    if head[0] == "not JSON":
        raise NotJson(head[1], text, head[2], head[3])
    if head[0] == "too much":
        raise TooMuch(f"besides its longest list it has more than {MAX_REST:,} JSON values")
    _, value, steps, marked, has_unreadable = head
    elements: list[Any] = []
    late: list[tuple[int, Path, str]] = []
    with collector_paused(text):
        while piece := await process.receive(most):
            found = marshal.loads(piece)  # noqa: S302
            if isinstance(found, tuple):
                late.append(found)
            else:
                elements += found
                await asyncio.sleep(0)
    for position, path, reason in late:
        put(elements, (position, *path), Unreadable(reason))
    for path, reason in marked:
        if path:
            put(value, path, Unreadable(reason))
        else:
            value = Unreadable(reason)
    if steps:
        put(value, tuple(steps), elements)
    elif steps is not None:
        value = elements
    return value, has_unreadable or bool(late)

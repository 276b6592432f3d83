"""Where a field stands in a JSON file: so that an error about a grader can name the line."""

from collections.abc import Iterator
from json import JSONDecoder
from typing import NamedTuple

_SPACE = " \t\n\r"
_DECODER = JSONDecoder(strict=False)

Path = tuple[str | int, ...]


def line_of(text: str, path: Path) -> int:
    """The line, from 1, at which a field of a JSON text begins; that of its nearest parent when it is not there.

    Args:
        text: A valid JSON text.
        path: Keys and indices from the root.
    """
    position = _skip(text, 0)
    for step in path:
        found = _child(text, position, step)
        if found is None:
            break
        position = found
    return text.count("\n", 0, position) + 1


class RepeatedKey(NamedTuple):
    """A key that an object of a JSON text has more than once.

    Attributes:
        path: The keys and indices of the repeated field.
        lines: The lines of all its places, from 1.
    """

    path: Path
    lines: tuple[int, ...]


def repeated_keys(text: str) -> list[RepeatedKey]:
    """The keys that objects have more than once, of which a parser keeps the last alone.

    Args:
        text: A valid JSON text.
    """
    found = False

    def look(pairs: list[tuple[str, object]]) -> None:
        nonlocal found
        found |= len(dict(pairs)) < len(pairs)

    JSONDecoder(strict=False, object_pairs_hook=look).decode(text.strip(_SPACE))
    return list(_repeated_in(text, _skip(text, 0), ())) if found else []


def _repeated_in(text: str, position: int, path: Path) -> Iterator[RepeatedKey]:
    places: dict[str | int, list[int]] = {}
    children = list(_children(text, position))
    for key, at, _ in children:
        places.setdefault(key, []).append(text.count("\n", 0, at) + 1)
    for key, lines in places.items():
        if len(lines) > 1:
            yield RepeatedKey((*path, key), tuple(lines))
    for key, _, value in children:
        yield from _repeated_in(text, value, (*path, key))


def with_value(text: str, path: Path, value: str) -> str:
    """A JSON text in which one value is another, and everything else stands as it was written.

    Args:
        text: A valid JSON text.
        path: Keys and indices of a value that is there.
        value: The JSON text of the new value.
    """
    position = _skip(text, 0)
    for step in path:
        found = _child(text, position, step)
        if found is None:
            raise KeyError(path)
        position = found
    end = _DECODER.raw_decode(text, position)[1]
    return text[:position] + value + text[end:]


def _skip(text: str, position: int) -> int:
    while position < len(text) and text[position] in _SPACE:
        position += 1
    return position


def _child(text: str, position: int, step: str | int) -> int | None:
    """Where the value for a key or index begins inside the object or list that begins at a position."""
    return next((value for key, _, value in _children(text, position) if str(key) == str(step)), None)


def _children(text: str, position: int) -> Iterator[tuple[str | int, int, int]]:
    """The key or index of each value in the object or list at a position, where it begins, and where the value does."""
    opening = text[position]
    if opening not in "{[":
        return
    position = _skip(text, position + 1)
    index = 0
    while text[position] not in "}]":
        key: str | int = index
        begin = position
        if opening == "{":
            key, position = _DECODER.raw_decode(text, position)
            position = _skip(text, _skip(text, position) + 1)  # past the colon
        yield key, begin, position
        position = _skip(text, _DECODER.raw_decode(text, position)[1])
        if text[position] == ",":
            position = _skip(text, position + 1)
        index += 1

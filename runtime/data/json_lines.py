"""Where a field stands in a JSON file: so that an error about a grader can name the line."""

from json import JSONDecoder

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
    opening = text[position]
    if opening not in "{[":
        return None
    position = _skip(text, position + 1)
    index = 0
    while text[position] not in "}]":
        key: str | int = index
        if opening == "{":
            key, position = _DECODER.raw_decode(text, position)
            position = _skip(text, _skip(text, position) + 1)  # past the colon
        if str(key) == str(step):
            return position
        position = _skip(text, _DECODER.raw_decode(text, position)[1])
        if text[position] == ",":
            position = _skip(text, position + 1)
        index += 1
    return None

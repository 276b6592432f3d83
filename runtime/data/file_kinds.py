"""What a file is that is not what was expected: an empty one, another encoding, rows over several lines, swapped arguments."""

import json
from collections.abc import Callable, Mapping

_MARKS = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")
_DECODER = json.JSONDecoder(strict=False)
_ROW = ("item", "sample")


def not_utf_8(data: bytes) -> str | None:
    """What to say of a text in UTF-16 or UTF-32, with its mark or by its zero bytes; None for others."""
    if data.startswith(_MARKS) or b"\x00" in data[:4]:
        return "it is UTF-16 or UTF-32; save it as UTF-8"
    return None


def rows_over_lines(first: bytes, read: Callable[[], bytes]) -> str | None:
    """What to say of a file whose rows, or whose list of rows, take several lines each; None for others.

    Args:
        first: Its first line that is not empty.
        read: Reads the whole file, or its beginning; asked only where the first line is not a row.
    """
    if first.strip()[:1] not in (b"{", b"[") or _is_json(first):
        return None
    text = read().decode("utf-8", "replace").lstrip("\ufeff \t\r\n")
    try:
        value, end = _DECODER.raw_decode(text)
    except (ValueError, RecursionError):
        return None
    if "\n" not in text[:end]:
        return None
    if isinstance(value, list):
        return "it is a JSON list; expected one JSON object a line, as jq -c '.[]' FILE writes it"
    return "a row takes several lines; expected one JSON object a line, as jq -c . FILE writes it"


def not_a_grader(written: object) -> str | None:
    """What to say of JSON that holds a grader, or a row, and is not a grader; None for anything else."""
    if not isinstance(written, Mapping) or "type" in written:
        return None
    inner = written.get("grader")
    if isinstance(inner, Mapping) and "type" in inner:
        return "the grader stands under 'grader'; write that object alone"
    return _SWAPPED if any(name in written for name in _ROW) else None


def first_is_row(data: bytes) -> str | None:
    """What to say of a file of rows that was given in place of a grader; None for others."""
    first = data.lstrip().partition(b"\n")[0]
    try:
        value = json.loads(first)
    except (ValueError, RecursionError):
        return None
    return not_a_grader(value)


_SWAPPED = "this is a row of data, not a grader; the grader comes first: graders run grader.json rows.jsonl"


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True

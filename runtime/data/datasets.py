"""Dataset files: JSONL rows `{"item": …, "sample": …}`, or training rows whose columns are the item itself."""

import hashlib
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from graders import ConfigurationError, GradingError, Item, Sample
from runtime.data.file_kinds import first_is_row, not_utf_8, rows_over_lines
from runtime.data.json_text import LONG_NUMBER, NotJson, named_path, read_text, unreadable_parts
from runtime.data.json_weight import INLINE_BYTES, weigh
from runtime.data.rows import (
    item_or_failure,
    not_an_object,
    sample_or_failure,
    unreadable,
    unreadable_inside,
)

STDIN = Path("-")
MAX_VALUES = 200_000
"""JSON values of one row; they take some 40 ms to parse."""
NUMBERS_BYTES = 1_000_000
"""Of a row that has numbers of 200 digits: these take longer to parse than other values."""
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
READ_WHOLE = 32 << 20
"""Bytes of a file that is held in memory as a whole."""
_SHORT_LINE = 10_000
"""Bytes of a first line that may be the beginning of a row over several lines."""
MAX_LINE = 64 << 20
"""Bytes of one row."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a dataset.

    Attributes:
        line: Its line in the file, from 1.
        item: The dataset item; empty where it cannot be read.
        sample: The stored sample; None where the row has none.
        key: Digest of the line: the same row has the same key.
        failure: Why the row cannot be read; None when it can.
    """

    line: int
    item: Item
    sample: Sample | None
    key: str
    failure: GradingError | None = None


class UnreadableFile(ConfigurationError, OSError):
    """A file is not there, cannot be read, or is too large to be held."""


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """A file for reading; `-` is the standard input.

    Raises:
        UnreadableFile: When it cannot be read.
    """
    if path == STDIN:
        yield sys.stdin.buffer
        return
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise UnreadableFile(f"cannot read {path}: {error.strerror or error}") from None


def read_whole(path: Path) -> bytes:
    """The bytes of a file that is held in memory as a whole: a grader's JSON, a case file, a source.

    Raises:
        UnreadableFile: When it cannot be read, or has more than `READ_WHOLE` bytes: a device never ends.
    """
    with opened(path) as file:
        data = file.read(READ_WHOLE + 1)
    if len(data) > READ_WHOLE:
        raise UnreadableFile(f"{path}: more than {READ_WHOLE >> 20} MB; is this the right file?")
    return data


def read_json(path: Path) -> tuple[Any, str]:
    """A JSON file and its text.

    Raises:
        ConfigurationError: When it cannot be read or is not JSON; says the line and column.
    """
    data = read_whole(path).removeprefix(BYTE_ORDER_MARK)
    if not data.strip():
        raise ConfigurationError(f"{path}: the file is empty; expected JSON")
    if encoded := not_utf_8(data):
        raise ConfigurationError(f"{path}: {encoded}")
    try:
        value, has_unreadable = read_text(data)
    except NotJson as error:
        raise ConfigurationError(f"{path}: {first_is_row(data) or error}") from None
    if has_unreadable:
        steps, part = next(unreadable_parts(value))
        raise ConfigurationError(f"{path}: {named_path(steps) or 'the value'}: {part.reason}")
    return value, data.decode("utf-8", "surrogatepass")


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of a JSONL file, one at a time; empty lines are passed over, and a row that cannot be read says why.

    Raises:
        ConfigurationError: When the file cannot be read, is not UTF-8, or has rows that take several lines.
    """
    _check_rows(path)
    with opened(path) as file:
        yield from parse_rows(bounded_lines(file))


def _check_rows(path: Path) -> None:
    """Look at the beginning of a file that can be read twice.

    Raises:
        UnreadableFile: When its rows are not in lines of UTF-8.
    """
    if path == STDIN or not path.is_file():
        return
    with opened(path) as file:
        first = next(
            (line for line in bounded_lines(file) if line.removeprefix(BYTE_ORDER_MARK).strip()), b""
        )
        first = first.removeprefix(BYTE_ORDER_MARK)
        wrong = not_utf_8(first)
        if wrong is None and len(first) <= _SHORT_LINE:
            file.seek(0)
            wrong = rows_over_lines(first, lambda: file.read(READ_WHOLE))
    if wrong is not None:
        raise UnreadableFile(f"{path}: {wrong}")


def bounded_lines(file: BinaryIO) -> Iterator[bytes]:
    """The lines of a file; of one that is too long, the beginning."""
    while line := file.readline(MAX_LINE + 1):
        rest = line
        while len(rest) > MAX_LINE and not rest.endswith(b"\n"):
            rest = file.readline(MAX_LINE + 1)
        yield line


def parse_rows(lines: Iterable[bytes]) -> Iterator[Row]:
    """Rows out of lines of JSON; a line that is not a row has a `failure`, and changes nothing for the others."""
    for number, line in enumerate(lines, 1):
        text = line.removeprefix(BYTE_ORDER_MARK).strip() if number == 1 else line.strip()
        if text:
            yield _row(number, text)


def _row(number: int, text: bytes) -> Row:
    key = hashlib.blake2b(text, digest_size=12).hexdigest()
    place = f"line {number}"
    if (too_much := _too_much(text)) is not None:
        return Row(number, {}, None, key, unreadable("", too_much, place=place))
    try:
        data, has_unreadable = read_text(text)
    except NotJson as error:
        reason = f"{error.reason} at column {error.column}"
        inside = f", in {error.path}" if error.path else ""
        return Row(number, {}, None, key, unreadable("", reason + inside, place=place))
    failure = not_an_object(data, place=place)
    if failure is not None:
        return Row(number, {}, None, key, failure)
    if has_unreadable and (failure := unreadable_inside(data, place=place)):
        return Row(number, {}, None, key, failure)
    item = item_or_failure(data.get("item", {} if "sample" in data else data), place=place)
    if isinstance(item, GradingError):
        return Row(number, {}, None, key, item)
    stored = data.get("sample")
    if stored is None:
        return Row(number, item, None, key)
    sample = sample_or_failure(stored, place=place)
    if isinstance(sample, GradingError):
        return Row(number, item, None, key, sample)
    return Row(number, item, sample, key)


def _too_much(text: bytes) -> str | None:
    """What of a line would keep others waiting while it is read; None for nothing."""
    if len(text) <= INLINE_BYTES:
        return None
    if len(text) > MAX_LINE:
        return f"more than {MAX_LINE >> 20} MB"
    values = weigh(text).values
    if values > MAX_VALUES:
        return f"it has {values:,} JSON values, more than {MAX_VALUES:,}"
    if len(text) > NUMBERS_BYTES and LONG_NUMBER.search(text):
        return f"it has numbers of 200 digits in more than {NUMBERS_BYTES:,} bytes"
    return None

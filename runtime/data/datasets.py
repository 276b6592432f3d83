"""Dataset files: JSONL rows `{"item": …, "sample": …}`, or training rows whose columns are the item itself.

A row may have several answers to one item in a list `samples`; each of them is read as a row of its own, with its number in
the list as its `draw`. An exported output item of an eval has its item in `datasource_item`. In a row of Gemini's tuning a last
turn of the model is the sample.
"""

import hashlib
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

from graders import ConfigurationError, GradingError, Item, Sample
from runtime.data.file_kinds import first_is_row, not_utf_8, rows_over_lines
from runtime.data.formats.google_contents import is_contents
from runtime.data.json_text import LONG_NUMBER, NotJson, named_path, read_text, unreadable_parts
from runtime.data.json_weight import INLINE_BYTES, weigh
from runtime.data.raw_rows import Parts, google_parts
from runtime.data.rows import (
    item_of_output_item,
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


BESIDE_SAMPLES = frozenset(
    {"id", "samples", "messages", "prompt", "contents", "systemInstruction", "tools", "source", "recorded"}
)
"""Fields of a row of ours that has no item."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a dataset, or one of the samples of a row.

    Attributes:
        line: Its line in the file, from 1.
        item: The dataset item; empty where it cannot be read.
        sample: The stored sample; None where the row has none.
        key: Digest of the line, and of the number of the sample where the row has a list of them: the same row has the same
            key.
        failure: Why the row cannot be read; None when it can.
        draw: Which sample of the row it is, from 0; None where the row has no list of samples.
        is_last: Whether no other sample of the same row follows.
        data: The row as it stands in the file; empty where it cannot be read.
        stored: The sample as it stands in the file; None where the row has none.
    """

    line: int
    item: Item
    sample: Sample | None
    key: str
    failure: GradingError | None = None
    draw: int | None = None
    is_last: bool = True
    data: Mapping[str, Any] = field(default_factory=dict)
    stored: Any = None


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
            yield from rows_of_line(number, text)


def numbered(rows: Iterable[Row]) -> Iterator[tuple[int, Row]]:
    """Each row with its position in the file, from 0, which the samples of one row share."""
    position = 0
    for row in rows:
        yield position, row
        position += row.is_last


def limited(rows: Iterable[Row], limit: int | None) -> Iterator[tuple[int, Row]]:
    """The same of so many rows, each with all of its samples; reads no further."""
    for position, row in numbered(rows):
        yield position, row
        if limit is not None and row.is_last and position + 1 >= limit:
            return


def file_digest(path: Path) -> str:
    """The SHA-256 of a file, as `sha256:` and hexadecimal digits.

    Raises:
        UnreadableFile: When it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    except OSError as error:
        raise UnreadableFile(f"cannot read {path}: {error.strerror or error}") from None


def rows_of_line(number: int, text: bytes) -> Iterator[Row]:
    """The row in one line of a file, or its samples one by one.

    Args:
        number: Of the line, from 1.
        text: The line without white space at its ends.
    """
    key = hashlib.blake2b(text, digest_size=12).hexdigest()
    place = f"line {number}"
    read = _object(text, place)
    if isinstance(read, GradingError):
        yield Row(number, {}, None, key, read)
        return
    data, has_unreadable = read
    samples = _samples(data)
    google = google_parts(data)
    item = _readable_item(data, samples, place, google, has_unreadable=has_unreadable)
    if isinstance(item, GradingError):
        yield Row(number, {}, None, key, item, data=data)
        return
    stored = data.get("sample") if google is None or google.stored is None else google.stored
    row = Row(number, item, None, key, data=data, stored=stored)
    if samples is None:
        yield row if row.stored is None else _with_sample(row, place)
    elif not samples:
        yield replace(row, failure=unreadable("samples", "the list is empty", place=place))
    for draw, stored in enumerate(samples or ()):
        own = hashlib.blake2b(b"%s\n%d" % (text, draw), digest_size=12).hexdigest()
        where = f"{place}, draw {draw}"
        failure = unreadable_inside({"sample": stored}, place=where) if has_unreadable else None
        is_last = draw + 1 == len(samples or ())
        drawn = replace(row, key=own, draw=draw, is_last=is_last, stored=stored, failure=failure)
        yield drawn if failure else _with_sample(drawn, where)


def _object(text: bytes, place: str) -> tuple[dict[str, Any], bool] | GradingError:
    """The JSON object in a line, and whether a part of it cannot be held; or why it cannot be read."""
    if (reason := too_much(text)) is not None:
        return unreadable("", reason, place=place)
    try:
        data, has_unreadable = read_text(text)
    except NotJson as error:
        reason = f"{error.reason} at column {error.column}"
        inside = f", in {error.path}" if error.path else ""
        return unreadable("", reason + inside, place=place)
    failure = not_an_object(data, place=place)
    return (data, has_unreadable) if failure is None else failure


def _readable_item(
    data: Mapping[str, Any],
    samples: list[Any] | None,
    place: str,
    google: Parts | None,
    *,
    has_unreadable: bool,
) -> Item | GradingError:
    """The item of a row, or why the row cannot be read; what is wrong with one of several samples is not looked for."""
    if has_unreadable:
        alone = data if samples is None else {name: part for name, part in data.items() if name != "samples"}
        if (failure := unreadable_inside(alone, place=place)) is not None:
            return failure
    if google is not None:
        return item_or_failure(google.item, place=place)
    is_without = "sample" in data or samples is not None
    stored = data.get("datasource_item")
    if "item" not in data and (isinstance(stored, Mapping) or (is_without and "datasource_item" in data)):
        return item_or_failure(item_of_output_item(stored), place=place)
    return item_or_failure(data.get("item", {} if is_without else data), place=place)


def _samples(data: Mapping[str, Any]) -> list[Any] | None:
    """The samples of a row that has a list of them; a column of that name in a training row is a part of its item."""
    samples = data.get("samples")
    if not isinstance(samples, list) or data.get("sample") is not None:
        return None
    is_ours = (
        "item" in data
        or "datasource_item" in data
        or is_contents(data.get("contents"))
        or data.keys() <= BESIDE_SAMPLES
    )
    return samples if is_ours else None


def _with_sample(row: Row, place: str) -> Row:
    """A row with the sample that stands in it, or with the reason why that cannot be read."""
    read = sample_or_failure(row.stored, place=place)
    return replace(row, failure=read) if isinstance(read, GradingError) else replace(row, sample=read)


def too_much(text: bytes) -> str | None:
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

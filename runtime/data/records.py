"""Files of rows in whatever form they come: JSONL, a JSON list, an exported page of one (`{"data": […]}`), parquet.

A file of any size is read row by row; what has to be held is the longest row, or the exported page.
"""

import math
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Literal

from graders import ConfigurationError
from graders.installation import install_command
from runtime.data.datasets import (
    BYTE_ORDER_MARK,
    MAX_LINE,
    UnreadableFile,
    bounded_lines,
    opened,
    too_much,
)
from runtime.data.json_text import NotJson, named_path, read_text, unreadable_parts

Kind = Literal["jsonl", "json", "parquet"]
MAX_PAGE = 256 << 20
"""Bytes of a file that is one JSON object, which is read as a whole."""
MAX_ROW_GROUP = 4 << 30
"""Bytes of a row group of parquet as its file declares it, when it is unpacked."""
PAGE_FIELDS = ("items", "data")
"""Fields of an exported page that hold its rows."""
_BATCH = 256
_LINES_LOOKED_AT = 100
"""Lines by which a large file of rows is told from one object over many lines."""
_CHUNK = 1 << 20
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|["\[\]{},]', re.DOTALL)
_OTHER_FILES = (
    (b"\xff\xfe", "it is UTF-16; save it as UTF-8"),
    (b"\xfe\xff", "it is UTF-16; save it as UTF-8"),
    (b"\x1f\x8b", "it is compressed by gzip; unpack it first"),
    (b"\x28\xb5\x2f\xfd", "it is compressed by zstd; unpack it first"),
    (b"PK\x03\x04", "it is a ZIP archive; unpack it first"),
)


@dataclass(frozen=True, slots=True)
class Record:
    """One row of a file.

    Attributes:
        number: Its line in JSONL, its position in other files; from 1.
        value: The JSON value; None where it cannot be read.
        failure: Why it cannot be read; None when it can.
        text: The JSON text; empty for parquet.
    """

    number: int
    value: Any
    failure: str | None = None
    text: bytes = b""


class RecordFile:
    """A file of rows that can be read more than once.

    Attributes:
        kind: `jsonl`, `json` (one list, or an exported page) or `parquet`.
        unit: What the number of a record counts: `line` or `row`.
        has_mark: Whether it begins with a byte order mark.
        size: Bytes.
        header: What an exported page says beside its rows; empty for other files.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file, self._name = file, name
        self.size = file.seek(0, 2)
        file.seek(0)
        head = file.read(1 << 12)
        self.has_mark = head.startswith(BYTE_ORDER_MARK)
        for magic, reason in _OTHER_FILES:
            if head.startswith(magic):
                raise UnreadableFile(f"cannot read {name}: {reason}")
        self.kind: Kind = "jsonl"
        self.header: dict[str, Any] = {}
        self._page: list[Any] | None = None
        first = head.removeprefix(BYTE_ORDER_MARK).lstrip()[:1]
        if head.startswith(b"PAR1"):
            self.kind = "parquet"
        elif first == b"[" and not self._is_lines_of_lists():
            self.kind = "json"
        elif first == b"{" and (page := self._read_page()) is not None:
            self.kind, self._page = "json", page
        self.unit = "line" if self.kind == "jsonl" else "row"

    def __iter__(self) -> Iterator[Record]:
        """The rows, from the first on, each time anew.

        Raises:
            UnreadableFile: When a parquet file is damaged.
            ConfigurationError: When pyarrow is missing.
        """
        self._file.seek(0)
        if self._page is not None:
            return (Record(number, value) for number, value in enumerate(self._page, 1))
        if self.kind == "parquet":
            return _read_parquet(self._file, self._name)
        return _read_list(self._file) if self.kind == "json" else _read_lines(self._file)

    def parquet(self) -> Any:
        """The file as `pyarrow.parquet.ParquetFile`, from its beginning.

        Raises:
            UnreadableFile: When it is damaged.
            ConfigurationError: When pyarrow is missing.
        """
        self._file.seek(0)
        return _open_parquet(self._file, self._name)

    def _is_lines_of_lists(self) -> bool:
        """Whether the first line is a list of its own, and more lines follow: that is JSONL, with rows of a wrong type."""
        self._file.seek(0)
        lines = bounded_lines(self._file)
        first = next(lines, b"").removeprefix(BYTE_ORDER_MARK).strip()
        if len(first) > MAX_LINE or not next(lines, b"").strip():
            return False
        try:
            return isinstance(read_text(first)[0], list)
        except NotJson:
            return False

    def _read_page(self) -> list[Any] | None:
        """The rows of a file that is one JSON object: those of an exported page, or the object alone; None for JSONL."""
        self._file.seek(0)
        first = next(bounded_lines(self._file), b"").removeprefix(BYTE_ORDER_MARK).strip()
        rest = any(line.strip() for line in bounded_lines(self._file))
        try:
            if not rest:
                is_cut = len(first) > MAX_LINE
                if is_cut and self.size > MAX_PAGE:
                    raise self._too_large()
                value = read_text(self._whole() if is_cut else first)[0]
                rows = self._page_of(value)
                # an export of one object, such as promptfoo's, has more values than a row may have
                return [value] if rows is None and too_much(first) is not None else rows
            if self.size > MAX_PAGE:
                if self._is_lines_of_one_object():
                    raise self._too_large()
                return None
            if (value := self._read_object(first)) is None:
                return None
        except NotJson:
            return None
        rows = self._page_of(value)
        return [value] if rows is None else rows

    def _is_lines_of_one_object(self) -> bool:
        """Whether none of the first lines is a JSON object: one damaged row does not make a file of rows one object."""
        self._file.seek(0)
        lines = (line.removeprefix(BYTE_ORDER_MARK).strip() for line in bounded_lines(self._file))
        return not any(map(_is_object, islice(filter(None, lines), _LINES_LOOKED_AT)))

    def _too_large(self) -> UnreadableFile:
        return UnreadableFile(
            f"cannot read {self._name}: it is one JSON object of {self.size >> 20} MB; expected at most {MAX_PAGE >> 20} MB, "
            "or a list or JSONL of any size: write its rows as a list first, such as `jq -c '.data' FILE`"
        )

    def _page_of(self, value: Any) -> list[Any] | None:
        rows = page_rows(value)
        if rows is not None:
            self.header = {name: inner for name, inner in value.items() if inner is not rows}
        return rows

    def _read_object(self, first: bytes) -> Any:
        """The object that a file is, where its first line alone is not one."""
        try:
            read_text(first)
        except NotJson:
            return read_text(self._whole())[0]
        return None

    def _whole(self) -> bytes:
        self._file.seek(0)
        return self._file.read().removeprefix(BYTE_ORDER_MARK)


@contextmanager
def record_file(path: Path) -> Iterator[RecordFile]:
    """A file of rows; what cannot be read twice, such as the standard input, is copied to a temporary file.

    Raises:
        UnreadableFile: When it cannot be read.
    """
    with opened(path) as file:
        if _can_seek(file):
            yield RecordFile(file, str(path))
            return
        with tempfile.TemporaryFile() as copy:
            shutil.copyfileobj(file, copy, _CHUNK)
            yield RecordFile(copy, str(path))


def _can_seek(file: BinaryIO) -> bool:
    """Whether a file can be read again; found by trying, for Python remembers what a descriptor once was."""
    try:
        file.seek(0)
    except OSError:
        return False
    return True


def page_rows(value: object) -> list[Any] | None:
    """The rows of an exported page, `{"items": […]}` or `{"data": […]}`; None for any other value."""
    for name in PAGE_FIELDS:
        rows = value.get(name) if isinstance(value, dict) else None
        if isinstance(rows, list) and rows and all(isinstance(row, dict) for row in rows):
            return rows
    return None


def _is_object(text: bytes) -> bool:
    if not text.startswith(b"{") or not text.endswith(b"}"):
        return False
    try:
        return isinstance(read_text(text)[0], dict)
    except NotJson:
        return False


def _read_lines(file: BinaryIO) -> Iterator[Record]:
    for number, line in enumerate(bounded_lines(file), 1):
        text = line.removeprefix(BYTE_ORDER_MARK).strip() if number == 1 else line.strip()
        if text:
            yield _record(number, text)


def _record(number: int, text: bytes) -> Record:
    if (reason := too_much(text)) is not None:
        return Record(number, None, reason)
    try:
        value, has_unreadable = read_text(text)
    except NotJson as error:
        where = f", in {error.path}" if error.path else ""
        return Record(number, None, f"{error.reason} at column {error.column}{where}", text)
    if has_unreadable:
        steps, part = next(unreadable_parts(value))
        return Record(number, None, f"{named_path(steps) or 'the row'}: {part.reason}", text)
    return Record(number, value, None, text)


def _read_list(file: BinaryIO) -> Iterator[Record]:
    """The elements of a JSON list, one at a time."""
    for number, (text, failure) in enumerate(_elements(file), 1):
        yield _record(number, text) if failure is None else Record(number, None, failure)


def _elements(file: BinaryIO) -> Iterator[tuple[bytes, str | None]]:
    """The texts of the elements of a list, and why one cannot be read: the file ends in it, or it is too long."""
    tokens = _Tokens(file)
    depth, is_first = 0, True
    while (sign := tokens.following()) is not None:
        if sign in b"[{":
            depth += 1
        elif depth and sign in b"]}":
            depth -= 1
        elif not depth and sign in b",]}":
            text = tokens.taken()
            if text or sign == b"," or not is_first:
                yield text, None
            is_first = False
            if sign != b",":
                if tokens.has_more():
                    yield b"", "not JSON: there is more text behind the end of the list"
                return
    yield b"", tokens.failure


class _Tokens:
    """The brackets, commas and texts of a JSON list, behind its first bracket."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._buffer = file.read(_CHUNK).removeprefix(BYTE_ORDER_MARK).lstrip()[1:]
        self._start = self._begin = self._end = 0
        self.failure: str | None = None

    def following(self) -> bytes | None:
        """The next one; None at the end of the file, or in an element that is too long."""
        while True:
            token = _TOKEN.search(self._buffer, self._end)
            if token is not None and token[0] != b'"':
                self._begin, self._end = token.span()
                return token[0]
            if len(self._buffer) - self._start > MAX_LINE:
                self.failure = f"more than {MAX_LINE >> 20} MB"
                return None
            # a text that goes on behind the buffer is looked at again from its quote: twice as much is read each time
            more = self._file.read(max(_CHUNK, len(self._buffer) - self._start))
            if not more:
                self.failure = "not JSON: the file ends inside the list"
                return None
            self._end = (len(self._buffer) if token is None else token.start()) - self._start
            self._buffer, self._start = self._buffer[self._start :] + more, 0

    def taken(self) -> bytes:
        """The text between the last element and the token that is just given."""
        text = self._buffer[self._start : self._begin].strip()
        self._start = self._end
        return text

    def has_more(self) -> bool:
        """Whether anything but white space follows."""
        return bool((self._buffer[self._end :] + self._file.read(_CHUNK)).strip())


def _read_parquet(file: BinaryIO, name: str) -> Iterator[Record]:
    number = 0
    with _damaged(name):
        for batch in _open_parquet(file, name).iter_batches(batch_size=_BATCH):
            for row in batch.to_pylist():
                number += 1
                yield _plain_record(number, row)


def _open_parquet(file: BinaryIO, name: str) -> Any:
    try:
        from pyarrow import parquet  # noqa: PLC0415  # an optional extra
    except ImportError:
        raise ConfigurationError(f"{name}: parquet needs an extra: {install_command('data')}") from None
    with _damaged(name):
        found = parquet.ParquetFile(file)
        groups = range(found.metadata.num_row_groups)
        if (
            max((found.metadata.row_group(index).total_byte_size for index in groups), default=0)
            > MAX_ROW_GROUP
        ):
            hint = f"a row group is larger than {MAX_ROW_GROUP >> 30} GB; write smaller ones"
            raise UnreadableFile(f"cannot read {name}: {hint}")
    return found


@contextmanager
def _damaged(name: str) -> Iterator[None]:
    """Turn what pyarrow says of a file that it cannot read into one error."""
    try:
        yield
    except UnreadableFile:
        raise
    except (OSError, ValueError, NotImplementedError) as error:  # pyarrow's own errors are some of these
        reason = str(error).partition("\n")[0][:200]
        raise UnreadableFile(f"cannot read {name}: damaged parquet: {reason}") from None


def _plain_record(number: int, row: object) -> Record:
    try:
        return Record(number, _plain(row))
    except ValueError as error:
        return Record(number, None, str(error))


def _plain(value: object) -> Any:
    """A value of a table as JSON has it; a column that a struct lacks is null in parquet, and stays null."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        if math.isnan(value):
            return None  # pandas writes it for what is missing
        if math.isinf(value):
            raise ValueError(f"the number {value} is not JSON")
        return value
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, timedelta):
        return value.total_seconds()
    return float(value) if isinstance(value, Decimal) else str(value)

"""Dataset files: JSONL rows `{"item": …, "sample": …}`, or training rows whose columns are the item itself."""

import hashlib
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from pydantic_core import from_json

from graders import ConfigurationError, Item, Sample

STDIN = Path("-")


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a dataset.

    Attributes:
        line: Its line in the file, from 1.
        item: The dataset item.
        sample: The stored sample; None where the row has none.
        key: Digest of the line: the same row has the same key.
    """

    line: int
    item: Item
    sample: Sample | None
    key: str


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """A file for reading; `-` is the standard input.

    Raises:
        ConfigurationError: When it cannot be read.
    """
    if path == STDIN:
        yield sys.stdin.buffer
        return
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror or error}") from None


def read_json(path: Path) -> tuple[Any, str]:
    """A JSON file and its text.

    Raises:
        ConfigurationError: When it cannot be read or is not JSON; says the line and column.
    """
    with opened(path) as file:
        data = file.read()
    try:
        return from_json(data, allow_inf_nan=False), data.decode("utf-8-sig")
    except ValueError as error:
        raise ConfigurationError(f"{path}: not JSON: {error}") from None


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of a JSONL file, one at a time; empty lines are passed over.

    Raises:
        ConfigurationError: At the first line that is no row, naming it.
    """
    with opened(path) as file:
        yield from parse_rows(file, str(path))


def parse_rows(lines: Iterable[bytes], source: str) -> Iterator[Row]:
    """Rows out of lines of JSON.

    Raises:
        ConfigurationError: At the first line that is no row, naming it.
    """
    for number, line in enumerate(lines, 1):
        text = line.removeprefix(b"\xef\xbb\xbf").strip() if number == 1 else line.strip()
        if text:
            try:
                yield _row(number, text)
            except ValueError as error:
                raise ConfigurationError(f"{source}:{number}: {error}") from None


def _row(number: int, text: bytes) -> Row:
    try:
        data = from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise ConfigurationError(f"not JSON: {str(error).replace('at line 1 column', 'at column')}") from None
    if not isinstance(data, dict):
        raise ConfigurationError(
            f'expected an object such as {{"item": …, "sample": …}}, got {type(data).__name__}'
        )
    item = data.get("item", data if "sample" not in data else {})
    if not isinstance(item, dict):
        raise ConfigurationError(f"'item' is a JSON object, not {type(item).__name__}")
    stored = data.get("sample")
    key = hashlib.blake2b(text, digest_size=12).hexdigest()
    return Row(number, item, None if stored is None else Sample.load(stored), key)

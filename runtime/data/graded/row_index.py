"""The rows of a file by their lines, in any order, with a few bytes of memory for each line."""

import hashlib
from array import array
from pathlib import Path
from types import TracebackType
from typing import Self

from graders import ConfigurationError
from runtime.data.datasets import BYTE_ORDER_MARK, Row, rows_of_line


class RowIndex:
    """A file of rows, opened.

    Attributes:
        path: The file.
        digest: `sha256:` and its SHA-256.

    Raises:
        ConfigurationError: When it is no regular file, or cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if path.exists() and not path.is_file():
            raise ConfigurationError(f"{path}: rows are looked up by line: name a regular file")
        try:
            self._file = path.open("rb")
            digest = hashlib.sha256()
            self._offsets = array("Q", [0])
            for line in self._file:
                digest.update(line)
                self._offsets.append(self._offsets[-1] + len(line))
        except OSError as error:
            raise ConfigurationError(f"cannot read {path}: {error.strerror or error}") from None
        self.digest = f"sha256:{digest.hexdigest()}"
        self._last: tuple[int, list[Row]] = (0, [])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def row(self, line: int, draw: int | None) -> Row | None:
        """The row, or the sample of a row, in a line; None where there is no such row."""
        if not 0 < line < len(self._offsets):
            return None
        if self._last[0] != line:
            self._file.seek(self._offsets[line - 1])
            text = self._file.read(self._offsets[line] - self._offsets[line - 1])
            text = (text.removeprefix(BYTE_ORDER_MARK) if line == 1 else text).strip()
            self._last = line, list(rows_of_line(line, text)) if text else []
        return next((row for row in self._last[1] if row.draw == draw), None)

"""The lines of a results file: one result each; the first names the data file, and each may have the fields of its row."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graders import GraderResult
from graders.result_data import RECORD, result_data
from runtime.data.datasets import STDIN, Row, file_digest
from runtime.data.printable import printable_json

Record = dict[str, Any]
Place = tuple[int, int]
"""Of a result: the position of its row, and its draw; 0 where the row has one sample."""

DATA = "data"
"""The field of the first result that names the data file."""
FIELDS_OF_ROW = (
    *("id", "item", "sample", "messages", "prompt", "contents"),
    *("systemInstruction", "tools", "source", "recorded"),
)
"""Fields of a row that its result has, too, with `with_rows`."""
BESIDE_RESULT = frozenset({DATA, *FIELDS_OF_ROW})
"""Fields of a line that say nothing of the result."""


@dataclass(frozen=True)
class DataFile:
    """The file that results are of.

    Attributes:
        path: As the user named it.
        digest: `sha256:` and its SHA-256; None where it can be read only once.
        with_rows: Write the fields of the row into each result.
    """

    path: Path
    digest: str | None = None
    with_rows: bool = False

    @classmethod
    def at(cls, path: Path, *, with_rows: bool = False) -> "DataFile":
        """A file, or what can be read only once.

        Raises:
            ConfigurationError: When it cannot be read.
        """
        return cls(path, file_digest(path) if path != STDIN and path.is_file() else None, with_rows)

    def named(self, line: bytes) -> bytes:
        """The first result, with the name of the file before all else."""
        named = printable_json({DATA: {"file": str(self.path), "digest": self.digest}}, separators=(",", ":"))
        return named[:-1].encode() + b"," + line[1:]

    def with_row(self, line: bytes, row: Row) -> bytes:
        """A result with the fields of its row, where they are wanted."""
        if not self.with_rows:
            return line
        fields = {name: row.data[name] for name in FIELDS_OF_ROW if row.data.get(name) is not None}
        beside = printable_json(
            {**fields, "item": row.item, "sample": row.stored}, separators=(",", ":"), default=_as_dict
        )
        return line[:-2] + b"," + beside[1:].encode() + b"\n"


def place_of(position: int, row: Row) -> Place:
    """Where the result of a row stands among the others."""
    return position, row.draw or 0


def record_of(position: int, row: Row, result: GraderResult) -> Record:
    """One line of a results file: everything about a result but its times."""
    return {
        "row": position,
        "line": row.line,
        **({} if row.draw is None else {"draw": row.draw}),
        "key": row.key,
        **result_data(result, RECORD, _json_type),
        "signature": result.grader.signature if result.grader else None,
    }


def _json_type(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else value


def _as_dict(value: object) -> dict[Any, Any] | None:
    """A mapping as JSON has it; None for a part of a row that cannot be held."""
    return dict(value) if isinstance(value, Mapping) else None


def line_of_record(record: Record) -> bytes:
    """A result as it stands in a file."""
    return printable_json(record, separators=(",", ":")).encode() + b"\n"

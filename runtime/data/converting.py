"""Rows of one trainer's format into those of another; what would be lost is known before anything is written.

Each row is written in the new format and read back. Whatever is not as it was is a loss, by the name of its field; so what is
not listed comes through.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from graders import ConfigurationError
from runtime.data.column_types import ONE_TYPE, ColumnTypes
from runtime.data.conversation import NoConversation
from runtime.data.exporting.hosts import HOSTS, RftRow, checked
from runtime.data.formats import format_named
from runtime.data.output_files import same_file, writing
from runtime.data.printable import printable_json
from runtime.data.records import Record, RecordFile, record_file
from runtime.data.training_rows import READABLE, TrainingRow, training_row

BOM = b"\xef\xbb\xbf"
EXAMPLES = 200
"""Rows by which is decided what a file is for."""
MOST_NAMED = 300
"""Different reasons and fields that a report names."""
LINES_KEPT = 5
"""Lines that a report gives for each of them."""
_LOOKS = {
    "sft": "one for sft, since it ends with the model's turn",
    "dpo": "one for dpo, since it has a better and a worse answer",
    "rft": "one for rft, since it has no answer",
}


@dataclass
class LineCounts:
    """How many rows there are of each name, with their first lines; the first `MOST_NAMED` names are kept.

    Attributes:
        rows: How many rows, by name.
        lines: The first `LINES_KEPT` of their lines, by name.
        total: How many rows were added, with those whose name is not kept.
    """

    rows: dict[str, int] = field(default_factory=dict)
    lines: dict[str, list[int]] = field(default_factory=dict)
    total: int = 0

    def add(self, name: str, line: int) -> None:
        """Count a row."""
        self.total += 1
        if name not in self.rows and len(self.rows) >= MOST_NAMED:
            return
        self.rows[name] = self.rows.get(name, 0) + 1
        lines = self.lines.setdefault(name, [])
        if len(lines) < LINES_KEPT:
            lines.append(line)

    @property
    def left_out(self) -> int:
        """How many rows have a name that is not kept."""
        return self.total - sum(self.rows.values())

    def to_list(self, called: str) -> list[dict[str, Any]]:
        """Plain data: an object for each name, which is the field `called`."""
        return [{called: name, "rows": count, "lines": self.lines[name]} for name, count in self.rows.items()]


@dataclass
class Conversion:
    """What a conversion gives, or would give.

    Attributes:
        rows: Rows that can be written.
        losses: How many rows lose what, by field.
        refused: Rows that cannot be converted, by the reason.
        mixed: Columns of several types, where the new format is read into a table; a message for each.
        notes: What is called by another name in the new format.
        written: Whether a file was written.
    """

    rows: int = 0
    losses: LineCounts = field(default_factory=LineCounts)
    refused: LineCounts = field(default_factory=LineCounts)
    mixed: list[str] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)
    written: bool = False

    @property
    def loses(self) -> bool:
        """Whether anything would be lost."""
        return bool(self.losses.total or self.refused.total or self.mixed)

    def to_dict(self) -> dict[str, Any]:
        """The report as plain data."""
        return {
            "rows": self.rows,
            "losses": self.losses.to_list("field"),
            "refused": self.refused.to_list("reason"),
            "refused_rows": self.refused.total,
            "mixed": self.mixed,
            "notes": dict(self.notes),
            "written": self.written,
        }


def convert_file(
    path: Path,
    output: Path,
    host: str,
    *,
    row_format: str | None = None,
    reference: str | None = None,
    data_source: str | None = None,
    allow_loss: bool = False,
    force: bool = False,
) -> Conversion:
    """Write the rows of a file in another format, unless something would be lost.

    All rows of a file are for one kind of training: that of most of the first `EXAMPLES` rows. A row for another kind is refused.

    Args:
        path: The file.
        output: Where the rows go.
        host: Whose format: a name of `runtime.data.exporting.hosts.HOSTS`.
        row_format: The format of the rows, a name of `runtime.data.training_rows.READABLE`; None to recognise it.
        reference: The field with the reference, for formats that have one place for it.
        data_source: What verl is to call the data set; the file's name where it is not given.
        allow_loss: Write all the same, without what is lost; values of a column with several types become texts.
        force: Write over a file that is there.

    Raises:
        ConfigurationError: When a file cannot be read or written, or there is no such format.
    """
    if host not in HOSTS:
        raise ConfigurationError(f"--to: expected one of {', '.join(HOSTS)}, got {host!r}")
    if row_format is not None and row_format not in READABLE:
        raise ConfigurationError(f"--format: expected one of {', '.join(READABLE)}, got {row_format!r}")
    if same_file(path, output):
        raise ConfigurationError(f"{output} is what is read; choose another -o")
    report = Conversion()
    with record_file(path) as file:
        training = _training_of(file) if row_format is None else format_named(row_format).kind
        converter = Converter(
            host, reference, data_source or path.stem, row_format=row_format, training=training
        )
        types = ColumnTypes()
        for row, number in _converted(file, converter, report):
            report.rows += 1
            if host in ONE_TYPE:
                types.add(row, number)
        report.mixed = types.mixed
        if report.rows and (allow_loss or not report.loses):
            with writing(output, replace=force) as target:
                target.write(BOM if HOSTS[host].has_bom else b"")
                for row, _ in _converted(file, converter, None):
                    line = printable_json(types.with_texts(row), separators=(",", ":"))
                    target.write(line.encode() + b"\n")
            report.written = True
    return report


def _training_of(file: RecordFile) -> str | None:
    """What most of the first rows are for; None where none of them can be read."""
    found: Counter[str] = Counter()
    for record in islice(file, EXAMPLES):
        with suppress(NoConversation):
            found[training_row(_readable(record)).training] += 1
    return found.most_common(1)[0][0] if found else None


def _converted(
    file: RecordFile, converter: "Converter", report: Conversion | None
) -> Iterator[tuple[dict[str, Any], int]]:
    """The rows that can be converted, each with its line in the file."""
    for record in file:
        try:
            row, lost, note = converter.convert(_readable(record), record.number)
        except NoConversation as error:
            if report is not None:
                report.refused.add(str(error), record.number)
            continue
        if report is not None:
            for each in lost:
                report.losses.add(each, record.number)
            report.notes.update([note] if note else [])
        yield row, record.number


def _readable(record: Record) -> Any:
    if record.failure is not None:
        raise NoConversation(record.failure)
    return record.value


class Converter:
    """Turns rows into those of one host.

    Args:
        host: A name of `HOSTS`.
        reference: The field with the reference; None to take one of the usual names.
        data_source: What verl is to call the data set.
        row_format: The format of the rows, a name of `READABLE`; None to recognise that of each row.
        training: What the rows are for, `sft`, `dpo` or `rft`; None for any of them.
    """

    def __init__(
        self,
        host: str,
        reference: str | None = None,
        data_source: str = "data",
        *,
        row_format: str | None = None,
        training: str | None = None,
    ) -> None:
        self._host, self._reference, self._data_source = host, reference, data_source
        self._format, self._training = row_format, training

    def convert(self, value: object, number: int = 1) -> tuple[dict[str, Any], Sequence[str], str]:
        """A row in the new format, what of it is lost, and what is called by another name.

        Raises:
            NoConversation: When it cannot be converted.
        """
        row = training_row(value, self._format)
        if self._training not in (None, row.training):
            of_file = "the file's format is" if self._format else "most rows of the file are"
            raise NoConversation(
                f"the row is {_LOOKS[row.training]}; {of_file} for {self._training}: remove the row, or change it"
            )
        written, renamed = self._written(row, number)
        checked(self._host, row.training, written)
        again = training_row(_as_read(written))
        if again.training != row.training:
            raise NoConversation(f"{self._host} has no format in which this row is one for {row.training}")
        lost = sorted({*row.unread, *_differences(row, again, renamed)})
        note = f"item.{renamed[0]} becomes {renamed[1]}" if renamed and renamed[0] != renamed[1] else ""
        return written, lost, note

    def _written(self, row: TrainingRow, number: int) -> tuple[dict[str, Any], tuple[str, str] | None]:
        host = HOSTS[self._host]
        if row.training == "sft" and host.sft is not None:
            return host.sft(row.prompt, row.answers[0]), None
        if row.training == "dpo" and host.dpo is not None:
            return host.dpo(row.prompt, row.answers[0], row.answers[1]), None
        if row.training == "rft" and host.rft is not None:
            source = str(row.fields.get("data_source", self._data_source))
            reference = self._reference or row.reference
            made = RftRow(row.prompt, row.fields, reference, source, number - 1)
            renamed = {"verl": "ground_truth", "bedrock": "reference_answer"}.get(self._host)
            written = host.rft(made)
            return written, None if renamed is None else (made.referred()[0], renamed)
        raise NoConversation(f"{self._host} has no format for {row.training}")


def _as_read(row: dict[str, Any]) -> Any:
    try:
        return json.loads(json.dumps(row))
    except ValueError as error:  # Python's limit on the digits of an integer
        raise NoConversation(f"it cannot be written as JSON: {error}") from None


def _differences(row: TrainingRow, again: TrainingRow, renamed: tuple[str, str] | None) -> Iterator[str]:
    yield from _differing(row.prompt.messages, again.prompt.messages, "messages")
    yield from _differing(row.prompt.tools or [], again.prompt.tools or [], "tools")
    if row.prompt.parallel_tool_calls != again.prompt.parallel_tool_calls:
        yield "parallel_tool_calls"
    yield from _differing(list(map(list, row.answers)), list(map(list, again.answers)), "answers")
    fields = dict(row.fields)
    if renamed is not None:
        fields[renamed[1]] = fields.pop(renamed[0], None)
    for name, value in fields.items():
        found = again.fields.get(name)
        if name not in again.fields and value is not None:
            yield name
        elif isinstance(found, str) and not isinstance(value, str) and _same_as_text(value, found):
            yield f"{name} (becomes a text)"
        elif found != value:
            yield name


def _same_as_text(value: object, text: str) -> bool:
    try:
        return bool(json.loads(text) == value)
    except ValueError:
        return False


def _differing(one: Any, other: Any, name: str) -> Iterator[str]:
    """The paths at which two values differ, with `[]` for every index."""
    if isinstance(one, list) and isinstance(other, list):
        if len(one) != len(other):
            yield name
            return
        for each, its in zip(one, other, strict=True):
            yield from _differing(each, its, f"{name}[]")
    elif isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in {**one, **other}:
            yield from _differing(one.get(key), other.get(key), f"{name}.{key}")
    elif one != other and not _equal_json(one, other, name):
        yield name


def _equal_json(one: object, other: object, name: str) -> bool:
    """Whether two texts are the same arguments of a call, or the same nothing."""
    if not one and not other:
        return True
    if not name.endswith(".arguments") or not isinstance(one, str) or not isinstance(other, str):
        return False
    try:
        return bool(json.loads(one) == json.loads(other))
    except ValueError:
        return False

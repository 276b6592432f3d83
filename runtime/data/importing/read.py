"""Reads exports of any of the known source systems, a part at a time, and writes them as rows."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from graders import ConfigurationError
from graders.contract import brief
from runtime.data.importing.bedrock import BEDROCK
from runtime.data.importing.eval_items import EVAL_ITEMS
from runtime.data.importing.google import GOOGLE
from runtime.data.importing.logs import CONVERSATIONS, LOGS, RESPONSES
from runtime.data.importing.own_rows import OWN_ROWS
from runtime.data.importing.promptfoo import PROMPTFOO
from runtime.data.importing.promptfoo_config import import_config
from runtime.data.importing.rows import Imported, NotImported, Part, SourceSystem, checked
from runtime.data.importing.spans import SPANS
from runtime.data.importing.trl import TRL
from runtime.data.importing.verl import VERL
from runtime.data.output_files import same_file, write_file, writing
from runtime.data.printable import printable_json
from runtime.data.records import Record, record_file

SOURCES: Mapping[str, SourceSystem] = {
    source.name: source
    for source in (
        *(OWN_ROWS, EVAL_ITEMS, PROMPTFOO, SPANS, GOOGLE, VERL, BEDROCK, RESPONSES, TRL, LOGS, CONVERSATIONS),
    )
}
"""The source systems, the most particular first: the first that recognises an object reads it."""
_PAGES = ("items", "data", "output_items", "results", "rows", "spans")
"""Fields of an object that hold a list of what is read."""
_ABOUT_PAGE = ("run_id", "run_name", "eval_id", "model", "step")
"""Fields of an exported page that say where its rows are from."""
_MAX_DEPTH = 4
"""Levels of lists and pages inside one another."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a part of an export is.

    Attributes:
        file: The file's name as it was given.
        unit: `line` in JSONL, `row` in other files.
        number: Of the line or row, from 1.
        steps: Fields and indexes that lead to the part inside it.
    """

    file: str
    unit: str
    number: int
    steps: tuple[str | int, ...] = ()

    def __str__(self) -> str:
        inside = "".join(f", {'.'.join(map(str, self.steps))}" for _ in self.steps[:1])
        return f"{self.file}: {self.unit} {self.number}{inside}"


@dataclass
class ImportReport:
    """What an import gave.

    Attributes:
        rows: How many rows were written.
        by_source: How many of them each source system gave.
        with_sample: How many have an answer.
        ungraded: How many have the reason in place of an answer that the model did not give.
        recorded: How many scores each name has.
        lost: How many rows lost what, in words.
        rejected: Parts that could not be read.
        notes: What else a user should know, such as a page that says that more follow.
    """

    rows: int = 0
    by_source: Counter[str] = field(default_factory=Counter)
    with_sample: int = 0
    ungraded: int = 0
    recorded: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    rejected: int = 0
    notes: list[str] = field(default_factory=list)

    def count(self, source: str, row: Imported) -> None:
        """Count a row."""
        self.rows += 1
        self.by_source[source] += 1
        is_error = isinstance(row.sample, Mapping) and "error" in row.sample and len(row.sample) == 1
        self.ungraded += is_error
        self.with_sample += row.sample is not None and not is_error
        self.recorded.update(row.recorded.keys())
        self.lost.update(row.lost)

    def to_dict(self) -> dict[str, Any]:
        """The report as plain data."""
        return {
            "rows": self.rows,
            "by_source": dict(self.by_source),
            "with_sample": self.with_sample,
            "without_answer": self.ungraded,
            "recorded": dict(self.recorded),
            "lost": dict(self.lost),
            "rejected": self.rejected,
            "notes": self.notes,
        }


def import_files(
    paths: Iterable[Path],
    output: Path,
    *,
    source: str | None = None,
    force: bool = False,
    reject: Callable[[str], None],
) -> ImportReport:
    """Write the rows of exports into a file.

    Args:
        paths: The exports.
        output: Where the rows go.
        source: The source system's name; None to recognise it in each part.
        force: Write over a file that is there.
        reject: Takes a line on each part that cannot be read: its place and why.

    Raises:
        ConfigurationError: When a file cannot be read or written, or there is no source system of that name.
    """
    given = list(paths)
    _known(source)
    for path in given:
        if same_file(path, output):
            raise ConfigurationError(f"{output} is what is read; choose another -o")
    report = ImportReport()
    with writing(output, replace=force) as file:
        for place, name, part in read_files(given, source=source, notes=report.notes):
            if isinstance(part, NotImported):
                report.rejected += 1
                reject(f"{place}: {part.reason}")
                continue
            report.count(name, part)
            file.write(printable_json(row_of(place, part), separators=(",", ":")).encode() + b"\n")
    return report


def import_promptfoo_config(
    config: Mapping[str, Any], path: Path, output: Path, grader: Path | None, *, force: bool = False
) -> ImportReport:
    """Write the tests of a configuration of promptfoo as rows, and its assertions as a grader.

    Args:
        config: What stands in the file.
        path: The file, for the rows' source.
        output: Where the rows go.
        grader: Where the grader goes; None to leave it out.
        force: Write over files that are there.

    Raises:
        ConfigurationError: When a file cannot be written.
    """
    found = import_config(config)
    report = ImportReport(notes=[f"no counterpart: {each}" for each in found.left_out])
    if found.grader is not None and grader is None:
        report.notes.append("its assertions can be written as a grader: --grader-out FILE")
    with writing(output, replace=force) as file:
        for number, row in enumerate(found.rows, 1):
            report.count("promptfoo", row)
            line = printable_json(row_of(Place(str(path), "row", number), row), separators=(",", ":"))
            file.write(line.encode() + b"\n")
    if found.grader is not None and grader is not None:
        write_file(grader, printable_json(found.grader, indent=2).encode() + b"\n", replace=force)
    return report


def read_files(
    paths: Iterable[Path], *, source: str | None = None, notes: list[str] | None = None
) -> Iterator[tuple[Place, str, Part]]:
    """Every part of exports: its place, the name of its source system (empty where none), and the row or why it gives no row.

    Raises:
        ConfigurationError: When a file cannot be read, or there is no source system of that name.
    """
    only = _known(source)
    for path in paths:
        with record_file(path) as file:
            if file.header.get("has_more") is True and notes is not None:
                notes.append(f"{path}: the page says has_more: it is not the whole list")
            about = {
                name: file.header[name]
                for name in _ABOUT_PAGE
                if isinstance(file.header.get(name), (str, int))
            }
            for record in file:
                for place, name, part in _parts(record, Place(str(path), file.unit, record.number), only):
                    if about and isinstance(part, Imported):
                        yield place, name, replace(part, source={**about, **part.source})
                    else:
                        yield place, name, part


def row_of(place: Place, part: Imported) -> dict[str, Any]:
    """A row of a file as it is written."""
    row: dict[str, Any] = {"item": part.item}
    if part.sample is not None:
        row["sample"] = part.sample
    if part.messages:
        row["messages"] = part.messages
    row |= part.offered
    if part.recorded:
        row["recorded"] = part.recorded
    where = {"file": place.file, place.unit: place.number}
    if place.steps:
        where["part"] = ".".join(map(str, place.steps))
    row["source"] = {**part.source, **where}
    return row


def _known(name: str | None) -> SourceSystem | None:
    if name is None:
        return None
    if name not in SOURCES:
        raise ConfigurationError(f"--from: expected one of {', '.join(SOURCES)}, got {name!r}")
    return SOURCES[name]


def _parts(record: Record, place: Place, only: SourceSystem | None) -> Iterator[tuple[Place, str, Part]]:
    if record.failure is not None:
        yield place, "", NotImported(record.failure)
        return
    for where, value in _objects(record.value, place, only):
        if isinstance(value, NotImported):
            yield where, "", value
            continue
        system = only or _recognised(value)
        if system is None:
            yield where, "", NotImported(_unknown(value))
            continue
        for part in system.read(value):
            yield where, system.name, checked(part)


def _objects(
    value: Any, place: Place, only: SourceSystem | None
) -> Iterator[tuple[Place, Mapping[str, Any] | NotImported]]:
    """The objects in a value that source systems read: itself, or those of lists and pages."""
    if isinstance(value, Mapping) and (only.recognises(value) if only else _recognised(value) is not None):
        yield place, value
        return
    name, inner = None, value
    if isinstance(value, Mapping):
        name = next((name for name in _PAGES if isinstance(value.get(name), list)), None)
        inner = value[name] if name else None
    if len(place.steps) >= 2 * _MAX_DEPTH or not isinstance(inner, list):
        yield (
            place,
            value if isinstance(value, Mapping) else NotImported(f"expected an object, got {brief(value)}"),
        )
        return
    for index, each in enumerate(inner):
        steps = (*place.steps, *((name,) if name else ()), index)
        yield from _objects(each, Place(place.file, place.unit, place.number, steps), only)


def _recognised(value: Mapping[str, Any]) -> SourceSystem | None:
    return next((system for system in SOURCES.values() if system.recognises(value)), None)


def _unknown(value: Mapping[str, Any]) -> str:
    names = ", ".join(brief(name) for name in list(value)[:8]) or "nothing"
    return f"no known source system; it has the fields {names}; give --from if you know which it is"

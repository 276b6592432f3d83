"""`graders data check`: what is wrong with training data, for a terminal, for programs and as a page."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rich.text import Text

from graders import ConfigurationError, Grader, GraderResult, Registry
from runtime import Settings, SyncEvaluator
from runtime.data.check import AnswerGrading, CheckedFile, CheckReport, check_data
from runtime.data.datasets import STDIN
from runtime.data.findings import Group
from runtime.data.formats import format_named
from runtime.data.grader_file import GraderFile
from runtime.data.output_files import already_there, same_file, write_file
from runtime.evaluation.cost_class import asks_others, cost_of
from service.cli import terminal
from service.cli.validate import counted

FOUND = 1
"""Exit code: there is an error."""
_INDENT = "        "
_LINES_NAMED = 5
_SHARES = 8
_INLINE_ROWS = 2_000
_PROCESS_ROWS = 50
"""Rows on which constant answers are graded, where a grading takes microseconds and where it takes a process."""


def check(
    file: Path,
    *,
    valid: Path | None,
    grader: Path | None,
    host: str | None,
    by: Sequence[str],
    data_format: str | None,
    html: Path | None,
    force: bool,
    as_json: bool,
    settings: Callable[[], Settings],
) -> int:
    """Check a file; gives the exit code.

    Raises:
        ConfigurationError: When a file or the grader cannot be read, or the page cannot be written.
    """
    row_format = None if data_format is None else format_named(data_format)
    if html is not None:
        _check_target(html, (file, valid, grader), force=force)
    if grader is not None and grader == STDIN and STDIN in {file, valid}:
        raise ConfigurationError("the grader and the data cannot both come from the standard input")
    with ExitStack() as stack:
        loaded = None if grader is None else _loaded(grader)
        answers = None if loaded is None else _answers(loaded, settings, stack)
        report = check_data(
            file, valid=valid, grader=loaded, host=host, by=by, row_format=row_format, answers=answers
        )
    if html is not None:
        from runtime.data.check.page import page  # noqa: PLC0415  # matplotlib

        write_file(html, page(report), replace=force)
    if as_json:
        terminal.out_json(report.to_dict())
    else:
        _show(report)
    return FOUND if report.findings.errors else 0


def _loaded(path: Path) -> Grader:
    return GraderFile(path).load(Registry.installed().load)


def _answers(grader: Grader, settings: Callable[[], Settings], stack: ExitStack) -> AnswerGrading:
    """How constant answers are graded: on fewer rows where a grading takes a process, on none where it takes a judge."""
    if asks_others(grader):
        return AnswerGrading(reason="the grader calls judges or services")
    evaluator: list[SyncEvaluator] = []

    def grade(
        grader: Grader, samples: Sequence[str], items: Sequence[Mapping[str, Any]]
    ) -> Iterable[GraderResult]:
        if not evaluator:
            known = settings()
            if known.python_isolation is None:  # a file of the operator's own, as in `graders run`
                known = known.model_copy(update={"python_isolation": "worker"})
            evaluator.append(stack.enter_context(SyncEvaluator(settings=known)))
        return evaluator[0].grade_many(grader, samples, items)

    return AnswerGrading(grade, rows=_INLINE_ROWS if cost_of(grader) == "inline" else _PROCESS_ROWS)


def _check_target(html: Path, read: Sequence[Path | None], *, force: bool) -> None:
    for path in read:
        if path is not None and same_file(html, path):
            raise ConfigurationError(f"{html} is what is read; choose another name for --html")
    if html.is_file() and not force:
        raise already_there(html)


def _show(report: CheckReport) -> None:
    console = terminal.console()
    for file in report.files:
        for line in _about(file):
            console.print(line)
    names = _short_names(report)
    units = {file.name: file.unit for file in report.files}
    for group in report.findings:
        first = group.first
        style = "red" if first.level == "error" else "yellow"
        head = f"{first.level:<7} {first.code}{names[group.file]}: {_where(group, units[group.file])}"
        start, *others = terminal.wrapped(head, others=_INDENT)
        shown = Text(start)
        shown.stylize(style, 0, len(first.level))
        console.print(shown)
        for line in others:
            console.print(line)
        for line in _wrapped(first.message):
            console.print(line)
        for line in _wrapped(first.hint):
            console.print(Text(line, "dim"))
    if report.findings.left_out:
        console.print(f"{report.findings.left_out:,} more findings of other kinds are not shown")
    console.print(
        f"{counted(report.findings.errors, 'error')}, {counted(report.findings.warnings, 'warning')}"
    )


def _short_names(report: CheckReport) -> dict[str, str]:
    """How lines of findings name the files: not at all where there is one."""
    if len(report.files) == 1:
        return {report.files[0].name: ""}
    names = [Path(file.name).name for file in report.files]
    if len(set(names)) < len(names):
        names = [file.role for file in report.files]
    return {file.name: f" in {name}" for file, name in zip(report.files, names, strict=True)}


def _where(group: Group, unit: str) -> str:
    lines = group.lines
    if not lines:
        return "the whole file"
    named = ", ".join(str(line) for line in lines[:_LINES_NAMED])
    more = ", …" if len(lines) > _LINES_NAMED or group.count > len(group.findings) else ""
    times = "" if group.count == 1 else f"{group.count:,} times, "
    return f"{times}{unit}{'s' if len(lines) > 1 else ''} {named}{more}"


def _wrapped(text: str) -> list[str]:
    return terminal.wrapped(text, first=_INDENT, others=_INDENT)


def _about(file: CheckedFile) -> Iterator[str]:
    size = f"{file.size / 1e6:,.1f} MB" if file.size >= 100_000 else f"{file.size / 1e3:,.1f} kB"
    unread = f", {file.unreadable:,} of them unreadable" if file.unreadable else ""
    yield from terminal.wrapped(f"{file.name}: {counted(file.rows, 'row')}{unread}, {size}; {file.title}")
    for line in facts(file.figures):
        yield from terminal.wrapped(line, first="  ", others="    ")


def facts(figures: Mapping[str, Any]) -> Iterator[str]:
    """The figures of a file as lines of text."""
    for name, found in figures.get("lengths", {}).items():
        deciles = found["deciles"]
        yield (
            f"{name}: {deciles[0]:,} to {deciles[10]:,} characters, median {deciles[5]:,}, "
            f"90 % up to {deciles[9]:,}; about {found['characters'] // 4:,} tokens"
        )
    for name, found in figures.get("constant", {}).items():
        yield f"{name}: always {_short(found['value'])} scores {found['score']:.2f}"
    yield from _by_grader(figures.get("constant_by_grader", {}))
    for name, found in figures.get("by", {}).items():
        shares = ", ".join(
            f"{_short(each['value'])} {each['share']:.0%}" for each in found["values"][:_SHARES]
        )
        more = f" and {found['different'] - _SHARES:,} more" if found["different"] > _SHARES else ""
        missing = f"; missing in {found['missing']:,}" if found["missing"] else ""
        yield f"by {name}: {shares or 'nothing'}{more}{missing}"
    languages = figures.get("languages", {}).get("rows", {})
    if languages:
        total = figures["languages"]["looked_at"]
        yield f"languages: {', '.join(f'{name} {rows / total:.0%}' for name, rows in list(languages.items())[:6])} of {total:,} rows that are long enough"
    systems = figures.get("system_prompts", {})
    if systems.get("different"):
        yield f"system prompts: {systems['different']:,} different, {systems['rows_without']:,} rows without"


def _by_grader(found: Mapping[str, Any]) -> Iterator[str]:
    if "skipped" in found:
        yield f"by the grader: constant answers are not graded, since {found['skipped']}"
    answers = found.get("answers", ())
    if not answers:
        return
    rows, graded = found["rows"], found["graded_rows"]
    share = (
        "" if rows == graded else f" (on {graded:,} of {rows:,} rows, drawn with the seed {found['seed']})"
    )
    yield f"rewards of constant answers by the grader{share}:"
    for each in sorted(answers, key=lambda each: math.inf if each["score"] is None else -each["score"]):
        said = f"always {_short(each['answer'])}" if each["answer"] else "the empty answer"
        causes = ", ".join(f"{count:,} {kind}" for kind, count in each["ungraded"].items())
        score = "no reward" if each["score"] is None else f"{each['score']:.2f}"
        yield f"  {said}: {score}{f'; ungraded: {causes}' if causes else ''}"


def _short(text: str) -> str:
    return repr(text if len(text) <= 30 else f"{text[:29]}…")

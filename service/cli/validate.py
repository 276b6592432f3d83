"""`graders validate`: every mistake in a grader, and between a grader and its data."""

import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from graders import Grader
from graders.lint import DataCheck, Finding, all_graders, check_grader
from runtime import Settings, SyncEvaluator
from runtime.datasets import read_rows
from runtime.judge.configuration import find_judge
from service.cli.files import GraderFile

MOST_UNREAD = 20
"""Rows that cannot be read and are named one by one."""


def find_mistakes(grader_path: Path, data: Path | None, settings: Settings) -> list[dict[str, Any]]:
    """Every finding as plain data, each with the file and line to look at.

    Raises:
        ConfigurationError: When the grader does not load; one line for each mistake.
    """
    file = GraderFile(grader_path)
    with SyncEvaluator(settings=settings) as evaluator:
        grader = file.load(evaluator.prepare)
    findings = [*check_grader(grader), *_without_a_judge(grader, settings)]
    if data is not None:
        findings += _of_rows(DataCheck(grader), data)
    return [_plain(finding, file, data) for finding in findings]


def _of_rows(check: DataCheck, data: Path) -> Iterator[Finding]:
    """What is wrong with rows by themselves, and then between the readable ones and the grader."""
    unread = 0
    for row in read_rows(data):
        if row.failure is None:
            check.add(row.line, row.item)
            continue
        unread += 1
        if unread <= MOST_UNREAD:
            message = str(row.failure).removeprefix(f"line {row.line}: ")
            yield Finding(
                "error", (), message, "this row would not be graded; mend or remove it", (row.line,)
            )
    if unread > MOST_UNREAD:
        message = f"{unread - MOST_UNREAD:,} more rows cannot be read"
        yield Finding("error", (), message, "mend those that are named, and look again", (row.line,))
    if check.rows or not unread:
        yield from check.findings()


def _without_a_judge(grader: Grader, settings: Settings) -> Iterator[Finding]:
    """Models that would be asked, and that this machine knows no server for."""
    if os.environ.get("OPENAI_API_KEY"):
        return
    for path, inner in all_graders(grader):
        model = getattr(inner.options, "option_model", None)
        if not (inner.built_in and isinstance(model, str)):
            continue
        judge = find_judge(settings.judges, model)
        if judge is None or (judge.base_url is None and judge.api_key is None):
            yield Finding(
                "warning",
                (*path, "model"),
                f"no server is known here for the judge {model!r}: every sample would be ungraded",
                "set OPENAI_API_KEY, or write [judges] into graders.toml",
            )


def _plain(finding: Finding, file: GraderFile, data: Path | None) -> dict[str, Any]:
    about_grader = bool(finding.path) or not finding.rows
    where = file.where(finding.path) if about_grader else f"{data}:{finding.rows[0]}"
    return {
        **asdict(finding),
        "path": ".".join(map(str, finding.path)),
        "where": where,
        "rows": list(finding.rows),
    }


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

"""`graders validate`: every mistake in a grader, and between a grader and its data."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from graders.lint import DataCheck, Finding, check_grader
from runtime import Settings, SyncEvaluator
from runtime.datasets import read_rows
from service.cli.files import GraderFile


def find_mistakes(grader_path: Path, data: Path | None, settings: Settings) -> list[dict[str, Any]]:
    """Every finding as plain data, each with the file and line to look at.

    Raises:
        ConfigurationError: When the grader does not load; one line for each mistake.
    """
    file = GraderFile(grader_path)
    with SyncEvaluator(settings=settings) as evaluator:
        grader = file.load(evaluator.prepare)
    findings = check_grader(grader)
    if data is not None:
        check = DataCheck(grader)
        for row in read_rows(data):
            check.add(row.line, row.item)
        findings += check.findings()
    return [_plain(finding, file, data) for finding in findings]


def _plain(finding: Finding, file: GraderFile, data: Path | None) -> dict[str, Any]:
    about_grader = bool(finding.path) or not finding.rows
    where = f"{file.path}:{file.line(finding.path)}" if about_grader else f"{data}:{finding.rows[0]}"
    return {
        **asdict(finding),
        "path": ".".join(map(str, finding.path)),
        "where": where,
        "rows": list(finding.rows),
    }


def show(findings: list[dict[str, Any]], console: Console) -> None:
    """Print findings for a person."""
    for finding in findings:
        style = "red" if finding["level"] == "error" else "yellow"
        path = f"{finding['path']}: " if finding["path"] else ""
        console.print(f"[{style}]{finding['level']}[/] ", end="")
        console.print(f"{finding['where']}: {path}{finding['message']}", markup=False, highlight=False)
        console.print(f"      {finding['hint']}", markup=False, highlight=False, style="dim")

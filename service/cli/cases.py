"""`graders test`: run case files, show what is not as expected, and rewrite it where that is wanted."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from graders import ConfigurationError
from runtime import Settings
from runtime.cases import (
    Asking,
    CaseEvaluator,
    CaseFile,
    CaseOutcome,
    FileReport,
    FileRun,
    find_case_files,
    load_cases,
    outcome_lines,
)
from runtime.cases.reach import unreached
from runtime.cases.report import DOTS, counted, junit
from runtime.cases.update import difference, updated
from runtime.data.datasets import STDIN
from runtime.data.grader_file import GraderFile
from runtime.data.output_files import write_file
from runtime.explain.render import lines

POLL_S = 0.3
"""Seconds between two looks at the files that are watched."""
WATCHED = (".py", ".json", ".jsonl", ".yaml", ".yml")
"""Endings of files whose change may change what a case gives."""
WIDTH = 79

_CHILD = (sys.executable, "-P", "-c", "from service.start import main; main()")

Write = Callable[[str], object]


@dataclass(slots=True)
class Tested:
    """What a run of case files came to.

    Attributes:
        reports: Of each file.
        seconds: How long it took.
        notes: What was written, a line each.
        diffs: What `--update` changed, as unified diffs.
        updated: The cases whose failures were only what was rewritten, as file and name.
    """

    reports: list[FileReport]
    seconds: float
    notes: list[str] = field(default_factory=list)
    diffs: list[str] = field(default_factory=list)
    updated: set[tuple[Path, str]] = field(default_factory=set)

    def wrong(self) -> Iterator[tuple[FileReport, CaseOutcome]]:
        """What did not pass, and was not rewritten."""
        for report in self.reports:
            for outcome in report.outcomes:
                if outcome.status != "passed" and (report.file.path, outcome.name) not in self.updated:
                    yield report, outcome

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain data."""
        counts = counted(self.reports)
        return {
            "passed": counts["passed"],
            "failed": counts["failed"],
            "errors": counts["error"],
            "updated": len(self.updated),
            "seconds": self.seconds,
            "files": [report.to_dict() for report in self.reports],
            "diff": self.diffs,
        }


def run_case_files(
    paths: Sequence[Path], settings: Settings, *, asking: Asking, update: bool, write: Write
) -> Tested:
    """Run every case file among paths.

    Args:
        paths: Files, and directories that are searched.
        settings: The runtime's settings.
        asking: Who answers where no answers of judges are scripted.
        update: Rewrite what is not as expected.
        write: Takes the dots as the cases run.

    Raises:
        ConfigurationError: When a case file, or a grader, is wrong; nothing was graded.
    """
    if STDIN in paths and (update or asking == "record"):
        raise ConfigurationError(
            "what comes from the standard input cannot be written; give the case file's name"
        )
    files = _load(find_case_files(paths))
    started = time.perf_counter()
    tested = Tested(asyncio.run(_run(files, settings, asking, write)), 0.0)
    tested.seconds = time.perf_counter() - started
    if asking == "record":
        tested.notes += [
            f"recorded answers are in {r.file.recorded_path}" for r in tested.reports if r.recorded
        ]
    if update:
        _update(tested)
    return tested


def show(tested: Tested, write: Write) -> None:
    """Print what did not pass, what no case reached, and how many passed."""
    for line in (*tested.diffs, *(["", *tested.notes] if tested.notes else [])):
        write(f"{line}\n")
    for report, outcome in tested.wrong():
        write(f"\n{'─' * WIDTH}\n")
        write("".join(f"{line}".rstrip() + "\n" for line in _lines(report, outcome)))
    for report in tested.reports:
        for title, found in (("no case tells apart", report.unreached), ("stale", report.stale)):
            if found:
                write(f"\n{title} ({report.file.path}):\n")
                write("".join(f"  {line}\n" for line in found))
    counts = counted(tested.reports)
    counts["failed"] -= len(tested.updated)
    counts["updated"] = len(tested.updated)
    words = [f"{counts[word]} {word}" for word in ("failed", "error", "updated", "passed") if counts[word]]
    orders = sum(len(report.file.orders) for report in tested.reports)
    cases = sum(len(report.outcomes) for report in tested.reports) - orders
    of_both = f" ({cases} case{'s' * (cases != 1)} and {orders} order{'s' * (orders != 1)})" if orders else ""
    write(f"\n{', '.join(words)} in {tested.seconds:.2f} s{of_both}\n")


def write_junit(tested: Tested, path: Path) -> None:
    """Write JUnit's XML.

    Raises:
        ConfigurationError: When the file cannot be written.
    """
    write_file(path, junit(tested.reports, lines))


def watch(paths: Sequence[Path], arguments: Sequence[str], write: Write) -> None:
    """Run again whenever a file changes, until interrupted; each run is a process of its own, so that changed code counts.

    Args:
        paths: What is tested.
        arguments: Of the command line that is run, without `--watch`.
        write: Takes a line that says what is waited for.

    Raises:
        ConfigurationError: When the standard input is among them.
    """
    if STDIN in paths:
        raise ConfigurationError("the standard input cannot be watched; give the case file's name")
    try:
        while True:
            seen = _snapshot(paths)
            subprocess.run([*_CHILD, *arguments], check=False)  # noqa: S603  # this very command
            write(f"\nwatching {len(seen)} file{'s' * (len(seen) != 1)}; Ctrl-C ends\n")
            while _snapshot(paths) == seen:
                time.sleep(POLL_S)
            write("\n")
    except KeyboardInterrupt:
        write("\n")


def _load(paths: Sequence[Path]) -> list[CaseFile]:
    """Every file; the mistakes of all of them together."""
    files: list[CaseFile] = []
    mistakes: list[str] = []
    for path in paths:
        try:
            files.append(load_cases(path, GraderFile))
        except ConfigurationError as error:
            mistakes.append(str(error))
    if mistakes:
        raise ConfigurationError("\n".join(mistakes))
    return files


async def _run(
    files: Sequence[CaseFile], settings: Settings, asking: Asking, write: Write
) -> list[FileReport]:
    async with CaseEvaluator(settings=settings, live=asking == "live") as evaluator:
        runs = [FileRun(evaluator, file, asking=asking) for file in files]
        for run in runs:
            await run.prepare()
        return [await _run_file(run, asking, write) for run in runs]


async def _run_file(run: FileRun, asking: Asking, write: Write) -> FileReport:
    file = run.file
    write(f"{file.path} ")
    outcomes: list[CaseOutcome] = []
    for task in [asyncio.create_task(run.case(case)) for case in file.cases]:
        outcomes.append(await task)
        write(DOTS[outcomes[-1].status])
    reached = unreached(outcomes)
    for order in file.orders:
        outcomes.append(await run.order(order))
        write(DOTS[outcomes[-1].status])
    write("\n")
    asked_all = all(map(_asked_all, outcomes))
    recorded = asking == "record" and run.recordings.write(drop_stale=asked_all)
    stale = run.recordings.stale() if asking == "recorded" and asked_all else []
    lines_of_stale = [
        f"{file.recorded_path.name}: an answer of {entry.model} to {entry.case!r} is not asked for any more; "
        "--record drops it"
        for entry in stale
    ]
    return FileReport(file, outcomes, reached, lines_of_stale, recorded=recorded)


def _asked_all(outcome: CaseOutcome) -> bool:
    """Whether a case asked for every recorded answer that it needs: one that ended early asked for some only."""
    if outcome.case is None or outcome.case.answers is not None:
        return True
    return not outcome.errors and outcome.result is not None and outcome.result.reward is not None


def _update(tested: Tested) -> None:
    for report in tested.reports:
        text = updated(report.file, report.outcomes)
        if text == report.file.text:
            continue
        tested.diffs += difference(report.file, text)
        write_file(report.file.path, text.encode())
        tested.notes.append(f"{report.file.path} is updated; look at the difference before you keep it")
        tested.updated |= {
            (report.file.path, outcome.name)
            for outcome in report.outcomes
            if outcome.status == "failed" and all(m.change is not None for m in outcome.mismatches)
        }


def _lines(report: FileReport, outcome: CaseOutcome) -> list[str]:
    return outcome_lines(outcome, str(report.file.path), lines)


def _snapshot(paths: Sequence[Path]) -> dict[str, int]:
    """When each file was changed that may change what a case gives: those beside the cases and below."""
    folders = {path if path.is_dir() else path.parent for path in paths}
    found: dict[str, int] = {}
    for folder in folders:
        for root, inside, names in os.walk(folder):
            inside[:] = [name for name in inside if not name.startswith(".") and name != "__pycache__"]
            for name in names:
                if name.endswith(WATCHED):
                    try:
                        found[f"{root}/{name}"] = Path(root, name).stat().st_mtime_ns
                    except OSError:  # it was removed meanwhile, which is a change like any other
                        found.pop(f"{root}/{name}", None)
    return found

"""`graders calibrate`: whether a grader is trainable on some data."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from graders import ConfigurationError, Grader
from runtime import Settings, SyncEvaluator
from runtime.data.calibrating import calibrate, html, lines
from runtime.data.datasets import STDIN
from runtime.data.graded.reading import GradedFile, looks_graded
from runtime.data.grader_file import GraderFile
from runtime.data.output_files import already_there, write_file
from service.cli import terminal
from service.cli.run import grade_file


@dataclass(frozen=True)
class Calibration:
    """The arguments of the command, as `service.cli.graded_commands.calibrate` describes them."""

    grader: Path
    graded: Path
    data: Path | None
    output: Path | None
    threshold: float | None
    group_by: str | None
    html: Path | None
    seed: int
    force: bool


def run(wanted: Calibration, settings: Callable[[], Settings], *, as_json: bool) -> None:
    """Calibrate, grade first where the file has samples, and print what was found.

    Raises:
        ConfigurationError: When the grader or a file is wrong.
    """
    if wanted.html is not None and wanted.html.is_file() and not wanted.force:
        raise already_there(wanted.html)
    if wanted.graded == STDIN:
        raise ConfigurationError("calibrate reads its file more than once: name a file, not '-'")
    if looks_graded(wanted.graded):
        _calibrate(wanted, wanted.graded, wanted.data, settings(), as_json=as_json)
        return
    with tempfile.TemporaryDirectory(prefix="graders-") as folder:
        results = wanted.output or Path(folder) / "results.jsonl"
        known = settings()
        console = terminal.console(stderr=True)
        grade_file(wanted.grader, wanted.graded, results, settings=known, fresh=False, console=console)
        _calibrate(wanted, results, wanted.graded, known, as_json=as_json)


def _calibrate(
    wanted: Calibration, graded: Path, data: Path | None, settings: Settings, *, as_json: bool
) -> None:
    if settings.python_isolation is None:  # a file of the operator's own, as in `graders run`
        settings = settings.model_copy(update={"python_isolation": "worker"})
    with (
        SyncEvaluator(settings=settings) as evaluator,
        GradedFile(graded, data, group_by=wanted.group_by) as file,
    ):
        grader = GraderFile(wanted.grader).load(evaluator.prepare)
        found, counts = calibrate(
            file,
            threshold=wanted.threshold,
            bounds=grader.info.range,
            signature=grader.info.signature,
            seed=wanted.seed,
        )
        problems = file.problems.named
    if wanted.html is not None:
        threshold = wanted.threshold if wanted.threshold is not None else _pass_threshold(grader)
        title = f"Calibration of {wanted.grader.name} on {wanted.graded.name}"
        write_file(wanted.html, html(found, counts, title, threshold=threshold), replace=wanted.force)
    for problem in problems:
        terminal.err(f"warning: {graded}: {problem}\n")
    if as_json:
        terminal.out_json(found)
    else:
        _show(found, terminal.console())


def _pass_threshold(grader: Grader) -> float | None:
    value: Any = grader.pass_threshold
    return float(value) if isinstance(value, (int, float)) else None


def _show(found: dict[str, Any], console: Console) -> None:
    grid = Table.grid(padding=(0, 2))
    for name, value in lines(found):
        grid.add_row(name, value)
    console.print(grid)
    console.print(f"\ntrainable: {found['verdict']['trainable']}")
    for reason in found["verdict"]["reasons"]:
        for line in terminal.wrapped(reason, first="  "):
            console.print(line)

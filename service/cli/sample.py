"""`graders sample`: several answers of a model to each row of a file."""

from itertools import islice
from pathlib import Path

from rich.console import Console

from runtime import Settings
from runtime.data.datasets import numbered, read_rows
from runtime.sampling.draw import Plan, SampleReport, sample_file
from runtime.sampling.journal import SampleJournal
from service.cli.ending import Interrupted
from service.cli.progress import Progress


def draw_samples(
    data: Path, output: Path, plan: Plan, *, settings: Settings, force: bool, console: Console
) -> SampleReport:
    """Draw samples, and show how far it is.

    Raises:
        ConfigurationError: When a file or the model's server is wrong.
        Interrupted: At an interrupt; says what is kept and how to go on.
    """
    journals: list[SampleJournal] = []
    rows = 0
    if data.is_file():
        found = (row for _, row in numbered(read_rows(data)) if row.is_last)
        rows = sum(1 for _ in islice(found, plan.limit))
    progress = Progress(rows * plan.count, console, verb="sampling", noun="draws", lost="failed")
    try:
        with progress:
            return sample_file(
                data,
                output,
                plan,
                settings,
                force=force,
                on_open=journals.append,
                on_draw=lambda *, is_answered: progress.add(is_graded=is_answered),
            )
    except KeyboardInterrupt:
        kept = journals[0].kept if journals else "nothing was drawn"
        raise Interrupted(f"interrupted, {progress.so_far}: {kept}") from None


def report_lines(report: SampleReport, output: Path) -> list[str]:
    """What was drawn, for people."""
    failed = sum(report.failed.values())
    lines = [f"{report.draws - failed:,} answers to {report.rows:,} rows in {output}"]
    if report.taken_over:
        lines.append(f"{report.taken_over:,} of them taken over from an earlier command")
    if failed:
        causes = ", ".join(f"{count:,} {cause}" for cause, count in sorted(report.failed.items()))
        lines.append(f"{failed:,} draws failed ({causes}); run the same command again to draw them again")
    if report.cut:
        lines.append(f"{report.cut:,} answers reached their limit of tokens; see --max-tokens")
    if report.empty:
        lines.append(f"{report.empty:,} answers are empty")
    if report.usage:
        lines.append(f"{report.usage.get('total_tokens', 0):,} tokens")
    return lines

"""`graders run`: grade the stored samples of a dataset file."""

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing
from itertools import count
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from graders import ConfigurationError, Grader, GradingError, Item, Sample
from runtime import Settings, SyncEvaluator
from runtime.datasets import STDIN, Row, read_rows
from runtime.journal import Record, Results, record_of, results_at
from runtime.output_files import same_file
from runtime.rows import unreadable
from service.cli.files import GraderFile

_STORED_SAMPLES = 'stored samples are graded: {"item": {…}, "sample": {"output_text": "…"}}'


def grade_file(
    grader_path: Path, data: Path, output: Path | None, *, settings: Settings, fresh: bool, console: Console
) -> list[Record]:
    """Grade every row of a file; gives the records in the order of the rows.

    Args:
        grader_path: The grader's JSON.
        data: Rows with a sample.
        output: Where the results go; None keeps none.
        settings: The runtime's settings.
        fresh: Grade again what an earlier run has graded.
        console: Where progress is shown, when it is a terminal.
    """
    if grader_path == data == STDIN:
        raise ConfigurationError("the grader and the data cannot both come from the standard input")
    if output is not None and (same_file(output, data) or same_file(output, grader_path)):
        raise ConfigurationError(f"{output} is what is read; choose another -o")
    file = GraderFile(grader_path)
    total = _check(data)
    if settings.python_isolation is None:  # a file of the operator's own
        settings = settings.model_copy(update={"python_isolation": "worker"})
    with SyncEvaluator(settings=settings) as evaluator, ExitStack() as stack:
        grader = file.load(evaluator.prepare)
        journal = None if output is None else results_at(output, grader.info, fresh=fresh)
        if journal is not None:
            stack.enter_context(journal)
        progress = stack.enter_context(_progress(console))
        task = progress.add_task("grading", total=total)
        records: dict[int, Record] = {}
        # closed before the evaluator is, whatever ends it
        with closing(_graded(evaluator, grader, data, journal)) as graded:
            for position, record in graded:
                records[position] = record
                progress.advance(task)
        if journal is not None:
            journal.finish()
    return [records[position] for position in sorted(records)]


def _with_earlier(data: Path, journal: Results | None) -> Iterator[tuple[int, Row, Record | None]]:
    rows = read_rows(data)
    if journal is not None:
        return journal.earlier(rows)
    return ((position, row, None) for position, row in enumerate(rows))


def _graded(
    evaluator: SyncEvaluator, grader: Grader, data: Path, journal: Results | None
) -> Generator[tuple[int, Record]]:
    """Every row's position with its record, those of earlier runs included, as they come."""
    rows = _with_earlier(data, journal)
    waiting: dict[int, tuple[int, Row]] = {}
    numbers = count()
    earlier: list[tuple[int, Record]] = []

    def to_grade() -> Iterator[tuple[Sample | GradingError, Item | None]]:
        for position, row, record in rows:
            if record is not None:
                earlier.append((position, record))
                continue
            waiting[next(numbers)] = position, row
            yield stored_sample(row), row.item if row.failure is None else row.item or None

    with closing(evaluator.stream(grader, to_grade(), ordered=False)) as results:
        for number, result in results:
            position, row = waiting.pop(number)
            yield (
                position,
                journal.add(position, row, result) if journal else record_of(position, row, result),
            )
    yield from earlier


def _check(data: Path) -> int | None:
    """Number of rows; None for what can be read only once.

    Raises:
        ConfigurationError: When no row has a sample: it is a file of another kind.
    """
    if not data.is_file():
        return None
    rows, is_of_another_kind = 0, True
    for rows, row in enumerate(read_rows(data), 1):  # noqa: B007  # it is the count
        is_of_another_kind &= row.sample is None and row.failure is None
    if rows and is_of_another_kind:
        raise ConfigurationError(f"{data}: no row has a 'sample'; {_STORED_SAMPLES}")
    return rows


def stored_sample(row: Row) -> Sample | GradingError:
    """The sample of a row, or why it has none that can be graded."""
    if row.failure is not None:
        return row.failure
    if row.sample is None:
        return unreadable("", f"the row has no 'sample'; {_STORED_SAMPLES}", place=f"line {row.line}")
    return row.sample


def _progress(console: Console) -> Progress:
    columns: tuple[Any, ...] = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def ungraded_limit(text: str) -> Callable[[int, int], bool]:
    """Read `--max-ungraded`: a function of ungraded rows and all rows, true when they are within it.

    Raises:
        ConfigurationError: When it is neither a number nor a share.
    """
    number = text.strip().removesuffix("%")
    try:
        limit = float(number)
    except ValueError:
        limit = -1.0
    if not 0 <= limit < float("inf"):
        raise ConfigurationError(f"--max-ungraded is a number of rows or a share such as 1%, not {text!r}")
    if number == text.strip():
        return lambda ungraded, rows: ungraded <= limit
    return lambda ungraded, rows: ungraded <= limit / 100 * rows

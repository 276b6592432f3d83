"""`graders run`: grade the stored samples of a dataset file."""

import sys
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext, redirect_stdout
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from rich.console import Console

from graders import ConfigurationError, Grader, GraderResult, GradingError, Item, Sample
from runtime import Evaluator, Settings, SyncEvaluator
from runtime.data.datasets import STDIN, Row, limited, read_rows
from runtime.data.grader_file import GraderFile
from runtime.data.journal import Results, results_at
from runtime.data.output_files import same_file
from runtime.data.result_lines import DataFile, Place, Record, place_of, record_of
from runtime.data.rows import unreadable
from runtime.engines.choice import engine_of
from service.cli.ending import Interrupted
from service.cli.progress import REPORT_EVERY_S, Progress

_STORED_SAMPLES = 'stored samples are graded: {"item": {…}, "sample": {"output_text": "…"}}'


@dataclass(frozen=True)
class RunOutcome:
    """What a run gave.

    Attributes:
        records: The results, in the order of the rows and their samples.
        taken_over: How many of them an earlier run had left.
        bounds: The smallest and the largest reward that the grader can give.
        stood_in: Rows whose `invalid_grade` stands in for a failure by the grader's own doing, by the path of the grader
            inside the grader; empty for the whole. Of rows that an earlier run had left, those of the whole only.
    """

    records: list[Record]
    taken_over: int
    bounds: tuple[float, float]
    stood_in: Mapping[str, int] = field(default_factory=dict)

    @property
    def broken(self) -> list[str]:
        """The paths of graders that failed by their own doing in every row, and got `invalid_grade` in each."""
        return [path for path, count in self.stood_in.items() if count == len(self.records)]


def grade_file(
    grader_path: Path,
    data: Path,
    output: Path | None,
    *,
    settings: Settings,
    fresh: bool,
    console: Console,
    limit: int | None = None,
    with_rows: bool = False,
    report_every_s: float = REPORT_EVERY_S,
) -> RunOutcome:
    """Grade the rows of a file.

    Args:
        grader_path: The grader's JSON.
        data: Rows with a sample, or with a list of samples.
        output: Where the results go; None keeps none.
        settings: The runtime's settings.
        fresh: Grade again what an earlier run has graded.
        console: Where progress is shown: as a bar on a terminal, as a line now and then elsewhere.
        limit: Grade only so many rows, from the first on.
        with_rows: Write the fields of its row into each result.
        report_every_s: Seconds between two of these lines.

    Raises:
        ConfigurationError: When the grader or the data are wrong, or the results cannot be written.
        Interrupted: At an interrupt; says what is kept and how to go on.
    """
    if grader_path == data == STDIN:
        raise ConfigurationError("the grader and the data cannot both come from the standard input")
    if output is not None and (same_file(output, data) or same_file(output, grader_path)):
        raise ConfigurationError(f"{output} is what is read; choose another -o")
    file = GraderFile(grader_path)
    total = _check(data, limit)
    source = None if output is None else DataFile.at(data, with_rows=with_rows)
    if settings.python_isolation is None:  # a file of the operator's own
        settings = settings.model_copy(update={"python_isolation": "worker"})
    progress = Progress(total, console, every_s=report_every_s)
    stood_in: Counter[str] = Counter()
    journal: Results | None = None
    try:
        own = Evaluator(settings=settings, engine=engine_of(settings))
        with _stdout_for_results(settings), SyncEvaluator(evaluator=own) as evaluator, ExitStack() as stack:
            grader = file.load(evaluator.prepare)
            journal = None if output is None else results_at(output, grader.info, fresh=fresh, data=source)
            if journal is not None:
                stack.enter_context(journal)
            stack.enter_context(progress)
            records: dict[Place, Record] = {}
            # closed before the evaluator is, whatever ends it
            with closing(
                _graded(
                    evaluator,
                    grader,
                    _with_earlier(data, journal, limit),
                    journal,
                    progress,
                    stood_in=stood_in,
                )
            ) as graded:
                records.update(graded)
            if journal is not None:
                journal.finish()
    except KeyboardInterrupt:
        kept = "nothing is kept; with -o FILE a run can be resumed" if journal is None else journal.kept
        raise Interrupted(f"interrupted, {progress.so_far}: {kept}") from None
    ordered = [records[place] for place in sorted(records)]
    return RunOutcome(ordered, progress.taken_over, grader.info.range, stood_in)


def _stdout_for_results(settings: Settings) -> AbstractContextManager[object]:
    """Keep the standard output for results: Ray prints there what its processes say, such as that one has ended."""
    return redirect_stdout(sys.stderr) if settings.engine == "ray" else nullcontext()


def _with_earlier(
    data: Path, journal: Results | None, limit: int | None
) -> Iterator[tuple[int, Row, Record | None]]:
    rows = read_rows(data)
    if journal is not None:
        return journal.earlier(rows, limit)
    return ((position, row, None) for position, row in limited(rows, limit))


def _graded(
    evaluator: SyncEvaluator,
    grader: Grader,
    rows: Iterator[tuple[int, Row, Record | None]],
    journal: Results | None,
    progress: Progress,
    *,
    stood_in: Counter[str],
) -> Generator[tuple[Place, Record]]:
    """Every row's place with its record, those of earlier runs included, as they come."""
    waiting: dict[int, tuple[int, Row]] = {}
    numbers = count()
    earlier: list[tuple[Place, Record]] = []

    def to_grade() -> Iterator[tuple[Sample | GradingError, Item | None]]:
        for position, row, record in rows:
            if record is not None:
                earlier.append((place_of(position, row), record))
                progress.take_over()
                failure = record["failure"]
                stood_in.update([""] if record["substituted"] and failure["caused_by"] == "grader" else [])
                continue
            waiting[next(numbers)] = position, row
            yield stored_sample(row), row.item if row.failure is None else row.item or None

    with closing(evaluator.stream(grader, to_grade(), ordered=False)) as results:
        for number, result in results:
            position, row = waiting.pop(number)
            record = journal.add(position, row, result) if journal else record_of(position, row, result)
            progress.add(is_graded=result.reward is not None)
            stood_in.update(_stood_in(result))
            yield place_of(position, row), record
    yield from earlier


def _stood_in(result: GraderResult, path: str = "") -> Iterator[str]:
    """The paths of graders whose `invalid_grade` stands in for a failure of their own."""
    if result.substituted and result.failure is not None and result.failure.caused_by == "grader":
        yield path
    for key, part in result.parts.items():
        yield from _stood_in(part, f"{path}.graders.{key}".removeprefix("."))


def _check(data: Path, limit: int | None) -> int | None:
    """Number of samples in the rows, at most `limit` rows; None for what can be read only once.

    Raises:
        ConfigurationError: When no row has a sample: it is a file of another kind.
    """
    if not data.is_file():
        return None
    rows, samples, is_of_another_kind = 0, 0, True
    for position, row in limited(read_rows(data), limit):
        rows, samples = position + 1, samples + 1
        is_of_another_kind &= row.sample is None and row.failure is None
    if rows and is_of_another_kind:
        which = "no row" if limit is None else f"none of the first {rows:,} rows"
        raise ConfigurationError(f"{data}: {which} has a 'sample'; {_STORED_SAMPLES}")
    return samples


def stored_sample(row: Row) -> Sample | GradingError:
    """The sample of a row, or why it has none that can be graded."""
    if row.failure is not None:
        return row.failure
    if row.sample is None:
        return unreadable("", f"the row has no 'sample'; {_STORED_SAMPLES}", place=f"line {row.line}")
    return row.sample


def ungraded_limit(text: str, option: str = "--max-ungraded") -> Callable[[int, int], bool]:
    """Read `--max-ungraded`, or another such option: a function of ungraded rows and all rows, true when they are within it.

    Raises:
        ConfigurationError: When it is neither a number nor a share.
    """
    number = text.strip().removesuffix("%")
    try:
        limit = float(number)
    except ValueError:
        limit = -1.0
    if not 0 <= limit < float("inf"):
        raise ConfigurationError(f"{option} is a number of rows or a share such as 1%, not {text!r}")
    if number == text.strip():
        return lambda ungraded, rows: ungraded <= limit
    return lambda ungraded, rows: ungraded <= limit / 100 * rows

"""`LocalEngine`: grades the rows of a batch in this process."""

from collections.abc import AsyncGenerator, Sequence

from graders import Grader, GraderResult, Item
from runtime.engines.engine import EngineUsage
from runtime.evaluation.batch_result import BatchResult, gradings_of
from runtime.evaluation.batches import Rows, grade_each, grade_in_bulk, grade_in_chunks
from runtime.evaluation.context import GradingContext, Runner
from runtime.evaluation.row_batches import goes_in_rows, grade_in_rows, stream_in_rows
from runtime.settings.settings import Settings

REMEMBERED = 8192
"""Results of a stream that are remembered, in order to do identical ones once."""


class LocalEngine:
    """Grades with the evaluator's own sandbox, workers and judges; see `runtime.engines.engine.Engine`."""

    def __init__(self, *, run: str | None = None) -> None:
        """Grade here.

        Args:
            run: The name of the run whose budget this process shares with others; None where it is all of it.
        """
        self.run = run
        self._concurrency = 1

    def open(self, settings: Settings) -> None:
        """Hear how many gradings may be in flight."""
        self._concurrency = settings.concurrency

    async def warm(self) -> None:
        """Nothing takes long."""

    async def prepare(self, grader: Grader) -> None:
        """The evaluator is ready."""

    async def grade_rows(
        self,
        runner: Runner,
        grader: Grader,
        rows: Sequence[tuple[object, Item | None]],
        grading_context: GradingContext,
    ) -> BatchResult:
        """Grade the rows of a batch in bulk, many in one call or one by one, as the grader's type allows."""
        if grader.has_batch:
            samples, items = [sample for sample, _ in rows], [item for _, item in rows]
            return await grade_in_bulk(
                runner, grader, samples, items, grading_context, concurrency=self._concurrency
            )
        if goes_in_rows(grader):
            return await grade_in_rows(grader, rows, len(rows), grading_context.untraced())
        each = self._each(runner, grader, rows, grading_context, remembered=None)
        results = {position: result async for position, result in each}
        return gradings_of(grader, [results[position] for position in range(len(rows))])

    def stream_rows(
        self, runner: Runner, grader: Grader, rows: Rows, grading_context: GradingContext
    ) -> AsyncGenerator[tuple[int, GraderResult], None]:
        """Grade rows as they come."""
        if grader.has_batch:
            return grade_in_chunks(runner, grader, rows, grading_context, concurrency=self._concurrency)
        if goes_in_rows(grader):
            return stream_in_rows(grader, rows, grading_context.untraced())
        return self._each(runner, grader, rows, grading_context, remembered=REMEMBERED)

    def _each(
        self,
        runner: Runner,
        grader: Grader,
        rows: Rows,
        grading_context: GradingContext,
        *,
        remembered: int | None,
    ) -> AsyncGenerator[tuple[int, GraderResult], None]:
        return grade_each(
            runner, grader, rows, grading_context, concurrency=self._concurrency, remembered=remembered
        )

    @property
    def usage(self) -> EngineUsage:
        """Nothing: the evaluator counts what is done in its process."""
        return EngineUsage()

    async def aclose(self) -> None:
        """Nothing was started."""

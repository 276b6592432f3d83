"""Many rows: in bulk for graders that can, otherwise row by row with a bounded number at once."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from contextlib import aclosing
from itertools import islice

import numpy as np

from graders import Grader, GraderResult, GradingError, Item, Sample
from graders.batch_scores import BatchScores
from graders.samples.sample_column import SampleColumn
from runtime.data.rows import sample_or_failure
from runtime.evaluation.batch_result import BatchResult, Bulk
from runtime.evaluation.canonical import digest
from runtime.evaluation.context import TURN_SECONDS, GradingContext, Runner, runs_inline
from runtime.evaluation.execute import deadline_passed, execute

Rows = Iterable[tuple[object, Item | None]]
"""Pairs of a sample, in any form that `Sample.load` takes, and its item.

A `GradingError` in place of a sample says why its row cannot be read; its item is None where that is what cannot be read.
"""
Results = asyncio.Future[list[GraderResult]]
Positions = Sequence[int]
"""Where the rows that are graded together stand."""

CHUNK = 1024
"""Rows that are graded in bulk, at most, before the event loop gets its turn."""
FIRST_CHUNK = 16
CHUNK_SECONDS = 0.01
"""What so many rows are to take: a `multi` may have 500 parts."""
BEGUN_AT_ONCE = 16
"""Gradings that are begun before those that run get their turn, so that what they send is not kept waiting."""


async def grade_in_bulk(
    runner: Runner,
    grader: Grader,
    samples: Sequence[object],
    items: Sequence[Item | None],
    grading_context: GradingContext,
    *,
    concurrency: int,
) -> BatchResult:
    """Rewards straight into an array, chunk by chunk; rows that cannot be graded so are graded one by one.

    Args:
        runner: Runs one grading.
        grader: One of a type that grades many rows at once.
        samples: One for each row.
        items: One for each row.
        grading_context: The gradings' context and deadline.
        concurrency: How many rows that are graded one by one may be in flight.
    """
    bulk, seconds = await _in_bulk(grader, samples, items, grading_context)
    rewards, known = bulk.rewards.copy(), {}
    async for row, result in _left(
        runner, grader, samples, items, grading_context, bulk=bulk, concurrency=concurrency
    ):
        known[row] = result
        if result.reward is not None:
            rewards[row] = result.reward
    return BatchResult(grader, rewards, known, seconds, bulk)


async def _in_bulk(
    grader: Grader, samples: Sequence[object], items: Sequence[Item | None], grading_context: GradingContext
) -> tuple[Bulk, float]:
    """What can be graded in bulk by the deadline, and the mean seconds of one such grading."""
    loop = asyncio.get_running_loop()
    bulk, started = Bulk(len(items)), loop.time()
    start, rows = 0, FIRST_CHUNK
    while start < len(items) and (grading_context.deadline is None or loop.time() < grading_context.deadline):
        begun = loop.time()
        bulk.add(start, _grade_chunk(grader, samples[start : start + rows], items[start : start + rows]))
        start += rows
        rows = _next_chunk(rows, loop.time() - begun)
        await asyncio.sleep(0)
    return bulk, (loop.time() - started) / max(1, int(np.isfinite(bulk.rewards).sum()))


async def _left(
    runner: Runner,
    grader: Grader,
    samples: Sequence[object],
    items: Sequence[Item | None],
    grading_context: GradingContext,
    *,
    bulk: Bulk,
    concurrency: int,
) -> AsyncGenerator[tuple[int, GraderResult], None]:
    """Grade the rows that were not graded in bulk; gives each row's position and its result as soon as it is there."""
    left = np.flatnonzero(np.isnan(bulk.rewards)).tolist()
    pairs = ((samples[row], items[row]) for row in left)
    each = grade_each(runner, grader, pairs, grading_context, concurrency=concurrency, remembered=None)
    async with aclosing(each):
        async for position, result in each:
            yield left[position], result


def _next_chunk(rows: int, seconds: float) -> int:
    """How many rows to grade before the event loop's next turn, after some took this long."""
    fitting = int(rows * CHUNK_SECONDS / seconds) if seconds > 0 else CHUNK
    return max(1, min(fitting, 4 * rows, CHUNK))


def _grade_chunk(grader: Grader, samples: Sequence[object], items: Sequence[Item | None]) -> BatchScores:
    """The scores of some rows; a row that cannot be read is left to be graded alone."""
    if set(map(type, samples)) == {str} and None not in items:
        scores: BatchScores = grader.function.grade_batch(SampleColumn(samples), items)
        return scores
    read = list(map(sample_or_failure, samples))
    unread = [
        row
        for row, (sample, item) in enumerate(zip(read, items, strict=True))
        if isinstance(sample, GradingError)
    ]
    column = SampleColumn([Sample() if isinstance(sample, GradingError) else sample for sample in read])
    scores = grader.function.grade_batch(column, [item or {} for item in items])
    if not unread:
        return scores
    rewards = np.array(scores.rewards, dtype=np.float64)
    rewards[unread] = np.nan
    return BatchScores(rewards, scores.returned)


async def grade_in_chunks(
    runner: Runner, grader: Grader, rows: Rows, grading_context: GradingContext, *, concurrency: int
) -> AsyncGenerator[tuple[int, GraderResult], None]:
    """Grade rows in bulk as they come; gives each row's position and its result, those graded in bulk first."""
    remaining = iter(rows)
    start = 0
    while chunk := list(islice(remaining, CHUNK)):
        samples, items = zip(*chunk, strict=True)
        bulk, seconds = await _in_bulk(grader, samples, items, grading_context)
        graded = BatchResult(grader, bulk.rewards, {}, seconds, bulk)
        for row in np.flatnonzero(np.isfinite(bulk.rewards)).tolist():
            yield start + row, graded[row]
        left = _left(runner, grader, samples, items, grading_context, bulk=bulk, concurrency=concurrency)
        async with aclosing(left):
            async for row, result in left:
                yield start + row, result
        start += len(chunk)


async def grade_each(
    runner: Runner,
    grader: Grader,
    rows: Rows,
    grading_context: GradingContext,
    *,
    concurrency: int,
    remembered: int | None,
) -> AsyncGenerator[tuple[int, GraderResult], None]:
    """Grade row by row (or group by group), each result as soon as it is there.

    A row that cannot be read fails by itself: the others of its group are graded without it.

    Args:
        runner: Runs one grading.
        grader: What grades.
        rows: Pairs of sample and item; read only as fast as they are graded.
        grading_context: The gradings' context and deadline.
        concurrency: How many may be in flight.
        remembered: How many gradings to remember in order to do identical ones once; None for all.

    Yields:
        The row's position and its result.
    """
    loop = asyncio.get_running_loop()
    groups = iter(groups_of(grader, rows))
    seen, running = _SeenGradings(remembered), _RunningGradings()
    turn, begun = loop.time() + TURN_SECONDS, 0
    try:
        while True:
            for positions, samples, item in islice(groups, concurrency - len(running)):
                if isinstance(samples, GradingError):
                    results = _failed(grader, samples)
                else:
                    key = digest([[sample.to_stored() for sample in samples], item])
                    results = seen.get(key) or await _begin(runner, grader, samples, item, grading_context)
                    seen.add(key, results)
                running.add(positions, results)
                begun += not results.done()
                if begun >= BEGUN_AT_ONCE or loop.time() > turn:
                    await asyncio.sleep(0)
                    turn, begun = loop.time() + TURN_SECONDS, 0
            if not running:
                return
            for positions, finished in await running.finished():
                for position, result in zip(positions, finished, strict=True):
                    yield position, result
    finally:
        running.cancel()


async def _begin(
    runner: Runner, grader: Grader, samples: list[Sample], item: Item, grading_context: GradingContext
) -> Results:
    """Grade at once what runs inline, and start a task for what does not."""
    if not runs_inline(grader, samples[0], item):
        return asyncio.create_task(runner.run(grader, samples, item, grading_context))
    loop = asyncio.get_running_loop()
    done: Results = loop.create_future()
    if grading_context.deadline is not None and loop.time() >= grading_context.deadline:
        done.set_result([grader.failed(deadline_passed())] * len(samples))
    else:
        done.set_result(await execute(grader, samples, item, grading_context))
    return done


def _failed(grader: Grader, failure: GradingError) -> Results:
    """The result of a row that cannot be read."""
    done: Results = asyncio.get_running_loop().create_future()
    done.set_result([grader.failed(failure)])
    return done


class _RunningGradings:
    """Gradings under way, and the rows that wait for each; what is finished is found without a look at all of them."""

    def __init__(self) -> None:
        self._rows: dict[Results, list[Positions]] = {}
        self._done: deque[Results] = deque()
        self._some_done = asyncio.Event()

    def add(self, positions: Positions, results: Results) -> None:
        """Let a row, or a group of rows, wait for a grading."""
        if results not in self._rows:
            self._rows[results] = []
            results.add_done_callback(self._note)
        self._rows[results].append(positions)

    def __len__(self) -> int:
        return len(self._rows)

    async def finished(self) -> list[tuple[Positions, list[GraderResult]]]:
        """Wait for gradings to finish; gives the rows that waited for each, with their results."""
        await self._some_done.wait()
        self._some_done.clear()
        ready = []
        while self._done:
            results = self._done.popleft()
            ready += [(positions, results.result()) for positions in self._rows.pop(results)]
        return ready

    def cancel(self) -> None:
        """Give up what is not finished."""
        for unfinished in self._rows:
            unfinished.cancel()

    def _note(self, results: Results) -> None:
        self._done.append(results)
        self._some_done.set()


class _SeenGradings:
    """Gradings by the digest of what they grade."""

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._results: OrderedDict[str, Results] = OrderedDict()

    def get(self, key: str | None) -> Results | None:
        """The grading of identical data, if it is remembered."""
        return None if key is None else self._results.get(key)

    def add(self, key: str | None, results: Results) -> None:
        """Remember a grading, and forget the oldest beyond the limit."""
        if key is not None:
            self._results[key] = results
            if self._limit is not None and len(self._results) > self._limit:
                self._results.popitem(last=False)


def groups_of(grader: Grader, rows: Rows) -> Iterator[tuple[Positions, list[Sample] | GradingError, Item]]:
    """The rows that are graded together, with their positions: runs of equal items for a group grader."""
    read = ((position, sample_or_failure(source), item) for position, (source, item) in enumerate(rows))
    if grader.type.form == "group":
        yield from _runs(read)
        return
    for position, sample, item in read:
        yield [position], sample if isinstance(sample, GradingError) else [sample], item or {}


def _runs(
    rows: Iterable[tuple[int, Sample | GradingError, Item | None]],
) -> Iterator[tuple[Positions, list[Sample] | GradingError, Item]]:
    """Runs of equal items. A row that cannot be read is by itself; one whose item cannot be read ends no run."""
    positions: list[int] = []
    samples: list[Sample] = []
    current: Item = {}
    for position, sample, item in rows:
        if positions and item is not None and item != current:
            yield positions, samples, current
            positions, samples = [], []
        if isinstance(sample, GradingError):
            yield [position], sample, item or {}
            continue
        if not positions:
            current = item or {}
        positions.append(position)
        samples.append(sample)
    if positions:
        yield positions, samples, current

"""Many rows: in bulk for graders that can, otherwise row by row with a bounded number at once."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from itertools import islice

import numpy as np

from graders import Grader, GraderResult, GradingError, Item, Sample
from graders.sample import SampleColumn
from runtime.canonical import digest
from runtime.execute import deadline_passed, execute
from runtime.gradings import Gradings
from runtime.rows import sample_or_failure
from runtime.world import Runner, World, runs_inline

Rows = Iterable[tuple[object, Item | None]]
"""Pairs of a sample, in any form that `Sample.load` takes, and its item.

A `GradingError` in place of a sample says why its row cannot be read; its item is None where that is what cannot be read.
"""
Results = asyncio.Future[list[GraderResult]]
Positions = Sequence[int]
"""Where the rows that are graded together stand."""

CHUNK = 1024
"""Rows that are graded in bulk before the event loop gets its turn."""
BEGUN_AT_ONCE = 16
"""Gradings that are begun before those that run get their turn, so that what they send is not kept waiting."""
TURN_SECONDS = 0.005
"""Gradings that run inline give the event loop its turn after this time."""


def goes_in_bulk(grader: Grader) -> bool:
    """Whether a grader grades many rows at once: a built-in type with a `grade_batch`, and nothing that takes long."""
    if grader.votes is not None:
        return False
    return grader.built_in and grader.is_plain and hasattr(grader.function, "grade_batch")


async def grade_in_bulk(
    runner: Runner, grader: Grader, samples: Sequence[object], items: Sequence[Item | None], world: World
) -> Gradings:
    """Rewards straight into an array, chunk by chunk; a chunk with a row that fails is graded one by one."""
    loop = asyncio.get_running_loop()
    rewards = np.full(len(items), np.nan)
    known: dict[int, GraderResult] = {}
    started = loop.time()
    for start in range(0, len(items), CHUNK):
        rows = slice(start, start + CHUNK)
        if world.deadline is not None and loop.time() >= world.deadline:
            known.update(
                (position, grader.failed(deadline_passed())) for position in range(start, len(items))
            )
            break
        try:
            rewards[rows] = _grade_chunk(grader, samples[rows], items[rows])
        except GradingError:
            for position in range(*rows.indices(len(items))):
                sample = sample_or_failure(samples[position])
                if isinstance(sample, GradingError):
                    known[position] = grader.failed(sample)
                else:
                    item = items[position] or {}
                    (known[position],) = await runner.run(grader, [sample], item, world)
                reward = known[position].reward
                rewards[position] = np.nan if reward is None else reward
        await asyncio.sleep(0)
    return Gradings(grader, rewards, known, (loop.time() - started) / max(1, len(items)))


def _grade_chunk(grader: Grader, samples: Sequence[object], items: Sequence[Item | None]) -> object:
    """The rewards of some rows.

    Raises:
        GradingError: When one of them fails, or cannot be read.
    """
    if set(map(type, samples)) != {str}:
        samples = list(map(sample_or_failure, samples))
        for sample in samples:
            if isinstance(sample, GradingError):
                raise sample
    return grader.function.grade_batch(SampleColumn(samples), items)


async def grade_in_chunks(
    runner: Runner, grader: Grader, rows: Rows, world: World
) -> AsyncGenerator[tuple[int, GraderResult], None]:
    """Grade rows in bulk as they come; gives each row's position and its result, in order."""
    remaining = iter(rows)
    start = 0
    while chunk := list(islice(remaining, CHUNK)):
        samples, items = zip(*chunk, strict=True)
        for offset, result in enumerate(await grade_in_bulk(runner, grader, samples, items, world)):
            yield start + offset, result
        start += len(chunk)


async def grade_each(
    runner: Runner, grader: Grader, rows: Rows, world: World, *, concurrency: int, remembered: int | None
) -> AsyncGenerator[tuple[int, GraderResult], None]:
    """Grade row by row (or group by group), each result as soon as it is there.

    A row that cannot be read fails by itself: the others of its group are graded without it.

    Args:
        runner: Runs one grading.
        grader: What grades.
        rows: Pairs of sample and item; read only as fast as they are graded.
        world: The gradings' context and deadline.
        concurrency: How many may be in flight.
        remembered: How many gradings to remember in order to do identical ones once; None for all.

    Yields:
        The row's position and its result.
    """
    loop = asyncio.get_running_loop()
    groups = iter(_groups(grader, rows))
    seen, running = _SeenGradings(remembered), _RunningGradings()
    turn, begun = loop.time() + TURN_SECONDS, 0
    try:
        while True:
            for positions, samples, item in islice(groups, concurrency - len(running)):
                if isinstance(samples, GradingError):
                    results = _failed(grader, samples)
                else:
                    key = digest([[sample.to_stored() for sample in samples], item])
                    results = seen.get(key) or await _begin(runner, grader, samples, item, world)
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


async def _begin(runner: Runner, grader: Grader, samples: list[Sample], item: Item, world: World) -> Results:
    """Grade at once what runs inline, and start a task for what does not."""
    if not runs_inline(grader, samples[0], item):
        return asyncio.create_task(runner.run(grader, samples, item, world))
    loop = asyncio.get_running_loop()
    done: Results = loop.create_future()
    if world.deadline is not None and loop.time() >= world.deadline:
        done.set_result([grader.failed(deadline_passed())] * len(samples))
    else:
        done.set_result(await execute(grader, samples, item, world))
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


def _groups(grader: Grader, rows: Rows) -> Iterator[tuple[Positions, list[Sample] | GradingError, Item]]:
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

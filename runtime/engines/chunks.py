"""Rows of a batch, cut into chunks that are graded elsewhere.

A group grader's rows with equal items stay in one chunk. Of identical rows that a type grades one by one, the first is
graded and the others get its results, as where an evaluator grades them itself.
"""

import math
import pickle
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from graders import Grader, GraderResult, GradingError, Item, Sample
from runtime.data.rows import sample_or_failure
from runtime.evaluation.batches import Rows
from runtime.evaluation.canonical import digest
from runtime.evaluation.cost_class import Cost, cost_of
from runtime.evaluation.row_batches import goes_in_rows

Source = str | Sample | GradingError
Row = tuple[Source, Item | None]
Group = tuple[list[int], list[Row]]
"""Rows that are graded together: their positions, and what they are."""

SMALLEST = 64
"""Rows of a chunk, while there are so many."""
READ_AT_ONCE = 4_096
"""Rows that are read, of which none need be graded, before the event loop gets its turn."""


@dataclass(frozen=True, slots=True)
class Chunking:
    """How rows of one cost class are sent.

    Attributes:
        rows: Of a chunk, 64 to 1,024; more where a group is larger.
        at_once: Chunks that one actor is given at once: one that is graded, and what keeps it busy while answers travel.
    """

    rows: int
    at_once: int


CHUNKINGS: Mapping[Cost, Chunking] = {
    "inline": Chunking(1_024, 2),
    "worker": Chunking(256, 3),
    "sandbox": Chunking(256, 3),
    "judge": Chunking(64, 4),
}
"""Dearer gradings go in smaller chunks, so that the last of a batch is not waited for by all others."""


@dataclass(slots=True)
class Chunk:
    """Rows that are sent to an actor together.

    Attributes:
        positions: Where each stands in the batch.
        rows: What each is.
        starts: Offsets at which it may be cut, from 0 on; None where that is anywhere.
        losses: How many actors have ended while they graded it.
        cause: What ended the last of them.
    """

    positions: Sequence[int]
    rows: list[Row]
    starts: Sequence[int] | None = None
    losses: int = 0
    cause: str = ""

    @property
    def groups(self) -> int:
        """How many rows, or groups of rows, may be graded apart."""
        return len(self.rows) if self.starts is None else len(self.starts)

    def halves(self) -> tuple["Chunk", "Chunk"]:
        """The two halves of a chunk of more than one row or group; nothing is known of either."""
        half = self.groups // 2
        cut = half if self.starts is None else self.starts[half]
        first, second = None, None
        if self.starts is not None:
            first, second = self.starts[:half], [start - cut for start in self.starts[half:]]
        return (
            Chunk(self.positions[:cut], self.rows[:cut], first),
            Chunk(self.positions[cut:], self.rows[cut:], second),
        )

    def packed(self) -> bytes:
        """The rows as they are sent."""
        return pickle.dumps(self.rows, pickle.HIGHEST_PROTOCOL)


class ChunkReader:
    """Reads the rows of a batch, as fast as chunks are taken.

    Args:
        grader: What grades them.
        rows: The rows.
        remembered: How many gradings to remember in order to do identical ones once; None for all.
        among: How many actors grade them.
        total: How many rows there are; None where that is not known.

    Attributes:
        ready: Results that are there without being graded again: positions of rows, and their results.
    """

    def __init__(
        self, grader: Grader, rows: Rows, *, remembered: int | None, among: int = 1, total: int | None = None
    ) -> None:
        self._size = _chunk_rows(CHUNKINGS[cost_of(grader)], among, total)
        # the types that an evaluator itself grades without a look for identical rows
        self._is_single = grader.type.form != "group"
        self._twins = None if grader.has_batch or goes_in_rows(grader) else _Twins(remembered)
        read = ((position, _portable(source), item) for position, (source, item) in enumerate(rows))
        self._groups = _alone(read) if self._is_single else _runs(read)
        self.ready: list[tuple[Sequence[int], list[GraderResult]]] = []
        self.is_at_end = False

    def next(self) -> Chunk | None:
        """The next chunk; None when there are no more rows, or none was found that is to be graded among the next."""
        positions: list[int] = []
        rows: list[Row] = []
        starts: list[int] = []
        for count, (places, group) in enumerate(self._groups, 1):
            if self._twins is None or self._is_new(self._twins, places, group):
                starts.append(len(rows))
                positions += places
                rows += group
            if len(rows) >= self._size or count >= READ_AT_ONCE:
                break
        else:
            self.is_at_end = True
        return Chunk(positions, rows, None if self._is_single else starts) if rows else None

    def note(self, chunk: Chunk, results: Sequence[GraderResult]) -> None:
        """Hear the results of a chunk, which identical rows may wait for."""
        if self._twins is None:
            return
        starts = range(len(chunk.rows)) if chunk.starts is None else chunk.starts
        for start, end in zip(starts, [*starts[1:], len(chunk.rows)], strict=True):
            self.ready += self._twins.done(chunk.positions[start], list(results[start:end]))

    @property
    def has_twins(self) -> bool:
        """Whether `note` needs results."""
        return self._twins is not None

    def _is_new(self, twins: "_Twins", places: list[int], group: list[Row]) -> bool:
        if any(isinstance(source, GradingError) for source, _ in group):
            return True
        samples = [source if isinstance(source, Sample) else Sample(str(source)) for source, _ in group]
        key = digest([[sample.to_stored() for sample in samples], group[0][1] or {}])
        if key is None:
            return True
        twin = twins.get(key)
        if twin is None:
            twins.begin(key, places[0])
            return True
        if twin.results is None:
            twin.waiting.append(places)
        else:
            self.ready.append((places, twin.results))
        return False


@dataclass(slots=True)
class _Twin:
    """A grading whose results identical rows get.

    Attributes:
        results: None until they are there.
        waiting: The rows that wait for them.
    """

    results: list[GraderResult] | None = None
    waiting: list[list[int]] = field(default_factory=list)


class _Twins:
    """Gradings by the digest of what they grade, those that were used last."""

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._by_key: OrderedDict[str, _Twin] = OrderedDict()
        self._running: dict[int, _Twin] = {}

    def get(self, key: str) -> _Twin | None:
        """The grading of identical data, if it is remembered."""
        return self._by_key.get(key)

    def begin(self, key: str, first: int) -> None:
        """Remember a grading whose first row has this position, and forget the oldest beyond the limit."""
        self._by_key[key] = self._running[first] = _Twin()
        if self._limit is not None and len(self._by_key) > self._limit:
            self._by_key.popitem(last=False)

    def done(self, first: int, results: list[GraderResult]) -> list[tuple[Sequence[int], list[GraderResult]]]:
        """Keep results; gives them for each of the rows that waited for them."""
        twin = self._running.pop(first, None)
        if twin is None:
            return []
        twin.results = results
        waiting, twin.waiting = twin.waiting, []
        return [(places, results) for places in waiting]


def _chunk_rows(chunking: Chunking, among: int, total: int | None) -> int:
    """Rows of a chunk: fewer where a small batch would otherwise leave actors without any."""
    share = chunking.rows if total is None else math.ceil(total / max(1, among * chunking.at_once))
    return min(chunking.rows, max(SMALLEST, share))


def _portable(source: object) -> Source:
    """A sample as it can be sent: read where it is more than a text, so that no caller's own object travels."""
    return source if type(source) is str else sample_or_failure(source)


def _alone(rows: Iterator[tuple[int, Source, Item | None]]) -> Iterator[Group]:
    """Each row by itself."""
    for position, source, item in rows:
        yield [position], [(source, item)]


def _runs(rows: Iterator[tuple[int, Source, Item | None]]) -> Iterator[Group]:
    """Rows between two places at which `runtime.evaluation.batches` ends a run of equal items."""
    positions: list[int] = []
    group: list[Row] = []
    is_in_run = False
    current: dict[str, Any] = {}
    for position, source, item in rows:
        if group and (not is_in_run or (item is not None and item != current)):
            yield positions, group
            positions, group, is_in_run = [], [], False
        positions.append(position)
        group.append((source, item))
        if not is_in_run and not isinstance(source, GradingError):
            is_in_run, current = True, dict(item or {})
    if group:
        yield positions, group

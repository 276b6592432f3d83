"""What becomes of the gradings of named graders: rewards, failures, tokens and seconds, by split and step.

They are summed up here, and added to the store every second: the sums of all processes of the service add up, and survive
their end. A grading without a reward enters no mean; it is counted, with its cause.
"""

import asyncio
import logging
import math
from collections.abc import Sequence
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from graders import GraderResult, Item
from graders.usage import TOKENS
from runtime import BatchResult
from runtime.telemetry.outcomes import cause_of, failed_by
from service.store.failures import StorageFailed
from service.store.storable import storable
from service.store.sums import Figure, GraderSums, Series
from service.telemetry.metrics import Names
from service.telemetry.reward_groups import equal_groups

logger = logging.getLogger(__name__)

SPLITS = ("train", "valid")
FLUSH_S = 1.0
"""Seconds between two additions to the store."""
HELD = 100_000
"""Sums that wait for the store at most; when it takes none, what would be more is not counted."""
PARTS = 500
"""Keys inside a grader that are told apart, in each process; `multi` has no more."""
LARGEST = 1e300
"""What a sum may be, so that sums of sums are still numbers."""

WHOLE = ""
GRADINGS, GRADED, SECONDS = "gradings", "graded", "seconds"
REWARDS, SQUARES = "rewards", "rewards_squared"
GROUPS, EQUAL_GROUPS = "groups", "groups_equal"
UNGRADED, ERROR, TOKEN = "ungraded/", "error/", "tokens/"
FAILED = "failed/"  # and who made gradings fail, and what their samples got: `failed/model/flagged`

Sums = dict[Figure, float]


class Statistics:
    """The sums of this process, on their way to the store.

    Args:
        stored: Where they go.
        held: Sums that wait for it at most.
    """

    def __init__(self, stored: GraderSums, *, held: int = HELD) -> None:
        self._stored, self._most = stored, held
        self._pending: dict[Series, Sums] = {}
        self._held = self._lost = 0
        self._parts: dict[tuple[str, int], Names] = {}
        self._models = Names()
        self._flushing = asyncio.Lock()
        self._many = asyncio.Event()
        self._following: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Add to the store from now on."""
        self._following = asyncio.create_task(self._follow())

    async def close(self) -> None:
        """Add what is left to the store."""
        if self._following is not None:
            self._following.cancel()
            with suppress(asyncio.CancelledError):
                await self._following
            await self._try_to_flush()

    def observe(self, series: Series, result: GraderResult) -> None:
        """Count a grading."""
        sums = self._sums(series)
        if sums is None:
            return
        self._count(sums, WHOLE, result)
        if result.sub_rewards:
            names = self._names(series)
            for key, reward in result.sub_rewards.items():
                part, label = result.parts.get(key), _column(names.label(key)) or "''"
                if part is not None:
                    self._count(sums, label, part)
                else:
                    _add(sums, label, GRADINGS, 1)
                    _reward(sums, label, reward)
        self._grew(sums)

    def observe_batch(self, series: Series, gradings: BatchResult, items: Sequence[Item | None]) -> None:
        """Count the gradings of a batch; those that are a reward and nothing else are never made results for it."""
        bulk = np.ones(len(gradings), bool)
        for index in range(len(gradings)):
            known = gradings.known(index)
            if known is not None:
                bulk[index] = False
                self.observe(series, known)
        bare = gradings.rewards[bulk]
        sums = self._sums(series) if len(bare) else None
        if sums is not None:
            _add(sums, WHOLE, GRADINGS, len(bare))
            _add(sums, WHOLE, GRADED, len(bare))
            _add(sums, WHOLE, REWARDS, float(bare.sum()))
            _add(sums, WHOLE, SQUARES, float(bare @ bare))
            _add(sums, WHOLE, SECONDS, gradings.seconds * len(bare))
            self._grew(sums)
        self.observe_groups(series, gradings.rewards, items)

    def observe_groups(
        self, series: Series, rewards: NDArray[np.float64], items: Sequence[Item | None]
    ) -> None:
        """Count the groups of a batch, and those that teach nothing because their rewards are all equal."""
        groups, equal = equal_groups(items, rewards)
        sums = self._sums(series) if groups else None
        if sums is not None:
            _add(sums, WHOLE, GROUPS, groups)
            _add(sums, WHOLE, EQUAL_GROUPS, equal)
            self._grew(sums)

    async def read(self, grader_id: str, version: int, step: int | None) -> dict[str, Sums]:
        """The sums of a version by split, with all that this process has counted, whether or not the store takes it.

        Args:
            grader_id: Whose.
            version: Its number.
            step: None for all steps together, and the gradings that belong to none.
        """
        await self._try_to_flush()
        found = await self._stored.read(grader_id, version, step)
        # what the store did not take
        for series, sums in self._pending.items():
            if (series.grader_id, series.version) == (grader_id, version) and step in {None, series.step}:
                split = found.setdefault(series.split, {})
                for (part, name), value in sums.items():
                    _add(split, part, name, value)
        return found

    async def flush(self) -> None:
        """Add what was counted to the store; what could not be added stays here."""
        async with self._flushing:
            pending, self._pending, self._held = self._pending, {}, 0
            if self._lost:
                logger.warning(
                    "the store took no sums for a while: %d gradings are in no statistics", self._lost
                )
                self._lost = 0
            if not pending:
                return
            finite = {
                series: {figure: _bounded(value) for figure, value in sums.items()}
                for series, sums in pending.items()
            }
            try:
                await self._stored.add(finite)
            except BaseException:
                for series, sums in pending.items():
                    kept = self._pending.setdefault(series, {})
                    for (part, name), value in sums.items():
                        _add(kept, part, name, value)
                self._held = sum(map(len, self._pending.values()))
                raise

    async def _follow(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(FLUSH_S):
                    await self._many.wait()
            self._many.clear()
            if not await self._try_to_flush():
                await asyncio.sleep(FLUSH_S)

    async def _try_to_flush(self) -> bool:
        try:
            await self.flush()
        except StorageFailed:
            return False
        return True

    def _sums(self, series: Series) -> Sums | None:
        """Where a grading is counted, until `_grew`; None where too much waits for the store."""
        sums = self._pending.get(series)
        if sums is None:
            if self._held >= self._most:
                self._lost += 1
                return None
            sums = self._pending[series] = {}
        self._held -= len(sums)  # what it has, and more, is counted again when it has grown
        return sums

    def _grew(self, sums: Sums) -> None:
        self._held += len(sums)
        if self._held > self._most // 2:
            self._many.set()

    def _count(self, sums: Sums, part: str, result: GraderResult) -> None:
        _add(sums, part, GRADINGS, 1)
        _add(sums, part, SECONDS, result.execution_time)
        _reward(sums, part, result.reward)
        failure = result.failure
        if failed := failed_by(result):
            _add(sums, part, f"{FAILED}{'/'.join(failed)}", 1)
        if result.reward is None and failure is not None:
            _add(sums, part, f"{UNGRADED}{cause_of(failure)}", 1)
        if failure is not None or result.parts:
            for flag in {failure.kind.value for failure in result.failures()}:
                _add(sums, part, f"{ERROR}{flag}", 1)
        for model, tokens in result.usage.items():
            label = self._models.label(model)
            for kind, number in tokens.items():
                if kind in TOKENS:
                    _add(sums, part, _column(f"{TOKEN}{kind}/{label}", 160), number)

    def _names(self, series: Series) -> Names:
        key = series[:2]
        if key not in self._parts and len(self._parts) >= PARTS:
            self._parts.clear()
        return self._parts.setdefault(key, Names(PARTS))


def _add(sums: Sums, part: str, name: str, value: float) -> None:
    key = (part, name)
    sums[key] = sums.get(key, 0.0) + value


def _reward(sums: Sums, part: str, reward: float | None) -> None:
    if reward is not None:
        _add(sums, part, GRADED, 1)
        _add(sums, part, REWARDS, reward)
        _add(sums, part, SQUARES, reward * reward)


def _bounded(value: float) -> float:
    """A sum that more can be added to; the database would not hold what comes of infinity less infinity."""
    return 0.0 if math.isnan(value) else min(max(value, -LARGEST), LARGEST)


def _column(text: str, characters: int = 100) -> str:
    return storable(text)[:characters]

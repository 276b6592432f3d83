"""Grades runs in the background, in the service's own process.

A process claims a run by a lease that it keeps renewing. When it dies, the lease ends, and another process (or the same
service, started again) goes on with the rows that are not written yet. Finished rows are written in one small transaction
with the run's counts, which succeeds only as long as the run is still its own: nothing is written twice, and nothing after a
cancellation.

Clients take turns: when all that may be graded at once is graded, and a client waits that has less than its part of it, a run
of another client gives way. It finishes the rows that it has begun, and is claimed again later.
"""

import asyncio
import logging
import time
import uuid
from collections import Counter
from contextlib import suppress
from functools import partial

from runtime import Evaluator, Settings
from service.evals.grading import RunGrading, Services
from service.evals.turns import Running, to_give_way
from service.store import Claims, Evals, Files, Store
from service.store.failures import StorageFailed
from service.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

LOOK_S = 1.0
"""How often a process looks for runs of others, and whether its own were cancelled elsewhere."""
HUNG_S = 10.0
"""Seconds without a renewal after which a process that loses a run has hung, and was not only slow."""


class Engine:
    """What grades runs, as long as it is open.

    Args:
        evaluator: Grades.
        store: Has the evals and runs.
        files: Has what they read.
        settings: `eval_runs`, `eval_concurrency` and `eval_lease_s`.
        metrics: Counts the gradings.
    """

    def __init__(
        self, evaluator: Evaluator, store: Store, files: Files, settings: Settings, metrics: Metrics
    ) -> None:
        self._claims = Claims(store, uuid.uuid4().hex, settings.eval_lease_s)
        self._services = Services(evaluator, Evals(store), self._claims, files, settings, metrics)
        self._settings = settings
        self._running: dict[str, tuple[RunGrading, asyncio.Task[None]]] = {}
        self._woken = asyncio.Event()
        self._watcher: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Begin to look for runs."""
        self._watcher = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """Stop, and leave unfinished runs to the next process."""
        tasks = [task for _, task in self._running.values()]
        tasks += [] if self._watcher is None else [self._watcher]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # also what was claimed in the moment of the end; where this fails, others wait for the end of the lease
        with suppress(StorageFailed):
            await self._claims.release_all()

    def wake(self) -> None:
        """Announce a new run."""
        self._woken.set()

    def stop(self, run_id: str) -> None:
        """Stop a run that was cancelled or deleted, if it is graded here; elsewhere they notice by themselves."""
        if run_id in self._running:
            self._running[run_id][1].cancel()

    def stop_all_of(self, eval_id: str) -> None:
        """Stop the runs of an eval that was deleted, as far as they are graded here."""
        for grading, task in self._running.values():
            if grading.run.eval_id == eval_id:
                task.cancel()

    async def _watch(self) -> None:
        while True:
            self._woken.clear()
            try:
                with suppress(StorageFailed):
                    await self._take()
            except Exception:
                logger.exception("cannot look for runs of evals")
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._woken.wait()

    async def _take(self) -> None:
        while await self._has_room():
            held = Counter(grading.run.client for grading in self._holding())
            run = await self._claims.claim(held, retries=not self._retries_one(), besides=self._running)
            if run is None:
                return
            grading = RunGrading(run, self._services)
            task = asyncio.create_task(self._keep(grading))
            self._running[run.id] = grading, task
            task.add_done_callback(partial(self._ended, run.id))

    def _holding(self) -> list[RunGrading]:
        """What counts towards `eval_runs`."""
        return [grading for grading, _ in self._running.values() if not grading.gives_way]

    def _retries_one(self) -> bool:
        """Whether a run is graded that others may have ended of: one at a time, so that the next end is blamed on no other."""
        return any(
            grading.run.claims > 1 and not grading.has_written for grading, _ in self._running.values()
        )

    async def _has_room(self) -> bool:
        """Whether another run may be claimed; makes room for a client whose turn it is."""
        holding = self._holding()
        if len(holding) < self._settings.eval_runs:
            return True
        if len(self._running) - len(holding) >= self._settings.eval_runs:
            return False  # so many finish their rows that there would be too many
        waiting = await self._claims.waiting(retries=not self._retries_one(), besides=self._running)
        running = [Running(each.run.id, each.run.client, each.began_at) for each in self._holding()]
        run_id = to_give_way(running, waiting, time.monotonic())
        if run_id is None:
            return False
        self._running[run_id][0].gives_way = True
        return True

    def _ended(self, run_id: str, _: asyncio.Task[None]) -> None:
        del self._running[run_id]
        self.wake()

    async def _keep(self, grading: RunGrading) -> None:
        """Grade a run, and renew its lease meanwhile."""
        run_id, renewed_at = grading.run.id, time.monotonic()
        finishing = asyncio.create_task(grading.finish())
        try:
            while True:
                await asyncio.wait({finishing}, timeout=min(LOOK_S, self._settings.eval_lease_s / 3))
                if finishing.done():
                    break
                if not await self._renewed(run_id):
                    grading.is_lost = True
                    break
                renewed_at = time.monotonic()
            if grading.is_lost and time.monotonic() - renewed_at < HUNG_S:
                with suppress(StorageFailed):
                    await self._claims.excuse(run_id)
        finally:
            finishing.cancel()
            await asyncio.gather(finishing, return_exceptions=True)
            # of a run that has ended, or is another's, this changes nothing
            with suppress(Exception):
                await self._claims.release(run_id)

    async def _renewed(self, run_id: str) -> bool:
        try:
            return await self._claims.renew(run_id)
        except StorageFailed:
            # what is written next finds out whether the run is still ours
            return True

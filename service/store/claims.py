"""Which process grades which run of an eval, and what it writes of it.

A run belongs to the process that has claimed it, until its lease ends. Whatever that process writes is written only as long
as the run is still its own: a row is therefore kept once, and its counts with it.

Runs are claimed in turn by client, so that one with many runs does not keep the others waiting. A run that was claimed
`MOST_CLAIMS` times, by processes that ended or hung each time before another row of it was written, is failed.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Double,
    SQLColumnExpression,
    String,
    case,
    func,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql.dml import ReturningUpdate

from service.store.capacity import one_at_a_time
from service.store.database import Store, clock_s, insertion
from service.store.evals import UNFINISHED, EvalRun, OutputItem
from service.store.tables import Base

MOST_CLAIMS = 3
"""Claims without a written row after which a run is failed instead of being claimed again."""
NO_PROGRESS = {
    "code": "no_progress",
    "message": (
        f"{MOST_CLAIMS} times a process began to grade this run and ended or stopped answering before it had written "
        "another row: the run itself is the likely cause; look into the log of the service, and change the criteria or rows"
    ),
}
"""The error of a run that was claimed too often."""


class EvalTurn(Base):
    """When a run of a client was last claimed."""

    __tablename__ = "eval_turns"

    client: Mapped[str] = mapped_column(String(64), primary_key=True)
    served_at: Mapped[float] = mapped_column(Double)
    """Seconds since 1970."""


@dataclass(slots=True)
class Tally:
    """The counts of a run.

    Attributes:
        items: Output items by status.
        criteria: `[passed, failed]` by the id of the criterion; what is ungraded is in neither.
        usage: Judge tokens, and `invocation_count`, by model.
    """

    items: dict[str, int] = field(default_factory=dict)
    criteria: dict[str, list[int]] = field(default_factory=dict)
    usage: dict[str, dict[str, int]] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """As it is stored."""
        return {"items": self.items, "criteria": self.criteria, "usage": self.usage}


class Claims:
    """The runs that one process has claimed, and those that it may claim.

    Args:
        store: Has the runs.
        owner: The name of the process, of at most 32 characters; no other has it.
        lease_s: Seconds after which others may claim a run that was not renewed.
    """

    def __init__(self, store: Store, owner: str, lease_s: float) -> None:
        self._store, self._owner, self._lease_s = store, owner, lease_s

    async def claim(
        self,
        held: Mapping[str, int] | None = None,
        *,
        retries: bool = True,
        besides: Collection[str] = (),
    ) -> EvalRun | None:
        """Claim a run that no process grades; None if there is no such run.

        Among the clients with such runs the client with the fewest runs in `held` comes first, then the one
        whose last turn is longest ago; of its runs the oldest. Runs that were claimed too often are marked as
        failed.

        Args:
            held: How many runs of each client this process grades.
            retries: Include runs that were claimed by processes which ended or hung before a row was written.
            besides: Runs to exclude: this process still grades them, though it may be late in renewing their
                leases.
        """
        free = select(EvalRun.id).where(*_free(besides, retries=retries))
        async with self._store.read() as session:
            if await session.scalar(free.limit(1)) is None:
                return None  # without keeping those waiting who write
        async with self._store.write() as session:
            await one_at_a_time(session, EvalTurn)
            await session.execute(
                update(EvalRun)
                .where(*_free(besides), EvalRun.claims >= MOST_CLAIMS)
                .values(status="failed", error=NO_PROGRESS, owner=None)
            )
            first = free.order_by(*_turns(held or {})).limit(1)
            run_id = await session.scalar(first.with_for_update(skip_locked=True, of=EvalRun))
            if run_id is None:
                return None
            # an owner that lost its lease and is here again has survived the run
            claims = case((EvalRun.owner == self._owner, EvalRun.claims), else_=EvalRun.claims + 1)
            found: EvalRun | None = await session.scalar(
                update(EvalRun)
                .where(EvalRun.id == run_id)
                .values(owner=self._owner, leased_until=self._lease(), status="in_progress", claims=claims)
                .returning(EvalRun)
            )
            if found is not None:
                served = {"served_at": clock_s()}
                turn = insertion(session, EvalTurn).values(client=found.client, **served)
                await session.execute(turn.on_conflict_do_update(index_elements=["client"], set_=served))
            return found

    async def waiting(self, *, retries: bool = True, besides: Collection[str] = ()) -> set[str]:
        """The clients with runs that `claim` could give."""
        async with self._store.read() as session:
            free = select(EvalRun.client).where(*_free(besides, retries=retries))
            return set((await session.scalars(free.distinct())).all())

    async def renew(self, run_id: str) -> bool:
        """Keep a run for longer; False when it is not this owner's any more."""
        return await self._own(run_id, leased_until=self._lease())

    async def release(self, run_id: str) -> None:
        """Let others have a run at once; it was no fault of the run, so that this claim does not count."""
        await self._own(run_id, owner=None, claims=_claim_undone())

    async def excuse(self, run_id: str) -> None:
        """Say that a run which another process has taken over did not stop this one, which was only slow."""
        others = EvalRun.id == run_id, EvalRun.owner != self._owner, EvalRun.status == "in_progress"
        async with self._store.write() as session:
            await session.execute(update(EvalRun).where(*others).values(claims=_claim_undone()))

    async def release_all(self) -> None:
        """Let others have all runs of this owner, which stops."""
        left = update(EvalRun).where(EvalRun.owner == self._owner).values(owner=None, claims=_claim_undone())
        async with self._store.write() as session:
            await session.execute(left)

    async def begin(self, run_id: str, total: int) -> bool:
        """Say how many rows there are; False when it is not this owner's any more."""
        return await self._own(run_id, total=total)

    async def record(self, run_id: str, items: Sequence[OutputItem], tally: Tally) -> bool:
        """Write finished rows and the counts with them; False, and nothing is written, when it is not its any more."""
        async with self._store.write() as session:
            before = await session.scalar(select(EvalRun.tally).where(*self._mine(run_id)))
            if before is None:
                return False
            if items and before == tally.plain():
                return True  # an attempt that seemed to fail has written them
            if await session.scalar(self._owned(run_id, tally=tally.plain(), claims=0)) is None:
                return False
            session.add_all(items)
            return True

    async def finished(self, run_id: str) -> set[int]:
        """The positions of the rows that are written."""
        async with self._store.read() as session:
            found = await session.scalars(select(OutputItem.position).where(OutputItem.run_id == run_id))
            return set(found.all())

    async def finish(self, run_id: str, error: dict[str, str] | None) -> bool:
        """End a run; False when it is not this owner's any more.

        It is completed where there is no error and every row is written, and failed otherwise: with `source_gone`, where
        what it read has fewer or more rows by now than when they were counted.
        """
        async with self._store.write() as session:
            mine = select(EvalRun.total, EvalRun.reads).where(*self._mine(run_id))
            found = (await session.execute(mine.with_for_update())).one_or_none()
            if found is None:
                return False
            if error is None:
                count = select(func.count()).select_from(OutputItem).where(OutputItem.run_id == run_id)
                error = _lost(found.total, await session.scalar(count) or 0, found.reads)
            status = "completed" if error is None else "failed"
            await session.execute(self._owned(run_id, status=status, error=error, owner=None))
            return True

    def _lease(self) -> ColumnElement[float]:
        return clock_s() + self._lease_s

    async def _own(self, run_id: str, **values: Any) -> bool:
        async with self._store.write() as session:
            return await session.scalar(self._owned(run_id, **values)) is not None

    def _owned(self, run_id: str, **values: Any) -> ReturningUpdate[tuple[str]]:
        return update(EvalRun).where(*self._mine(run_id)).values(**values).returning(EvalRun.id)

    def _mine(self, run_id: str) -> tuple[ColumnElement[bool], ...]:
        return EvalRun.id == run_id, EvalRun.owner == self._owner, EvalRun.status == "in_progress"


def _free(besides: Collection[str], *, retries: bool = True) -> Sequence[ColumnElement[bool]]:
    """Of runs that may be claimed."""
    left = or_(EvalRun.owner.is_(None), EvalRun.leased_until < clock_s())
    others = [EvalRun.id.not_in(besides)] if besides else []
    fresh = [] if retries else [EvalRun.claims == 0]
    return [EvalRun.status.in_(UNFINISHED), left, *others, *fresh]


def _turns(held: Mapping[str, int]) -> Sequence[SQLColumnExpression[Any]]:
    """The order in which runs are claimed."""
    here = case(dict(held), value=EvalRun.client, else_=0) if held else literal(0)
    served = select(EvalTurn.served_at).where(EvalTurn.client == EvalRun.client).scalar_subquery()
    return here, func.coalesce(served, 0.0), EvalRun.id


def _claim_undone() -> ColumnElement[int]:
    return case((EvalRun.claims > 0, EvalRun.claims - 1), else_=0)


def _lost(total: int, written: int, reads: str | None) -> dict[str, str] | None:
    """Why a run whose rows are all graded has not completed; None where as many are written as were counted."""
    if written == total:
        return None
    source = "its data source" if reads is None else reads
    message = f"{written:,} of {total:,} rows are written: {source} has changed or is gone since its rows were counted"
    return {"code": "source_gone", "message": message}

"""Evals in the database: what is measured, the runs, and one output item for each row that is graded.

A run belongs to the process that has claimed it, until its lease ends. Whatever that process writes is written only as long
as the run is still its own: a row is therefore kept once, and its counts with it.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    Double,
    ForeignKey,
    String,
    Text,
    case,
    delete,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql.dml import ReturningUpdate

from service.store.database import Store, clock_s
from service.store.paging import Order, page_of
from service.store.room import make_room
from service.store.tables import Base

UNFINISHED = ("queued", "in_progress")
MAX_CLAIMS = 3
"""Claims of a run after which no row more was finished: it stops each process that grades it."""


class Eval(Base):
    """What is measured: the shape of the rows, and the criteria."""

    __tablename__ = "evals"

    id: Mapped[str] = mapped_column(String(29), primary_key=True)
    """`eval_` and 24 hexadecimal digits; ids sort by when they were made, here and below."""
    name: Mapped[str] = mapped_column(Text)
    labels: Mapped[dict[str, str] | None] = mapped_column("metadata", JSON(none_as_null=True))
    data_source_config: Mapped[dict[str, Any]] = mapped_column(JSON)
    """As it is shown."""
    criteria: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    """`id`; `grader`, its JSON with all secrets; `shown`, its JSON as others may see it."""
    created_at: Mapped[int] = mapped_column(BigInteger)
    """Seconds since 1970, here and below."""
    updated_at: Mapped[int] = mapped_column(BigInteger)


class EvalRun(Base):
    """One measurement of many rows."""

    __tablename__ = "eval_runs"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    """`evalrun_` and 24 hexadecimal digits."""
    eval_id: Mapped[str] = mapped_column(ForeignKey("evals.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(Text)
    labels: Mapped[dict[str, str] | None] = mapped_column("metadata", JSON(none_as_null=True))
    data_source: Mapped[dict[str, Any]] = mapped_column(JSON)
    """Where the rows are, or the rows themselves."""
    criteria: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    """Those of its eval, or others when the samples of another run are graded again."""
    client: Mapped[str] = mapped_column(String(64))
    """Who pays for judges."""
    status: Mapped[str] = mapped_column(String(16), index=True)
    error: Mapped[dict[str, str] | None] = mapped_column(JSON(none_as_null=True))
    """Why it failed: `code` and `message`."""
    total: Mapped[int]
    """Rows; 0 until they are counted."""
    tally: Mapped[dict[str, Any]] = mapped_column(JSON)
    """A `Tally` of the output items that are written."""
    created_at: Mapped[int] = mapped_column(BigInteger)
    owner: Mapped[str | None] = mapped_column(String(32))
    """The process that grades it."""
    leased_until: Mapped[float] = mapped_column(Double)
    """When another process may take it over."""
    claims: Mapped[int] = mapped_column(default=0, server_default="0")
    """How often it was claimed since it last got on; a claim that is given back does not count."""


class OutputItem(Base):
    """What became of one row."""

    __tablename__ = "eval_output_items"

    id: Mapped[str] = mapped_column(String(48), primary_key=True)
    """Made of the run's id and the row's position, so that no row is there twice."""
    run_id: Mapped[str] = mapped_column(ForeignKey("eval_runs.id", ondelete="CASCADE"), index=True)
    position: Mapped[int]
    """Its row's, from 0."""
    status: Mapped[str] = mapped_column(String(8))
    """`pass`, `fail` or `error`: something in it is ungraded."""
    item: Mapped[dict[str, Any]] = mapped_column(JSON)
    sample: Mapped[Any] = mapped_column(JSON(none_as_null=True), nullable=True)
    """As `Sample.to_stored` gives it; null where the row has none."""
    results: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    created_at: Mapped[int] = mapped_column(BigInteger)


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


class Evals:
    """The evals of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def add(self, row: Eval | EvalRun, *, most: int | None = None) -> None:
        """Keep a new eval or run.

        Args:
            row: It.
            most: Evals that there may be, or runs that have not ended, with the new one; None: any number.

        Raises:
            Full: When there are so many already.
        """
        async with self._store.write() as session:
            if most is not None:
                counted = [EvalRun.status.in_(UNFINISHED)] if isinstance(row, EvalRun) else []
                await make_room(session, type(row), *counted, most=most)
            session.add(row)

    async def find(self, eval_id: str) -> Eval | None:
        """The eval with an id; None where there is none."""
        async with self._store.read() as session:
            found: Eval | None = await session.get(Eval, _text(eval_id))
            return found

    async def page(
        self, *, after: str | None, limit: int, order: Order, by_update: bool
    ) -> tuple[Sequence[Eval], bool]:
        """Some evals, and whether there are more.

        Args:
            after: The id after which they come.
            limit: How many at most.
            order: `desc`: newest first.
            by_update: In the order of their last change, not of their creation; `after` must then exist.

        Raises:
            LookupError: When it does not.
        """
        key: Any = tuple_(Eval.updated_at, Eval.id) if by_update else tuple_(Eval.id)
        query = select(Eval)
        async with self._store.read() as session:
            if after is not None:
                last: Any = tuple_(_text(after))
                if by_update:
                    found = await session.scalar(select(Eval.updated_at).where(Eval.id == _text(after)))
                    if found is None:
                        raise LookupError(after)
                    last = tuple_(found, _text(after))
                query = query.where(key > last if order == "asc" else key < last)
            columns = [Eval.updated_at, Eval.id] if by_update else [Eval.id]
            query = query.order_by(*(c.asc() if order == "asc" else c.desc() for c in columns))
            rows = (await session.scalars(query.limit(limit + 1))).all()
        return rows[:limit], len(rows) > limit

    async def change(self, eval_id: str, **values: Any) -> Eval | None:
        """Change the `name` or `labels` of an eval; None where there is none."""
        changed = update(Eval).where(Eval.id == _text(eval_id)).values(updated_at=int(time.time()), **values)
        async with self._store.write() as session:
            found: Eval | None = await session.scalar(changed.returning(Eval))
            return found

    async def delete(self, eval_id: str) -> bool:
        """Delete an eval and its runs; False where there is none."""
        async with self._store.write() as session:
            gone = await session.scalars(delete(Eval).where(Eval.id == _text(eval_id)).returning(Eval.id))
            return bool(gone.all())

    async def find_run(self, eval_id: str, run_id: str) -> EvalRun | None:
        """A run of an eval; None where there is none."""
        async with self._store.read() as session:
            found: EvalRun | None = await session.scalar(select(EvalRun).where(*_is(eval_id, run_id)))
            return found

    async def runs(
        self, eval_id: str, *, after: str | None, limit: int, order: Order, status: str | None
    ) -> tuple[Sequence[EvalRun], bool]:
        """Some runs of an eval in the order of their creation, and whether there are more."""
        query = select(EvalRun).where(EvalRun.eval_id == _text(eval_id))
        if status is not None:
            query = query.where(EvalRun.status == status)
        last = None if after is None else _text(after)
        async with self._store.read() as session:
            return await page_of(session, query, EvalRun.id, after=last, limit=limit, order=order)

    async def cancel(self, eval_id: str, run_id: str) -> EvalRun | None:
        """End a run, unless it has ended; None where there is none."""
        async with self._store.write() as session:
            await session.execute(
                update(EvalRun)
                .where(*_is(eval_id, run_id), EvalRun.status.in_(UNFINISHED))
                .values(status="canceled", owner=None)
            )
            found: EvalRun | None = await session.scalar(select(EvalRun).where(*_is(eval_id, run_id)))
            return found

    async def delete_run(self, eval_id: str, run_id: str) -> bool:
        """Delete a run and its output items; False where there is none."""
        async with self._store.write() as session:
            gone = await session.scalars(delete(EvalRun).where(*_is(eval_id, run_id)).returning(EvalRun.id))
            return bool(gone.all())

    async def items(
        self, run_id: str, *, after: str | None, limit: int, order: Order = "asc", status: str | None = None
    ) -> tuple[Sequence[OutputItem], bool]:
        """Some output items of a run in the order of its rows, and whether there are more."""
        query = select(OutputItem).where(OutputItem.run_id == _text(run_id))
        if status is not None:
            query = query.where(OutputItem.status == status)
        last = None if after is None else _text(after)
        async with self._store.read() as session:
            return await page_of(session, query, OutputItem.id, after=last, limit=limit, order=order)

    async def find_item(self, run_id: str, item_id: str) -> OutputItem | None:
        """An output item of a run; None where there is none."""
        chosen = select(OutputItem).where(OutputItem.id == _text(item_id), OutputItem.run_id == _text(run_id))
        async with self._store.read() as session:
            found: OutputItem | None = await session.scalar(chosen)
            return found

    async def claim(self, owner: str, lease_s: float) -> EvalRun | None:
        """Take the oldest run that nobody grades; None where there is none.

        A run that was claimed three times without a row more being finished has stopped each process that graded it. It fails
        instead of being claimed again.
        """
        free = (
            select(EvalRun.id)
            .where(EvalRun.status.in_(UNFINISHED))
            .where(or_(EvalRun.owner.is_(None), EvalRun.leased_until < clock_s()))
            .order_by(EvalRun.id)
            .limit(1)
        )
        async with self._store.read() as session:
            if await session.scalar(free) is None:
                return None  # without keeping those waiting who write
        async with self._store.write() as session:
            while (run_id := await session.scalar(free.with_for_update(skip_locked=True))) is not None:
                this = update(EvalRun).where(EvalRun.id == run_id)
                given_up = this.where(EvalRun.claims >= MAX_CLAIMS).values(
                    status="failed", error=_STUCK, owner=None
                )
                if await session.scalar(given_up.returning(EvalRun.id)) is not None:
                    continue
                claimed = this.values(
                    owner=owner,
                    leased_until=clock_s() + lease_s,
                    status="in_progress",
                    claims=EvalRun.claims + 1,
                )
                found: EvalRun | None = await session.scalar(claimed.returning(EvalRun))
                return found
            return None

    async def renew(self, run_id: str, owner: str, lease_s: float) -> bool:
        """Keep a run for longer; False when it is not this owner's any more."""
        return await self._own(run_id, owner, leased_until=clock_s() + lease_s)

    async def release(self, run_id: str, owner: str) -> None:
        """Let others have a run at once."""
        await self._own(run_id, owner, owner=None, claims=_GIVEN_BACK)

    async def release_all(self, owner: str) -> None:
        """Let others have all runs of an owner that stops."""
        left = update(EvalRun).where(EvalRun.owner == owner).values(owner=None, claims=_GIVEN_BACK)
        async with self._store.write() as session:
            await session.execute(left)

    async def begin(self, run_id: str, owner: str, total: int) -> bool:
        """Say how many rows there are; False when it is not this owner's any more."""
        is_first = EvalRun.total == 0
        return await self._own(run_id, owner, total=total, claims=case((is_first, 1), else_=EvalRun.claims))

    async def finish(self, run_id: str, owner: str, error: dict[str, str] | None) -> bool:
        """End a run, as failed where there is an error; False when it is not this owner's any more."""
        status = "completed" if error is None else "failed"
        return await self._own(run_id, owner, status=status, error=error, owner=None)

    async def record(self, run_id: str, owner: str, items: Sequence[OutputItem], tally: Tally) -> bool:
        """Write finished rows and the counts with them; False, and nothing is written, when it is not its any more."""
        async with self._store.write() as session:
            before = await session.scalar(select(EvalRun.tally).where(*_mine(run_id, owner)))
            if before is None:
                return False
            if items and before == tally.plain():
                return True  # an attempt that seemed to fail has written them
            if await session.scalar(_owned(run_id, owner, tally=tally.plain(), claims=1)) is None:
                return False
            session.add_all(items)
            return True

    async def finished(self, run_id: str) -> set[int]:
        """The positions of the rows that are written."""
        async with self._store.read() as session:
            found = await session.scalars(select(OutputItem.position).where(OutputItem.run_id == run_id))
            return set(found.all())

    async def _own(self, run_id: str, mine: str, **values: Any) -> bool:
        async with self._store.write() as session:
            return await session.scalar(_owned(run_id, mine, **values)) is not None


_GIVEN_BACK = case((EvalRun.claims > 0, EvalRun.claims - 1), else_=0)
"""The claims of a run that its owner lets go in good order."""
_STUCK = {
    "code": "no_progress",
    "message": f"the run was begun {MAX_CLAIMS} times, and each time the process that graded it stopped before it had finished "
    "another row; the log of the service may say why",
}
"""Why a run fails that no process gets on with."""


def item_id(run_id: str, position: int) -> str:
    """The id of a row's output item."""
    return f"outputitem_{run_id.removeprefix('evalrun_')}{position:08x}"


def _owned(run_id: str, mine: str, **values: Any) -> ReturningUpdate[tuple[str]]:
    return update(EvalRun).where(*_mine(run_id, mine)).values(**values).returning(EvalRun.id)


def _mine(run_id: str, mine: str) -> tuple[ColumnElement[bool], ...]:
    return EvalRun.id == run_id, EvalRun.owner == mine, EvalRun.status == "in_progress"


def _is(eval_id: str, run_id: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return EvalRun.eval_id == _text(eval_id), EvalRun.id == _text(run_id)


def _text(given: str) -> str:
    """An id out of a path, which PostgreSQL must not be asked for when it holds a NUL."""
    return given.replace("\0", "\N{REPLACEMENT CHARACTER}")

"""Evals in the database: what is measured, the runs, and one output item for each row that is graded.

A run that has not ended keeps what it reads its rows from, an uploaded file or another run: that is not deleted before.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    Double,
    ForeignKey,
    Index,
    Select,
    String,
    Text,
    delete,
    select,
    tuple_,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute, Mapped, mapped_column

from service.store.capacity import lock_for_writing, make_room
from service.store.database import Store
from service.store.paging import Order, page_of
from service.store.storable import storable
from service.store.tables import Base, File, alive

UNFINISHED = ("queued", "in_progress")
REGRADE = "stored_samples"
"""The data source of a run over the samples of another one."""


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
    reads: Mapped[str | None] = mapped_column(String(32), index=True)
    """The id of the file or run that has the rows; None where they are in `data_source`."""
    criteria: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    """Those of its eval, or others when the samples of another run are graded again."""
    client: Mapped[str] = mapped_column(String(64))
    """A digest of the API key that began it, which pays for judges; empty where there are no keys."""
    status: Mapped[str] = mapped_column(String(16))
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
    claims: Mapped[int] = mapped_column(default=0)
    """How many processes have claimed it since a row was last written, and ended or hung without releasing it."""

    # all that is looked at every second, so that it is read without the documents
    __table_args__ = (
        Index("ix_eval_runs_unfinished", "status", "client", "owner", "leased_until", "claims", "id"),
    )


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


class Missing(Exception):
    """Something that a run needs is not there, or not any more: its eval, or what it reads its rows from.

    Attributes:
        id: Its id.
    """

    def __init__(self, missing: str) -> None:
        super().__init__(missing)
        self.id = missing


class InUse(Exception):
    """Runs that have not ended read their rows from what was to be deleted.

    Attributes:
        runs: Their ids, the oldest first.
    """

    def __init__(self, runs: Sequence[str]) -> None:
        super().__init__(*runs)
        self.runs = runs


def is_read(source_id: InstrumentedAttribute[str] | str) -> ColumnElement[bool]:
    """Whether runs that have not ended read their rows from the file or run with an id."""
    reading = select(EvalRun.id).where(EvalRun.reads == source_id, EvalRun.status.in_(UNFINISHED))
    return reading.exists()


async def refuse_if_read(session: AsyncSession, source_id: str) -> None:
    """See that a file or a run may be deleted.

    The caller's transaction must have locked its row before: who begins a run locks it too, and then either finds it
    gone or is seen here.

    Raises:
        InUse: When runs that have not ended read from it.
    """
    reading = select(EvalRun.id).where(EvalRun.reads == source_id, EvalRun.status.in_(UNFINISHED))
    if found := (await session.scalars(reading.order_by(EvalRun.id))).all():
        raise InUse(found)


def _read_by(data_source: Mapping[str, Any]) -> str | None:
    """The id of the file or run from which a data source takes its rows; None where it has them."""
    if data_source.get("type") == REGRADE:
        found: str = data_source["run_id"]
        return found
    source = data_source.get("source", {})
    return source["id"] if source.get("type") == "file_id" else None


class Evals:
    """The evals of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def add(self, row: Eval, *, most: int | None = None) -> None:
        """Keep a new eval.

        Args:
            row: It.
            most: Evals that there may be, with the new one; None: any number.

        Raises:
            Full: When there are so many already.
        """
        async with self._store.write() as session:
            if most is not None:
                await make_room(session, Eval, most=most)
            session.add(row)

    async def add_run(self, row: EvalRun, *, most: int | None = None) -> None:
        """Keep a new run; what it reads is not deleted from then on until it has ended.

        Args:
            row: It; `reads` is set here.
            most: Runs of its client that may not have ended, with the new one; None: any number.

        Raises:
            Full: If there are already `most` unfinished runs of its client.
            Missing: If its eval, or the file or run that it reads, does not exist.
        """
        row.reads = _read_by(row.data_source)
        async with self._store.write() as session:
            if most is not None:
                counted = (EvalRun.status.in_(UNFINISHED), EvalRun.client == row.client)
                await make_room(session, EvalRun, *counted, most=most)
            eval_there = select(Eval.id).where(Eval.id == row.eval_id)
            if await session.scalar(eval_there.with_for_update(read=True, key_share=True)) is None:
                raise Missing(row.eval_id)
            # before its source is locked: pruning blocks new runs first, and then removes files
            session.add(row)
            await session.flush()
            if row.reads is not None and await session.scalar(_locked_source(row)) is None:
                raise Missing(row.reads)

    async def find(self, eval_id: str) -> Eval | None:
        """The eval with an id; None if it does not exist."""
        async with self._store.read() as session:
            found: Eval | None = await session.get(Eval, storable(eval_id))
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
                last: Any = tuple_(storable(after))
                if by_update:
                    found = await session.scalar(select(Eval.updated_at).where(Eval.id == storable(after)))
                    if found is None:
                        raise LookupError(after)
                    last = tuple_(found, storable(after))
                query = query.where(key > last if order == "asc" else key < last)
            columns = [Eval.updated_at, Eval.id] if by_update else [Eval.id]
            query = query.order_by(*(c.asc() if order == "asc" else c.desc() for c in columns))
            rows = (await session.scalars(query.limit(limit + 1))).all()
        return rows[:limit], len(rows) > limit

    async def change(self, eval_id: str, **values: Any) -> Eval | None:
        """Change the `name` or `labels` of an eval; None if it does not exist."""
        changed = (
            update(Eval).where(Eval.id == storable(eval_id)).values(updated_at=int(time.time()), **values)
        )
        async with self._store.write() as session:
            found: Eval | None = await session.scalar(changed.returning(Eval))
            return found

    async def delete(self, eval_id: str) -> bool:
        """Delete an eval and its runs; False if it does not exist."""
        async with self._store.write() as session:
            gone = await session.scalars(delete(Eval).where(Eval.id == storable(eval_id)).returning(Eval.id))
            return bool(gone.all())

    async def find_run(self, eval_id: str, run_id: str) -> EvalRun | None:
        """A run of an eval; None if it does not exist."""
        async with self._store.read() as session:
            found: EvalRun | None = await session.scalar(select(EvalRun).where(*_is(eval_id, run_id)))
            return found

    async def runs(
        self, eval_id: str, *, after: str | None, limit: int, order: Order, status: str | None
    ) -> tuple[Sequence[EvalRun], bool]:
        """Some runs of an eval in the order of their creation, and whether there are more."""
        query = select(EvalRun).where(EvalRun.eval_id == storable(eval_id))
        if status is not None:
            query = query.where(EvalRun.status == status)
        last = None if after is None else storable(after)
        async with self._store.read() as session:
            return await page_of(session, query, EvalRun.id, after=last, limit=limit, order=order)

    async def cancel(self, eval_id: str, run_id: str) -> EvalRun | None:
        """Cancel a run, unless it has ended; None if it does not exist."""
        async with self._store.write() as session:
            await session.execute(
                update(EvalRun)
                .where(*_is(eval_id, run_id), EvalRun.status.in_(UNFINISHED))
                .values(status="canceled", owner=None)
            )
            found: EvalRun | None = await session.scalar(select(EvalRun).where(*_is(eval_id, run_id)))
            return found

    async def delete_run(self, eval_id: str, run_id: str) -> bool:
        """Delete a run and its output items; False if it does not exist.

        Raises:
            InUse: If unfinished runs grade its samples again.
        """
        async with self._store.write() as session:
            await lock_for_writing(session, EvalRun)
            await session.execute(select(EvalRun.id).where(*_is(eval_id, run_id)).with_for_update())
            await refuse_if_read(session, storable(run_id))
            gone = await session.scalars(delete(EvalRun).where(*_is(eval_id, run_id)).returning(EvalRun.id))
            return bool(gone.all())

    async def items(
        self, run_id: str, *, after: str | None, limit: int, order: Order = "asc", status: str | None = None
    ) -> tuple[Sequence[OutputItem], bool]:
        """Some output items of a run in the order of its rows, and whether there are more."""
        query = select(OutputItem).where(OutputItem.run_id == storable(run_id))
        if status is not None:
            query = query.where(OutputItem.status == status)
        last = None if after is None else storable(after)
        async with self._store.read() as session:
            return await page_of(session, query, OutputItem.id, after=last, limit=limit, order=order)

    async def find_item(self, run_id: str, item_id: str) -> OutputItem | None:
        """An output item of a run; None if it does not exist."""
        chosen = select(OutputItem).where(
            OutputItem.id == storable(item_id), OutputItem.run_id == storable(run_id)
        )
        async with self._store.read() as session:
            found: OutputItem | None = await session.scalar(chosen)
            return found


def item_id(run_id: str, position: int) -> str:
    """The id of a row's output item."""
    return f"outputitem_{run_id.removeprefix('evalrun_')}{position:08x}"


def _locked_source(run: EvalRun) -> Select[str]:
    """Find what a run reads, and keep it from being deleted until the transaction ends."""
    if run.data_source.get("type") == REGRADE:
        return select(EvalRun.id).where(EvalRun.id == run.reads).with_for_update(read=True)
    return select(File.id).where(File.id == run.reads, alive()).with_for_update(read=True)


def _is(eval_id: str, run_id: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return EvalRun.eval_id == storable(eval_id), EvalRun.id == storable(run_id)

"""Limits to how many rows there are, which hold however many processes add some at the same time."""

from sqlalchemy import ColumnElement, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from service.store.tables import Base

_LOCKS = 0x726F6F6D
"""The first number of PostgreSQL's advisory locks that are held here: `room`."""


class Full(Exception):
    """There is no room for another row.

    Attributes:
        most: How many there may be.
    """

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self.most = most


async def make_room(session: AsyncSession, kind: type[Base], *which: ColumnElement[bool], most: int) -> None:
    """See to it that the transaction may add a row; who else asks this of the same table waits for its end.

    Args:
        session: Writes.
        kind: The table.
        which: Those of its rows that count.
        most: How many there may be, with the new one.

    Raises:
        Full: When there are so many already.
    """
    # otherwise two that count at the same time would both find room
    await one_at_a_time(session, kind)
    count = await session.scalar(select(func.count()).select_from(kind).where(*which))
    if count is not None and count >= most:
        raise Full(most)


async def one_at_a_time(session: AsyncSession, kind: type[Base]) -> None:
    """Wait for other transactions that have called this for the same table; SQLite has only one writer anyway."""
    if session.get_bind().dialect.name == "postgresql":
        lock = text("SELECT pg_advisory_xact_lock(:locks, hashtext(:name))")
        await session.execute(lock, {"locks": _LOCKS, "name": kind.__tablename__})


async def lock_for_writing(session: AsyncSession, kind: type[Base]) -> None:
    """Wait until nobody locks a whole table; to be called before rows of it are locked, so that none waits for the other."""
    if session.get_bind().dialect.name == "postgresql":
        await session.execute(text(f"LOCK TABLE {kind.__tablename__} IN ROW EXCLUSIVE MODE"))

"""Graders that have a name: each change of one is a new version of it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, String, Text, and_, delete, func, select
from sqlalchemy.orm import Mapped, mapped_column

from service.store.database import Store, insertion
from service.store.paging import Order, new_id, page_of
from service.store.tables import Base


class NamedGrader(Base):
    """A name, and which of its versions is the current one."""

    __tablename__ = "graders"

    id: Mapped[str] = mapped_column(String(31), primary_key=True)
    """`grader_` and 24 hexadecimal digits; ids sort by when they were made."""
    name: Mapped[str] = mapped_column(String(64), unique=True)
    current: Mapped[int]
    created_at: Mapped[int] = mapped_column(BigInteger)
    """Seconds since 1970, here and below."""


class GraderVersion(Base):
    """One version of a named grader, which never changes but for what is noted beside it."""

    __tablename__ = "grader_versions"

    grader_id: Mapped[str] = mapped_column(ForeignKey("graders.id", ondelete="CASCADE"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """From 1."""
    identity: Mapped[str] = mapped_column(String(32))
    """A digest of everything in it, its secrets too, and therefore shown to nobody."""
    digest: Mapped[str] = mapped_column(String(32))
    """The same with its secrets masked."""
    signature: Mapped[str] = mapped_column(Text)
    """When it was stored; the versions in it may be others by now."""
    config: Mapped[dict[str, Any]] = mapped_column(JSON)
    """Its JSON with all secrets."""
    shown: Mapped[dict[str, Any]] = mapped_column(JSON)
    """Its JSON as others may see it."""
    labels: Mapped[dict[str, str] | None] = mapped_column("metadata", JSON(none_as_null=True))
    created_at: Mapped[int] = mapped_column(BigInteger)


@dataclass(frozen=True, slots=True)
class Stored:
    """A version of a named grader, with its name."""

    grader: NamedGrader
    version: GraderVersion

    @property
    def id(self) -> str:
        """An id of this version, for pages of graders and of versions."""
        return f"{self.grader.id}-{self.version.version}"


Page = tuple[Sequence[Stored], bool]
"""Some versions, and whether there are more."""


class NamedGraders:
    """The named graders of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def put(self, name: str, made: GraderVersion) -> tuple[Stored, bool]:
        """Make a version the current one of a name; gives it, and whether it is new.

        Args:
            name: Whose.
            made: Its columns but `grader_id` and `version`. Of an equal one that is there already, only the `labels` are
                taken, where there are any.
        """
        now = int(time.time())
        while True:
            async with self._store.write() as session:
                fresh = {"id": new_id("grader_"), "name": name, "current": 0, "created_at": now}
                await session.execute(
                    insertion(session, NamedGrader)
                    .values(fresh)
                    .on_conflict_do_nothing(index_elements=["name"])
                )
                # other writers of this name wait here
                grader = await session.scalar(
                    select(NamedGrader).where(NamedGrader.name == name).with_for_update()
                )
                if grader is None:  # it was deleted in between
                    continue
                own = GraderVersion.grader_id == grader.id
                version = await session.scalar(
                    select(GraderVersion).where(own, GraderVersion.identity == made.identity)
                )
                is_new = version is None
                if version is None:
                    version = made
                    last = await session.scalar(select(func.max(GraderVersion.version)).where(own))
                    version.grader_id, version.version = grader.id, (last or 0) + 1
                    session.add(version)
                elif made.labels is not None:
                    version.labels = made.labels
                grader.current = version.version
            return Stored(grader, version), is_new

    async def find(self, name: str, version: int | None = None) -> Stored | None:
        """A version of a name, by default the current one; None if it does not exist."""
        which = NamedGrader.current if version is None else version
        query = (
            select(NamedGrader, GraderVersion)
            .join(GraderVersion, GraderVersion.grader_id == NamedGrader.id)
            .where(NamedGrader.name == name, GraderVersion.version == which)
        )
        async with self._store.read() as session:
            found = (await session.execute(query)).first()
        return None if found is None else Stored(found[0], found[1])

    async def page(self, *, after: str | None, limit: int, order: Order) -> Page:
        """The current versions of some names in the order in which the names were made.

        Args:
            after: The id of a `Stored` after which they come; it need not exist any more.
            limit: How many at most.
            order: `desc`: newest first.
        """
        last = None if after is None else after.partition("-")[0]
        async with self._store.read() as session:
            rows, more = await page_of(
                session, select(NamedGrader), NamedGrader.id, after=last, limit=limit, order=order
            )
            current = select(GraderVersion).join(
                NamedGrader,
                and_(NamedGrader.id == GraderVersion.grader_id, NamedGrader.current == GraderVersion.version),
            )
            found = await session.scalars(current.where(NamedGrader.id.in_([row.id for row in rows])))
            versions = {version.grader_id: version for version in found}
        # without those that were deleted between the two queries
        return [Stored(row, versions[row.id]) for row in rows if row.id in versions], more

    async def names(self) -> list[tuple[str, int]]:
        """All names with the times when they were made, in seconds since 1970, oldest first."""
        query = select(NamedGrader.name, NamedGrader.created_at).order_by(NamedGrader.id)
        async with self._store.read() as session:
            return [(name, created_at) for name, created_at in await session.execute(query)]

    async def versions(self, name: str, *, after: int | None, limit: int, order: Order) -> Page | None:
        """Some versions of a name in the order of their numbers; None where there is no such name.

        Args:
            name: Whose.
            after: The number after which they come.
            limit: How many at most.
            order: `desc`: the last first.
        """
        async with self._store.read() as session:
            grader = await session.scalar(select(NamedGrader).where(NamedGrader.name == name))
            if grader is None:
                return None
            query = select(GraderVersion).where(GraderVersion.grader_id == grader.id)
            if after is not None:
                column = GraderVersion.version
                query = query.where(column > after if order == "asc" else column < after)
            rows, more = await page_of(
                session, query, GraderVersion.version, after=None, limit=limit, order=order
            )
        return [Stored(grader, row) for row in rows], more

    async def delete(self, name: str) -> bool:
        """Delete a name with all its versions and their statistics; False if it does not exist."""
        gone = delete(NamedGrader).where(NamedGrader.name == name).returning(NamedGrader.id)
        async with self._store.write() as session:
            return bool((await session.scalars(gone)).all())

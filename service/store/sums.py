"""Sums over the gradings of named graders, to which every process of the service adds."""

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import BigInteger, Double, ForeignKey, String, func, select
from sqlalchemy.orm import Mapped, mapped_column

from service.store.database import Store, insertion
from service.store.graders import NamedGrader
from service.store.tables import Base

NO_STEP = -1
"""The step of gradings that belong to none."""


class GraderSum(Base):
    """One sum over the gradings of one version, split and step."""

    __tablename__ = "grader_sums"

    grader_id: Mapped[str] = mapped_column(ForeignKey("graders.id", ondelete="CASCADE"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    split: Mapped[str] = mapped_column(String(5), primary_key=True)
    step: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    part: Mapped[str] = mapped_column(String(100), primary_key=True)
    """The key of a grader inside it; empty for the whole."""
    figure: Mapped[str] = mapped_column(String(160), primary_key=True)
    """What is summed up."""
    value: Mapped[float] = mapped_column(Double)


class Series(NamedTuple):
    """Gradings that are summed up together."""

    grader_id: str
    version: int
    split: str
    step: int


Figure = tuple[str, str]
"""A part, and what is summed up of it."""


class GraderSums:
    """The sums of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def add(self, sums: Mapping[Series, Mapping[Figure, float]]) -> None:
        """Add to all of them at once, or to none; those of graders that are deleted by now go with them."""
        wanted = sorted({series.grader_id for series in sums})
        async with self._store.write() as session:
            # held, so that they are not deleted before this is done
            held = (
                select(NamedGrader.id)
                .where(NamedGrader.id.in_(wanted))
                .with_for_update(key_share=True, read=True)
            )
            alive = set((await session.scalars(held)).all())
            # in one order, so that no two processes wait for each other
            rows = [
                {**series._asdict(), "part": part, "figure": figure, "value": value}
                for series, figures in sorted(sums.items())
                if series.grader_id in alive
                for (part, figure), value in sorted(figures.items())
            ]
            if rows:
                added = insertion(session, GraderSum)
                keys = [column.name for column in GraderSum.__table__.primary_key]
                value = GraderSum.value + added.excluded.value
                await session.execute(
                    added.on_conflict_do_update(index_elements=keys, set_={"value": value}), rows
                )

    async def read(self, grader_id: str, version: int, step: int | None) -> dict[str, dict[Figure, float]]:
        """The figures of a version by split.

        Args:
            grader_id: Whose.
            version: Its number.
            step: None for all steps together, and the gradings that belong to none.
        """
        columns = (GraderSum.split, GraderSum.part, GraderSum.figure)
        query = select(*columns, func.sum(GraderSum.value)).where(
            GraderSum.grader_id == grader_id, GraderSum.version == version
        )
        if step is not None:
            query = query.where(GraderSum.step == step)
        found: dict[str, dict[Figure, float]] = {}
        async with self._store.read() as session:
            for split, part, figure, value in await session.execute(query.group_by(*columns)):
                found.setdefault(split, {})[part, figure] = value
        return found

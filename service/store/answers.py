"""Answers that are kept for requests that come again with the same key.

A key is claimed before its request is carried out, by one process, which has it until its lease ends: the others find the
claim, and then the answer.
"""

from dataclasses import dataclass

from sqlalchemy import (
    ColumnElement,
    Delete,
    Double,
    LargeBinary,
    String,
    Text,
    Update,
    and_,
    delete,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from service.store.database import Store, clock_s, insertion
from service.store.tables import Base

KEPT_S = 24 * 3600.0
"""Seconds for which an answer is kept."""
ROW_BYTES = 512
"""What a row counts besides its body."""


class KeptAnswer(Base):
    """A claimed key, and the answer once there is one."""

    __tablename__ = "kept_answers"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    """A digest of the caller, the route and the key."""
    fingerprint: Mapped[str] = mapped_column(String(64))
    """A digest of the request's body."""
    owner: Mapped[str | None] = mapped_column(String(32), index=True)
    """The process that carries the request out; None when it is complete."""
    leased_until: Mapped[float] = mapped_column(Double)
    """When another process may carry it out."""
    created_at: Mapped[float] = mapped_column(Double, index=True)
    """Seconds since 1970, here and above."""
    status: Mapped[int | None]
    content_type: Mapped[str | None] = mapped_column(Text)
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Compressed with zstd."""
    bytes: Mapped[int]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request was answered with.

    Attributes:
        status: HTTP status.
        content_type: Of the body.
        body: As it is stored.
    """

    status: int
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Found:
    """What stands under a key that is not free.

    Attributes:
        fingerprint: Of the first request's body.
        answer: None while it is carried out.
    """

    fingerprint: str
    answer: Answer | None


class Answers:
    """The kept answers of a store.

    Args:
        store: Where they are.
        most_bytes: What they may have together; beyond it the oldest go.
    """

    def __init__(self, store: Store, most_bytes: int) -> None:
        self._store, self._most = store, most_bytes

    async def claim(self, answer_id: str, fingerprint: str, owner: str, lease_s: float) -> Found | None:
        """Take a key; None when it is this owner's now."""
        chosen = select(KeptAnswer).where(KeptAnswer.id == answer_id)
        async with self._store.read() as session:
            # without keeping those waiting who write
            if (row := await session.scalar(chosen.where(_counts()))) is not None:
                return _found(row)
        fresh = {
            "fingerprint": fingerprint,
            "owner": owner,
            "leased_until": clock_s() + lease_s,
            "created_at": clock_s(),
            "status": None,
            "content_type": None,
            "body": None,
            "bytes": ROW_BYTES,
        }
        while True:
            async with self._store.write() as session:
                # one statement, so that of any number who take it at once one has it
                added = insertion(session, KeptAnswer).values(id=answer_id, **fresh)
                taken = added.on_conflict_do_update(
                    index_elements=["id"], set_=fresh, where=~_counts()
                ).returning(KeptAnswer.id)
                if await session.scalar(taken) is not None:
                    return None
                row = await session.scalar(chosen)
            if row is not None:  # otherwise it was let go in between
                return _found(row)

    async def renew(self, owner: str, lease_s: float) -> None:
        """Keep all keys of an owner for longer."""
        await self._write(
            update(KeptAnswer).where(KeptAnswer.owner == owner).values(leased_until=clock_s() + lease_s)
        )

    async def keep(self, answer_id: str, owner: str, answer: Answer) -> None:
        """Keep the answer of a key, if it is still this owner's."""
        await self._write(
            update(KeptAnswer)
            .where(KeptAnswer.id == answer_id, KeptAnswer.owner == owner)
            .values(
                owner=None,
                status=answer.status,
                content_type=answer.content_type,
                body=answer.body,
                bytes=ROW_BYTES + len(answer.body),
            )
        )

    async def release(self, answer_id: str, owner: str) -> None:
        """Let a key go without an answer, if it is still this owner's."""
        await self._write(delete(KeptAnswer).where(KeptAnswer.id == answer_id, KeptAnswer.owner == owner))

    async def tidy(self) -> None:
        """Delete what is too old, and the oldest of what is too much."""
        newer = func.sum(KeptAnswer.bytes).over(order_by=(KeptAnswer.created_at.desc(), KeptAnswer.id))
        sizes = select(KeptAnswer.id, newer.label("held")).where(KeptAnswer.owner.is_(None)).subquery()
        too_much = select(sizes.c.id).where(sizes.c.held > self._most)
        await self._write(delete(KeptAnswer).where(KeptAnswer.created_at < clock_s() - KEPT_S, ~_is_held()))
        await self._write(delete(KeptAnswer).where(KeptAnswer.id.in_(too_much)))

    async def _write(self, statement: Update | Delete) -> None:
        async with self._store.write() as session:
            await session.execute(statement)


def _is_held() -> ColumnElement[bool]:
    return and_(KeptAnswer.owner.is_not(None), KeptAnswer.leased_until >= clock_s())


def _counts() -> ColumnElement[bool]:
    """Whether a row keeps others from its key: it is being carried out, or its answer is not too old."""
    done = and_(KeptAnswer.owner.is_(None), KeptAnswer.created_at >= clock_s() - KEPT_S)
    return or_(_is_held(), done)


def _found(row: KeptAnswer) -> Found:
    if row.status is None or row.content_type is None or row.body is None:
        return Found(row.fingerprint, None)
    return Found(row.fingerprint, Answer(row.status, row.content_type, row.body))

"""What the tables whose ids sort by time have in common: their ids, and a page of their rows."""

import secrets
import time
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias, TypeVar

from sqlalchemy import Select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

Order: TypeAlias = Literal["asc", "desc"]
Row = TypeVar("Row")


def new_id(prefix: str, now: float | None = None) -> str:
    """An id that sorts by when it was made: the prefix and 24 hexadecimal digits.

    Args:
        prefix: With whatever stands between.
        now: Seconds since 1970; None for now.
    """
    return f"{prefix}{int((time.time() if now is None else now) * 1e6):014x}{secrets.token_hex(5)}"


async def page_of(
    session: AsyncSession,
    query: Select[Row],
    key: InstrumentedAttribute[Any],
    *,
    after: str | None,
    limit: int,
    order: Order,
) -> tuple[Sequence[Row], bool]:
    """Some rows of a query in the order of a column, and whether there are more.

    Args:
        session: Reads.
        query: Which rows there are.
        key: The column.
        after: The value after which they come; no row need have it any more.
        limit: How many at most.
        order: `desc`: the last first.
    """
    if after is not None:
        query = query.where(key > after if order == "asc" else key < after)
    query = query.order_by(key.asc() if order == "asc" else key.desc())
    found = (await session.scalars(query.limit(limit + 1))).all()
    return found[:limit], len(found) > limit

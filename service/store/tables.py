"""The tables. A change here needs a step in `migrations/versions`; a test compares the two."""

import time

from sqlalchemy import BigInteger, ColumnElement, Integer, String, Text, or_
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """What all tables have in common."""


class File(Base):
    """An uploaded file; its content is in the directory of `Files`, under its id."""

    __tablename__ = "files"

    id: Mapped[str] = mapped_column(String(29), primary_key=True)
    """`file-` and 24 hexadecimal digits; ids sort by when they were made."""
    filename: Mapped[str] = mapped_column(Text)
    """What the client calls it; never a path of ours."""
    bytes: Mapped[int] = mapped_column(BigInteger)
    purpose: Mapped[str] = mapped_column(String(64), index=True)
    created_at: Mapped[int] = mapped_column(BigInteger)
    """Seconds since 1970."""
    expires_at: Mapped[int | None] = mapped_column(BigInteger, index=True)
    """Seconds since 1970, from when on it is gone; None: when it is deleted."""
    status: Mapped[str] = mapped_column(String(16))
    """`processed`: nothing is left to do once it is stored."""
    sha256: Mapped[str] = mapped_column(String(64))


def alive() -> ColumnElement[bool]:
    """Whether a file has not expired."""
    return or_(File.expires_at.is_(None), File.expires_at > int(time.time()))


class ApiKey(Base):
    """A key that clients may send; the row stays when it is revoked."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(String(28), primary_key=True)
    """`key_` and 24 hexadecimal digits; ids sort by when they were made."""
    name: Mapped[str] = mapped_column(Text)
    """What its maker calls it."""
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    """Of the key, which is kept nowhere."""
    scopes: Mapped[str] = mapped_column(String(64))
    """What it allows, with spaces between."""
    created_at: Mapped[int] = mapped_column(BigInteger)
    """Seconds since 1970."""
    last_used_at: Mapped[int | None] = mapped_column(BigInteger)
    """Seconds since 1970, to about a minute; None: never."""
    revoked_at: Mapped[int | None] = mapped_column(BigInteger)
    """Seconds since 1970, from when on it is worth nothing."""
    requests_per_minute: Mapped[int | None] = mapped_column(Integer)
    """How many requests a process takes from it; None: any number."""
    concurrency: Mapped[int | None] = mapped_column(Integer)
    """How many of its requests a process answers at once; None: any number."""

"""The database of the service: a SQLite file, or PostgreSQL by URL."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from graders import ConfigurationError
from service.store import migrate
from service.store.tables import Base

BUSY_TIMEOUT_S = 30.0
"""How long a SQLite connection waits for the writer before it."""


class Store:
    """A database that any number of processes share.

    Use it as a context manager, or `open` and `close` it.

    Args:
        database: The path of a SQLite file, or a `postgresql://` URL; one of a socket has `?host=DIRECTORY`.

    Raises:
        ConfigurationError: When it is a URL of something else, or PostgreSQL's driver is not installed.
    """

    def __init__(self, database: str) -> None:
        self._url = _address(database)
        self._engine: AsyncEngine | None = None

    async def open(self) -> None:
        """Bring the tables up to date, and connect.

        Raises:
            ConfigurationError: When it cannot be reached, is no database, or is of a newer version than this one.
        """
        try:
            await asyncio.to_thread(_migrate, self._url)
        except (DBAPIError, sqlite3.Error, OSError) as error:
            reason = getattr(error, "orig", None) or error
            raise ConfigurationError(f"database: {_shown(self._url)}: {reason}") from error
        driver = "sqlite+aiosqlite" if _is_sqlite(self._url) else self._url.drivername
        self._engine = create_async_engine(self._url.set(drivername=driver), pool_pre_ping=True)
        _prepare(self._engine.sync_engine)

    async def close(self) -> None:
        """Let the connections go."""
        if self._engine is not None:
            await self._engine.dispose()
            self._engine = None

    async def __aenter__(self) -> Self:
        """Open it."""
        await self.open()
        return self

    async def __aexit__(self, *error: object) -> None:
        """Close it."""
        await self.close()

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        """A transaction, committed at its end and undone by an error; in SQLite the only writer from its beginning."""
        async with AsyncSession(self._opened(), expire_on_commit=False) as session, session.begin():
            yield session

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """A transaction that only reads, and waits for no writer."""
        engine = self._opened().execution_options(sqlite_begin="DEFERRED")
        async with AsyncSession(engine, expire_on_commit=False) as session, session.begin():
            yield session

    def _opened(self) -> AsyncEngine:
        if self._engine is None:
            raise RuntimeError("the store is not open")
        return self._engine


def insertion(session: AsyncSession, table: type[Base]) -> sqlite.Insert | postgresql.Insert:
    """An insertion that can say what becomes of rows that are there already; the two databases spell it the same."""
    return sqlite.insert(table) if session.get_bind().dialect.name == "sqlite" else postgresql.insert(table)


def _address(database: str) -> URL:
    if "://" not in database:
        return URL.create("sqlite", database=str(Path(database).expanduser().absolute()))
    try:
        url = make_url(database)
    except ArgumentError:
        raise ConfigurationError("database: this is no URL") from None
    if url.drivername not in {"postgresql", "postgres"}:
        raise ConfigurationError(
            f"database: a path, or a URL that begins with postgresql://, not with {url.drivername}://"
        )
    try:
        import psycopg  # noqa: F401, PLC0415  # an extra
    except ImportError:
        raise ConfigurationError("database is PostgreSQL: pip install 'rft-graders[postgres]'") from None
    return url.set(drivername="postgresql+psycopg")


def _shown(url: URL) -> str:
    return str(url.database) if _is_sqlite(url) else url.render_as_string(hide_password=True)


def _is_sqlite(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def _migrate(url: URL) -> None:
    engine = create_engine(url)
    _prepare(engine)
    try:
        if _is_sqlite(url):
            migrate.sqlite(engine, Path(str(url.database)))
        else:
            migrate.postgresql(engine)
    finally:
        engine.dispose()


def _prepare(engine: Engine) -> None:
    """Have SQLite keep foreign keys, wait for writers, and begin transactions where SQLAlchemy says that they begin."""
    if engine.dialect.name != "sqlite":
        return

    @event.listens_for(engine, "connect")
    def connected(connection: Any, _: object) -> None:
        # Python's driver would begin by itself, late, and not before a change of tables
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_S * 1000:.0f}")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA synchronous = NORMAL")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # one that reads first and writes then fails, without waiting, when another has written in between
        kind = connection.get_execution_options().get("sqlite_begin", "IMMEDIATE")
        connection.exec_driver_sql(f"BEGIN {kind}")

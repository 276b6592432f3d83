"""The database of the service: a SQLite file, or PostgreSQL by URL."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

from sqlalchemy import URL, Connection, Double, Engine, create_engine, event, make_url, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from graders import ConfigurationError
from graders.installation import install_command
from service.store import migrate
from service.store.failures import (
    OF_THE_DISK,
    StorageFailed,
    database_failure,
    is_storage_failure,
    why_not_written,
)
from service.store.health import StorageHealth
from service.store.tables import Base

WAIT_S = 10.0
"""Seconds that a transaction waits for others before it, where nothing else is set."""
STATEMENT_S = 30.0
"""Seconds that a statement may take in PostgreSQL, where nothing else is set."""
_MIGRATION_WAIT_S = 30.0
_POOL, _MORE = 5, 10
"""Connections that are kept, and further ones when those are in use."""
_POSTGRESQL_WRITERS = 8
"""Transactions that may wait for each other's locks at once: the other connections are left to those who read."""
_AT_ONCE_S = 0.1
"""Seconds of waiting for this process's own writers that are not taken off the time to wait for others."""


class Store:
    """A database that any number of processes share.

    Use it as a context manager, or `open` and `close` it.

    Args:
        database: The path of a SQLite file, or a `postgresql://` URL; one of a socket has `?host=DIRECTORY`.
        wait_s: Seconds that a transaction waits for others before it.
        statement_s: Seconds that a statement may take in PostgreSQL.
        health: Is given every failure.

    Raises:
        ConfigurationError: When it is a URL of something else, or PostgreSQL's driver is not installed.
    """

    def __init__(
        self,
        database: str,
        *,
        wait_s: float = WAIT_S,
        statement_s: float = STATEMENT_S,
        health: StorageHealth | None = None,
    ) -> None:
        self._url = _address(database)
        self._wait_s, self._statement_s = wait_s, statement_s
        self._health = health or StorageHealth()
        self._engine: AsyncEngine | None = None
        # of SQLite's writers all but one wait here, where they keep no connection from those who read
        self._writers = asyncio.Semaphore(1 if _is_sqlite(self._url) else _POSTGRESQL_WRITERS)

    @property
    def path(self) -> Path | None:
        """SQLite's file; None for PostgreSQL."""
        return Path(str(self._url.database)) if _is_sqlite(self._url) else None

    async def open(self) -> None:
        """Bring the tables up to date, and connect.

        Raises:
            ConfigurationError: When it cannot be reached, is no database, or is of a newer version than this one.
        """
        try:
            await asyncio.to_thread(_migrate, self._url)
        except (DBAPIError, sqlite3.Error, OSError) as error:
            reason = getattr(error, "orig", None) or error
            names = "" if isinstance(error, OSError) else database_failure(error, self.path).names
            shown = f"{reason} ({names})" if names else reason
            raise ConfigurationError(f"database: {_shown(self._url)}: {shown}") from error
        self._engine = create_async_engine(
            self._url.set(drivername="sqlite+aiosqlite") if self.path else self._url,
            pool_pre_ping=True,
            pool_size=_POOL,
            max_overflow=_MORE,
            pool_timeout=self._wait_s,
            connect_args={"factory": _UndoneWhenClosed} if self.path else _reaching(self._url, self._wait_s),
        )
        _prepare(self._engine.sync_engine, self._wait_s, self._statement_s)

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
        """A transaction, committed at its end and undone by an error; in SQLite the only writer from its beginning.

        Raises:
            StorageFailed: When the database fails, or others write for longer than `wait_s`.
        """
        async with self._noted(), self._turn() as left_s:
            engine = self._opened().execution_options(sqlite_wait_s=left_s)
            async with AsyncSession(engine, expire_on_commit=False) as session, session.begin():
                yield session

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """A transaction that only reads, and waits for no writer.

        Raises:
            StorageFailed: When the database fails.
        """
        async with self._noted():
            engine = self._opened().execution_options(sqlite_begin="DEFERRED")
            async with AsyncSession(engine, expire_on_commit=False) as session, session.begin():
                yield session

    async def check(self) -> None:
        """Try to write.

        Raises:
            StorageFailed: When the database takes nothing.
        """
        if self.path is None:
            async with self.write() as session:
                # the transaction gets a number, which is written; a standby refuses that
                await session.execute(text("SELECT pg_current_xact_id()"))
            return
        why = await asyncio.to_thread(why_not_written, self.path.parent, self.path)
        if why in OF_THE_DISK:  # where only new files are refused, the database may do without
            raise self._health.note(StorageFailed("database", why, None))
        async with self.write() as session:
            version = await session.scalar(text("PRAGMA user_version"))
            # the same again, which is written all the same
            await session.execute(text(f"PRAGMA user_version = {int(version or 0)}"))

    @asynccontextmanager
    async def _noted(self) -> AsyncIterator[None]:
        """Raise failures of the database as what they are, and note them."""
        try:
            yield
        except Exception as error:
            if not is_storage_failure(error):
                raise
            failed = await asyncio.to_thread(database_failure, error, self.path)
            raise self._health.note(failed, error) from error

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[float]:
        """Wait for this process's other writers; gives the seconds that are left to wait for those of others."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._wait_s):
                await self._writers.acquire()
        except TimeoutError:
            code = "SQLITE_BUSY" if self.path else "POOL_TIMEOUT"
            raise self._health.note(StorageFailed("database", None, code)) from None
        try:
            waited = time.monotonic() - began
            yield self._wait_s if waited < _AT_ONCE_S else max(self._wait_s - waited, 0.0)
        finally:
            self._writers.release()

    def _opened(self) -> AsyncEngine:
        if self._engine is None:
            raise RuntimeError("the store is not open")
        return self._engine


class _UndoneWhenClosed(sqlite3.Connection):
    """A connection of SQLite whose transaction ends when it is closed, also while a statement of it is referred to.

    A task that is cancelled during a statement closes its connection, and its traceback refers to the statement. SQLite
    would keep the connection open until the statement is freed, and the transaction with it: nobody else could write.
    """

    def close(self) -> None:
        if self.in_transaction:
            self.rollback()
        super().close()


class clock_s(FunctionElement[float]):  # noqa: N801  # named like the functions of SQL
    """The database's own clock, seconds since 1970: what several machines agree on, whatever their own clocks say."""

    type = Double()
    inherit_cache = True


@compiles(clock_s)
def _clock_of_sqlite(*_: Any, **__: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(clock_s, "postgresql")
def _clock_of_postgresql(*_: Any, **__: Any) -> str:
    return "extract(epoch FROM clock_timestamp())::double precision"


def insertion(session: AsyncSession, table: type[Base]) -> sqlite.Insert | postgresql.Insert:
    """An insertion that can say what becomes of rows that are there already; the two databases spell it the same."""
    return sqlite.insert(table) if session.get_bind().dialect.name == "sqlite" else postgresql.insert(table)


def _address(database: str) -> URL:
    if "://" not in database:
        return URL.create("sqlite", database=str(Path(database).expanduser().absolute()))
    try:
        url = make_url(database)
    except ArgumentError:
        raise ConfigurationError("database: this is not a URL") from None
    if url.drivername not in {"postgresql", "postgres"}:
        raise ConfigurationError(
            f"database: a path, or a URL that begins with postgresql://, not with {url.drivername}://"
        )
    try:
        import psycopg  # noqa: F401, PLC0415  # an extra
    except ImportError:
        raise ConfigurationError(
            f"database is PostgreSQL, whose driver is not installed: {install_command('postgres')}"
        ) from None
    return url.set(drivername="postgresql+psycopg")


def _shown(url: URL) -> str:
    return str(url.database) if _is_sqlite(url) else url.render_as_string(hide_password=True)


def _is_sqlite(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def _reaching(url: URL, wait_s: float) -> dict[str, Any]:
    """How long PostgreSQL may take to answer at all, unless the URL says so itself; a server that is gone may say nothing."""
    wanted = {
        "connect_timeout": max(2, round(wait_s)),  # less than 2 counts as 2
        "keepalives_idle": max(1, round(wait_s)),
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": round(wait_s * 1000),
    }
    return {name: value for name, value in wanted.items() if name not in url.query}


def _migrate(url: URL) -> None:
    engine = create_engine(url)
    _prepare(engine, _MIGRATION_WAIT_S, None)
    try:
        if _is_sqlite(url):
            migrate.sqlite(engine, Path(str(url.database)))
        else:
            migrate.postgresql(engine)
    finally:
        engine.dispose()


def _prepare(engine: Engine, wait_s: float, statement_s: float | None) -> None:
    """Have a database wait for others as long as is set, and SQLite keep foreign keys and begin where SQLAlchemy does.

    Args:
        engine: The engine.
        wait_s: Seconds to wait for others.
        statement_s: Seconds that a statement may take in PostgreSQL; None: as long as it takes.
    """
    if engine.dialect.name == "sqlite":
        _prepare_sqlite(engine, wait_s)
    elif statement_s is not None:
        limits = {"lock_timeout": wait_s, "statement_timeout": statement_s}
        _prepare_postgresql(engine, {**limits, "idle_in_transaction_session_timeout": 2 * statement_s})


def _prepare_postgresql(engine: Engine, limits_s: dict[str, float]) -> None:
    @event.listens_for(engine, "connect")
    def connected(connection: Any, _: object) -> None:
        # not as options of the connection, which poolers between refuse
        cursor = connection.cursor()
        for name, seconds in limits_s.items():
            cursor.execute(f"SET {name} = {seconds * 1000:.0f}")
        cursor.close()
        connection.commit()


def _prepare_sqlite(engine: Engine, wait_s: float) -> None:
    @event.listens_for(engine, "connect")
    def connected(connection: Any, _: object) -> None:
        # Python's driver would begin by itself, late, and not before a change of tables
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {wait_s * 1000:.0f}")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA synchronous = NORMAL")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        left_s = options.get("sqlite_wait_s", wait_s)
        if connection.info.get("wait_s", wait_s) != left_s:
            connection.exec_driver_sql(f"PRAGMA busy_timeout = {left_s * 1000:.0f}")
            connection.info["wait_s"] = left_s
        # one that reads first and writes then fails, without waiting, when another has written in between
        connection.exec_driver_sql(f"BEGIN {options.get('sqlite_begin', 'IMMEDIATE')}")

"""Where the processes of a service meet: how fast they may ask together, and what they have spent.

SQLite for the processes of one machine, PostgreSQL for those of several. A rate is one number, the time at which the next
may go (the generic cell rate algorithm, ITU-T I.371), so that a reservation is one statement that no other process can
come between.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol, TypeVar

from graders import ConfigurationError, FailureKind
from runtime.judge.failures import NoVerdict
from runtime.judge.own_file import name_of, open_own

TOLERANCE_S = 0.05
"""How late one may come and still be counted as having come in time, so that a delay of ours costs no rate."""
BUSY_S = 5.0

_TABLES = (
    "CREATE TABLE IF NOT EXISTS judge_rates (name TEXT PRIMARY KEY, next_at DOUBLE PRECISION NOT NULL)",
    """CREATE TABLE IF NOT EXISTS judge_spending
    (purse TEXT PRIMARY KEY, tokens BIGINT NOT NULL, money DOUBLE PRECISION NOT NULL)""",
)
_RESERVE = """
INSERT INTO judge_rates (name, next_at) VALUES ({p}, {now} + {p})
ON CONFLICT (name) DO UPDATE SET next_at = {greatest}(judge_rates.next_at, {now} - {p}) + {p}
RETURNING next_at - {now}
"""
_SHIFT = "UPDATE judge_rates SET next_at = next_at + {p} WHERE name = {p}"
_SPEND = """
INSERT INTO judge_spending (purse, tokens, money) VALUES ({p}, {p}, {p})
ON CONFLICT (purse) DO UPDATE SET
    tokens = judge_spending.tokens + excluded.tokens, money = judge_spending.money + excluded.money
RETURNING tokens, money
"""

T = TypeVar("T")


class Meeting(Protocol):
    """What the processes share."""

    async def reserve(self, rate: str, cost_s: float) -> float:
        """Take the next place at a rate.

        Args:
            rate: Its name.
            cost_s: Seconds until the next after this one may go.

        Returns:
            Seconds until this one may go.
        """
        ...

    async def shift(self, rate: str, cost_s: float) -> None:
        """Correct what places have cost, when it is known."""
        ...

    async def spend(self, purse: str, tokens: int, money: float) -> tuple[int, float]:
        """Add to what was spent out of a purse; gives all that was."""
        ...

    async def aclose(self) -> None:
        """Leave."""
        ...


def meeting_at(store: str) -> Meeting:
    """The meeting point of a setting: the path of a SQLite file, or a `postgresql://` URL.

    Raises:
        ConfigurationError: When it is a URL of something else, or PostgreSQL's driver is not installed.
    """
    if store.startswith(("postgresql://", "postgres://")):
        try:
            import psycopg  # noqa: F401, PLC0415  # an extra
        except ImportError:
            raise ConfigurationError(
                "judge_store is in PostgreSQL: pip install 'rft-graders[postgres]'"
            ) from None
        return _Postgres(store)
    if "://" in store:
        scheme = store.partition("://")[0]
        raise ConfigurationError(
            f"judge_store: a path, or a URL that begins with postgresql://, not with {scheme}://"
        )
    return _Sqlite(Path(store))


class _Sqlite:
    """A file; a thread of its own waits for the other processes, never the event loop."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="judge-meeting")
        self._reserve, self._shift, self._spend = (
            sql.format(p="?", now="?", greatest="max") for sql in (_RESERVE, _SHIFT, _SPEND)
        )

    async def reserve(self, rate: str, cost_s: float) -> float:
        now = time.time()
        values = (rate, now, cost_s, now, TOLERANCE_S, cost_s, now)
        return float((await self._run(self._reserve, values))[0]) - cost_s

    async def shift(self, rate: str, cost_s: float) -> None:
        await self._run(self._shift, (cost_s, rate))

    async def spend(self, purse: str, tokens: int, money: float) -> tuple[int, float]:
        spent_tokens, spent_money = await self._run(self._spend, (purse, tokens, money))
        return int(spent_tokens), float(spent_money)

    async def aclose(self) -> None:
        if self._connection is not None:
            await self._in_thread(self._close)
        self._thread.shutdown()

    async def _run(self, statement: str, values: tuple[Any, ...]) -> Any:
        try:
            return await self._in_thread(lambda: self._execute(statement, values))
        except (sqlite3.Error, OSError) as error:
            raise _cannot_meet(error) from error

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _execute(self, statement: str, values: tuple[Any, ...]) -> Any:
        if self._connection is None:
            connection = open_own(self._path, busy_s=BUSY_S)
            try:
                for table in _TABLES:
                    connection.execute(table)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection.execute(statement, values).fetchone()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class _Postgres:
    """A database, by whose clock the rates go, since those of several machines differ."""

    _NOW = "extract(epoch FROM clock_timestamp())::double precision"

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: Any = None
        self._turn = asyncio.Lock()
        self._reserve, self._shift, self._spend = (
            sql.format(p="%s", now=self._NOW, greatest="greatest") for sql in (_RESERVE, _SHIFT, _SPEND)
        )

    async def reserve(self, rate: str, cost_s: float) -> float:
        row = await self._run(self._reserve, (rate, cost_s, TOLERANCE_S, cost_s))
        return float(row[0]) - cost_s

    async def shift(self, rate: str, cost_s: float) -> None:
        await self._run(self._shift, (cost_s, rate))

    async def spend(self, purse: str, tokens: int, money: float) -> tuple[int, float]:
        row = await self._run(self._spend, (purse, tokens, money))
        return int(row[0]), float(row[1])

    async def aclose(self) -> None:
        async with self._turn:
            await self._hang_up()

    async def _run(self, statement: str, values: tuple[Any, ...]) -> Any:
        import psycopg  # noqa: PLC0415  # an extra

        async with self._turn:
            try:
                if self._connection is None:
                    self._connection = await psycopg.AsyncConnection.connect(
                        self._url, autocommit=True, connect_timeout=int(BUSY_S)
                    )
                    for table in _TABLES:
                        await self._connection.execute(table)
                found = await self._connection.execute(statement, values)
                return await found.fetchone() if found.description else None
            except (psycopg.Error, OSError) as error:
                await self._hang_up()
                raise _cannot_meet(error) from error
            except BaseException:  # a statement that was cut off leaves the connection in the middle of it
                await self._hang_up()
                raise

    async def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()


def _cannot_meet(error: Exception) -> NoVerdict:
    return NoVerdict(
        "the judges' limits and budgets cannot be read (judge_store): "
        f"{str(error).strip() or 'no reason'} ({name_of(error)})",
        FailureKind.MODEL_GRADER_SERVER,
        "judge_store_unavailable",
        retryable=True,
    )

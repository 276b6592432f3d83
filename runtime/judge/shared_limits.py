"""Where the processes of a service meet: how fast they may ask together, and what they have spent.

SQLite for the processes of one machine, PostgreSQL for those of several. A rate is one number, the time at which the next
may go (the generic cell rate algorithm, ITU-T I.371), so that a reservation is one statement that no other process can
come between. So is a reservation out of a spending account, which is refused by the same statement that would make it.
"""

import asyncio
import re
import sqlite3
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol, TypeAlias, TypeVar

from graders import ConfigurationError, FailureKind, FailureType
from graders.installation import install_command
from runtime.judge.budget_account import Account, Price
from runtime.judge.failures import NoVerdict
from runtime.judge.sqlite_file import name_of, open_own

TOLERANCE_S = 0.05
"""How late one may come and still be counted as having come in time, so that a delay of ours costs no rate."""
BUSY_S = 5.0

_TABLES = (
    "CREATE TABLE IF NOT EXISTS judge_rates (name TEXT PRIMARY KEY, next_at DOUBLE PRECISION NOT NULL)",
    """CREATE TABLE IF NOT EXISTS judge_purses
    (purse TEXT PRIMARY KEY, tokens BIGINT NOT NULL, money DOUBLE PRECISION NOT NULL, held BIGINT NOT NULL,
    held_tokens BIGINT NOT NULL, held_money DOUBLE PRECISION NOT NULL, held_until DOUBLE PRECISION NOT NULL)""",
)
_CREATING = 0x6A75_6467
"""The advisory lock of those who create the tables."""
_RESERVE = """
INSERT INTO judge_rates (name, next_at) VALUES ({p}, {now} + {p})
ON CONFLICT (name) DO UPDATE SET next_at = {greatest}(judge_rates.next_at, {now} - {p}) + {p}
RETURNING next_at - {now}
"""
_SHIFT = "UPDATE judge_rates SET next_at = next_at + {p} WHERE name = {p}"
_TAKE = """
INSERT INTO judge_purses (purse, tokens, money, held, held_tokens, held_money, held_until)
VALUES (:purse, 0, 0, 1, :tokens, :money, {now} + :hold_s)
ON CONFLICT (purse) DO UPDATE SET
    held = judge_purses.held + 1,
    held_tokens = judge_purses.held_tokens + excluded.held_tokens,
    held_money = judge_purses.held_money + excluded.held_money,
    held_until = excluded.held_until
WHERE judge_purses.tokens + judge_purses.held_tokens < :limit_tokens
    AND judge_purses.money + judge_purses.held_money < :limit_money
RETURNING held
"""
_SETTLE = """
UPDATE judge_purses SET
    tokens = tokens + :tokens,
    money = money + :money,
    held = held - 1,
    held_tokens = CASE WHEN held > 1 THEN held_tokens - :held_tokens ELSE 0 END,
    held_money = CASE WHEN held > 1 THEN held_money - :held_money ELSE 0 END,
    held_until = {now} + :hold_s
WHERE purse = :purse
"""
_LOOK = """
SELECT tokens, money, held, held_tokens, held_money, held_until - {now} FROM judge_purses WHERE purse = :purse
"""

T = TypeVar("T")
_Values: TypeAlias = tuple[Any, ...] | Mapping[str, Any]


class SharedLimits(Protocol):
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

    async def take(self, spending_account: str, price: Price, limit: Price, hold_s: float) -> bool:
        """Set a price aside, when what was spent and set aside before is below the limit.

        Args:
            spending_account: Out of which, by name.
            price: How much.
            limit: Of the spending account; both of its numbers must be above what is gone.
            hold_s: Seconds without any news of the spending account after which those who hold something of it are taken for dead.

        Returns:
            Whether it was set aside.
        """
        ...

    async def settle(self, spending_account: str, held: Price, really: Price, hold_s: float) -> None:
        """Put what was really spent in place of what was set aside."""
        ...

    async def account(self, spending_account: str) -> Account:
        """What is gone out of a spending account."""
        ...

    async def aclose(self) -> None:
        """Leave."""
        ...


def shared_limits_at(store: str) -> SharedLimits:
    """The shared limits of a setting: the path of a SQLite file, or a `postgresql://` URL.

    Raises:
        ConfigurationError: When it is a URL of something else, or PostgreSQL's driver is not installed.
    """
    if store.startswith(("postgresql://", "postgres://")):
        try:
            import psycopg  # noqa: F401, PLC0415  # an extra
        except ImportError:
            raise ConfigurationError(
                f"judge_store is in PostgreSQL, whose driver is not installed: {install_command('postgres')}"
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
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="judge-limits")
        self._reserve, self._shift = (
            sql.format(p="?", now="?", greatest="max") for sql in (_RESERVE, _SHIFT)
        )
        self._take, self._settle, self._look = (sql.format(now=":now") for sql in (_TAKE, _SETTLE, _LOOK))

    async def reserve(self, rate: str, cost_s: float) -> float:
        now = time.time()
        values = (rate, now, cost_s, now, TOLERANCE_S, cost_s, now)
        return float((await self._run(self._reserve, values))[0]) - cost_s

    async def shift(self, rate: str, cost_s: float) -> None:
        await self._run(self._shift, (cost_s, rate))

    async def take(self, spending_account: str, price: Price, limit: Price, hold_s: float) -> bool:
        values = _taking(spending_account, price, limit, hold_s)
        return await self._run(self._take, {**values, "now": time.time()}) is not None

    async def settle(self, spending_account: str, held: Price, really: Price, hold_s: float) -> None:
        await self._run(
            self._settle, {**_settling(spending_account, held, really, hold_s), "now": time.time()}
        )

    async def account(self, spending_account: str) -> Account:
        return _account(await self._run(self._look, {"purse": spending_account, "now": time.time()}))

    async def aclose(self) -> None:
        if self._connection is not None:
            await self._in_thread(self._close)
        self._thread.shutdown()

    async def _run(self, statement: str, values: _Values) -> Any:
        try:
            return await self._in_thread(lambda: self._execute(statement, values))
        except (sqlite3.Error, OSError) as error:
            raise _cannot_meet(error) from error

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _execute(self, statement: str, values: _Values) -> Any:
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
        self._reserve, self._shift = (
            sql.format(p="%s", now=self._NOW, greatest="greatest") for sql in (_RESERVE, _SHIFT)
        )
        self._take, self._settle, self._look = (
            re.sub(r":(\w+)", r"%(\1)s", sql).format(now=self._NOW) for sql in (_TAKE, _SETTLE, _LOOK)
        )

    async def reserve(self, rate: str, cost_s: float) -> float:
        row = await self._run(self._reserve, (rate, cost_s, TOLERANCE_S, cost_s))
        return float(row[0]) - cost_s

    async def shift(self, rate: str, cost_s: float) -> None:
        await self._run(self._shift, (cost_s, rate))

    async def take(self, spending_account: str, price: Price, limit: Price, hold_s: float) -> bool:
        return await self._run(self._take, _taking(spending_account, price, limit, hold_s)) is not None

    async def settle(self, spending_account: str, held: Price, really: Price, hold_s: float) -> None:
        await self._run(self._settle, _settling(spending_account, held, really, hold_s))

    async def account(self, spending_account: str) -> Account:
        return _account(await self._run(self._look, {"purse": spending_account}))

    async def aclose(self) -> None:
        async with self._turn:
            await self._hang_up()

    async def _run(self, statement: str, values: _Values) -> Any:
        import psycopg  # noqa: PLC0415  # an extra

        async with self._turn:
            try:
                if self._connection is None:
                    self._connection = await psycopg.AsyncConnection.connect(
                        self._url, autocommit=True, connect_timeout=int(BUSY_S)
                    )
                    await self._create()
                found = await self._connection.execute(statement, values)
                return await found.fetchone() if found.description else None
            except (psycopg.Error, OSError) as error:
                await self._hang_up()
                raise _cannot_meet(error) from error
            except BaseException:  # a statement that was cut off leaves the connection in the middle of it
                await self._hang_up()
                raise

    async def _create(self) -> None:
        async with self._connection.transaction():
            # even with IF NOT EXISTS, two that create a table at once are in each other's way
            await self._connection.execute("SELECT pg_advisory_xact_lock(%s)", (_CREATING,))
            for table in _TABLES:
                await self._connection.execute(table)

    async def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()


def _taking(spending_account: str, price: Price, limit: Price, hold_s: float) -> dict[str, Any]:
    limits = {"limit_tokens": limit.tokens, "limit_money": limit.money}
    return {
        "purse": spending_account,
        "tokens": price.tokens,
        "money": price.money,
        "hold_s": hold_s,
        **limits,
    }


def _settling(spending_account: str, held: Price, really: Price, hold_s: float) -> dict[str, Any]:
    holding = {"held_tokens": held.tokens, "held_money": held.money}
    return {
        "purse": spending_account,
        "tokens": really.tokens,
        "money": really.money,
        "hold_s": hold_s,
        **holding,
    }


def _account(row: Any) -> Account:
    if row is None:
        return Account()
    tokens, money, held, held_tokens, held_money, held_s = row
    spent, aside = Price(int(tokens), float(money)), Price(int(held_tokens), float(held_money))
    return Account(spent, aside, int(held), float(held_s))


def _cannot_meet(error: Exception) -> NoVerdict:
    return NoVerdict(
        "the judges' limits and budgets cannot be read (judge_store): "
        f"{str(error).strip() or 'no reason'} ({name_of(error)})",
        FailureKind.MODEL_GRADER_SERVER,
        FailureType.JUDGE_STORE_UNAVAILABLE,
        retryable=True,
    )

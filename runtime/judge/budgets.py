"""What may be spent: by a run, by the holder of a key in a day, by everybody in a day.

What an answer costs is known when it is there. Before a question is sent, the most that its answer may cost is set aside
in every spending account that pays for it, over all processes, and no question is sent when a spending account is used up by what was spent and
what is set aside. So what is spent never exceeds a budget by more than one such reservation. Near the end of a budget
questions wait for each other, since most answers cost far less than what is set aside for them.

A question whose answer nobody sees (it was cancelled, its client left, the server did not answer in time) costs what was
set aside: the model may have answered all the same. A process that is killed leaves its reservations behind.
"""

import asyncio
import logging
import math
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

from runtime.judge.budget_account import NOTHING, Account, OwnAccount, Price
from runtime.judge.failures import NoVerdict, budget_spent
from runtime.judge.shared_limits import SharedLimits
from runtime.settings.judges import Budget, Scope

POLL_S = 0.2
"""How often a spending account that other processes take from too is looked at while a question waits for it."""
HOLD_S = 600.0
"""Seconds without any news of a spending account after which what other processes have set aside is not waited for any more."""
UNLIMITED = Price(1 << 62, math.inf)

logger = logging.getLogger(__name__)
T = TypeVar("T")


class BudgetReserved(Exception):
    """All that is left in a spending account is set aside for questions that are being asked: it may be free again soon.

    Attributes:
        spending_account: Which.
    """

    def __init__(self, spending_account: "BudgetAccount") -> None:
        super().__init__(spending_account)
        self.spending_account = spending_account


class _Account(Protocol):
    async def take(self, price: Price, limit: Price) -> bool: ...
    async def settle(self, held: Price, really: Price) -> None: ...
    async def account(self) -> Account: ...


@dataclass(frozen=True, slots=True)
class _SharedAccount:
    """The account of a spending account from which several processes take."""

    limits: SharedLimits
    name: str

    async def take(self, price: Price, limit: Price) -> bool:
        return await self.limits.take(self.name, price, limit, HOLD_S)

    async def settle(self, held: Price, really: Price) -> None:
        await self.limits.settle(self.name, held, really, HOLD_S)

    async def account(self) -> Account:
        return await self.limits.account(self.name)


class Chores:
    """Work that goes on to its end when the one who waits for it is cancelled."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()

    def begin(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """Start some work."""
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._end)
        return task

    async def aclose(self) -> None:
        """Wait for all of it."""
        while self._running:
            await asyncio.wait(self._running)

    def _end(self, task: "asyncio.Task[Any]") -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # a waiting caller gets it; there may be no such caller


class BudgetAccount:
    """One budget, and what was taken out of it."""

    def __init__(self, words: str, budget: Budget, account: _Account, chores: Chores) -> None:
        """A spending account with its account.

        Args:
            words: Whose it is, for a message.
            budget: What may be spent.
            account: What is gone.
            chores: Where a reservation is made and settled, whatever becomes of the question.
        """
        tokens = UNLIMITED.tokens if budget.tokens is None else budget.tokens
        money = UNLIMITED.money if budget.money is None else budget.money
        self.words, self._limit = words, Price(min(tokens, UNLIMITED.tokens), money)
        self._account, self._chores = account, chores
        self._own, self._turn, self._news = 0, asyncio.Lock(), asyncio.Event()

    async def reserve(self, price: Price) -> None:
        """Set a price aside.

        Raises:
            BudgetReserved: When nothing is free until some question has been answered.
            NoVerdict: When the spending account is empty.
        """
        while not await self._take(price):
            if not await self._is_full():
                continue  # it was, and is not any more
            raise BudgetReserved(self)

    async def room(self) -> None:
        """Wait until something may be free.

        Raises:
            NoVerdict: When the spending account is empty.
        """
        async with self._turn:  # one of those who wait looks, and they go on in their order
            while True:
                self._news.clear()
                if not await self._is_full():
                    return
                with suppress(TimeoutError):
                    async with asyncio.timeout(POLL_S):
                        await self._news.wait()

    def settle(self, held: Price, really: Price) -> "asyncio.Task[None]":
        """Put what an answer really cost in place of what was set aside for it, whether or not somebody waits."""
        return self._chores.begin(self._settle(held, really))

    async def _take(self, price: Price) -> bool:
        if not NOTHING.is_below(self._limit):
            return False
        taking = self._chores.begin(self._account.take(price, self._limit))
        try:
            is_taken = await asyncio.shield(taking)
        except asyncio.CancelledError:
            self._chores.begin(self._give_back(taking, price))
            raise
        self._own += is_taken
        return is_taken

    async def _give_back(self, taking: "asyncio.Task[bool]", price: Price) -> None:
        if await taking:
            self._own += 1
            await self._settle(price, NOTHING)

    async def _settle(self, held: Price, really: Price) -> None:
        self._own -= 1
        try:
            await self._account.settle(held, really)
        except NoVerdict as error:  # what was set aside stays gone, so nothing is spent twice
            logger.warning("the budget of %s keeps what was set aside for an answer: %s", self.words, error)
        self._news.set()

    async def _is_full(self) -> bool:
        """Whether there is nothing to take until somebody settles; false when there is.

        Raises:
            NoVerdict: When there is nothing, and nobody who may settle.
        """
        gone = await self._account.account()
        if gone.spent.plus(gone.aside).is_below(self._limit):
            return False
        is_given_up = not self._own and gone.held_s < 0
        if not gone.spent.is_below(self._limit) or not gone.held or is_given_up:
            raise budget_spent(self.words)
        return True


class Payment:
    """What is set aside for one request, in each of the spending accounts that pay for it."""

    def __init__(self, spending_accounts: Sequence[BudgetAccount], price: Price) -> None:
        """Nothing is set aside yet.

        Args:
            spending_accounts: Those that pay.
            price: The most that the answer may cost.
        """
        self._spending_accounts, self._price = spending_accounts, price
        self._held: list[BudgetAccount] = []
        self._cost = NOTHING

    async def reserve(self) -> None:
        """Set the price aside in every spending account, or in none; what was already set aside stays so.

        Raises:
            BudgetReserved: When a spending account has nothing free until some question has been answered.
            NoVerdict: When a spending account is empty.
        """
        if self._held:
            return
        try:
            for spending_account in self._spending_accounts:
                await spending_account.reserve(self._price)
                self._held.append(spending_account)
        except BaseException:
            await self.settle()
            raise

    async def reserve_in_turn(self) -> None:
        """Set the price aside, and wait for that as long as other questions hold what is left.

        Raises:
            NoVerdict: When a spending account is empty.
        """
        while True:
            try:
                return await self.reserve()
            except BudgetReserved as full:
                await full.spending_account.room()

    def sent(self) -> None:
        """A request is on its way: from now on it costs the whole price, unless something else is known."""
        self._cost = self._price

    def cost(self, really: Price) -> None:
        """What the request has cost is known; 0 for one that was refused."""
        self._cost = really

    @property
    def is_due(self) -> bool:
        """Whether something is to be paid."""
        return self._cost != NOTHING

    async def settle(self) -> None:
        """Pay, and give back what is left."""
        held, self._held = self._held, []
        cost, self._cost = self._cost, NOTHING
        # all of them are begun before the first wait: a question that is cancelled here has been paid
        for settling in [spending_account.settle(self._price, cost) for spending_account in held]:
            await asyncio.shield(settling)


class Budgets:
    """The spending accounts that a question is paid from."""

    def __init__(
        self, budgets: Mapping[Scope, Budget], limits: SharedLimits, *, run: str | None = None
    ) -> None:
        """Spending accounts, none of which is open yet.

        Args:
            budgets: What may be spent.
            limits: Where the accounts of several processes are.
            run: The name of a run of several processes, which pay out of one account; None where this process is all of it.
        """
        self._budgets, self._shared_limits, self._run = budgets, limits, run
        self._chores = Chores()
        self._spending_accounts: dict[tuple[Scope, str], BudgetAccount] = {}

    def __bool__(self) -> bool:
        return bool(self._budgets)

    def of(self, client: str) -> list[BudgetAccount]:
        """The spending accounts that pay for a client's question, today.

        Args:
            client: Who asks: a digest of an API key; empty where there are no keys.
        """
        today = datetime.now(UTC).date().isoformat()
        names: Mapping[Scope, tuple[str, str]] = {
            "run": (self._run or "", "this run"),
            "key": (f"{client} {today}", "this API key for today"),
            "day": (today, "today"),
        }
        return list(self._open(names))

    async def aclose(self) -> None:
        """Wait until everything is settled."""
        await self._chores.aclose()

    def _open(self, names: Mapping[Scope, tuple[str, str]]) -> Iterator[BudgetAccount]:
        for scope, budget in self._budgets.items():
            name, words = names[scope]
            if (scope, name) not in self._spending_accounts:
                shared = _SharedAccount(self._shared_limits, f"{scope} {name}")
                account = OwnAccount() if scope == "run" and self._run is None else shared
                self._spending_accounts[scope, name] = BudgetAccount(words, budget, account, self._chores)
            yield self._spending_accounts[scope, name]

"""What may be spent: by a run, by the holder of a key in a day, by everybody in a day.

What an answer costs is known when it is there. Until then an estimate is reserved, so that many questions at once do not
overdraw a purse together: near its end they wait for each other. A purse that is empty refuses, before anything is sent.
"""

import asyncio
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from runtime.judge.configuration import Budget, Scope
from runtime.judge.failures import budget_spent
from runtime.judge.meeting import Meeting


@dataclass(frozen=True, slots=True)
class Price:
    """What one answer costs, or is thought to.

    Attributes:
        tokens: Of prompt and answer.
        money: In the currency of the models' prices.
    """

    tokens: int
    money: float


class Purse:
    """One budget, and what was taken out of it."""

    def __init__(self, words: str, budget: Budget, shared: tuple[Meeting, str] | None) -> None:
        """An untouched purse.

        Args:
            words: Whose it is, for a message.
            budget: What may be spent.
            shared: Where other processes take from the same purse, and its name there.
        """
        self.words, self._budget, self._shared = words, budget, shared
        self._spent = self._reserved = Price(0, 0.0)
        self._changed = asyncio.Condition()

    async def reserve(self, estimate: Price) -> None:
        """Set an estimate aside.

        Raises:
            NoVerdict: When the purse is empty.
        """
        async with self._changed:
            while True:
                await self._add(Price(0, 0.0))
                if self._is_past(self._spent, operator.ge):
                    raise budget_spent(self.words)
                outlook = _sum(_sum(self._spent, self._reserved), estimate)
                if not self._reserved.tokens or not self._is_past(outlook, operator.gt):
                    break
                await self._changed.wait()
            self._reserved = _sum(self._reserved, estimate)

    async def settle(self, estimate: Price, really: Price) -> None:
        """Take what an answer really cost, in place of its estimate."""
        async with self._changed:
            self._reserved = Price(
                self._reserved.tokens - estimate.tokens, max(0.0, self._reserved.money - estimate.money)
            )
            self._changed.notify_all()
            await self._add(really)

    async def _add(self, price: Price) -> None:
        if self._shared is None:
            self._spent = _sum(self._spent, price)
        else:
            meeting, name = self._shared
            self._spent = Price(*await meeting.spend(name, price.tokens, price.money))

    def _is_past(self, price: Price, past: Callable[[float, float], bool]) -> bool:
        """Whether a price is past either limit, by a comparison."""
        limits = (price.tokens, self._budget.tokens), (price.money, self._budget.money)
        return any(limit is not None and past(amount, limit) for amount, limit in limits)


class Budgets:
    """The purses that a question is paid from."""

    def __init__(self, budgets: Mapping[Scope, Budget], meeting: Meeting) -> None:
        self._budgets, self._meeting = budgets, meeting
        self._purses: dict[tuple[Scope, str], Purse] = {}

    def __bool__(self) -> bool:
        return bool(self._budgets)

    def of(self, client: str) -> list[Purse]:
        """The purses that pay for a client's question, today.

        Args:
            client: Who asks: a digest of an API key; empty where there are no keys.
        """
        today = datetime.now(UTC).date().isoformat()
        names: Mapping[Scope, tuple[str, str]] = {
            "run": ("", "this run"),
            "key": (f"{client} {today}", "this API key for today"),
            "day": (today, "today"),
        }
        return list(self._open(names))

    def _open(self, names: Mapping[Scope, tuple[str, str]]) -> Iterator[Purse]:
        for scope, budget in self._budgets.items():
            name, words = names[scope]
            if (scope, name) not in self._purses:
                shared = None if scope == "run" else (self._meeting, f"{scope} {name}")
                self._purses[scope, name] = Purse(words, budget, shared)
            yield self._purses[scope, name]


def _sum(one: Price, other: Price) -> Price:
    return Price(one.tokens + other.tokens, one.money + other.money)

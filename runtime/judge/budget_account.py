"""What a spending account holds: prices, and the account of what is gone out of it."""

from dataclasses import dataclass
from typing import NamedTuple


class Price(NamedTuple):
    """What one answer costs, or may cost at most.

    Attributes:
        tokens: Of prompt and answer.
        money: In the currency of the models' prices.
    """

    tokens: int = 0
    money: float = 0.0

    def plus(self, other: "Price") -> "Price":
        """Both together."""
        return Price(self.tokens + other.tokens, self.money + other.money)

    def is_below(self, limit: "Price") -> bool:
        """Whether neither number has reached its limit."""
        return self.tokens < limit.tokens and self.money < limit.money


NOTHING = Price()


@dataclass(frozen=True, slots=True)
class Account:
    """What is gone out of a spending account.

    Attributes:
        spent: For answers, and for questions whose answer nobody has seen.
        aside: For questions that are being asked.
        held: How many those are.
        held_s: Seconds from now until they count as given up, unless there is news of the spending account; negative when they do.
    """

    spent: Price = NOTHING
    aside: Price = NOTHING
    held: int = 0
    held_s: float = 0.0


class OwnAccount:
    """The account of a spending account that only this process takes from; by the same rules as those that are shared."""

    def __init__(self) -> None:
        self._spent, self._aside, self._held = NOTHING, NOTHING, 0

    async def take(self, price: Price, limit: Price) -> bool:
        """Set a price aside; see `SharedLimits.take`."""
        if not self._spent.plus(self._aside).is_below(limit):
            return False
        self._aside, self._held = self._aside.plus(price), self._held + 1
        return True

    async def settle(self, held: Price, really: Price) -> None:
        """Put what was really spent in place of what was set aside."""
        self._held -= 1
        left = Price(self._aside.tokens - held.tokens, self._aside.money - held.money)
        self._aside = left if self._held else NOTHING
        self._spent = self._spent.plus(really)

    async def account(self) -> Account:
        """What is gone."""
        return Account(self._spent, self._aside, self._held, held_s=float("inf"))

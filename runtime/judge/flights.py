"""Identical questions that are asked at the same time are sent once."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Final, Generic, TypeVar

T = TypeVar("T")


class _Left:
    """The result of a caller that has no result for the other callers."""


_LEFT: Final = _Left()


class Flights(Generic[T]):
    """Running work by key: callers of the same key wait for the work that is already running.

    The first caller does the work, and the others wait. If the first is cancelled, or fails for a reason of
    its own, the next caller repeats the work.
    """

    def __init__(self, for_another: Callable[[Exception], Exception | None]) -> None:
        """Nothing is in flight.

        Args:
            for_another: What one who waited raises when the first has raised this; None for a failure that is the first
                one's alone. Called for each of them: an error that is changed on its way is no two callers'.
        """
        self._for_another = for_another
        self._flying: dict[Hashable, asyncio.Future[T | Exception | _Left]] = {}

    async def join(self, key: Hashable, work: Callable[[], Awaitable[T]]) -> tuple[T, bool]:
        """What the work gives, and whether this caller has done it; or what it raises."""
        while (flying := self._flying.get(key)) is not None:
            landed = await asyncio.shield(flying)
            if isinstance(landed, Exception):
                landed = self._for_another(landed) or _LEFT
            if isinstance(landed, Exception):
                raise landed
            if not isinstance(landed, _Left):
                return landed, False
        flying = self._flying[key] = asyncio.get_running_loop().create_future()
        landing: T | Exception | _Left = _LEFT
        try:
            landing = own = await work()
        except Exception as error:
            landing = error
            raise
        else:
            return own, True
        finally:
            del self._flying[key]
            flying.set_result(landing)

"""Identical questions that are asked at once are asked once."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Final, Generic, TypeVar

T = TypeVar("T")


class _Left:
    """What a cancelled caller leaves to those who wait for its work: that there is none."""


_LEFT: Final = _Left()


class Flights(Generic[T]):
    """Work in flight, by what it is about: whoever asks for what is under way waits for that.

    The first to ask does the work, and the others wait. When the first is cancelled, the next does it anew.
    """

    def __init__(self) -> None:
        self._flying: dict[Hashable, asyncio.Future[T | _Left]] = {}

    async def join(self, key: Hashable, work: Callable[[], Awaitable[T]]) -> tuple[T, bool]:
        """What the work gives, and whether this caller has done it; or what it raises."""
        while (flying := self._flying.get(key)) is not None:
            landed = await asyncio.shield(flying)
            if not isinstance(landed, _Left):
                return landed, False
        flying = self._flying[key] = asyncio.get_running_loop().create_future()
        try:
            own = await work()
        except asyncio.CancelledError:
            flying.set_result(_LEFT)
            raise
        except BaseException as error:
            flying.set_exception(error)
            flying.exception()  # nobody need have waited for it
            raise
        else:
            flying.set_result(own)
            return own, True
        finally:
            del self._flying[key]

"""One question to the store for all who want to know the same at the same time."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
T = TypeVar("T")


class Questions(Generic[Key]):
    """What is being asked; a thousand times the same question at once would keep all the others waiting."""

    def __init__(self) -> None:
        self._asked: dict[Key, asyncio.Task[Any]] = {}

    def ask(self, key: Key, question: Callable[[], Coroutine[Any, Any, T]]) -> "asyncio.Task[T]":
        """Ask, unless it is being asked already; whoever awaits the answer shields it, as others wait for it too."""
        asking = self._asked.get(key)
        if asking is None:
            asking = self._asked[key] = asyncio.create_task(question())
            asking.add_done_callback(lambda done: self._answered(key, done))
        return asking

    def is_current(self, key: Key) -> bool:
        """Whether this task is what is being asked, and was not forgotten meanwhile."""
        return self._asked.get(key) is asyncio.current_task()

    def forget(self, wanted: Callable[[Key], bool]) -> None:
        """Have some questions asked anew from now on; what is being asked goes on for those who wait."""
        for key in [key for key in self._asked if wanted(key)]:
            del self._asked[key]

    async def settle(self) -> None:
        """Wait for all answers."""
        await asyncio.gather(*self._asked.values(), return_exceptions=True)

    def _answered(self, key: Key, done: "asyncio.Task[Any]") -> None:
        if self._asked.get(key) is done:
            del self._asked[key]
        if not done.cancelled():
            done.exception()  # whoever waits has it; where nobody does, the next one asks again

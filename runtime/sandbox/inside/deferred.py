"""What the tests make of the code's classes, made there only when the code is given it.

Until then the code does not know of it: an object that the tests only compare with may be the expected answer. What the tests
do to such an object is kept, and done in the code's process in the same order.
"""

from collections.abc import Callable
from itertools import count
from typing import Any, NamedTuple

from .rpc.codec import decode, encode
from .rpc.proxy import NotTravelling, Remote, note_of, set_number

Ask = Callable[..., Any]


class Step(NamedTuple):
    """One thing that the tests did: its place among all, the operation, its arguments as they were, and the objects in them."""

    place: int
    operation: str
    body: bytes
    objects: list[Remote]


class Deferred:
    """The objects that the code does not have yet.

    Args:
        ask: Does an operation on the code's objects.
        wrong: Gives the exception for code whose class does not do what the prelude's does.
    """

    def __init__(self, ask: Ask, wrong: Callable[[str], BaseException]) -> None:
        self._ask, self._wrong, self._places = ask, wrong, count()

    def make(self, remote: Remote, operation: str, args: list[Any], kwargs: dict[str, Any]) -> None:
        """Keep how an object is to be made.

        Raises:
            NotTravelling: When an argument cannot be given to the code.
        """
        note_of(remote).steps = [self._step(operation, args, kwargs)]
        note_of(remote).make = self._made

    def change(self, remote: Remote, operation: str, args: list[Any], kwargs: dict[str, Any]) -> None:
        """Keep what is to be done to an object.

        Raises:
            NotTravelling: When an argument cannot be given to the code.
        """
        note_of(remote).steps.append(self._step(operation, args, kwargs))

    def _step(self, operation: str, args: list[Any], kwargs: dict[str, Any]) -> Step:
        objects: list[Remote] = []

        def place(value: object) -> int:
            if type(value) is not Remote:
                raise NotTravelling(value)
            objects.append(value)
            return len(objects) - 1

        return Step(next(self._places), operation, encode([args, kwargs], place), objects)

    def _made(self, remote: Remote) -> None:
        """Make an object in the code's process, and all that it is made of."""
        steps = {
            step.place: (each, step)
            for each in reachable([remote])
            if note_of(each).make is not None
            for step in note_of(each).steps
        }
        for place in sorted(steps):
            each, step = steps[place]
            is_first = note_of(each).make is not None
            note_of(each).make = None
            args, kwargs = decode(step.body, step.objects.__getitem__)
            found = self._ask(step.operation, args if is_first else [each, *args], kwargs)
            if is_first:
                if type(found) is not Remote:
                    raise self._wrong("the code defines another class than the prelude")
                set_number(each, found)


def reachable(remotes: list[Remote]) -> list[Remote]:
    """Objects, and all objects that the tests made them of."""
    found: dict[int, Remote] = {}
    waiting = list(remotes)
    while waiting:
        remote = waiting.pop()
        if id(remote) not in found:
            found[id(remote)] = remote
            waiting += [other for step in note_of(remote).steps for other in step.objects] + note_of(
                remote
            ).parts
    return list(found.values())

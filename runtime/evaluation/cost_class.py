"""What gradings cost, by class: those of one class wait for each other, and for no others."""

from typing import Literal, TypeAlias, get_args
from weakref import WeakKeyDictionary

from graders import Grader

Cost: TypeAlias = Literal["inline", "worker", "sandbox", "judge"]
"""From the cheapest to the dearest: microseconds in this process; a plugin's worker; a locked process of its own; the network."""
COSTS: tuple[Cost, ...] = get_args(Cost)

_SANDBOXED = frozenset({"python", "code_tests"})
_COMBINING = frozenset({"multi"})

_known: WeakKeyDictionary[Grader, Cost] = WeakKeyDictionary()


def cost_of(grader: Grader) -> Cost:
    """The class of a grader: its own or, when it is dearer, that of a grader inside it."""
    cost = _known.get(grader)
    if cost is None:
        inner = [cost_of(each) for _, each in grader.inner()]
        cost = _known[grader] = max([_own(grader), *inner], key=COSTS.index)
    return cost


def asks_others(grader: Grader) -> bool:
    """Whether a grader, or one inside it, may call judges or services; graders of code and combinations do not do so themselves."""
    own = grader.is_async and grader.type.name not in _SANDBOXED | _COMBINING
    return own or any(asks_others(each) for _, each in grader.inner())


def _own(grader: Grader) -> Cost:
    if not grader.built_in:
        return "worker"
    if grader.type.name in _SANDBOXED:
        return "sandbox"
    return "judge" if grader.is_async and grader.type.name not in _COMBINING else "inline"

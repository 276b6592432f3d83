"""What foreign code is known to try: the corpus that the sandbox is tested with, and `graders doctor --attack` runs.

An `Attack` is a Python text that returns what it got when it succeeded. A `Forgery` is a text as a model might write it,
which tries for a reward that it has not earned. Neither runs here: a runner in the sandbox executes them against targets that
were made for the purpose.
"""

from collections.abc import Mapping
from types import MappingProxyType, ModuleType

from runtime.attacks import kernel, network, reading, secrecy, writing
from runtime.attacks.attack import Attack, AttackOutcome, Group, Layer, Target, Verify
from runtime.attacks.forgery import Forgery
from runtime.attacks.forging import FORGERIES
from runtime.attacks.processes import others, starting
from runtime.attacks.resources import memory_and_disk, time_and_answers
from runtime.attacks.state import interpreter, process

__all__ = [
    "ALL",
    "FORGERIES",
    "Attack",
    "AttackOutcome",
    "Forgery",
    "Group",
    "Layer",
    "Target",
    "Verify",
    "by_name",
]


def _attacks_of(module: ModuleType) -> list[Attack]:
    return [value for value in vars(module).values() if isinstance(value, Attack)]


ALL: tuple[Attack, ...] = (
    *(
        attack
        for module in (reading, writing, network, starting, others, memory_and_disk, time_and_answers)
        for attack in _attacks_of(module)
    ),
    *kernel.CALLS,
    *(attack for module in (kernel, secrecy, process, interpreter) for attack in _attacks_of(module)),
)
"""Every attack, in the order of their groups."""

by_name: Mapping[str, Attack] = MappingProxyType({attack.name: attack for attack in ALL})
"""Every attack by its name."""

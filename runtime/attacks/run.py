"""Runs the corpus against this machine's sandbox, and against it with layers taken away."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass, replace
from platform import machine
from typing import Any, Literal

from graders import GradingError
from runtime.attacks.arena import Arena
from runtime.attacks.attack import Attack
from runtime.sandbox.layers import FOREIGN, Level
from runtime.sandbox.local_sandbox import LocalSandbox
from runtime.settings.settings import Settings

TIMEOUT_S = 1.0
LONG_TIMEOUT_S = 15.0
"""Time enough on a busy machine, for attacks that are not on patience: one that was cut short has shown nothing."""
ALONE_TIMEOUT_S = 60.0
"""Time for an attack that showed nothing, when it is carried out again with nothing beside it."""
LIMITS: dict[str, Any] = {
    "python_memory_mb": 512,
    "python_disk_mb": 32,
    "sandbox_output_mb": 4,
    "sandbox_processes": 4,
}
"""Small ones, so that a bomb meets them soon; four gradings at once, which mostly wait for the clock."""

HARMLESS = "def grade(sample, item):\n    return 0.0\n"
EVIDENCE = "Evidence"
INFRASTRUCTURE = "infrastructure"
CALL = """

class Evidence(Exception):
    pass


def grade(sample, item):
    evidence = globals()[sample](item)
    if evidence:
        raise Evidence(str(evidence)[:500])
    return 0.0
"""
"""An exception is how a text gets out of a grader."""


Came = Literal["stopped", "through", "inconclusive"]
"""What came of an attack: it failed; it got what it wanted, or did harm; it ran out of time or the sandbox failed, which is
evidence of neither."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of one attack.

    Attributes:
        attack: Its name.
        came: What came of it.
        ended: How its grading ended: `graded`, `error`, or why its process did.
        evidence: What it got, what harm was seen, or why it failed.
    """

    attack: str
    came: Came
    ended: str
    evidence: str


async def attempt(
    attack: Attack,
    sandbox: LocalSandbox,
    arena: Arena,
    *,
    control: bool = False,
    patience_s: float = LONG_TIMEOUT_S,
) -> Attempt:
    """Carry out one attack.

    Args:
        attack: What to try.
        sandbox: Where.
        arena: What it is aimed at.
        control: Whether it is meant to succeed: modest sizes, and one process for both halves of a pair. A control that
            runs out of time has not been stopped.
        patience_s: Time for an attack that the clock is not meant to end.
    """
    target = arena.target(control=control)
    calls = ["leave", "find"] if attack.group == "state" else ["attack"]
    together = control and "fork" in attack.stopped_by
    answers = []
    # one after the other: what is left behind is to be found by the next
    batches = [calls] if together else [[call] for call in calls]
    for batch in batches:
        answers += await sandbox.grade(
            attack.program + CALL,
            [(call, target) for call in batch],
            isolation="batch" if together else "grading",
            timeout_s=TIMEOUT_S if _takes_its_time(attack) and not control else patience_s,
        )
    ended, said = how_it_ended(answers[-1])
    if (harm := arena.harm(attack.verify)) is not None:
        return Attempt(attack.name, "through", ended, harm)
    if ended == EVIDENCE:
        return Attempt(attack.name, "through", ended, said)
    for answer in answers:
        if isinstance(answer, GradingError) and answer.failure.caused_by == "infrastructure":
            came: Came = "through" if control else "inconclusive"
            return Attempt(attack.name, came, INFRASTRUCTURE, answer.failure.message)
    expected = attack.expect or frozenset()
    if not control and "timeout" not in expected and "timeout" in {how_it_ended(each)[0] for each in answers}:
        return Attempt(attack.name, "inconclusive", "timeout", f"no answer within {patience_s:g} s")
    as_expected = ended != "timeout" if attack.expect is None else ended in expected
    return Attempt(attack.name, "stopped" if as_expected else "through", ended, said)


async def attempt_alone(
    attack: Attack, sandbox: LocalSandbox, arena: Arena, *, patience_s: float = ALONE_TIMEOUT_S
) -> Attempt:
    """Carry out an attack again that showed nothing, with more time; a sandbox that fails again has not survived it."""
    again = await attempt(attack, sandbox, arena, patience_s=patience_s)
    if again.ended == INFRASTRUCTURE:
        return replace(again, came="through", evidence=f"the sandbox did not survive it: {again.evidence}")
    return again


def applies(attack: Attack) -> bool:
    """Whether an attack is written for this machine."""
    return attack.arch in (None, machine())


async def run_all(
    attacks: Iterable[Attack], arena: Arena, *, level: Level, settings: Settings | None = None
) -> AsyncGenerator[Attempt, None]:
    """Carry out attacks against the sandbox at a level; one that shows nothing is carried out again alone.

    Yields:
        What came of each.

    Raises:
        GradingError: When this machine does not reach the level.
    """
    sandbox = LocalSandbox(small(settings, level), highest=level)
    try:
        await sandbox.check(HARMLESS)
        chosen = [attack for attack in attacks if applies(attack)]
        by_name = {attack.name: attack for attack in chosen}
        again: list[Attack] = []
        async for one in _each_once(chosen, sandbox, arena):
            if one.came == "inconclusive":
                again.append(by_name[one.attack])
            else:
                yield one
        for attack in again:
            yield await attempt_alone(attack, sandbox, arena)
    finally:
        await sandbox.aclose()


async def _each_once(
    attacks: list[Attack], sandbox: LocalSandbox, arena: Arena
) -> AsyncGenerator[Attempt, None]:
    for attack in attacks:
        if not _takes_its_time(attack):
            yield await attempt(attack, sandbox, arena)
    slow = [attempt(attack, sandbox, arena) for attack in attacks if _takes_its_time(attack)]
    for one in await asyncio.gather(*slow):
        yield one


def _takes_its_time(attack: Attack) -> bool:
    """Whether the clock may end it: such attacks look at no target, so several can be carried out at once."""
    return attack.expect is not None and "timeout" in attack.expect


async def run_controls(
    attacks: Iterable[Attack], arena: Arena, *, level: Level
) -> AsyncGenerator[Attempt, None]:
    """Carry out attacks against the sandbox without the layers that stop each: they ought to succeed.

    What is left of the sandbox contains them.

    Yields:
        What came of each.

    Raises:
        GradingError: When this machine has no sandbox at all.
    """
    by_layers: dict[frozenset[str], list[Attack]] = {}
    for attack in attacks:
        if applies(attack):
            by_layers.setdefault(frozenset(attack.stopped_by), []).append(attack)
    for layers, group in by_layers.items():
        # without its mounts, an interpreter in a private home of root's is not for other users: level 2 then
        sandbox = LocalSandbox(small(None, FOREIGN), without=layers, highest=level)
        try:
            await sandbox.check(HARMLESS)
            for attack in group:
                yield await attempt(attack, sandbox, arena, control=True)
        finally:
            await sandbox.aclose()


def small(settings: Settings | None, level: Level) -> Settings:
    """Settings with limits that bombs meet soon, and no level below the one that is attacked."""
    return (settings or Settings.load()).model_copy(update={**LIMITS, "sandbox_level": level.value})


def how_it_ended(answer: float | GradingError) -> tuple[str, str]:
    """How a grading ended, `EVIDENCE` among the ways, and what was said of it."""
    if isinstance(answer, float):
        return "graded", ""
    kind = str(answer.failure.details.get("type", "error"))
    if kind == EVIDENCE:
        return kind, answer.failure.message
    reason = getattr(answer, "reason", None) or ("memory_limit" if kind == "memory_limit" else "error")
    return reason, answer.failure.message

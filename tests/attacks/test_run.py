"""What came of an attack: stopped, through, or nothing shown."""

from collections.abc import AsyncIterator, Iterator

import pytest

from graders import GradingError
from runtime.attacks.arena import Arena
from runtime.attacks.attack import Attack, AttackOutcome
from runtime.attacks.run import attempt, attempt_alone
from runtime.sandbox.local_sandbox import LocalSandbox
from runtime.settings.settings import Settings
from tests.attacks.machine import isolates

pytestmark = pytest.mark.skipif(not isolates(), reason="this system cannot isolate code of others")

ENDS = {
    "gives up": "return None",
    "is refused": "raise PermissionError",
    "gets something": "return 'the secret'",
    "hangs": "while True: pass",
    "leaves": "import os; os._exit(0)",
}


def attack_that(how: str, expect: frozenset[AttackOutcome] | None = None) -> Attack:
    return Attack(
        name="an-attack",
        group="reading",
        claim="Does something.",
        source=f"def an_attack(target):\n    {ENDS[how]}\n",
        entry="an_attack",
        stopped_by=frozenset(),
        expect=expect,
    )


@pytest.fixture(scope="module")
async def sandbox() -> AsyncIterator[LocalSandbox]:
    box = LocalSandbox(Settings(python_memory_mb=256, python_disk_mb=16))
    yield box
    await box.aclose()


@pytest.fixture
def arena() -> Iterator[Arena]:
    with Arena() as here:
        yield here


@pytest.mark.full
@pytest.mark.parametrize(
    ("how", "expect", "came"),
    [
        ("gives up", None, "stopped"),
        ("is refused", None, "stopped"),
        ("leaves", None, "stopped"),
        ("gets something", None, "through"),
        ("hangs", None, "inconclusive"),
        ("hangs", frozenset({"memory_limit"}), "inconclusive"),
        ("hangs", frozenset({"timeout"}), "stopped"),
        ("gives up", frozenset({"memory_limit"}), "through"),
    ],
)
async def test_only_evidence_says_that_an_attack_got_through(
    how: str, expect: frozenset[AttackOutcome] | None, came: str, sandbox: LocalSandbox, arena: Arena
) -> None:
    await sandbox.warm()
    one = attack_that(how, expect)
    found = await attempt(one, sandbox, arena, patience_s=30.0 if how != "hangs" else 0.3)
    assert (found.attack, found.came) == ("an-attack", came)


async def test_an_attack_that_hangs_alone_too_stays_inconclusive(sandbox: LocalSandbox, arena: Arena) -> None:
    found = await attempt_alone(attack_that("hangs"), sandbox, arena, patience_s=0.3)
    assert (found.came, found.ended, found.evidence) == ("inconclusive", "timeout", "no answer within 0.3 s")


class Broken:
    """A sandbox that the machine fails."""

    async def grade(self, *_: object, **__: object) -> list[GradingError]:
        return [GradingError("it is gone", caused_by="infrastructure")]


async def test_a_sandbox_that_fails_twice_has_not_survived_the_attack(arena: Arena) -> None:
    broken: LocalSandbox = Broken()  # type: ignore[assignment]  # all that is asked of it
    first = await attempt(attack_that("gives up"), broken, arena)
    again = await attempt_alone(attack_that("gives up"), broken, arena)
    assert (first.came, again.came) == ("inconclusive", "through")
    assert again.evidence == "the sandbox did not survive it: it is gone"

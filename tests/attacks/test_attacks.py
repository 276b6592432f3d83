"""The attacks of the corpus, on the real sandbox, and with their controls: one of each kind at level 3 in every run; all of them,
also as an ordinary user and at level 2, in the slow ones.

A corpus run is one process that prints a line for each attack; the first test that wants a run makes it, and the other tests,
in whatever worker of pytest they are, read its lines. A test covers the attacks of one group and names those that fail.
"""

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from runtime.attacks import ALL, Attack
from runtime.attacks.run import applies
from tests.attacks.machine import has_namespaces, isolates

ORDINARY = Path(__file__).with_name("ordinary.py")
IS_ROOT = os.geteuid() == 0
HERE = [attack for attack in ALL if applies(attack)]
NAMESPACES = isolates() and has_namespaces()
SHOWN = [attack for attack in HERE if attack.control is None and attack.stopped_by]


def _one_of_each_kind() -> list[Attack]:
    """The first attack for each way to be aimed, stopped, looked at and ended."""
    kinds: dict[object, Attack] = {}
    for attack in HERE:
        kinds.setdefault((attack.group, attack.stopped_by, attack.verify, attack.expect), attack)
    return [*kinds.values()]


def _controls_of_each_layer() -> list[Attack]:
    """The first control of each group in so few sets of layers that every layer is taken away and every group succeeds.

    A set of layers takes a sandbox of its own, which costs more than the attacks in it.
    """
    by_layers: dict[frozenset[str], dict[str, Attack]] = {}
    for attack in SHOWN:
        by_layers.setdefault(frozenset(attack.stopped_by), {}).setdefault(attack.group, attack)
    met: set[str] = set()
    chosen: list[Attack] = []
    for layers, groups in sorted(
        by_layers.items(), key=lambda each: (-len(each[1]), len(each[0]), sorted(each[0]))
    ):
        if not layers | groups.keys() <= met:
            met |= layers | groups.keys()
            chosen += groups.values()
    return chosen


SOME, SOME_SHOWN = _one_of_each_kind(), _controls_of_each_layer()
"""What every run of the tests carries out, of the attacks and of their controls."""


def _groups(attacks: list[Attack]) -> list[str]:
    return list(dict.fromkeys(attack.group for attack in attacks))


pytestmark = [
    pytest.mark.skipif(not isolates(), reason="this system cannot isolate code of others"),
    pytest.mark.timeout(
        1_800
    ),  # the first test that wants the line of an attack waits for a run of all, or for two
]


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the corpus."""

    ordinary: bool
    level: int
    controls: bool = False
    whole: bool = True

    @property
    def name(self) -> str:
        who = "ordinary" if self.ordinary else "own"
        return f"{who}-{self.level}{'-controls' * self.controls}{'-some' * (not self.whole)}"

    @property
    def attacks(self) -> list[Attack]:
        """What it carries out."""
        if self.controls:
            return SHOWN if self.whole else SOME_SHOWN
        return HERE if self.whole else SOME

    def carry_out(self) -> dict[str, Any]:
        """The line of each attack, and what went wrong, if it did."""
        started = [sys.executable, str(ORDINARY)] if self.ordinary else [sys.executable, "-m"]
        done = subprocess.run(
            [
                *started,
                *("runtime.attacks", str(self.level), *["--controls"] * self.controls),
                *(attack.name for attack in self.attacks if not self.whole),
            ],
            cwd=ORDINARY.parents[2],
            capture_output=True,
            text=True,
            check=False,
            timeout=500,
        )
        lines = map(json.loads, done.stdout.splitlines())
        return {"lines": {line["attack"]: line for line in lines}, "error": done.returncode and done.stderr}


USUAL = [Run(ordinary=False, level=3, whole=False), Run(ordinary=False, level=3, controls=True, whole=False)]
"""What every run of the tests carries out; the others belong to the slow tests."""
RUNS = [
    Run(ordinary, level, controls)
    for level, controls in ((3, False), (3, True), (2, False))
    for ordinary in ((False, True) if IS_ROOT else (False,))
]
Line = Callable[[Attack, Run], dict[str, Any]]


@pytest.fixture(scope="session")
def line(tmp_path_factory: pytest.TempPathFactory, testrun_uid: str) -> Line:
    """The line of one attack in a corpus run."""
    shared = tmp_path_factory.getbasetemp().parent / f"attacks-{testrun_uid}"
    shared.mkdir(exist_ok=True)
    done: dict[Run, dict[str, Any]] = {}

    def of(attack: Attack, run: Run) -> dict[str, Any]:
        if run not in done:
            path = shared / run.name
            while not path.exists():
                # while another worker is at it, do one that will be wanted next
                if not any(_carried_out(each, shared) for each in (run, *(USUAL if run in USUAL else RUNS))):
                    time.sleep(0.1)
            done[run] = json.loads(path.read_text())
        assert not done[run]["error"], done[run]["error"]
        found: dict[str, Any] = done[run]["lines"][attack.name]
        return found

    return of


def _carried_out(run: Run, shared: Path) -> bool:
    """Carry out a run, unless it is done or another worker is at it."""
    path = shared / run.name
    with path.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        if path.exists():
            return False
        result = path.with_suffix(".part")
        result.write_text(json.dumps(run.carry_out()))
        result.rename(path)
    return True


def _runs(*, controls: bool) -> list[Any]:
    """Those of the slow tests, after the one that every run of the tests carries out."""
    usual = [pytest.param(run, id=run.name) for run in USUAL if run.controls == controls]
    others = [
        Run(ordinary, level, controls)
        for level in ((3,) if controls else (3, 2))
        for ordinary in (False, True)
    ]
    return [*usual, *(pytest.param(run, id=run.name, marks=pytest.mark.slow) for run in others)]


@pytest.mark.parametrize("run", _runs(controls=False))
@pytest.mark.parametrize("group", _groups(HERE))
def test_every_attack_of_a_group_fails(group: str, run: Run, line: Line) -> None:
    _skip_what_cannot_be(run)
    # what leaks at a level is documented, and harmless: whether it leaks depends on the host
    attacks = [attack for attack in run.attacks if attack.group == group and run.level not in attack.leaks_at]
    attempts = [line(attack, run) for attack in attacks]
    assert attempts
    assert _evidence(attempts, lambda came: came == "through") == {}
    if unclear := _evidence(attempts, lambda came: came != "stopped"):
        pytest.skip(f"this machine is too busy: {unclear}")


@pytest.mark.full
@pytest.mark.parametrize("run", _runs(controls=True))
@pytest.mark.parametrize("group", _groups(SHOWN))
def test_every_attack_of_a_group_succeeds_without_the_layers_that_stop_it(
    group: str, run: Run, line: Line
) -> None:
    _skip_what_cannot_be(run)
    # those marked `as_root` the kernel refuses to ordinary users anyway
    by_root = IS_ROOT and not run.ordinary
    attacks = [attack for attack in run.attacks if attack.group == group and (by_root or not attack.as_root)]
    attempts = [line(attack, run) for attack in attacks]
    assert _evidence(attempts, lambda came: came != "through") == {}


def _evidence(attempts: list[dict[str, Any]], failed: Callable[[str], bool]) -> dict[str, str]:
    """What came of the attempts that failed, by the name of the attack."""
    return {
        attempt["attack"]: f"{attempt['came']}: {attempt['evidence']}"
        for attempt in attempts
        if failed(attempt["came"])
    }


def _skip_what_cannot_be(run: Run) -> None:
    if run.ordinary and not IS_ROOT:
        pytest.skip("an ordinary user starts this test already")
    if run.level == 3 and not NAMESPACES:
        pytest.skip("there are no namespaces here")


def test_every_run_takes_each_layer_away_and_tries_each_group() -> None:
    assert {attack.group for attack in SOME} == {attack.group for attack in HERE}
    assert {attack.group for attack in SOME_SHOWN} == {attack.group for attack in SHOWN}
    for some, every in ((SOME, HERE), (SOME_SHOWN, SHOWN)):
        stopping = [{layer for attack in attacks for layer in attack.stopped_by} for attacks in (some, every)]
        assert stopping[0] == stopping[1]


def test_at_level_2_no_more_than_the_documented_facts_leak() -> None:
    assert {attack.name for attack in ALL if attack.leaks_at} == {
        "stat-a-host-file",
        "ask-whether-a-host-file-exists",
        "change-into-a-host-directory",
        "learn-real-process-ids",
        "learn-the-host-name",
    }
    assert {level for attack in ALL for level in attack.leaks_at} == {2}

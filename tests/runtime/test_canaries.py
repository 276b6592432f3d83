"""Each layer of the sandbox is shown by an act that it forbids, on the real sandbox of this machine."""

import os
import sys

import pytest

from runtime.attacks import ALL
from runtime.attacks.attack import PRELUDE
from runtime.attacks.canaries import Canary, canaries, try_layers
from runtime.sandbox.doctor import NOT_COVERED
from runtime.sandbox.host import Reached, reach
from runtime.sandbox.inside.layers import landlock, seccomp
from runtime.sandbox.layers import Level

IS_ROOT = os.geteuid() == 0

isolates = pytest.mark.skipif(
    sys.platform != "linux" or seccomp.detect() is not None or landlock.detect() is not None,
    reason="this system cannot isolate code of others",
)


async def full() -> Reached:
    """The level of this machine, for tests that need the highest."""
    reached = await reach()
    if reached.level < Level.FULL:
        pytest.skip(f"namespaces are refused here: {reached.refused}")
    return reached


@pytest.mark.parametrize("is_root", [True, False])
@pytest.mark.parametrize("level", list(Level))
def test_each_layer_has_a_canary_or_a_reason(level: Level, is_root: bool) -> None:
    chosen = canaries(level, is_root=is_root)
    assert chosen.keys() == level.layers
    reasons = {layer for layer, canary in chosen.items() if isinstance(canary, str) and canary}
    expected = {"identity"} if level == Level.FULL else {"identity", "capabilities"}
    assert reasons == (set() if is_root else expected & level.layers)


@isolates
async def test_at_the_full_level_every_layer_is_active() -> None:
    trials = {trial.layer: trial for trial in await try_layers(await full())}
    states = {layer: trial.state for layer, trial in trials.items()}
    expected = dict.fromkeys(Level.FULL.layers, "active")
    if not IS_ROOT:
        expected["identity"] = "unshown"
    if landlock.missing_rights(landlock.abi()):
        expected["landlock"] = "degraded"
    assert states == expected
    assert trials["pid"].with_it == "ProcessLookupError: [Errno 3] No such process"
    assert trials["pid"].without_it == "the victim ended with status -9"
    assert trials["net"].without_it == "the listener was connected to"


@pytest.mark.full
@isolates
async def test_below_the_full_level_the_other_layers_are_active_and_namespaces_are_missing() -> None:
    reached = await reach(Level.CONTAINER)
    states = {trial.layer: trial.state for trial in await try_layers(reached)}
    assert reached.level == Level.CONTAINER
    assert {layer for layer, state in states.items() if state == "missing"} == {
        *("user", "mount", "pid", "net", "ipc", "uts", "cgroup")
    }
    assert {states[layer] for layer in ("seccomp", "rlimits", "environment", "descriptors")} == {"active"}
    assert states["landlock"] in {"active", "degraded"}


def canary(body: str) -> Canary:
    return Canary("try it", f"{PRELUDE}\n\ndef attack(target):\n    {body}\n")


@pytest.mark.full
@isolates
@pytest.mark.parametrize(
    ("body", "state", "cause"),
    [
        ("return 'the secret'", "missing", "the forbidden act succeeded: the secret"),
        (
            "return None",
            "unshown",
            "without it the act fails as well: something outside the sandbox forbids it",
        ),
        pytest.param(
            *(
                "import nothing_here",
                "missing",
                "it could not be tried: ModuleNotFoundError: No module named",
            ),
            marks=pytest.mark.slow,
        ),
        ("os._exit(3)", "missing", "it could not be tried: it exited with status 3 before it had answered"),
    ],
)
async def test_a_layer_counts_as_active_only_when_its_canary_shows_it(
    body: str, state: str, cause: str
) -> None:
    reached = await reach(Level.CONTAINER)
    trials = await try_layers(reached, {"rlimits": canary(body)})
    found = next(trial for trial in trials if trial.layer == "rlimits")
    assert found.state == state
    assert found.cause.startswith(cause)


@pytest.mark.parametrize("level", [Level.FULL, Level.CONTAINER])
def test_what_a_level_does_not_cover_says_every_attack_that_it_lets_through(level: Level) -> None:
    said = {name for gap in NOT_COVERED[level] for name in gap.attacks}
    assert said == {attack.name for attack in ALL if level in attack.leaks_at}

"""The trials of `graders doctor`, on this machine."""

import sys

import pytest

from runtime import Settings
from runtime.sandbox.host import reach
from runtime.sandbox.layers import Level
from runtime.workers.probes import probe_workers

EVERYWHERE = {"memory limit": True, "clean environment": True, "no orphans": True}


@pytest.mark.full
@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux limits the memory of a process, and ends it with its parent"
)
@pytest.mark.parametrize(
    ("highest", "promised"),
    [
        (Level.FULL, {**EVERYWHERE, "no files": True, "no network": True}),
        (Level.CONTAINER, {**EVERYWHERE, "no files": True, "no network": True}),
        (Level.WEAK, EVERYWHERE),
    ],
)
async def test_what_workers_promise_holds_here(
    quick: Settings, highest: Level, promised: dict[str, bool]
) -> None:
    level = (await reach(highest)).level
    if level < highest:
        pytest.skip(f"this machine reaches level {level.value} only")
    assert {probe.name: probe.active for probe in probe_workers(quick, level)} == promised

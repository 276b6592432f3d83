"""The trials of `graders doctor`, on this machine."""

from runtime import Settings
from runtime.probes import probe_workers


def test_what_workers_promise_holds_here(quick: Settings) -> None:
    probes = probe_workers(quick)
    assert [(probe.name, probe.active) for probe in probes] == [
        ("memory limit", True),
        ("clean environment", True),
        ("no orphans", True),
    ]

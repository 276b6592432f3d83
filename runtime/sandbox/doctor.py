"""What a level does not cover, and why this machine lacks a layer or has half of it."""

import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from runtime.sandbox.host import REMEDIES, Reached, held
from runtime.sandbox.inside.layers import landlock, seccomp
from runtime.sandbox.layers import NAMESPACES, Level
from runtime.sandbox.processes.zygote import ZygoteFailed


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that a level does not keep code of others from.

    Attributes:
        what: In words.
        attacks: Attacks of the corpus that succeed because of it.
    """

    what: str
    attacks: tuple[str, ...] = ()


_EVERYWHERE = (
    Gap("a bug of the kernel, in the system calls that are left"),
    Gap("side channels of the processor: what its caches and its timing tell of neighbours"),
    Gap("slowness: gradings share the processors, and a busy neighbour makes others slower"),
    Gap("facts about the machine: the kernel's version, how much memory it has and how busy it is"),
    Gap(
        "a python grader that executes its sample in its own process: the sample can forge its own reward "
        "(the type code_tests is made for that)"
    ),
)
_WITHOUT_NAMESPACES = (
    Gap(
        "whether a file of the host is there, its size, owner and times; not what is in it",
        ("stat-a-host-file", "ask-whether-a-host-file-exists", "change-into-a-host-directory"),
    ),
    Gap("the host's name", ("learn-the-host-name",)),
    Gap("real process ids", ("learn-real-process-ids",)),
)

NOT_COVERED: Mapping[Level, tuple[Gap, ...]] = {
    Level.FULL: _EVERYWHERE,
    Level.CONTAINER: (*_WITHOUT_NAMESPACES, *_EVERYWHERE),
    Level.WEAK: (
        Gap("files, the network and other processes: nothing keeps code from them"),
        Gap("so code of others is refused here, not run: Python graders, and what models write"),
    ),
    Level.NONE: (
        Gap("anything: no process could be limited"),
        Gap("so code of others is refused here, not run: Python graders, and what models write"),
    ),
}
"""What a sandbox of each level leaves open; the corpus of attacks says the same with its `leaks_at`."""


async def why_missing(layer: str) -> tuple[str, str]:
    """Why a layer does not hold here, tried by itself, and the remedy.

    Returns:
        Cause and remedy; the cause is empty when the layer does hold by itself, the remedy when none is known.
    """
    if sys.platform != "linux":
        return f"{_system()} does not have it", "use Linux, on this machine or in a virtual one"
    for name, detect in (("landlock", landlock.detect), ("seccomp", seccomp.detect)):
        if layer == name and (lack := detect()):
            return lack.removeprefix(f"{name}: "), REMEDIES[name]
    needed = {layer, "no_new_privs"}
    if layer in NAMESPACES and os.geteuid() != 0:
        needed.add("user")  # an ordinary user may make the others only inside one of these
    try:
        await held(frozenset(needed))
    except ZygoteFailed as error:
        return str(error), REMEDIES.get(error.layer, "")
    return "", ""


def why_degraded(layer: str, reached: Reached) -> tuple[str, str]:
    """What a layer that holds leaves open on this machine, and the remedy; both empty when nothing."""
    if layer == "landlock" and (missing := landlock.missing_rights(landlock.abi())):
        return f"version {landlock.abi()} leaves open: {'; '.join(missing)}", "use Linux 6.12 or later"
    if layer == "identity" and layer in reached.level.layers - reached.held:
        return (
            f"code runs as root, without root's capabilities: no other user may read {sys.executable}",
            "install Python where everybody may read it, such as /usr/local, or start the service as an ordinary user",
        )
    return "", ""


def _system() -> str:
    return {"Darwin": "macOS"}.get(platform.system(), platform.system())

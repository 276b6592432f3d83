"""Layer `cgroup limits`: memory, processes and processors of a zygote and all its children together, by cgroup v2.

On top of what bounds each process, where the operator's system has given this service a group to divide: as systemd does
with `Delegate=yes`. Elsewhere it is missing, and nothing depends on it: with fork and files in memory refused, each process's
limit on its address space bounds them all.
"""

import itertools
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

CONTROLLERS = frozenset({"memory", "pids", "cpu"})
_PREFIX = "graders-"
_PERIOD_US = 100_000
_numbers = itertools.count()


class Cgroup:
    """The control group of one zygote."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def add(self, pid: int) -> None:
        """Move a process, and all that it will start, into the group.

        Raises:
            OSError: When it may not be moved.
        """
        (self._directory / "cgroup.procs").write_text(str(pid))

    def remove(self) -> None:
        """End whatever is left in the group, and the group."""
        with suppress(OSError):
            (self._directory / "cgroup.kill").write_text("1")
        with suppress(
            OSError
        ):  # a process that is still dying keeps it; the next service that starts removes it
            self._directory.rmdir()


class Cgroups:
    """Makes control groups below one that this service may divide."""

    def __init__(self, parent: Path) -> None:
        """Take a group whose children get the controllers."""
        self._parent = parent

    @classmethod
    def here(cls, mounts: str = "/proc/self/mounts", own: str = "/proc/self/cgroup") -> "Cgroups":
        """The groups that this service may make.

        Args:
            mounts: Where the kernel lists the mounts.
            own: Where it tells a process's group.

        Raises:
            OSError: Saying what is missing.
        """
        tree = next((line.split()[1] for line in _lines(mounts) if line.split()[2:3] == ["cgroup2"]), None)
        path = next((line[3:].strip() for line in _lines(own) if line.startswith("0::")), None)
        if tree is None or path is None:
            raise OSError("this system has no cgroup v2")
        group = Path(tree) / path.lstrip("/")
        lacking = CONTROLLERS - set(_read(group / "cgroup.controllers").split())
        if lacking:
            raise OSError(f"the service's group has no controller for {', '.join(sorted(lacking))}")
        for candidate in (group, group.parent):
            if _is_divisible(candidate, by_service=candidate is group):
                found = cls(candidate)
                found.sweep()
                return found
        raise OSError(
            "the service's group is not its own to divide (systemd: Delegate=yes, DelegateSubgroup=service)"
        )

    def make(self, *, memory_bytes: int, processes: int, processors: int) -> Cgroup:
        """Make a group.

        Args:
            memory_bytes: What all its processes may use together; none of it in swap.
            processes: How many there may be, threads counted.
            processors: How many they may keep busy.

        Raises:
            OSError: When it cannot be made.
        """
        directory = self._parent / f"{_PREFIX}{os.getpid()}-{next(_numbers)}"
        directory.mkdir()
        limits = {
            "memory.max": memory_bytes,
            "memory.swap.max": 0,
            "memory.oom.group": 0,
            "pids.max": processes,
            "cpu.max": f"{processors * _PERIOD_US} {_PERIOD_US}",
        }
        try:
            for name, value in limits.items():
                if name != "memory.swap.max" or (directory / name).exists():  # not there without swap
                    (directory / name).write_text(str(value))
        except OSError:
            directory.rmdir()
            raise
        return Cgroup(directory)

    def sweep(self) -> None:
        """Remove the groups of services that were killed."""
        for directory in self._parent.glob(f"{_PREFIX}*-*"):
            pid = directory.name.removeprefix(_PREFIX).partition("-")[0]
            if pid.isdigit() and not Path(f"/proc/{pid}").exists():
                Cgroup(directory).remove()


def _is_divisible(group: Path, *, by_service: bool) -> bool:
    """Whether this service may make groups below one; the controllers are handed down where they are not yet."""
    if not by_service and not _is_delegated(group):
        return False  # a group of the system's: its manager alone may divide it
    if not os.access(group, os.W_OK):
        return False
    handed = set(_read(group / "cgroup.subtree_control").split())
    try:
        if not handed >= CONTROLLERS:
            # refused while processes are in the group itself
            (group / "cgroup.subtree_control").write_text(
                " ".join(f"+{name}" for name in sorted(CONTROLLERS))
            )
    except OSError:
        return False
    return True


def _is_delegated(group: Path) -> bool:
    for name in ("trusted.delegate", "user.delegate"):
        with suppress(OSError):
            if os.getxattr(group, name) == b"1":
                return True
    return False


def _lines(path: str) -> Iterable[str]:
    return _read(Path(path)).splitlines()


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""

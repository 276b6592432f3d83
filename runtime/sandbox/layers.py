"""The layers of the sandbox by name, and the levels that they add up to."""

from enum import IntEnum

NAMESPACES = ("user", "mount", "pid", "net", "ipc", "uts", "cgroup")
CONFINING = ("capabilities", "no_new_privs", "identity", "not_dumpable", "landlock", "seccomp")
HYGIENE = ("rlimits", "environment", "descriptors")


class Level(IntEnum):
    """How well a machine can isolate."""

    NONE = 0
    WEAK = 1
    """Limits, a clean environment, and the end of what takes too long: other systems, old kernels."""
    CONTAINER = 2
    """Landlock and seccomp besides: what is left inside a default container."""
    FULL = 3
    """Namespaces besides."""

    @property
    def layers(self) -> frozenset[str]:
        """The layers that must all hold for this level."""
        names: tuple[str, ...] = ()
        if self >= Level.WEAK:
            names += HYGIENE
        if self >= Level.CONTAINER:
            names += CONFINING
        if self >= Level.FULL:
            names += NAMESPACES
        return frozenset(names)


FOREIGN = Level.CONTAINER
"""The least level for code that somebody else wrote."""

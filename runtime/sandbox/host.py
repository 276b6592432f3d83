"""What this machine can isolate: the level that its zygotes reach, and what is missing for a higher one."""

from dataclasses import replace

from graders import FailureKind, GradingError
from runtime.sandbox.layers import Level
from runtime.sandbox.pool import ZygotePool
from runtime.sandbox.session import Session
from runtime.sandbox.zygote import Shape, ZygoteFailed

REMEDIES = {
    "namespaces": "in a container, allow unshare, mount and pivot_root with a seccomp profile of its own "
    "(--security-opt seccomp=…) rather than --privileged; on Ubuntu 24.04, give Python an AppArmor profile with `userns`; "
    "elsewhere, sysctl user.max_user_namespaces=10000",
    "landlock": "boot a Linux of 6.7 or later with landlock among its security modules (lsm=landlock,…)",
    "seccomp": "use a Linux kernel with CONFIG_SECCOMP_FILTER on x86_64 or aarch64",
}
OTHERWISE = "run `graders doctor` on this machine, which tries each layer"


class Host:
    """Finds the highest level once, with the first process that is asked for.

    Attributes:
        level: The level that holds; None until it is known.
        missing: What a higher level lacks, by level, in words.
    """

    def __init__(
        self, pool: ZygotePool, *, without: frozenset[str] = frozenset(), highest: Level = Level.FULL
    ) -> None:
        """Know nothing yet.

        Args:
            pool: Where processes come from.
            without: Layers to leave out: for tests and for the doctor, which show what a layer is good for.
            highest: The level that is tried first.
        """
        self._pool, self._without, self._highest = pool, without, highest
        self.level: Level | None = None
        self.missing: dict[Level, ZygoteFailed] = {}

    async def session(self, shape: Shape, *, least: Level) -> Session:
        """A process as locked as this machine can.

        Args:
            shape: What it must be like; its layers are filled in here.
            least: The level below which there is none.

        Raises:
            GradingError: `sandbox_unavailable`, caused by infrastructure, saying what is missing and the remedy.
        """
        candidates = [self.level] if self.level is not None else [*reversed(Level)]
        for level in candidates:
            if level > self._highest or level < max(least, Level.WEAK):
                continue
            try:
                session = await self._pool.session(replace(shape, layers=level.layers - self._without))
            except ZygoteFailed as error:
                self.missing[level] = error
                continue
            self.level = level
            return session
        raise self._unavailable(least)

    def _unavailable(self, least: Level) -> GradingError:
        why = "; ".join(
            f"level {level.value} ({level.name.lower()}): {error}" for level, error in self.missing.items()
        )
        if not why:
            why = f"this machine reaches level {self.level if self.level is not None else self._highest}"
        layer = next((error.layer for error in self.missing.values()), "")
        return unavailable(
            f"code of others needs isolation of level {least.value}, which this machine does not give: {why}; "
            f"remedy: {REMEDIES.get(layer, OTHERWISE)}"
        )


def unavailable(message: str) -> GradingError:
    """The failure of a grading for which there is no safe place."""
    return GradingError(
        message,
        kind=FailureKind.PYTHON_GRADER_SERVER,
        caused_by="infrastructure",
        details={"type": "sandbox_unavailable"},
    )

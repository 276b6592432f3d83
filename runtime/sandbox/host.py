"""What this machine can isolate: the level that its processes reach, and what is missing for a higher one."""

import asyncio
import logging
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace

from graders import FailureKind, FailureType, GradingError
from runtime.processes.shortage import infrastructure_failure
from runtime.sandbox.layers import FOREIGN, Level
from runtime.sandbox.processes.session import Session
from runtime.sandbox.processes.zygote import Zygote, ZygoteFailed, ZygoteSpec
from runtime.sandbox.processes.zygote_pool import ZygotePool

logger = logging.getLogger(__name__)

TRIAL_MB = 512
"""Address space of a process that is only tried out."""
TRIAL_DISK_MB = 16
ATTEMPTS = 3
"""A process that ends before it is ready, without naming a layer, may have been killed from outside."""

REMEDIES = {
    "namespaces": "in a container, allow unshare, mount, mount_setattr, umount2, pivot_root and sethostname with a seccomp profile of its own "
    "(--security-opt seccomp=…) rather than --privileged; on Ubuntu 24.04, give Python an AppArmor profile with `userns`; "
    "elsewhere, sysctl user.max_user_namespaces=10000",
    "landlock": "boot a Linux of 6.7 or later with landlock among its security modules (lsm=landlock,…)",
    "seccomp": "use a Linux kernel with CONFIG_SECCOMP_FILTER on x86_64 or aarch64",
}
OTHERWISE = "run `graders doctor` on this machine, which tries each layer"


@dataclass(frozen=True, slots=True)
class Reached:
    """The level of this machine.

    Attributes:
        level: The highest that holds.
        held: The layers that its processes say they have.
        refused: Why a higher level does not hold, with the layer that failed.
    """

    level: Level
    held: frozenset[str]
    refused: Mapping[Level, ZygoteFailed]


async def reach(highest: Level = Level.FULL, without: frozenset[str] = frozenset()) -> Reached:
    """Find the highest level at which a locked process can be made.

    Args:
        highest: The level that is tried first.
        without: Layers to leave out.

    Raises:
        ZygoteFailed: When the machine is short of descriptors, memory or processes, which says nothing about its level.
    """
    if sys.platform != "linux":
        none = ZygoteFailed(f"{platform.system()} has none of its layers")
        return Reached(min(highest, Level.WEAK), frozenset(), {Level.CONTAINER: none})
    refused: dict[Level, ZygoteFailed] = {}
    if highest < Level.FULL:
        refused[Level(highest + 1)] = ZygoteFailed(f"levels above {highest.value} were not to be tried")
    for level in reversed(Level):
        if not Level.WEAK <= level <= highest:
            continue
        try:
            return Reached(level, await held(level.layers - without), refused)
        except ZygoteFailed as error:
            if error.is_shortage:
                raise
            refused[level] = error
    return Reached(Level.NONE, frozenset(), refused)


async def held(layers: frozenset[str]) -> frozenset[str]:
    """The layers that hold in a process that is asked to have these.

    Raises:
        ZygoteFailed: When it cannot be made.
    """
    for attempt in range(ATTEMPTS):
        try:
            zygote = await Zygote.start(trial_shape(layers))
        except ZygoteFailed as error:
            if error.layer or error.is_shortage or attempt == ATTEMPTS - 1:
                raise
            continue
        await zygote.aclose()
        return zygote.layers
    raise AssertionError("the last attempt returns or raises")


def trial_shape(layers: frozenset[str]) -> ZygoteSpec:
    """The shape of a process that is only tried out."""
    return ZygoteSpec(sys.executable, layers=layers, memory_mb=TRIAL_MB, disk_mb=TRIAL_DISK_MB)


class Host:
    """Gives processes of the highest level that this machine reaches, which is found out once.

    Attributes:
        reached: What was found out; None before that.
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
        self._finding = asyncio.Lock()
        self.reached: Reached | None = None

    async def find(self) -> Reached:
        """What this machine reaches.

        A process that ended without naming a layer may have been killed from outside, or have found the machine short of
        something: where no level for code of others is reached for such a reason, it is found out anew the next time.

        Raises:
            ZygoteFailed: When the machine is short of what it takes to find out.
        """
        async with self._finding:
            if self.reached is None:
                reached = await reach(self._highest, self._without)
                tried = [error for level, error in reached.refused.items() if level <= self._highest]
                if reached.level < FOREIGN and not all(error.layer for error in tried):
                    return reached
                self.reached = reached
                for level, error in self.reached.refused.items():
                    if level > self._highest:
                        continue
                    logger.warning("isolation of level %s is not reached here: %s", level.value, error)
            return self.reached

    async def session(self, shape: ZygoteSpec, *, least: Level) -> Session:
        """A process as locked as this machine can.

        Args:
            shape: What it must be like; its layers are filled in here.
            least: The lowest acceptable level.

        Raises:
            GradingError: `sandbox_unavailable`, caused by infrastructure, saying what is missing and the remedy.
        """
        try:
            reached = self.reached or await self.find()
        except ZygoteFailed as error:
            raise _short(error) from error
        if reached.level < least:
            raise _below(reached, least)
        wanted = replace(shape, layers=reached.level.layers - self._without)
        failed: ZygoteFailed | None = None
        for _ in range(ATTEMPTS):
            try:
                return await self._pool.session(wanted)
            except ZygoteFailed as error:
                failed = error
                if error.is_shortage:
                    raise _short(error) from error
                if error.layer:
                    break
        # never at a lower level than the machine's: what is wrong is this interpreter or its paths
        message = f"no process of {shape.python} can be locked as others are: {failed}"
        if failed is not None and not failed.layer:  # killed from outside, perhaps
            raise infrastructure_failure(message, FailureType.SANDBOX_UNAVAILABLE)
        raise unavailable(message)


def _below(reached: Reached, least: Level) -> GradingError:
    refused = {level: error for level, error in reached.refused.items() if level <= least}
    why = "; ".join(
        f"level {level.value} ({level.name.lower()}): {error}" for level, error in refused.items()
    )
    layer = next((error.layer for error in refused.values()), "")
    return unavailable(
        f"code of others needs isolation of level {least.value}, this machine reaches level {reached.level.value}: {why}; "
        f"remedy: {REMEDIES.get(layer, OTHERWISE)}"
    )


def _short(error: ZygoteFailed) -> GradingError:
    return infrastructure_failure(
        f"no process for code of others can be started now: {error}", FailureType.SANDBOX_UNAVAILABLE
    )


def unavailable(message: str) -> GradingError:
    """The failure of a grading for which there is no safe place."""
    return GradingError(
        message,
        kind=FailureKind.PYTHON_GRADER_SERVER,
        caused_by="infrastructure",
        details={"type": FailureType.SANDBOX_UNAVAILABLE},
    )

"""Starts workers: each locked as far as its type's needs and this machine allow, and none that needs what is not allowed.

A worker locks itself before anything of its plugin's is imported. Of a level that this machine does not reach a worker says
so and ends, and one of a lower level is started: never one that is half locked.
"""

import asyncio
import json
import logging
import os
import ssl
import sys
import time
from typing import Any

from graders import ConfigurationError, Grader, GraderType, Registry
from graders.grader_type import Need
from graders.registry import Entry
from runtime.sandbox.layers import Level
from runtime.sandbox.processes.zygote import HOME, OUTSIDE, SCRATCH_FILES
from runtime.settings.settings import Settings
from runtime.workers.process import LockRefused, WorkerKilled, WorkerProcess, WorkerUnavailable

logger = logging.getLogger(__name__)

HIGHEST = Level.FULL if sys.platform == "linux" else Level.WEAK

LEFT_OUT: dict[Need, frozenset[str]] = {
    # the files of the user who started the service, as that user may reach them
    "files": frozenset({"mount", "identity"}),
    "network": frozenset({"net"}),
}
"""The layers that a worker with a need is started without. Landlock and seccomp stay, and allow more."""
ATTEMPTS = 3
"""How often a worker is started for which the machine is short of something."""
KILLED_S = 30.0
"""Seconds for which a worker is started again and again that is killed before it is ready."""
PAUSE_S = 0.5
"""Seconds to wait, at most, before a worker is started that was killed; the first time a tenth of that."""
SCRATCH_BYTES = 256 << 20
_NETWORK_FILES = (
    *("/etc/resolv.conf", "/etc/hosts", "/etc/host.conf"),
    *("/etc/gai.conf", "/etc/nsswitch.conf", "/etc/services"),
    # certificates, and where their links lead; never /etc/ssl/private
    *("/etc/ssl/certs", "/etc/ssl/openssl.cnf", "/etc/pki/tls/certs", "/etc/pki/ca-trust/extracted"),
    *("/etc/ca-certificates", "/usr/share/ca-certificates", "/usr/local/share/ca-certificates"),
)


class Spawner:
    """Starts the workers of one pool."""

    def __init__(self, registry: Registry, settings: Settings, *, highest: Level = HIGHEST) -> None:
        """Start nothing yet.

        Args:
            registry: The types that workers may be asked for.
            settings: Limits, and what plugins may reach.
            highest: The level of isolation that is tried first.
        """
        self._registry, self._settings, self._highest = registry, settings, highest
        self._levels: dict[frozenset[Need], Level] = {}

    async def start(self, grader: Grader) -> WorkerProcess:
        """Start a worker for a grader's type, as locked as it can be.

        Raises:
            ConfigurationError: When the type needs what the operator does not allow.
            PluginError: When the worker cannot import the plugin or load the grader.
            WorkerUnavailable: When the machine is short of what it takes, or worker after worker is killed.
        """
        check_needs(grader.type, self._settings)
        needs = grader.type.needs
        failures = kills = 0
        began = time.monotonic()
        while True:
            level = self._levels.get(needs, self._highest)
            lock = self.lock(level, needs)
            try:
                return await WorkerProcess.start(grader, self._registry, self._settings, lock)
            except WorkerKilled:
                kills += 1
                if time.monotonic() - began > KILLED_S:
                    raise
                await asyncio.sleep(min(PAUSE_S, 0.1 * PAUSE_S * kills))
            except WorkerUnavailable:
                failures += 1
                if failures == ATTEMPTS:
                    raise
            except LockRefused as refused:
                if level == Level.WEAK:
                    raise
                self._lower(needs, level, refused)

    def _lower(self, needs: frozenset[Need], level: Level, refused: LockRefused) -> None:
        """Ask for less from now on; many may be refused at once, and one says so."""
        if self._levels.get(needs, self._highest) != level:
            return
        self._levels[needs] = Level(level - 1)
        logger.warning(
            "plugins run at level %d of isolation, not %d: %s; `graders doctor` says what that leaves open",
            level - 1,
            level,
            refused.why,
        )

    def lock(self, level: Level, needs: frozenset[Need]) -> dict[str, Any]:
        """How a worker is to lock itself: the first frame that it is sent.

        Args:
            level: The level of isolation.
            needs: What it must reach all the same.
        """
        layers = level.layers.difference(*(LEFT_OUT[need] for need in needs))
        if sys.platform != "linux":
            layers -= {"rlimits"}  # the address space cannot be limited there
        return {
            "parent": os.getpid(),
            "home": HOME,
            "layers": sorted(layers),
            "needs": sorted(needs),
            "visible": _network_paths() if "network" in needs else [],
            "hidden": [],
            # inner graders may be any installed ones
            "packages": sorted({_package(entry) for entry in self._registry.values()}),
            "outside": OUTSIDE,
            "memory_bytes": self._settings.worker_memory_mb << 20,
            # without a scratch this only bounds the length of a file, and theirs are not ours to bound
            "disk_bytes": sys.maxsize if "files" in needs else SCRATCH_BYTES,
            "disk_files": SCRATCH_FILES,
            "cpu_seconds": None,
        }


def _package(entry: Entry) -> str:
    return entry.reference.partition(":")[0].partition(".")[0]


def check_needs(grader_type: GraderType[..., Any], settings: Settings) -> None:
    """See that the operator allows what a type needs.

    Raises:
        ConfigurationError: Naming the type, its needs, and the setting that allows them.
    """
    allowed = settings.plugin_needs.get(grader_type.name, frozenset())
    if grader_type.needs <= allowed:
        return
    lacking = " and ".join(sorted(grader_type.needs - allowed))
    env, toml = allowances({**settings.plugin_needs, grader_type.name: allowed | grader_type.needs})
    raise ConfigurationError(
        f"grader type {grader_type.name!r} needs {lacking}, which this machine's settings do not allow it; "
        f"to allow it, set {env}, or write {toml} in graders.toml"
    )


def allowances(needs: dict[str, frozenset[Need]]) -> tuple[str, str]:
    """The setting that allows needs, as an environment variable and as a line of TOML."""
    listed = {name: sorted(each) for name, each in sorted(needs.items())}
    toml = ", ".join(f"{json.dumps(name)} = {json.dumps(each)}" for name, each in listed.items())
    return f"GRADERS_PLUGIN_NEEDS='{json.dumps(listed)}'", f"plugin_needs = {{ {toml} }}"


def _network_paths() -> list[str]:
    """What it takes to find other machines by name, and to know them by their certificates."""
    defaults = ssl.get_default_verify_paths()
    return [*_NETWORK_FILES, defaults.openssl_cafile, defaults.openssl_capath]

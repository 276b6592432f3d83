"""`RayEngine`: grades the rows of batches with actors of a Ray cluster. Needs the extra `ray`.

Ray places the actors, starts their processes and carries the chunks. Everything else is ours: which chunk is sent when, what
becomes of the chunks of an actor that has ended, and what an actor grades with.
"""

import asyncio
import logging
import math
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from graders import ConfigurationError, Registry
from graders.installation import install_command
from runtime.engines.actors import ActorLost
from runtime.engines.clustered import ClusterEngine
from runtime.engines.messages import Hello, Opening, OpenTracing, Prepared, Task
from runtime.engines.node import NodeGrader

T = TypeVar("T")

IN_FLIGHT = 64
"""Calls that an actor may have at once; the engine gives it far fewer."""
CONNECT_S = 10.0
"""Seconds in which the head of a cluster has to accept a connection."""
CLOSE_S = 10.0
"""Seconds in which an actor may end its sandbox and send its last spans."""


class RayNode(NodeGrader):
    """The class of the actors."""

    def node_id(self) -> str:
        """The node that it runs on."""
        import ray  # noqa: PLC0415  # an extra

        return str(ray.get_runtime_context().get_node_id())


class RayEngine(ClusterEngine):
    """Grades rows with actors of a Ray cluster: `Evaluator(engine=RayEngine())`; see `runtime.engines.engine.Engine`.

    Uses the cluster that this process is connected to already, as in a trainer that has called `ray.init`, and leaves it
    connected. Otherwise it connects to an address, or starts a cluster of this machine alone, and disconnects at its end.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        actors: int | None = None,
        cpus: float = 1,
        init: Mapping[str, Any] | None = None,
        registry: Callable[[], Registry] = Registry.installed,
        tracing: Callable[[], OpenTracing] | None = None,
        start_timeout_s: float = 120.0,
    ) -> None:
        """Start nothing yet.

        Args:
            address: Of a cluster, `host:port` or `auto`; None for what `RAY_ADDRESS` says, or a cluster of this machine.
            actors: How many; None for as many as the cluster has processors for, divided among the processes of a service.
            cpus: Processors that Ray sets aside for each, above 0. An actor uses so many sandbox processes and so many workers
                of each plugin, where `sandbox_processes` and `plugin_workers` are not set.
            init: Further arguments of `ray.init`, where this process is not connected yet.
            registry: Gives an actor its grader types; a function that its machine can import.
            tracing: Opens where an actor's spans go; a function that its machine can import. None for nowhere.
            start_timeout_s: Seconds in which an actor has to start.

        Raises:
            ConfigurationError: When Ray is not installed, or an argument is wrong.
        """
        if actors is not None and actors < 1:
            raise ConfigurationError(f"actors: expected 1 or more, got {actors}")
        if not 0 < cpus < math.inf:
            raise ConfigurationError(f"cpus: expected more than 0, got {cpus}")
        if address is not None and address.startswith("ray://"):
            raise ConfigurationError(
                f"address: {address} is of a Ray Client, which cannot be used; run this program on a machine of the cluster, "
                "for example with `ray job submit`, and give auto, or the host:port of its head"
            )
        super().__init__(
            RayCluster(address, cpus=cpus, init=init or {}),
            actors=actors,
            registry=registry,
            tracing=tracing,
            processes=math.ceil(cpus),
            start_timeout_s=start_timeout_s,
        )


class RayCluster:
    """Implements `runtime.engines.actors.Cluster`.

    Args:
        address: Of a cluster; None for what `RAY_ADDRESS` says, or one of this machine.
        cpus: Processors that are set aside for each actor.
        init: Further arguments of `ray.init`.

    Raises:
        ConfigurationError: When Ray is not installed.
    """

    def __init__(self, address: str | None, *, cpus: float, init: Mapping[str, Any]) -> None:
        self._ray = _imported()
        self._address, self._cpus, self._init = address, cpus, init
        self._is_own = False

    async def open(self) -> None:
        """Connect, unless this process is connected."""
        if not self._ray.is_initialized():
            await asyncio.to_thread(self._connect)
            self._is_own = True

    def _connect(self) -> None:
        quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
        arguments: dict[str, Any] = {"include_dashboard": False, **quiet, **self._init}
        try:
            _knock(self._address or os.environ.get("RAY_ADDRESS", ""))
            self._ray.init(self._address, **arguments)
        except Exception as error:
            where = (
                "start a Ray cluster on this machine" if self._address is None else f"reach {self._address}"
            )
            raise ConfigurationError(f"cannot {where}: {type(error).__name__}: {error}") from error

    def size(self) -> int:
        """Actors that its processors suffice for; at least 1."""
        return max(1, int(self._ray.cluster_resources().get("CPU", 1) // self._cpus))

    def is_here(self, hello: Hello) -> bool:
        """Whether an actor is on the node of this process."""
        return hello.node_id == str(self._ray.get_runtime_context().get_node_id())

    def start(self) -> "RayActor":
        """Begin an actor on the node where Ray finds most room."""
        options = {
            "num_cpus": self._cpus,
            "max_restarts": 0,  # the engine starts another, and sends it what it needs
            "max_task_retries": 0,
            "max_concurrency": IN_FLIGHT,
            "scheduling_strategy": "SPREAD",
        }
        return RayActor(self._ray, self._ray.remote(RayNode).options(**options).remote())

    async def aclose(self) -> None:
        """Disconnect, where `open` has connected."""
        if self._is_own:
            self._is_own = False
            await asyncio.to_thread(self._ray.shutdown)


class RayActor:
    """Implements `runtime.engines.actors.Actor`: an actor's handle."""

    def __init__(self, ray: Any, handle: Any) -> None:
        self._ray, self._handle = ray, handle

    async def open(self, opening: Opening) -> Hello:
        """Start."""
        hello: Hello = await self._answer(self._handle.open, opening)
        return hello

    async def prepare(self, config: bytes) -> Prepared:
        """See whether it can grade with a grader."""
        prepared: Prepared = await self._answer(self._handle.prepare, config)
        return prepared

    async def grade(self, task: Task, rows: bytes) -> bytes:
        """Grade a chunk."""
        answer: bytes = await self._answer(self._handle.grade, task, rows)
        return answer

    async def aclose(self) -> None:
        """Let it end its processes, and end it."""
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._answer(self._handle.aclose)
        except Exception:  # noqa: BLE001, S110  # it has ended, or is ended now
            pass
        await asyncio.to_thread(self._kill)

    def _kill(self) -> None:
        if self._ray.is_initialized():
            self._ray.kill(self._handle)

    async def _answer(self, method: Any, *arguments: object) -> Any:
        """What a method answers; given up there when this is cancelled.

        Raises:
            ActorLost: When the actor has ended, or cannot be reached.
        """
        exceptions = self._ray.exceptions
        reference = method.remote(*arguments)
        try:
            return await _result(reference)
        except asyncio.CancelledError:
            self._ray.cancel(reference)
            raise
        except exceptions.RayTaskError:  # what the method raised
            raise
        except exceptions.RayError as error:
            raise ActorLost(f"{type(error).__name__}: {error}") from error


def _knock(address: str) -> None:
    """See that somebody listens at an address: Ray itself tries for minutes.

    Raises:
        OSError: When nobody does.
    """
    host, _, port = address.rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_S).close()


async def _result(reference: Awaitable[T]) -> T:
    return await reference


def _imported() -> Any:
    try:
        import ray  # noqa: PLC0415  # an extra
    except ImportError:
        raise ConfigurationError(f"engine ray: Ray is not installed: {install_command('ray')}") from None
    return ray

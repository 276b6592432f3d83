"""The engine that settings ask for."""

from collections.abc import Callable

from runtime.engines.engine import Engine
from runtime.engines.local import LocalEngine
from runtime.engines.messages import OpenTracing
from runtime.settings.settings import Settings


def engine_of(settings: Settings, *, tracing: Callable[[], OpenTracing] | None = None) -> Engine:
    """The engine of the setting `engine`; nothing is started yet.

    Args:
        settings: `engine`, and those that begin with `ray_`.
        tracing: Opens where an actor's spans go, in the actor's process; None for nowhere.

    Raises:
        ConfigurationError: When Ray is not installed.
    """
    if settings.engine == "local":
        return LocalEngine()
    from runtime.engines.ray import RayEngine  # noqa: PLC0415  # few need it

    return RayEngine(
        settings.ray_address, actors=settings.ray_actors, cpus=settings.ray_cpus, tracing=tracing
    )

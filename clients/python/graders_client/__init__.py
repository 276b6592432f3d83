"""The client of rft-graders for training processes: standard library only, Python 3.9 or newer.

    from graders_client import GraderClient
    from graders_client.trainers.trl import Reward

    trainer = GRPOTrainer(..., reward_funcs=Reward(GraderClient("http://127.0.0.1:8000", "math")))

Each trainer has a module in `graders_client.trainers`.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # type checkers take it for true; `typing` takes longer to import than all of this
if TYPE_CHECKING:
    from typing import Any

    from graders_client.client import GraderClient
    from graders_client.errors import ClientError, RequestRefused, UngradedSamples, WrongProcess
    from graders_client.graded import Failure, Graded
    from graders_client.rewarder import Rewarder, local

__all__ = [
    "ClientError",
    "Failure",
    "Graded",
    "GraderClient",
    "RequestRefused",
    "Rewarder",
    "UngradedSamples",
    "WrongProcess",
    "local",
]

_MODULES = {
    "ClientError": "errors",
    "Failure": "graded",
    "Graded": "graded",
    "GraderClient": "client",
    "RequestRefused": "errors",
    "Rewarder": "rewarder",
    "UngradedSamples": "errors",
    "WrongProcess": "errors",
    "local": "rewarder",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is first asked for: trainers start many processes that never grade."""
    if name not in _MODULES:
        raise AttributeError(f"module 'graders_client' has no attribute {name!r}")
    return getattr(import_module(f"graders_client.{_MODULES[name]}"), name)

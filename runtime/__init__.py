"""The runtime of rft-graders: evaluator, worker processes, journal, settings."""

import importlib
import typing

if typing.TYPE_CHECKING:
    from runtime.evaluation.batch_result import BatchResult
    from runtime.evaluator import Evaluator
    from runtime.settings.settings import Settings
    from runtime.sync import SyncEvaluator

__all__ = ["BatchResult", "Evaluator", "Settings", "SyncEvaluator"]

_PLACES = {
    "Evaluator": "runtime.evaluator",
    "BatchResult": "runtime.evaluation.batch_result",
    "Settings": "runtime.settings.settings",
    "SyncEvaluator": "runtime.sync",
}


def __getattr__(name: str) -> object:
    """Import what is asked for: a worker process needs none of it, and each of its forks pays for what it has loaded."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(importlib.import_module(_PLACES[name]), name)
    globals()[name] = found
    return found

"""The runtime of rft-graders: evaluator, worker processes, journal, settings."""

from runtime.evaluator import Evaluator
from runtime.gradings import Gradings
from runtime.settings import Settings
from runtime.sync import SyncEvaluator

__all__ = ["Evaluator", "Gradings", "Settings", "SyncEvaluator"]

"""A module that imports in the caller's process and not in a worker, whose environment has no HOME."""

import os

from graders import Item, Sample, grader

HOME = os.environ["HOME"]


@grader("unimportable_in_worker", isolation="worker")
def unimportable_in_worker(sample: Sample, item: Item) -> float:
    """Reward nothing; it never runs."""
    return 0.0

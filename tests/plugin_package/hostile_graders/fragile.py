"""A module that imports until a file is there."""

import os
from pathlib import Path

from graders import Item, Sample, grader

if Path(os.environ["FRAGILE"]).exists():
    raise ImportError("the library is gone")


@grader("fragile", isolation="worker", needs={"files"})
def fragile(sample: Sample, item: Item) -> float:
    """End the worker."""
    os._exit(1)

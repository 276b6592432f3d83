"""A module that reads a file when it is imported, and does not say that it needs files."""

from pathlib import Path

from graders import Item, Sample, grader

STATUS = Path("/proc/self/status").read_text()


@grader("reads_at_import")
def reads_at_import(sample: Sample, item: Item) -> float:
    """Reward every sample."""
    return float("Pid" in STATUS)

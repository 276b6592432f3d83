"""What TRL, ms-swift and tunix share: prompts, completions, and a list for each column of the dataset."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

from graders_client.graded import Graded
from graders_client.rows import read_row

NO_COLUMNS = frozenset(
    {"completion_ids", "environments", "log_extra", "log_metric", "trainer_state", "trajectory_inputs"}
)
"""What trainers hand over beside the columns of the dataset."""


def items_of(
    count: int, columns: Mapping[str, Any], wanted: Sequence[str] | None, **more: Sequence[Any] | None
) -> list[dict[str, Any]]:
    """The dataset row of each sample.

    Args:
        count: Samples.
        columns: The trainer's keywords; a column is a list. What is not a list belongs to the trainer.
        wanted: The columns that the grader reads; None takes all.
        more: Further columns; None where there is none.

    Raises:
        ValueError: When a column has another length, or a wanted one is not there.
    """
    columns = {**columns, **{name: values for name, values in more.items() if values is not None}}
    lists = {
        name: values
        for name, values in columns.items()
        if name not in NO_COLUMNS and isinstance(values, (list, tuple))
    }
    if wanted is not None:
        missing = [name for name in wanted if name not in lists]
        if missing:
            raise ValueError(f"columns: the trainer gives no {missing[0]!r}; it gives {', '.join(lists)}")
        lists = {name: lists[name] for name in wanted}
    for name, values in lists.items():
        if len(values) != count:
            raise ValueError(
                f"{name}: expected one value for each of the {count} completions, got {len(values)}"
            )
    return [{name: values[index] for name, values in lists.items()} for index in range(count)]


def step_of(trainer_state: object) -> int | None:
    """The training step, where the trainer tells it."""
    step = getattr(trainer_state, "global_step", None)
    return step if isinstance(step, int) and not isinstance(step, bool) and step >= 0 else None


def group_of(item: Mapping[str, Any] | None) -> Hashable:
    """What the samples of one item have in common."""
    row = read_row("", item)
    return getattr(row, "item", None)


def log_parts(log: Callable[[str, float], None], name: str, graded: Sequence[Graded]) -> None:
    """Log the share of ungraded samples, and the means of sub-rewards and metrics.

    Args:
        log: Takes a name and a number.
        name: What the names begin with.
        graded: The results of a batch.
    """
    log(f"{name}/ungraded", sum(not each.graded for each in graded) / max(len(graded), 1))
    parts: dict[str, list[float]] = {}
    for each in graded:
        for part, value in {**each.sub_rewards, **each.metrics}.items():
            if value is not None:
                parts.setdefault(part, []).append(value)
    for part, values in sorted(parts.items()):
        log(f"{name}/{part}", sum(values) / len(values))

"""What NeMo-Gym's `/aggregate_metrics` answers: figures of the numbers in answers of `/verify`, by task and in all.

The names are NeMo-Gym's: `mean/reward`, `max/…`, `min/…`, `median/…`, `std/…`, where `std` is of a sample (n - 1) and 0 for one
value. A masked answer was not measured, and enters none of them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from service.http.grade_requests import wrong_body
from service.http.responses import Answer

TASK, ROLLOUT = "_ng_task_index", "_ng_rollout_index"
LARGEST = 1e100
"""Numbers beyond are left out: their squares would overflow."""


class Metrics(Answer):
    """Figures by task, in all, and those that are shown first."""

    group_level_metrics: list[dict[str, Any]]
    agent_metrics: dict[str, Any]
    key_metrics: dict[str, Any]


def aggregated(answers: object) -> Metrics:
    """The figures of some answers.

    Args:
        answers: A list of objects.

    Raises:
        ApiError: 400, when it is not.
    """
    if not isinstance(answers, list) or not all(isinstance(each, dict) for each in answers):
        raise wrong_body("verify_responses", "expected a list of objects, each an answer of /verify")
    tasks: dict[int, list[Mapping[str, Any]]] = {}
    for answer in answers:
        if answer.get("mask_sample") is not True:
            task = answer.get(TASK, 0)
            tasks.setdefault(task if isinstance(task, int) else 0, []).append(answer)
    groups = [{TASK: task, **figures(tasks[task])} for task in sorted(tasks)]
    whole = figures([answer for group in tasks.values() for answer in group])
    shown = {name: value for name, value in whole.items() if name.startswith("mean/")}
    return Metrics(group_level_metrics=groups, agent_metrics=whole, key_metrics=shown)


def figures(answers: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Mean, largest, smallest, median and deviation of each number that some answers have; true counts 1."""
    columns: dict[str, list[float]] = {}
    for answer in answers:
        for name, value in answer.items():
            if (
                isinstance(value, (bool, int, float))
                and name not in (TASK, ROLLOUT)
                and abs(value) <= LARGEST
            ):
                columns.setdefault(name, []).append(float(value))
    found: dict[str, float] = {}
    for name, values in columns.items():
        found[f"mean/{name}"] = float(np.mean(values))
        found[f"max/{name}"], found[f"min/{name}"] = max(values), min(values)
        found[f"median/{name}"] = float(np.median(values))
        found[f"std/{name}"] = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    return found

"""verifiers 0.4 and prime-rl: the judge `graders_judge`, a module at the top level, calls this."""

from __future__ import annotations

from typing import Any

from graders_client.errors import UngradedSamples
from graders_client.trainers.shared import KEY_VARIABLE, shared_client


async def score(
    task: Any,
    trace: Any,
    *,
    url: str,
    grader: str,
    key_variable: str = KEY_VARIABLE,
    deadline_s: float | None = None,
) -> float:
    """The reward of a trace: its last reply is the sample, the task's data the item.

    Args:
        task: The task's data.
        trace: What the model did.
        url: Of the service.
        grader: The name of a grader that is stored there.
        key_variable: The environment variable that has the service's key.
        deadline_s: Seconds that it may take.

    Raises:
        UngradedSamples: When it is ungraded: verifiers leaves the reward out of the trace.
        ValueError: When no grader is named.
    """
    if not grader:
        raise ValueError("grader: expected the name of a grader that is stored at the service")
    data = task.model_dump(mode="json") if hasattr(task, "model_dump") else dict(task)
    client = shared_client(url, grader, key_variable)
    graded = await client.agrade_one(trace.last_reply, data, deadline_s=deadline_s)
    if graded.reward is None:
        raise UngradedSamples({0: graded.reason})
    return graded.reward

"""The judge that verifiers 0.4 and prime-rl load by the id `graders_judge`: it must be a module at the top level.

    [[taskset.task.judges]]
    id = "graders_judge"
    url = "http://127.0.0.1:8000"
    grader = "math"

An ungraded sample raises, so that the trace has no reward.
"""

from __future__ import annotations

from typing import Any

import verifiers.v1 as vf
from graders_client.trainers.verifiers_v04 import score


class GradersConfig(vf.JudgeConfig):  # type: ignore[misc]  # verifiers is not installed where this is checked
    """Which grader of which service.

    Attributes:
        url: Of the service.
        grader: The name of a grader that is stored there.
        key_variable: The environment variable that has the service's key.
        deadline_s: Seconds that one sample may take.
    """

    url: str = "http://127.0.0.1:8000"
    grader: str = ""
    key_variable: str = "GRADERS_API_KEY"
    deadline_s: float = 300.0


class GradersJudge(vf.Judge[float, GradersConfig]):  # type: ignore[misc]
    """Grades a trace at a service."""

    async def score(self, task: Any, trace: Any) -> float:
        """The reward of a trace.

        Raises:
            UngradedSamples: When it is ungraded.
        """
        config = self.config
        return await score(
            task,
            trace,
            url=config.url,
            grader=config.grader,
            key_variable=config.key_variable,
            deadline_s=config.deadline_s,
        )


__all__ = ["GradersJudge"]

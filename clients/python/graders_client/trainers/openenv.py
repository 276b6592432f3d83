"""OpenEnv 0.10: `rubric(client)`, or `rubric(client, asynchronous=True)`, is a `Rubric` for an environment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graders_client.on_failure import OnFailure, chosen, rewards_of
from graders_client.rewarder import Rewarder

Read = Callable[[Any, Any], tuple[object, dict[str, Any]]]
"""The sample and the item, out of an action and an observation."""


def read_action(action: Any, observation: Any) -> tuple[object, dict[str, Any]]:
    """The first text of an action that has one, and the observation's fields as the item."""
    names = ("message", "content", "text", "answer", "code")
    sample = next(
        (getattr(action, name) for name in names if isinstance(getattr(action, name, None), str)), None
    )
    dump = getattr(observation, "model_dump", None)
    return sample, dump(mode="json") if callable(dump) else dict(getattr(observation, "__dict__", {}))


def rubric(
    rewarder: Rewarder,
    *,
    read: Read = read_action,
    on_failure: OnFailure | None = None,
    asynchronous: bool = False,
) -> Any:
    """A rubric whose reward a grader gives.

    Args:
        rewarder: Grades the actions.
        read: The sample and the item, out of an action and an observation.
        on_failure: What OpenEnv is given for an ungraded sample; by itself the rubric raises `UngradedSamples`.
        asynchronous: Whether its `forward` is awaited.
    """
    from openenv.core.rubrics import Rubric  # noqa: PLC0415

    policy = chosen("openenv", on_failure)

    class GraderRubric(Rubric):  # type: ignore[misc]  # OpenEnv is not installed where this is checked
        def forward(self, action: Any, observation: Any) -> Any:
            return rewards_of([rewarder.grade_one(*read(action, observation))], policy)[0]

    class AsyncGraderRubric(Rubric):  # type: ignore[misc]
        async def forward(self, action: Any, observation: Any) -> Any:
            return rewards_of([await rewarder.agrade_one(*read(action, observation))], policy)[0]

    return AsyncGraderRubric() if asynchronous else GraderRubric()

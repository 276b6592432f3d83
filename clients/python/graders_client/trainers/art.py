"""ART 0.5: `await art.gather_trajectory_groups(groups, after_each=Reward(client))`."""

from __future__ import annotations

from typing import Any

from graders_client.rewarder import Rewarder


class Reward:
    """Gives the trajectories of a group their rewards, and drops those that are ungraded.

    Args:
        rewarder: Grades the trajectories: a trajectory's messages are the sample, its metadata and its group's the item.
    """

    def __init__(self, rewarder: Rewarder) -> None:
        self._rewarder = rewarder

    async def __call__(self, group: Any) -> Any:
        """The group with its graded trajectories; None, which drops it, when there is none."""
        trajectories = list(group.trajectories)
        items = [{**group.metadata, **trajectory.metadata} for trajectory in trajectories]
        graded = await self._rewarder.agrade([trajectory.messages() for trajectory in trajectories], items)
        kept = []
        for trajectory, result in zip(trajectories, graded):
            if result.reward is None:
                group.logs.append(f"ungraded: {result.reason.message}")
                continue
            trajectory.reward = result.reward
            trajectory.metrics.update(result.metrics)
            trajectory.metrics.update({k: v for k, v in result.sub_rewards.items() if v is not None})
            kept.append(trajectory)
        group.metrics["ungraded"] = len(trajectories) - len(kept)
        group.trajectories = kept
        return group if kept else None

"""tinker-cookbook 0.5: `GraderGroupBuilder(builder, client, item, decode=tokenizer.decode)` around your `EnvGroupBuilder`.

`ProblemEnv.check_answer` is called on the event loop, one sample at a time; a group builder may wait, and sees the whole group.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from graders_client.on_failure import OnFailure, chosen, rewards_of
from graders_client.rewarder import Rewarder


class GraderGroupBuilder:
    """A group builder whose group rewards a grader gives.

    Args:
        builder: Makes the environments; their own rewards for steps are kept, and should be 0.
        rewarder: Grades the last action of each trajectory.
        item: The dataset row of the group.
        decode: Makes a text out of the tokens of an action.
        on_failure: What becomes of an ungraded sample.
    """

    def __init__(
        self,
        builder: Any,
        rewarder: Rewarder,
        item: Mapping[str, Any],
        *,
        decode: Callable[[Sequence[int]], str],
        on_failure: OnFailure | None = None,
    ) -> None:
        self._builder, self._rewarder, self._item, self._decode = builder, rewarder, item, decode
        self._on_failure = chosen("tinker", on_failure)

    async def make_envs(self) -> Any:
        """The environments of the builder."""
        return await self._builder.make_envs()

    async def compute_group_rewards(
        self, trajectory_group: Sequence[Any], env_group: Sequence[Any]
    ) -> list[tuple[float | None, dict[str, float]]]:
        """The reward and the metrics of each trajectory.

        Raises:
            UngradedSamples: When one is ungraded, and nothing else was chosen.
        """
        samples = [self._decode(trajectory.transitions[-1].ac.tokens) for trajectory in trajectory_group]
        # one group, of one item: it is graded in one request, whatever its size
        graded = await self._rewarder.agrade(samples, [self._item] * len(samples), groups=[0] * len(samples))
        rewards = rewards_of(graded, self._on_failure)
        return [
            (reward, {"graded": float(each.graded), **each.metrics}) for reward, each in zip(rewards, graded)
        ]

    async def cleanup(self) -> None:
        """Clean up what the builder made."""
        await self._builder.cleanup()

    def logging_tags(self) -> list[str]:
        """The tags of the builder."""
        return list(self._builder.logging_tags())

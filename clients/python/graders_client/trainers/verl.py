"""verl 0.9: `python -m graders_client verl --url … --grader … > reward.py` writes the file that verl loads.

    custom_reward_function.path=reward.py custom_reward_function.name=compute_score

verl asks for one sample a call, from threads and event loops of several processes; the calls of a process are gathered.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graders_client.graded import Graded
from graders_client.on_failure import OnFailure, RecentMeans, chosen, rewards_of
from graders_client.rewarder import Rewarder
from graders_client.trainers.columns import group_of

OF_SAMPLES = ("num_turns", "rollout_reward_scores")
"""What verl adds to `extra_info` for each sample: it is no part of the dataset row."""


class Reward:
    """The reward function of verl.

    Args:
        rewarder: Grades the samples.
        on_failure: What verl is given for an ungraded sample: a number, never None.
        sub_rewards: The names of sub-rewards that are logged: verl wants the same ones for every sample, so one that a
            sample does not have is 0.
    """

    def __init__(
        self, rewarder: Rewarder, *, on_failure: OnFailure | None = None, sub_rewards: Sequence[str] = ()
    ) -> None:
        self._rewarder, self._sub_rewards = rewarder, tuple(sub_rewards)
        self._on_failure = chosen("verl", on_failure)
        self._means = RecentMeans(self._on_failure)

    def compute_score(
        self,
        data_source: Any,
        solution_str: str,
        ground_truth: Any,
        extra_info: Any = None,
        **reward_kwargs: Any,
    ) -> dict[str, float]:
        """The score of one sample, `graded` (0 or 1), and the sub-rewards."""
        item = _item(data_source, ground_truth, extra_info)
        graded = self._rewarder.grade_one(solution_str, item)
        return self._shown(self._means.reward(graded, group_of(item)), graded)

    async def acompute_score(
        self,
        data_source: Any,
        solution_str: str,
        ground_truth: Any,
        extra_info: Any = None,
        **reward_kwargs: Any,
    ) -> dict[str, float]:
        """The same without blocking verl's event loop."""
        item = _item(data_source, ground_truth, extra_info)
        graded = await self._rewarder.agrade_one(solution_str, item)
        return self._shown(self._means.reward(graded, group_of(item)), graded)

    def compute_scores(
        self,
        data_sources: Sequence[Any],
        solution_strs: Sequence[str],
        ground_truths: Sequence[Any],
        extra_infos: Sequence[Any],
        **reward_kwargs: Any,
    ) -> list[dict[str, float]]:
        """The scores of a batch, for the `batch` manager of verl before 0.9."""
        items = [_item(*each) for each in zip(data_sources, ground_truths, extra_infos)]
        graded = self._rewarder.grade(solution_strs, items)
        scores = rewards_of(graded, self._on_failure, [group_of(item) for item in items])
        return [self._shown(score, each) for score, each in zip(scores, graded)]

    def _shown(self, score: float | None, graded: Graded) -> dict[str, float]:
        parts = {name: graded.sub_rewards.get(name) or 0.0 for name in self._sub_rewards}
        return {"score": 0.0 if score is None else score, "graded": float(graded.graded), **parts}


def _item(data_source: Any, ground_truth: Any, extra_info: Any) -> dict[str, Any]:
    info = {} if extra_info is None else {key: extra_info[key] for key in extra_info if key not in OF_SAMPLES}
    return {"data_source": data_source, "ground_truth": ground_truth, "extra_info": info}

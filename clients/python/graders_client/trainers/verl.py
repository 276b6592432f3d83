"""verl 0.9: `python -m graders_client verl --url … --grader … > reward.py` writes the file that verl loads.

    custom_reward_function.path=reward.py custom_reward_function.name=compute_score

verl asks for one sample a call, from threads and event loops of several processes; the calls of a process are gathered.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graders_client.graded import Graded
from graders_client.on_failure import OnFailure, RecentMeans, chosen
from graders_client.rewarder import Rewarder
from graders_client.trainers.columns import group_of

OF_SAMPLES = (
    "num_turns",
    "rollout_reward_scores",
)  # verl adds these to `extra_info`; they are no part of the row


class Reward:
    """The reward function of verl.

    Args:
        rewarder: Grades the samples.
        on_failure: What verl is given for an ungraded sample: a number, never None.
        sub_rewards: Sub-rewards that are logged: verl wants the same for every sample, and one that is not there is 0.
    """

    def __init__(
        self, rewarder: Rewarder, *, on_failure: OnFailure | None = None, sub_rewards: Sequence[str] = ()
    ) -> None:
        self._rewarder, self._sub_rewards = rewarder, tuple(sub_rewards)
        self._means = RecentMeans(chosen("verl", on_failure))

    def compute_score(
        self, data_source: Any, solution_str: str, ground_truth: Any, extra_info: Any = None, **rest: Any
    ) -> dict[str, float]:
        """The score of one sample, `graded` (0 or 1), and the sub-rewards."""
        item = _item(data_source, ground_truth, extra_info)
        graded = self._rewarder.grade_one(solution_str, item)
        return self._shown(self._means.rewards([graded], [group_of(item)])[0], graded)

    async def acompute_score(
        self, data_source: Any, solution_str: str, ground_truth: Any, extra_info: Any = None, **rest: Any
    ) -> dict[str, float]:
        """The same without blocking verl's event loop."""
        item = _item(data_source, ground_truth, extra_info)
        graded = await self._rewarder.agrade_one(solution_str, item)
        return self._shown((await self._means.arewards([graded], [group_of(item)]))[0], graded)

    def compute_scores(
        self, data_sources: Any, solution_strs: Any, ground_truths: Any, extra_infos: Any, **rest: Any
    ) -> list[dict[str, float]]:
        """The scores of a batch, for the `batch` manager of verl before 0.9."""
        items = [_item(*each) for each in zip(data_sources, ground_truths, extra_infos)]
        graded = self._rewarder.grade(list(solution_strs), items)
        scores = self._means.rewards(graded, [group_of(item) for item in items])
        return [self._shown(score, each) for score, each in zip(scores, graded)]

    def _shown(self, score: float, graded: Graded) -> dict[str, float]:
        parts = {name: graded.sub_rewards.get(name) or 0.0 for name in self._sub_rewards}
        return {"score": score, "graded": float(graded.graded), **parts}


def _item(data_source: Any, ground_truth: Any, extra_info: Any) -> dict[str, Any]:
    info = {} if extra_info is None else {key: extra_info[key] for key in extra_info if key not in OF_SAMPLES}
    return {"data_source": data_source, "ground_truth": ground_truth, "extra_info": info}

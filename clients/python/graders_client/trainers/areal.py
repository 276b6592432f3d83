"""AReaL 1.0: `RLVRWorkflow(reward_fn=Reward(client), …)`.

AReaL calls it in processes that it forks, and waits 15 s, four times; after that the reward is 0. So an ungraded sample raises
well before, which drops the trajectory.
"""

from __future__ import annotations

from typing import Any

from graders_client.errors import UngradedSamples
from graders_client.on_failure import OnFailure, chosen
from graders_client.rewarder import Rewarder
from graders_client.trainers.decoded import answer_in

DEADLINE_S = 10.0
LONGEST_S = 12.0
"""Seconds: a client may answer two later, and after 15 AReaL takes 0 for the reward."""


class Reward:
    """A reward function.

    Args:
        rewarder: Grades the samples.
        on_failure: What AReaL is given for an ungraded sample.
        deadline_s: Seconds that one sample may take, at most 12.

    Raises:
        ValueError: When an argument is wrong.
    """

    def __init__(
        self, rewarder: Rewarder, *, on_failure: OnFailure | None = None, deadline_s: float = DEADLINE_S
    ) -> None:
        if not 0 < deadline_s <= LONGEST_S:
            raise ValueError(
                f"deadline_s: expected seconds up to {LONGEST_S:g}: AReaL waits 15; got {deadline_s}"
            )
        self._rewarder, self._deadline_s = rewarder, deadline_s
        self._on_failure = chosen("areal", on_failure)
        self.__name__ = "graders"

    def __call__(
        self, prompt: Any, completions: Any, prompt_ids: Any = None, completion_ids: Any = None, **data: Any
    ) -> float:
        """The reward of one sample.

        Raises:
            UngradedSamples: When it is ungraded, and nothing else was chosen.
        """
        # AReaL decodes special tokens too, and an answer ends with one
        answer = answer_in(completions, "") if isinstance(completions, str) else completions
        graded = self._rewarder.grade_one(answer, {**data, "prompt": prompt}, deadline_s=self._deadline_s)
        if graded.reward is not None:
            return graded.reward
        if isinstance(self._on_failure, float):
            return self._on_failure
        raise UngradedSamples({0: graded.reason})

"""verifiers 0.3 and older: `vf.Rubric(funcs=[Reward(client)])`.

What raises there is 0.0, and so is None: an ungraded sample sets `state["error"]` besides, by which trainers leave a rollout out.
"""

from __future__ import annotations

from typing import Any

from graders_client.errors import UngradedSamples
from graders_client.rewarder import Rewarder


class Reward:
    """A reward function of a rubric.

    Args:
        rewarder: Grades the completions.
        name: What the rubric logs it as.
    """

    def __init__(self, rewarder: Rewarder, *, name: str = "graders") -> None:
        self._rewarder = rewarder
        self.__name__ = name

    async def __call__(
        self, completion: Any, answer: Any = "", prompt: Any = None, info: Any = None, state: Any = None
    ) -> float:
        """The reward of one rollout.

        Raises:
            UngradedSamples: When it is ungraded; `state["error"]` is set.
        """
        item = {"answer": answer, "prompt": prompt, "info": info or {}}
        graded = await self._rewarder.agrade_one(completion, item)
        if graded.reward is not None:
            return graded.reward
        error = UngradedSamples({0: graded.reason})
        if state is not None and state.get("error") is None:
            state["error"] = error
        raise error

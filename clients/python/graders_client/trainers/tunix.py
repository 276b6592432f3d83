"""google-tunix: `GRPOLearner(…, reward_fns=Reward(client))`; None would be no number there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graders_client.on_failure import OnFailure, chosen, rewards_of
from graders_client.rewarder import Rewarder
from graders_client.trainers.columns import group_of, items_of


class Reward:
    """A reward function.

    Args:
        rewarder: Grades the completions.
        on_failure: What tunix is given for an ungraded sample.
        columns: The columns of the dataset that the grader reads, `prompt` among them; None takes all.
        name: What tunix logs it as.
    """

    def __init__(
        self,
        rewarder: Rewarder,
        *,
        on_failure: OnFailure | None = None,
        columns: Sequence[str] | None = None,
        name: str = "graders",
    ) -> None:
        self._rewarder, self._columns = rewarder, columns
        self._on_failure = chosen("tunix", on_failure)
        self.__name__ = name

    def __call__(
        self, prompts: Sequence[Any], completions: Sequence[Any], **kwargs: Any
    ) -> list[float | None]:
        """One number for each completion."""
        # columns come as arrays of JAX or NumPy too
        columns = {
            name: values
            if isinstance(values, (list, tuple)) or not hasattr(values, "tolist")
            else values.tolist()
            for name, values in kwargs.items()
        }
        items = items_of(len(completions), columns, self._columns, prompt=list(prompts))
        graded = self._rewarder.grade(list(completions), items)
        return rewards_of(graded, self._on_failure, [group_of(item) for item in items])

"""TRL 1.6 or newer: `GRPOTrainer(…, reward_funcs=Reward(client))`, and the same for RLOO and the asynchronous GRPO.

`None` means "no reward" to TRL for *one* reward function only: give several graders as one `multi`. Their rewards are logged by
their names. Beside another function choose `on_failure="group_mean"`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graders_client.graded import Graded
from graders_client.on_failure import OnFailure, chosen, rewards_of
from graders_client.rewarder import Rewarder
from graders_client.trainers.columns import group_of, items_of, log_parts, step_of


class _Base:
    """What both forms share.

    Args:
        rewarder: Grades the completions.
        on_failure: What TRL is given for an ungraded sample.
        columns: The columns of the dataset that the grader reads, `prompt` among them; None takes all.
        name: What TRL logs it as.
        split: What the statistics of a stored grader count the samples as.
    """

    def __init__(
        self,
        rewarder: Rewarder,
        *,
        on_failure: OnFailure | None = None,
        columns: Sequence[str] | None = None,
        name: str = "graders",
        split: str | None = None,
    ) -> None:
        self._rewarder, self._columns, self._split = rewarder, columns, split
        self._on_failure = chosen("trl", on_failure)
        self.__name__ = name

    def _items(self, prompts: Sequence[Any], completions: Sequence[Any], rest: dict[str, Any]) -> list[Any]:
        return items_of(len(completions), rest, self._columns, prompt=prompts)

    def _rewards(
        self, graded: Sequence[Graded], items: list[Any], rest: dict[str, Any]
    ) -> list[float | None]:
        if callable(log := rest.get("log_metric")):
            log_parts(log, self.__name__, graded)
        if callable(extra := rest.get("log_extra")):
            extra(
                f"{self.__name__}_failure", [each.failure.message if each.failure else "" for each in graded]
            )
        return rewards_of(graded, self._on_failure, [group_of(item) for item in items])


class Reward(_Base):
    """A reward function."""

    def __call__(self, prompts: Sequence[Any], completions: Sequence[Any], **rest: Any) -> list[float | None]:
        """One reward for each completion; None where there is none."""
        items, step = self._items(prompts, completions, rest), step_of(rest.get("trainer_state"))
        graded = self._rewarder.grade(completions, items, split=self._split, step=step)
        return self._rewards(graded, items, rest)


class AsyncReward(_Base):
    """A reward function that TRL runs beside others."""

    async def __call__(
        self, prompts: Sequence[Any], completions: Sequence[Any], **rest: Any
    ) -> list[float | None]:
        """One reward for each completion; None where there is none."""
        items, step = self._items(prompts, completions, rest), step_of(rest.get("trainer_state"))
        graded = await self._rewarder.agrade(completions, items, split=self._split, step=step)
        return self._rewards(graded, items, rest)

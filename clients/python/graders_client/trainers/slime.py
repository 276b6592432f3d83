"""slime: `--custom-rm-path my_reward.reward`, where my_reward.py says `reward = Reward(client)`; with or without `--group-rm`."""

from __future__ import annotations

from typing import Any

from graders_client.on_failure import OnFailure, chosen, rewards_of
from graders_client.rewarder import Rewarder


class Reward:
    """A custom reward of slime.

    Args:
        rewarder: Grades the samples.
        on_failure: What slime is given for an ungraded sample; `group_mean` needs `--group-rm`.
    """

    def __init__(self, rewarder: Rewarder, *, on_failure: OnFailure | None = None) -> None:
        self._rewarder = rewarder
        self._on_failure = chosen("slime", on_failure)
        self.__name__ = "graders"

    async def __call__(self, args: Any, samples: Any, **rest: Any) -> Any:
        """The reward of a sample, or those of a list of samples.

        Raises:
            UngradedSamples: When one is ungraded, and nothing else was chosen.
        """
        if not isinstance(samples, (list, tuple)):
            graded = [await self._rewarder.agrade_one(samples.response, _item(samples))]
            return rewards_of(graded, self._on_failure)[0]
        found = await self._rewarder.agrade(
            [each.response for each in samples], [_item(each) for each in samples]
        )
        groups = [getattr(each, "group_index", None) for each in samples]
        return rewards_of(found, self._on_failure, groups)


def _item(sample: Any) -> dict[str, Any]:
    metadata = getattr(sample, "metadata", None)
    return {
        "prompt": sample.prompt,
        "label": sample.label,
        "metadata": metadata if isinstance(metadata, dict) else {},
    }

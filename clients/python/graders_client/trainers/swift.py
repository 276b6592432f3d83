"""ms-swift 4.6: in a plugin file, `orms["graders"] = reward_class(client)`; then `--reward_funcs graders`.

ms-swift counts None as 0, so an ungraded sample gets the mean of its prompt's rewards.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graders_client.on_failure import OnFailure, chosen, rewards_of
from graders_client.rewarder import Rewarder
from graders_client.trainers.columns import group_of, items_of, step_of


class Reward:
    """A reward model of ms-swift.

    Args:
        rewarder: Grades the completions.
        on_failure: What ms-swift is given for an ungraded sample.
        columns: The columns of the dataset that the grader reads; None takes all.
    """

    def __init__(
        self,
        rewarder: Rewarder,
        *,
        on_failure: OnFailure | None = None,
        columns: Sequence[str] | None = None,
    ) -> None:
        self._rewarder, self._columns = rewarder, columns
        self._on_failure = chosen("swift", on_failure)
        self.__name__ = "graders"

    def __call__(self, completions: Sequence[Any], **rest: Any) -> list[float | None]:
        """One number for each completion."""
        # these name the sample, and what the model wrote: with them no two samples would be of one group
        columns = {name: values for name, values in rest.items() if name not in _OF_SAMPLES}
        items = items_of(len(completions), columns, self._columns, prompt=_prompts(rest.get("messages")))
        graded = self._rewarder.grade(completions, items, step=step_of(rest.get("trainer_state")))
        return rewards_of(graded, self._on_failure, [group_of(item) for item in items])


def reward_class(
    rewarder: Rewarder, *, on_failure: OnFailure | None = None, columns: Sequence[str] | None = None
) -> Callable[..., Reward]:
    """What ms-swift wants in `orms`: a class that it makes itself, with its own arguments."""

    class Made(Reward):
        def __init__(self, args: object = None, **kwargs: object) -> None:
            del args, kwargs
            super().__init__(rewarder, on_failure=on_failure, columns=columns)

    return Made


_OF_SAMPLES = frozenset(
    {
        "messages",
        "request_id",
        "prompt_id",
        "finish_reason",
        "is_truncated",
        "add_eos",
        "rollout_infos",
        "response_token_ids",
        "response_loss_mask",
        "rollout_logprobs",
        "truncated",
    }
)


def _prompts(messages: Any) -> list[Any] | None:
    """What came before the completion in each conversation."""
    if not isinstance(messages, (list, tuple)):
        return None
    return [list(each)[:-1] for each in messages]

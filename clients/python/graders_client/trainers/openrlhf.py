"""OpenRLHF 0.11: `python -m graders_client openrlhf --url … --grader … > reward.py`, then `--remote_rm_url reward.py`.

OpenRLHF hands over the prompt and the answer as one text, decoded from tokens. Where they cannot be told apart the sample is
ungraded: the prompt's own words would be graded as the model's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graders_client.graded import Graded, ungraded
from graders_client.on_failure import OnFailure, RecentMeans, chosen
from graders_client.rewarder import Rewarder
from graders_client.trainers.decoded import answer_in


class Reward:
    """The reward function of OpenRLHF.

    Args:
        rewarder: Grades the samples.
        on_failure: What OpenRLHF is given for an ungraded sample: a number.
        tensor: Makes a tensor out of a list; None takes PyTorch's.
    """

    def __init__(
        self,
        rewarder: Rewarder,
        *,
        on_failure: OnFailure | None = None,
        tensor: Callable[[list[float]], Any] | None = None,
    ) -> None:
        self._rewarder, self._tensor = rewarder, tensor
        self._means = RecentMeans(chosen("openrlhf", on_failure))

    def __call__(
        self, queries: Sequence[str], prompts: Sequence[str], labels: Sequence[Any], **rest: Any
    ) -> dict[str, Any]:
        """Rewards, scores, and a log of how many were graded: tensors with one number for each query."""
        graded: list[Graded] = [_NO_ANSWER] * len(queries)
        answers = [answer_in(query, prompt) for query, prompt in zip(queries, prompts)]
        found = [index for index, answer in enumerate(answers) if answer is not None]
        items = [{"prompt": prompts[index], "label": labels[index]} for index in range(len(queries))]
        if len(found) == 1:  # the usual call: one sample, gathered with those of other threads
            graded[found[0]] = self._rewarder.grade_one(answers[found[0]], items[found[0]])
        elif found:
            results = self._rewarder.grade([answers[at] for at in found], [items[at] for at in found])
            for index, result in zip(found, results):
                graded[index] = result
        rewards = self._means.rewards(graded, list(zip(prompts, map(str, labels))))
        tensor = self._tensor or _torch_tensor
        logs = {"graded": tensor([float(each.graded) for each in graded])}
        return {"rewards": tensor(rewards), "scores": tensor(rewards), "extra_logs": logs}


_NO_ANSWER = ungraded(
    "the answer cannot be told from the prompt: the query has not the prompt in it",
    "prompt_not_found",
    retryable=False,
)


def _torch_tensor(values: list[float]) -> Any:
    import torch  # noqa: PLC0415  # it is there where OpenRLHF is

    return torch.tensor(values)

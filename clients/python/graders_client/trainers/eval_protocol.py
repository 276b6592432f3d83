"""eval-protocol 0.3: `Reward(client)` is a reward function: `f(messages, ground_truth=None, **kwargs)` → `EvaluateResult`."""

from __future__ import annotations

from typing import Any

from graders_client.rewarder import Rewarder


class Reward:
    """A reward function; an ungraded sample is a result with `is_score_valid` false.

    Args:
        rewarder: Grades the conversations.
    """

    def __init__(self, rewarder: Rewarder) -> None:
        self._rewarder = rewarder
        self.__name__ = "graders"

    def __call__(self, messages: Any, ground_truth: Any = None, **kwargs: Any) -> Any:
        """The result of one conversation, whose last message is the model's."""
        from eval_protocol.models import EvaluateResult, MetricResult  # noqa: PLC0415

        plain = [
            each.model_dump(exclude_none=True) if hasattr(each, "model_dump") else each for each in messages
        ]
        item = {**_plain_only(kwargs), "ground_truth": ground_truth, "messages": plain[:-1]}
        graded = self._rewarder.grade_one(plain[-1:], item)
        metrics = {
            name: MetricResult(score=value or 0.0, is_score_valid=value is not None, reason="sub-reward")
            for name, value in graded.sub_rewards.items()
        }
        if graded.reward is None:
            reason = f"ungraded: {graded.reason.message}"
            return EvaluateResult(
                score=0.0, is_score_valid=False, reason=reason, metrics=metrics, error=reason
            )
        why = None if graded.failure is None else graded.failure.message
        return EvaluateResult(score=graded.reward, is_score_valid=True, reason=why, metrics=metrics)


def _plain_only(values: dict[str, Any]) -> dict[str, Any]:
    """What is data among a framework's keywords."""
    return {k: v for k, v in values.items() if isinstance(v, (str, int, float, bool, list, dict, type(None)))}

"""Amazon Bedrock and SageMaker: in the function's module, `lambda_handler = Handler(client)`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graders_client.graded import Graded, of_turns
from graders_client.on_failure import OnFailure, chosen, rewards_of
from graders_client.rewarder import Rewarder
from graders_client.trainers.columns import group_of


class Handler:
    """The handler of a reward function.

    Args:
        rewarder: Grades the conversations; the last message is the model's, and the item is the rest of the row.
        on_failure: What the trainer is given for an ungraded sample; by itself the call raises, and is repeated.
    """

    def __init__(self, rewarder: Rewarder, *, on_failure: OnFailure | None = None) -> None:
        self._rewarder = rewarder
        self._on_failure = chosen("aws_lambda", on_failure)

    def __call__(self, event: Any, context: object = None) -> list[dict[str, Any]]:
        """The rewards of a batch, each with the `id` of its row.

        Raises:
            UngradedSamples: When one is ungraded, and nothing else was chosen.
            ValueError: When the event is no list of rows.
        """
        rows = [event] if isinstance(event, Mapping) and "messages" in event else event
        if not isinstance(rows, list) or not all(
            isinstance(row, Mapping) and row.get("messages") for row in rows
        ):
            raise ValueError("event: expected a list of rows, each an object with an `id` and `messages`")
        items = [{**row, "messages": row["messages"][:-1]} for row in rows]
        for item in items:
            item.pop("id", None)  # it differs inside a group
        samples = [_messages(row["messages"]) for row in rows]
        turns = [sum(message.get("role") == "assistant" for message in sample) for sample in samples]
        graded = [of_turns(*each) for each in zip(self._rewarder.grade(samples, items), turns)]
        rewards = rewards_of(graded, self._on_failure, [group_of(item) for item in items])
        return [
            {"id": row.get("id"), "aggregate_reward_score": reward, "metrics_list": _metrics(result)}
            for row, reward, result in zip(rows, rewards, graded)
        ]


def _metrics(graded: Graded) -> list[dict[str, Any]]:
    found = [(name, value, "Reward") for name, value in graded.sub_rewards.items() if value is not None]
    found += [
        (f"turn_{turn}", value, "Reward")
        for turn, value in enumerate(graded.turn_rewards or ())
        if value is not None
    ]
    found += [(name, value, "Metric") for name, value in graded.metrics.items()]
    found.append(("graded", float(graded.graded), "Metric"))
    return [{"name": name, "value": value, "type": kind} for name, value, kind in found]


def _messages(messages: list[Any]) -> list[Any]:
    """Messages whose contents are texts: Bedrock's are lists of blocks such as `{"text": …}`."""
    return [{**message, "content": _text(message.get("content"))} for message in messages]


def _text(content: Any) -> Any:
    if not isinstance(content, list):
        return content
    texts = [block.get("text") for block in content if isinstance(block, Mapping)]
    return "".join(text for text in texts if isinstance(text, str))

"""The reward function of Bedrock and SageMaker: each published kind of event, and rewards of turns."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from graders_client import GraderClient, UngradedSamples, local
from graders_client.trainers.aws_lambda import Handler

from graders import GraderResult, Item
from tests.clients import scripted
from tests.clients.scripted import Scripted

ASSISTANT = {"role": "assistant", "content": "4"}
QUESTION: list[dict[str, Any]] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "2+2?"},
]
# Bedrock and Nova on SageMaker: a list of rows with the model's turn last; contents are texts or lists of blocks; a
# reference is an object or a text; rows carry what else the data has
EVENTS: dict[str, Any] = {
    "texts": [{"id": "a", "messages": [*QUESTION, ASSISTANT], "reference_answer": {"answer": "4"}}],
    "blocks": [
        {
            "id": "a",
            "messages": [
                {"role": "user", "content": [{"text": "2+2?"}]},
                {"role": "assistant", "content": [{"text": "4"}]},
            ],
            "reference_answer": {"answer": "4"},
        }
    ],
    "typed blocks": [
        {
            "id": "a",
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "2+2?"}]},
                {"role": "assistant", "content": [{"type": "text", "text": "4"}]},
            ],
            "reference_answer": {"answer": "4"},
        }
    ],
    "with metadata and tools": [
        {
            "id": "a",
            "messages": [*QUESTION, ASSISTANT],
            "reference_answer": {"answer": "4"},
            "metadata": {"task": "sums"},
            "tools": [{"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}],
        }
    ],
    "several turns": [
        {
            "id": "a",
            "messages": [
                *QUESTION,
                {"role": "assistant", "content": "5"},
                {"role": "user", "content": "Sure?"},
                ASSISTANT,
            ],
            "reference_answer": {"answer": "4"},
        }
    ],
    "reasoning beside the text": [
        {
            "id": "a",
            "messages": [
                *QUESTION,
                {
                    "role": "assistant",
                    "content": [{"reasoningContent": {"reasoningText": {"text": "5?"}}}, {"text": "4"}],
                },
            ],
            "reference_answer": {"answer": "4"},
        }
    ],
    "one row": {"id": "a", "messages": [*QUESTION, ASSISTANT], "reference_answer": {"answer": "4"}},
    "whole numbers as ids": [
        {"id": 7, "messages": [*QUESTION, ASSISTANT], "reference_answer": {"answer": 4}}
    ],
}
ANSWER = {
    "type": "numeric_check",
    "input": "{{sample.output_text}}",
    "reference": "{{item.reference_answer.answer}}",
}


@pytest.mark.parametrize("kind", EVENTS)
def test_each_kind_of_event_is_answered_with_its_ids(kind: str, service: str) -> None:
    event = json.loads(json.dumps(EVENTS[kind]))
    with GraderClient(service, ANSWER) as client:
        found = Handler(client)(event, SimpleNamespace(aws_request_id="1"))
    (row,) = event if isinstance(event, list) else [event]
    assert [(each["id"], each["aggregate_reward_score"]) for each in found] == [(row["id"], 1.0)]
    assert all(set(each) == {"name", "value", "type"} for each in found[0]["metrics_list"])
    assert event == EVENTS[kind]  # it is the caller's
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_a_reference_that_is_a_text_is_a_field_of_the_item(service: str) -> None:
    grader_json = {**ANSWER, "reference": "{{item.reference_answer}}"}
    row = {"id": "a", "messages": [*QUESTION, ASSISTANT], "reference_answer": "4"}
    with GraderClient(service, grader_json) as client:
        assert Handler(client)([row])[0]["aggregate_reward_score"] == 1.0


@pytest.mark.parametrize(
    "event", [{"body": "x"}, "text", None, [1], [{"id": "a"}], [{"id": "a", "messages": []}]]
)
def test_what_is_no_event_is_named(event: object) -> None:
    with pytest.raises(ValueError, match=r"event: expected a list of rows"):
        Handler(GraderClient("http://127.0.0.1:1", "x"))(event)


def by_turn(item: Item) -> GraderResult:
    """Give what the row says."""
    return GraderResult(0.5, metadata={"turn_rewards": item["turns"]})


def test_rewards_of_turns_are_given_where_there_is_one_for_each() -> None:
    evaluator: Any = SimpleNamespace(
        prepare=lambda config: config,
        grade_many=lambda grader, samples, items, deadline_s: [by_turn(item) for item in items],
    )
    handler = Handler(local(evaluator, {}))
    talk = [{"role": role, "content": "x"} for role in ("user", "assistant", "user", "assistant")]
    (found,) = handler([{"id": "a", "messages": talk, "turns": [1.0, None]}])
    assert found["metrics_list"] == [
        {"name": "turn_0", "value": 1.0, "type": "Reward"},
        {"name": "graded", "value": 1.0, "type": "Metric"},
    ]
    for turns in ([1.0], [1.0, 0.0, 1.0], []):
        with pytest.raises(UngradedSamples, match=r"one for each of the assistant's 2 turns"):
            handler([{"id": "a", "messages": talk, "turns": turns}])


def test_rewards_of_turns_come_over_http() -> None:
    row = {"index": 0, "reward": 0.5, "failure": None, "turn_rewards": [1, None, "x"]}
    with Scripted(usually=scripted.sends(json.dumps({"results": [row]}).encode())) as server:
        with GraderClient(server.url, "math") as client:
            assert client.grade(["1"], [{}])[0].turn_rewards == (1.0, None, None)
        assert "turn_rewards" in server.seen[0].path

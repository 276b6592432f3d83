"""Reward functions of trainers as grader types: called as their trainer calls them, and never a low reward for a failure."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

import graders
from graders import GraderResult, GraderType, Item, PluginError, Registry, Sample
from graders.testing import FakeContext

CHAT: dict[str, Any] = {"prompt": [{"role": "user", "content": "2+2="}], "answer": "4"}
PLAIN: dict[str, Any] = {"prompt": "2+2=", "answer": "4", "label": "4"}
MAKERS: dict[str, Callable[..., GraderType[..., Any]]] = {
    "trl": graders.from_trl,
    "verl": graders.from_verl,
    "openrlhf": graders.from_openrlhf,
    "slime": graders.from_slime,
    "verifiers": graders.from_verifiers,
}


class Tensor:
    """What is used of a tensor."""

    def __init__(self, values: Any) -> None:
        self._values = values

    def tolist(self) -> Any:
        return self._values


async def grade(made: GraderType[..., Any], item: Item, sample: Any = "4") -> GraderResult:
    loaded = Registry().including(made).load({"type": made.name})
    return await FakeContext().grade(loaded, Sample.load(sample), item)


def accuracy(
    prompts: list[Any], completions: list[Any], answer: list[str], **kwargs: Any
) -> list[float | None]:
    """Whether each completion is the answer."""
    kwargs["log_metric"]("length", 2)
    kwargs["log_extra"]("seen", [prompts[0]])
    texts = [each if isinstance(each, str) else each[0]["content"] for each in completions]
    return [float(text == right) for text, right in zip(texts, answer, strict=True)]


@pytest.mark.parametrize("item", [CHAT, PLAIN])
async def test_a_function_of_trl_is_called_with_columns(item: Item) -> None:
    made = graders.from_trl(accuracy)
    assert (made.name, made.summary) == ("accuracy_grader", "Whether each completion is the answer.")
    assert made.reference == f"{__name__}:accuracy_grader"
    result = await grade(made, item)
    assert (result.reward, result.metrics, result.metadata) == (
        1.0,
        {"length": 2.0},
        {"seen": item["prompt"]},
    )
    assert (await grade(made, item, "5")).reward == 0.0


async def test_a_completion_in_messages_has_its_tool_calls() -> None:
    seen: list[Any] = []

    def count(completions: list[Any]) -> list[int]:
        seen.append(completions[0])
        return [len(completions[0][0].get("tool_calls", []))]

    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    answer = [{"role": "assistant", "content": "", "tool_calls": [call]}]
    assert (await grade(graders.from_trl(count), CHAT, answer)).reward == 1.0
    assert seen == [[{"role": "assistant", "content": "", "tool_calls": [call]}]]


async def test_a_function_of_verl_has_the_row_and_may_change_its_own_copy() -> None:
    def score(
        data_source: str, solution_str: str, ground_truth: str, extra_info: Any = None
    ) -> dict[str, Any]:
        extra_info["seen"] = True
        return {"score": solution_str == ground_truth, "length": 1, "note": data_source, "bad": float("nan")}

    row = {"data_source": "gsm8k", "reward_model": {"ground_truth": "4"}, "extra_info": {"index": 1}}
    result = await grade(graders.from_verl(score), row)
    assert (result.reward, result.metrics) == (1.0, {"length": 1.0})
    assert row["extra_info"] == {"index": 1}
    assert (await grade(graders.from_verl(score), {"ground_truth": "5"})).reward == 0.0


async def test_a_function_of_openrlhf_has_lists_in_their_places() -> None:
    def reward_func(queries: list[str], prompts: list[str], labels: list[str]) -> dict[str, Any]:
        right = queries == [prompts[0] + labels[0]]
        logs = {"length": Tensor([3]), "empty": [], "text": "x"}
        return {"rewards": Tensor([float(right)]), "scores": Tensor([0.0]), "extra_logs": logs}

    result = await grade(graders.from_openrlhf(reward_func), PLAIN)
    assert (result.reward, result.metrics) == (1.0, {"length": 3.0})
    bare = graders.from_openrlhf(lambda queries, prompts, labels: {"rewards": 0.5}, name="bare")
    assert (await grade(bare, {})).reward == 0.5


async def test_a_function_of_slime_has_a_sample_with_its_fields() -> None:
    async def custom(args: Any, sample: Any, **kwargs: Any) -> dict[str, float]:
        sample.metadata["seen"] = True
        return {args.reward_key: float(sample.response == sample.label), "length": 1.0}

    item = {**PLAIN, "metadata": {"a": 1}}
    result = await grade(graders.from_slime(custom, reward_key="acc"), item)
    assert (result.reward, result.metrics) == (1.0, {"length": 1.0})
    assert item["metadata"] == {"a": 1}
    assert (await grade(graders.from_slime(lambda args, sample: 0.5, name="x"), {})).reward == 0.5


async def test_a_function_of_verifiers_has_what_it_names_and_nothing_else() -> None:
    async def right(completion: Any, answer: str, parser: Any) -> float:
        return float(parser(completion) == answer)

    def chat(state: Any, info: Any, task: str) -> float:
        info["x"] = 1
        return float(state["completion"][0]["content"] == state["answer"] and task == "default")

    made = graders.from_verifiers(right, parser=str.strip)
    assert (await grade(made, PLAIN, " 4 ")).reward == 1.0
    assert (await grade(graders.from_verifiers(chat), CHAT)).reward == 1.0


async def test_an_object_with_a_call_is_a_function_too() -> None:
    class Reward:
        def __call__(self, completions: list[str], **kwargs: Any) -> list[float]:
            return [len(completions[0]) / 2]

    class Later:
        async def __call__(self, completions: list[str], **kwargs: Any) -> list[float]:
            return [0.25]

    assert (await grade(graders.from_trl(Reward()), PLAIN)).reward == 0.5
    assert (await grade(graders.from_trl(Later()), PLAIN)).reward == 0.25


@pytest.mark.parametrize("returned", [None, [None], [], [1.0, 2.0], ["1"], [float("nan")], [1e999], "1", {}])
@pytest.mark.parametrize("trainer", MAKERS)
async def test_what_is_no_reward_leaves_the_sample_ungraded(trainer: str, returned: Any) -> None:
    def function(*args: Any, **kwargs: Any) -> Any:
        return returned

    result = await grade(MAKERS[trainer](function), PLAIN)
    assert result.reward is None
    assert result.failure is not None
    assert result.failure.caused_by == "grader"


async def test_a_field_that_the_item_lacks_is_named() -> None:
    def needs(completions: list[str], solution: list[str]) -> list[float]:
        return [1.0]

    result = await grade(graders.from_trl(needs), PLAIN)
    assert result.reward is None
    assert result.failure is not None
    assert result.failure.details == {"variable": "solution"}


def test_what_only_a_training_has_is_refused_at_once() -> None:
    def needs(completions: list[str], completion_ids: list[list[int]]) -> list[float]:
        return [1.0]

    with pytest.raises(PluginError, match="'completion_ids' is known in a training only"):
        graders.from_trl(needs)
    with pytest.raises(PluginError, match="is not a reward function"):
        graders.from_verl(5)  # type: ignore[arg-type]


@pytest.mark.parametrize("trainer", MAKERS)
def test_a_type_takes_what_graders_take(trainer: str) -> None:
    made = MAKERS[trainer](accuracy, name="mine", range=(0.0, 1.0), needs={"network"}, isolation="grading")
    assert (made.name, made.range) == ("mine", (0.0, 1.0))
    assert made.needs == frozenset({"network"})
    assert made.isolation == "grading"


async def test_what_is_said_beside_a_reward_belongs_to_its_own_sample() -> None:
    turn = asyncio.Event()

    async def slow(completions: list[str], log_metric: Any, **kwargs: Any) -> list[float]:
        number = int(completions[0])
        if number == 0:
            await turn.wait()
        log_metric("number", number)
        turn.set()
        return [float(number)]

    made = graders.from_trl(slow)
    results = await asyncio.gather(grade(made, PLAIN, "0"), grade(made, PLAIN, "1"))
    assert [(result.reward, result.metrics) for result in results] == [
        (0.0, {"number": 0.0}),
        (1.0, {"number": 1.0}),
    ]

"""The published grader API, asked by the unmodified official client."""

import asyncio
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from tests.conftest import ROOT

HOSTILE = ROOT / "tests/plugin_package/hostile_graders/hostile.py"
HALF = next(n for n, line in enumerate(HOSTILE.read_text().splitlines(), 1) if '"half ' in line)
"""The line on which the plugin raises an error whose message has half a character."""
OUTPUT = "{{sample.output_text}}"
EXACT = {
    "type": "string_check",
    "name": "e",
    "input": OUTPUT,
    "reference": "{{item.answer}}",
    "operation": "eq",
}

FLAGS: dict[str, Any] = {
    "formula_parse_error": False,
    "sample_parse_error": False,
    "sample_parse_error_details": None,
    "truncated_observation_error": False,
    "unresponsive_reward_error": False,
    "invalid_variable_error": False,
    "invalid_variable_error_details": None,
    "other_error": False,
    "python_grader_server_error": False,
    "python_grader_server_error_type": None,
    "python_grader_runtime_error": False,
    "python_grader_runtime_error_details": None,
    "model_grader_server_error": False,
    "model_grader_server_error_details": None,
    "model_grader_refusal_error": False,
    "model_grader_refusal_error_details": None,
    "model_grader_parse_error": False,
    "model_grader_parse_error_details": None,
    "model_grader_exceeded_max_tokens_error": False,
    "endpoint_grader_internal_error": False,
    "endpoint_grader_internal_error_details": None,
    "endpoint_grader_server_error": False,
    "endpoint_grader_server_error_details": None,
    "endpoint_grader_safety_check_error": False,
}
"""The published error object of a grading without failure."""


def run(client: OpenAI, grader: dict[str, Any], sample: str, item: dict[str, Any] | None = None) -> Any:
    return client.fine_tuning.alpha.graders.run(grader=grader, model_sample=sample, item=item or {})  # type: ignore[arg-type]


def flags(reply: Any) -> dict[str, Any]:
    """The flags that are set, with their details."""
    return {
        name: value for name, value in reply.metadata.errors.to_dict().items() if value not in (False, None)
    }


def test_the_whole_answer_is_the_published_one(client: OpenAI) -> None:
    reply = run(client, EXACT, "yes", {"answer": "yes"}).to_dict()
    assert reply["metadata"].pop("execution_time") >= 0
    assert reply == {
        "reward": 1.0,
        "metadata": {
            "name": "e",
            "type": "string_check",
            "errors": FLAGS,
            "scores": {},
            "token_usage": None,
            "sampled_model_name": None,
        },
        "sub_rewards": {},
        "model_grader_token_usage_per_model": {},
    }


NUMERIC = {"type": "numeric_check", "input": OUTPUT, "reference": "{{item.answer}}"}
SIMILAR = {"type": "text_similarity", "input": OUTPUT, "reference": "{{item.answer}}"}
PATTERN = {
    "type": "pattern_match",
    "input": OUTPUT,
    "pattern": r"answer: (\d+)",
    "groups": {"1": "{{item.answer}}"},
}
KEYWORD = {"type": "keyword", "words": ["cat", "dog"]}


@pytest.mark.parametrize(
    ("grader", "sample", "answer", "reward"),
    [
        (EXACT, "Yes", "yes", 0.0),
        ({**EXACT, "operation": "ne"}, "Yes", "yes", 1.0),
        ({**EXACT, "operation": "neq"}, "yes", "yes", 0.0),
        ({**EXACT, "operation": "like"}, "say yes", "yes", 1.0),
        ({**EXACT, "operation": "ilike"}, "say YES", "yes", 1.0),
        (NUMERIC, "It is $1,234.", "1234", 1.0),
        ({**NUMERIC, "score": {"steps": [[0, 5], [1, 4], [5, 3]], "range": [0, 5]}}, "about 41", 42, 4.0),
        (
            {**SIMILAR, "evaluation_metric": "fuzzy_match"},
            "fuzzy wuzzy had no hair",
            "fuzzy wuzzy was a bear",
            0.7555555555555555,
        ),
        ({**SIMILAR, "evaluation_metric": "bleu"}, "the cat sat on the mat", "the cat sat on the mat", 1.0),
        ({**SIMILAR, "evaluation_metric": "gleu"}, "the cat", "the dog", 1 / 3),
        ({**SIMILAR, "evaluation_metric": "meteor"}, "the cat", "the dog", 0.25),
        ({**SIMILAR, "evaluation_metric": "rouge_1"}, "the cat", "the dog", 0.5),
        ({**SIMILAR, "evaluation_metric": "rouge_l"}, "the cat", "the dog", 0.5),
        (PATTERN, "answer: 42", "42", 1.0),
        (PATTERN, "answer: 41", "42", 0.0),
        (KEYWORD, "a cat", "", 0.5),
    ],
)
def test_every_deterministic_kind(
    client: OpenAI, grader: dict[str, Any], sample: str, answer: Any, reward: float
) -> None:
    reply = run(client, grader, sample, {"answer": answer})
    assert reply.reward == pytest.approx(reward, abs=1e-12)
    assert flags(reply) == {}


def test_multi_names_its_parts(client: OpenAI) -> None:
    grader = {"type": "multi", "graders": {"a": EXACT, "b": KEYWORD}, "calculate_output": "0.5 * a + 0.5 * b"}
    reply = run(client, grader, "cat", {"answer": "cat"})
    assert (reply.reward, reply.sub_rewards) == (0.75, {"a": 1.0, "b": 0.5})
    assert reply.metadata.name.startswith("grader-")


def test_the_async_client_and_the_azure_path(url: str) -> None:
    async def ask() -> list[float]:
        async with AsyncOpenAI(base_url=f"{url}/openai/v1", api_key="any") as client:
            graders = client.fine_tuning.alpha.graders
            calls = [
                graders.run(grader=EXACT, model_sample=f"{n}", item={"answer": "3"})  # type: ignore[arg-type]
                for n in range(20)
            ]
            return [reply.reward for reply in await asyncio.gather(*calls)]

    assert asyncio.run(ask()) == [float(n == 3) for n in range(20)]


@pytest.mark.full
@pytest.mark.parametrize(
    ("grader", "sample", "item", "expected"),
    [
        (
            {**EXACT, "input": "{{sample.output_json.x}}"},
            "not json",
            {"answer": "1"},
            {
                "sample_parse_error": True,
                "sample_parse_error_details": "{{sample.output_json.x}} needs a sample that is valid JSON, and this one is not",
            },
        ),
        (
            EXACT,
            "a",
            {"question": "?"},
            {
                "invalid_variable_error": True,
                "invalid_variable_error_details": "{{item.answer}} is not there: item has question",
            },
        ),
        (
            {"type": "multi", "graders": {"a": EXACT}, "calculate_output": "1 / a"},
            "no",
            {"answer": "yes"},
            {"formula_parse_error": True},
        ),
        ({"type": "hostile"}, "spin", {}, {"unresponsive_reward_error": True}),
        (
            {"type": "hostile"},
            "exit",
            {},
            {"python_grader_server_error": True, "python_grader_server_error_type": "worker_exited"},
        ),
        (
            {"type": "hostile"},
            "return nan",
            {},
            {
                "python_grader_runtime_error": True,
                "python_grader_runtime_error_details": "hostile: a reward is a finite number, not nan",
            },
        ),
        ({"type": "asks"}, "http", {}, {"other_error": True}),
        (
            {"type": "hostile"},
            "half",
            {},
            {
                "python_grader_runtime_error": True,
                "python_grader_runtime_error_details": "hostile: ValueError: half \ufffd\n"
                f'hostile.py, line {HALF}, in hostile\n    raise ValueError("half \\ud83d")',
            },
        ),
    ],
)
def test_a_failed_grading_is_200_with_zero_and_its_flag(
    client: OpenAI, grader: dict[str, Any], sample: str, item: dict[str, Any], expected: dict[str, Any]
) -> None:
    reply = run(client, grader, sample, item)
    assert reply.reward == 0.0
    assert flags(reply) == expected


def test_a_failed_part_sets_its_flag_on_the_whole_and_counts_zero(client: OpenAI) -> None:
    grader = {"type": "multi", "graders": {"a": EXACT, "b": {"type": "hostile"}}, "calculate_output": "a + b"}
    reply = run(client, grader, "exit", {"answer": "exit"})
    assert (reply.reward, reply.sub_rewards) == (0.0, {"a": 1.0, "b": 0.0})
    assert flags(reply) == {
        "python_grader_server_error": True,
        "python_grader_server_error_type": "worker_exited",
    }


def test_validate_fills_in_the_name_and_keeps_the_rest(client: OpenAI) -> None:
    arguments: dict[str, Any] = {"grader": {name: value for name, value in EXACT.items() if name != "name"}}
    answered: Any = client.fine_tuning.alpha.graders.validate(**arguments).to_dict()["grader"]
    assert answered == {**arguments["grader"], "name": answered["name"]}
    assert len(answered["name"]) == len("grader-") + 12


BAD_GRADERS = [
    (
        {**EXACT, "operation": "equals"},
        "grader.operation",
        "expected 'eq', 'ne', 'neq', 'like' or 'ilike', got 'equals'",
    ),
    (
        {"type": "multi", "graders": {"a": {**EXACT, "operation": "equals"}}, "calculate_output": "a"},
        "grader.graders.a.operation",
        "expected 'eq'",
    ),
    ({**EXACT, "input": "{{sample.output_text"}, "grader.input", "has no '}}'"),
    ({**EXACT, "refrence": "x"}, "grader.refrence", "no such field"),
    ({"type": "string_chek"}, "grader.type", "did you mean 'string_check'?"),
    ({}, "grader.type", "this field is required"),
    ({"type": "multi", "graders": [EXACT], "calculate_output": "a"}, "grader.graders", "expected a map"),
    (
        {"type": "multi", "graders": {"a": EXACT}, "calculate_output": "a + b"},
        "grader.calculate_output",
        "variable 'b'",
    ),
    (
        {**SIMILAR, "evaluation_metric": "bleu", "embedding_model": "x"},
        "grader.embedding_model",
        "only 'cosine'",
    ),
    ({**PATTERN, "pattern": "(?=a)"}, "grader.pattern", "not a regular expression"),
    ({**KEYWORD, "words": 3}, "grader.words", "expected a list, got 3"),
    ({**EXACT, "pass_threshold": "high"}, "grader.pass_threshold", "expected a finite number"),
]


@pytest.mark.parametrize("call", ["run", "validate"])
@pytest.mark.parametrize(("grader", "param", "message"), BAD_GRADERS)
def test_a_bad_grader_is_400_that_names_the_field(
    client: OpenAI, call: str, grader: dict[str, Any], param: str, message: str
) -> None:
    graders = client.fine_tuning.alpha.graders
    arguments: dict[str, Any] = (
        {"grader": grader, "model_sample": "x"} if call == "run" else {"grader": grader}
    )
    with pytest.raises(openai.BadRequestError) as caught:
        getattr(graders, call)(**arguments)
    body: Any = caught.value.body
    assert body["message"].startswith(f"{param}: ")
    assert message in body["message"]
    assert (body["type"], body["param"], body["code"]) == ("invalid_request_error", param, "invalid_grader")


@pytest.mark.parametrize("given", [None, 42, True, 1.5])
def test_a_sample_of_a_wrong_type_is_400_that_names_the_field(client: OpenAI, given: Any) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.fine_tuning.alpha.graders.run(grader=EXACT, model_sample=given)  # type: ignore[arg-type]
    body: Any = caught.value.body
    assert body["message"].startswith("model_sample: expected ")
    assert body["param"] == "model_sample"


@pytest.mark.full
def test_a_grader_that_holds_the_event_loop_is_not_there(url: str) -> None:
    """A text that would keep rapidfuzz busy for seconds goes to a worker, and the service answers meanwhile."""
    slow = {**SIMILAR, "evaluation_metric": "fuzzy_match"}
    long, other = "ab" * 30_000, "ba" * 15_000

    async def both() -> tuple[bool, float]:
        async with AsyncOpenAI(base_url=f"{url}/v1", api_key="any") as client:
            graders = client.fine_tuning.alpha.graders
            stalled = asyncio.create_task(graders.run(grader=slow, model_sample=long, item={"answer": other}))  # type: ignore[arg-type]
            await asyncio.sleep(0.2)
            quick = await graders.run(grader=EXACT, model_sample="a", item={"answer": "a"})  # type: ignore[arg-type]
            was_waiting = not stalled.done()
            await stalled
            return was_waiting, quick.reward

    assert asyncio.run(both()) == (True, 1.0)

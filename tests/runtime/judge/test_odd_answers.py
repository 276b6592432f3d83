"""What a server says beside the answer is not believed: it is its fault, it is bounded, and it is one printable line."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graders import FailureKind, GradingError
from runtime import Evaluator, Settings
from runtime.judge import failures
from runtime.judge.failures import MAX_MESSAGE, is_too_long
from tests.judge_server import JudgeServer, chat, status
from tests.runtime.judge.mocked import Script, ask, error, judging, response
from tests.runtime.judge.mocked import chat as completion
from tests.strategies import any_str


def changed(**fields: Any) -> httpx2.Response:
    """A chat completion with other fields."""
    body = {**json.loads(completion().content), **fields}
    return httpx2.Response(200, content=json.dumps(body).encode())


async def failed(reply: httpx2.Response, home: Path, **model: Any) -> GradingError:
    async with judging(Script(reply), home, model={"parse_retries": 0, "retries": 0, **model}) as judges:
        (result,) = await asyncio.gather(ask(judges), return_exceptions=True)
    assert isinstance(result, GradingError)
    assert result.failure.caused_by == "infrastructure"
    assert str(result).isprintable()
    assert len(str(result)) <= MAX_MESSAGE
    return result


USAGES: dict[str, Any] = {
    "more than a float holds": {"prompt_tokens": 10**400, "completion_tokens": 5},
    "more than an integer of a database holds": {"prompt_tokens": 5, "completion_tokens": 2**63},
    "more than anybody asks": {"prompt_tokens": 1_000_000_001, "completion_tokens": 5},
    "less than nothing": {"prompt_tokens": -(10**9), "completion_tokens": 5},
    "less than nothing, of the answer": {"prompt_tokens": 10, "completion_tokens": -5},
    "part of a token": {"prompt_tokens": 1.5, "completion_tokens": 5},
    "no number": {"prompt_tokens": float("nan"), "completion_tokens": 5},
    "infinity": {"prompt_tokens": float("inf"), "completion_tokens": 5},
    "a text": {"prompt_tokens": "12", "completion_tokens": 5},
    "a truth": {"prompt_tokens": True, "completion_tokens": 5},
    "a list": {"prompt_tokens": [], "completion_tokens": 5},
    "less than nothing remembered": {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "prompt_tokens_details": {"cached_tokens": -1},
    },
}


@pytest.mark.parametrize("name", USAGES)
async def test_a_usage_that_counts_no_tokens_is_the_servers_fault(name: str, tmp_path: Path) -> None:
    found = await failed(changed(usage=USAGES[name]), tmp_path)
    assert found.failure.kind is FailureKind.MODEL_GRADER_SERVER
    assert found.failure.details["type"] == "malformed_response"
    assert found.usage == {}


async def test_the_usage_of_a_response_is_read_as_strictly(tmp_path: Path) -> None:
    reply = response(usage={"input_tokens": -1, "output_tokens": 5})
    found = await failed(reply, tmp_path, api="responses")
    assert "input_tokens is no number of tokens: -1" in str(found)


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": None}, {"prompt_tokens": 10.0}, [], "none"])
async def test_a_server_need_not_count(usage: object, tmp_path: Path) -> None:
    async with judging(Script(changed(usage=usage)), tmp_path) as judges:
        assert (await ask(judges)).output == {"result": 0.5}


@pytest.mark.parametrize(
    "name", ["\x1b[31mevil\x1b[0m", "half \ud800", "two\nlines", "x" * 257, "\u202egpt", "\x00"]
)
async def test_a_model_whose_name_is_none_is_the_servers_fault(name: str, tmp_path: Path) -> None:
    found = await failed(changed(model=name), tmp_path)
    assert found.failure.details["type"] == "malformed_response"


@pytest.mark.parametrize("name", ["gpt-4o", "org/модель:7b", "x" * 256])
async def test_names_of_models_are_taken_as_they_are(name: str, tmp_path: Path) -> None:
    async with judging(Script(changed(model=name)), tmp_path) as judges:
        assert (await ask(judges)).model == name


MESSAGES = {
    "an error with escapes": error(400, "\x1b[2J\x1b]0;pwned\x07 bad \nFAKE LOG LINE level=info"),
    "a long error": error(400, "\x07x" * 500_000),
    "a refusal": completion(None, refusal="\x1b[31mno\x1b[0m\n" * 500),
    "prose": completion("\x1b[2J\u202e" * 1_000),
    "half a character": changed(choices=[
        {"message": {"content": "half \ud800"}, "finish_reason": "stop"}
    ]),
    "no JSON": httpx2.Response(200, text="\x1b[2J"),
}  # fmt: skip


@pytest.mark.parametrize("name", MESSAGES)
async def test_a_failure_is_told_in_one_printable_line(name: str, tmp_path: Path) -> None:
    found = await failed(MESSAGES[name], tmp_path, structure="text")
    json.dumps(dict(found.failure.details), ensure_ascii=False).encode()


@given(any_str(), any_str(), st.integers(100, 599))
def test_every_failure_is_one_printable_line(model: str, words: str, code: int) -> None:
    for failure in (
        failures.refused(model, words),
        failures.unparseable(model, words, words),
        failures.no_completion(model, words),
        failures.server_error(model, code, words, retryable=True),
        failures.too_long(model, code, words),
        failures.no_answer(model, words),
        failures.unconfigured(model, words),
    ):
        assert str(failure).isprintable()
        assert len(str(failure)) <= MAX_MESSAGE
        json.dumps(dict(failure.failure.details), ensure_ascii=False).encode()


TOO_LONG = {
    "OpenAI": (400, "This model's maximum context length is 8192 tokens", "context_length_exceeded"),
    "OpenAI, by its code": (400, "no", "context_length_exceeded"),
    "OpenAI, with both counts": (
        400,
        (
            "This model's maximum context length is 8192 tokens. However, you requested 9100 tokens "
            "(9000 in the messages, 100 in the completion). Please reduce the length of the messages or completion."
        ),
        None,
    ),
    "vLLM": (
        400,
        (
            "This model's maximum context length is 8192 tokens. However, your request has 10240 input tokens. "
            "Please reduce the length of the input messages."
        ),
        None,
    ),
    "vLLM, with little room left": (
        400,
        (
            "'max_tokens' or 'max_completion_tokens' is too large: 500. This model's maximum context length is "
            "8192 tokens and your request has 8000 input tokens (500 > 8192 - 8000)."
        ),
        None,
    ),
    "SGLang": (400, "The input (9000 tokens) is longer than the model's context length (8192 tokens).", None),
    "llama.cpp": (400, "the request exceeds the available context size, try increasing it", None),
    "Anthropic": (400, "prompt is too long: 208000 tokens > 200000 maximum", None),
    "TGI": (422, "Input validation error: too many tokens", None),
    "nginx": (413, "<h1>Request Entity Too Large</h1>", None),
}
NOT_TOO_LONG = {
    "a limit of tokens that is too large": (
        400,
        (
            "'max_tokens' or 'max_completion_tokens' is too large: 8192. This model's maximum context length is "
            "8192 tokens and your request has 12 input tokens (8192 > 8192 - 12)."
        ),
        None,
    ),
    "a limit of tokens, and nothing else": (400, "max_tokens is too large: 100000", None),
    "a completion that takes all the room": (
        400,
        (
            "This model's maximum context length is 8192 tokens. However, you requested 8204 tokens "
            "(12 in the messages, 8192 in the completion)."
        ),
        "context_length_exceeded",
    ),
    "something else": (400, "unknown parameter", None),
    "a server that is down": (503, "the context length is being changed", None),
}


@pytest.mark.parametrize("name", TOO_LONG)
async def test_a_prompt_that_does_not_fit_is_a_failure_of_its_own(name: str, tmp_path: Path) -> None:
    code, words, kind = TOO_LONG[name]
    script = Script(error(code, words, code=kind))
    async with judging(script, tmp_path, model={"retries": 3}) as judges:
        (found,) = await asyncio.gather(ask(judges), return_exceptions=True)
    assert isinstance(found, GradingError)
    assert found.failure.kind is FailureKind.MODEL_GRADER_EXCEEDED_MAX_TOKENS
    assert found.failure.details["type"] == "context_length_exceeded"
    assert found.failure.caused_by == "infrastructure", "a judge does not know whose text it was"
    assert len(script.requests) == 1, "the same in other words is as long"


@pytest.mark.parametrize("name", NOT_TOO_LONG)
async def test_another_error_is_not(name: str, tmp_path: Path) -> None:
    code, words, kind = NOT_TOO_LONG[name]
    found = await failed(error(code, words, code=kind), tmp_path)
    assert found.failure.details["type"] == "status"


async def test_a_response_that_failed_says_why(tmp_path: Path) -> None:
    reply = response(status="failed", error={"code": "context_length_exceeded", "message": "too long"})
    found = await failed(reply, tmp_path, api="responses")
    assert found.failure.details["type"] == "context_length_exceeded"
    assert "does not say why" in str(await failed(response(status="failed"), tmp_path, api="responses"))


@given(any_str(), any_str())
def test_any_words_of_a_server_can_be_read(words: str, code: str) -> None:
    assert is_too_long(words, code) in (True, False)
    assert is_too_long(words, "context_length_exceeded")


RUBRIC = {"type": "rubric", "model": "m", "criteria": {"good": "It is good."}}
RANK = {"type": "rank", "model": "m", "criterion": "The best."}


def _of_8192_tokens(request: Any, _: int) -> Any:
    user = request.body["messages"][-1]["content"]
    if len(user.encode()) / 4 > 8192:
        body = {
            "error": {"message": "maximum context length is 8192 tokens", "code": "context_length_exceeded"}
        }
        return status(400, body=body)
    schema = request.body["response_format"]["json_schema"]["schema"]
    if "good" in schema["properties"]:
        return chat(json.dumps({"good": {"reason": "", "verdict": "yes"}}))
    return chat(json.dumps({name: {"reason": "", "score": 1} for name in schema["properties"]}))


@pytest.mark.full
async def test_samples_that_blow_up_a_prompt_fail_by_themselves_over_a_socket(tmp_path: Path) -> None:
    with JudgeServer(_of_8192_tokens) as server:
        settings = Settings(
            judges={"*": {"base_url": server.url}}, judge_cache_mb=0, judge_store=str(tmp_path / "store")
        )
        async with Evaluator(settings=settings) as evaluator:
            for sample, reward in (
                ("bad" + "\u200b" * 5_000, 1.0), ("bad" + "=" * 11_000, 1.0), ("y" * 30_000, 1.0),
                ("y" * 33_000, 0.0), ("\u200b\u200c" * 3_000, 0.0), ("\u200b\u200c" * 9_000, 0.0),
            ):  # fmt: skip
                assert (await evaluator.grade(RUBRIC, sample)).reward == reward
            for hostile, reward in (
                ("\u200b" * 5_000, 1.0),
                ("\u200b\u200c" * 3_000, 0.0),
                ("y" * 700_000, 0.0),
            ):
                samples = [*(f"answer {number}" for number in range(7)), hostile]
                results = await evaluator.grade_group(RANK, samples)
                assert [result.reward for result in results] == [1.0] * 7 + [reward]


@pytest.mark.parametrize("spaces", [0, 30_000])
async def test_a_long_answer_is_read_as_a_short_one(spaces: int, tmp_path: Path) -> None:
    script = Script(completion("<think>1 or 0?</think>" + " " * spaces + '{"result": 0.25}'))
    async with judging(script, tmp_path) as judges:
        assert (await ask(judges)).output == {"result": 0.25}


@pytest.mark.parametrize("levels", [300, 200_000])
async def test_an_answer_that_is_nested_too_deeply_is_no_verdict(levels: int, tmp_path: Path) -> None:
    error = await failed(completion("[" * levels), tmp_path)
    assert error.failure.details["type"] == "unparseable_verdict"

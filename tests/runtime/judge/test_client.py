"""Judges over a scripted transport: what is sent, what is taken for a verdict, and what never is."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from graders import FailureKind, GradingError
from graders.kinds.judging import answer_schema, number_within
from runtime import Settings
from runtime.judge.client import Judges
from runtime.net import retries
from tests.runtime.judge.mocked import SCHEMA, Script, ask, chat, error, judging, response, says


async def failed(judges: Judges, **changes: Any) -> GradingError:
    """The failure of one question, which is always ungraded."""
    with pytest.raises(GradingError) as caught:
        await ask(judges, **changes)
    assert caught.value.failure.caused_by == "infrastructure"
    return caught.value


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "FIRST_PAUSE_S", 0.0)


async def test_a_question_is_a_chat_completion_with_a_strict_schema(tmp_path: Path) -> None:
    script = Script(chat('{"result": 0.25}'))
    async with judging(script, tmp_path, model={"model": "qwen", "api_key": "sk-1"}) as judges:
        messages = [
            {"role": "developer", "content": "Grade."},
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "a"},
                    {"type": "input_image", "image_url": "data:image/png;base64,AA", "detail": "low"},
                    {"type": "input_image", "image_url": "https://images.test/a.png"},
                    {"type": "input_audio", "input_audio": {"data": "AA", "format": "mp3"}},
                ],
            },
            {"role": "assistant", "content": [{"type": "output_text", "text": "b"}]},
        ]
        sampling = {
            "temperature": 0,
            "top_p": 0.5,
            "seed": 7,
            "reasoning_effort": "low",
            "max_completion_tokens": 9,
        }
        verdict = await ask(judges, messages=messages, sampling=sampling, name="float_score_classification")
    assert verdict.output == {"result": 0.25}
    assert verdict.model == "judge-2026"
    assert verdict.usage == {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "total_tokens": 15,
        "cached_tokens": 4,
    }
    assert (verdict.retries, verdict.cached) == (0, False)
    (request,) = script.requests
    assert str(request.url) == "http://judge.test/v1/chat/completions"
    assert request.headers["authorization"] == "Bearer sk-1"
    assert script.bodies[0] == {
        "model": "qwen",
        "messages": [
            {"role": "developer", "content": "Grade."},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "a"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA", "detail": "low"}},
                    {"type": "image_url", "image_url": {"url": "https://images.test/a.png"}},
                    {"type": "input_audio", "input_audio": {"data": "AA", "format": "mp3"}},
                ],
            },
            {"role": "assistant", "content": [{"type": "text", "text": "b"}]},
        ],
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "float_score_classification", "schema": SCHEMA, "strict": True},
        },
        "temperature": 0,
        "top_p": 0.5,
        "seed": 7,
        "reasoning_effort": "low",
        "max_completion_tokens": 9,
    }


async def test_the_responses_api_is_asked_in_its_own_words(tmp_path: Path) -> None:
    thinking = {"type": "reasoning", "summary": []}
    script = Script(response(thinking, says('{"result": '), says("0.75}")))
    async with judging(script, tmp_path, model={"api": "responses"}) as judges:
        sampling = {"temperature": 1, "seed": 7, "reasoning_effort": "high", "max_completion_tokens": 9}
        blocks = [{"role": "user", "content": [{"type": "input_text", "text": "a"}]}]
        verdict = await ask(judges, messages=blocks, sampling=sampling, name="n")
    assert verdict.output == {"result": 0.75}
    assert verdict.usage["prompt_tokens"] == 10
    assert verdict.usage["cached_tokens"] == 4
    assert script.requests[0].url.path == "/v1/responses"
    assert script.bodies[0] == {
        "model": "judge",
        "input": blocks,
        "store": False,
        "text": {"format": {"type": "json_schema", "name": "n", "schema": SCHEMA, "strict": True}},
        "temperature": 1,
        "reasoning": {"effort": "high"},
        "max_output_tokens": 9,
    }


NO_VERDICT: dict[str, tuple[httpx2.Response, FailureKind, str]] = {
    "refusal": (chat(None, refusal="I cannot"), FailureKind.MODEL_GRADER_REFUSAL, "refusal"),
    "content filter": (
        chat("", finish_reason="content_filter"),
        FailureKind.MODEL_GRADER_REFUSAL,
        "content_filter",
    ),
    "length": (
        chat('{"result": 1}', finish_reason="length"),
        FailureKind.MODEL_GRADER_EXCEEDED_MAX_TOKENS,
        "length",
    ),
    "empty": (chat(" \n"), FailureKind.MODEL_GRADER_PARSE, "empty_answer"),
    "null": (chat(None), FailureKind.MODEL_GRADER_PARSE, "empty_answer"),
    "prose": (chat("The score is 1."), FailureKind.MODEL_GRADER_PARSE, "unparseable_verdict"),
    "prose and JSON": (chat('Sure: {"result": 1}'), FailureKind.MODEL_GRADER_PARSE, "unparseable_verdict"),
    "two": (chat('{"result": 1}{"result": 0}'), FailureKind.MODEL_GRADER_PARSE, "unparseable_verdict"),
    "twice": (chat('{"result": 0, "result": 1}'), FailureKind.MODEL_GRADER_PARSE, "unparseable_verdict"),
    "NaN": (chat('{"result": NaN}'), FailureKind.MODEL_GRADER_PARSE, "unparseable_verdict"),
    "a text": (chat('{"result": "1"}'), FailureKind.MODEL_GRADER_PARSE, "unparseable_verdict"),
    "1e400": (chat('{"result": 1e400}'), FailureKind.MODEL_GRADER_PARSE, "unparseable_verdict"),
    "deep": (chat("[" * 100_000), FailureKind.MODEL_GRADER_PARSE, "unparseable_verdict"),
    "more": (chat('{"result": 1, "b": 2}'), FailureKind.MODEL_GRADER_PARSE, "unparseable_verdict"),
    "no choice": (
        httpx2.Response(200, json={"choices": []}),
        FailureKind.MODEL_GRADER_SERVER,
        "malformed_response",
    ),
    "no JSON": (
        httpx2.Response(200, text="<html>"),
        FailureKind.MODEL_GRADER_SERVER,
        "malformed_response",
    ),
    "a list": (httpx2.Response(200, json=[]), FailureKind.MODEL_GRADER_SERVER, "malformed_response"),
    "bad request": (error(400, "too long"), FailureKind.MODEL_GRADER_SERVER, "status"),
    "no right": (error(401), FailureKind.MODEL_GRADER_SERVER, "status"),
    "server error": (error(500), FailureKind.MODEL_GRADER_SERVER, "status"),
}


@pytest.mark.parametrize("name", NO_VERDICT)
async def test_what_is_no_verdict_is_ungraded_with_its_own_cause(name: str, tmp_path: Path) -> None:
    reply, kind, cause = NO_VERDICT[name]
    async with judging(Script(reply), tmp_path, model={"retries": 1, "parse_retries": 0}) as judges:
        error = await failed(judges)
        assert judges.statistics["judge"].failures == {cause: 1}
    assert error.failure.kind is kind
    assert error.failure.details["type"] == cause
    if reply.status_code == 200 and "choices" in reply.text and name != "no choice":
        assert error.usage["judge-2026"]["total_tokens"] == 15, "what it cost is counted all the same"


RESPONSES: dict[str, tuple[httpx2.Response, str]] = {
    "refusal": (
        response({"type": "message", "content": [{"type": "refusal", "refusal": "no"}]}),
        "refusal",
    ),
    "length": (
        response(says('{"result":'), status="incomplete", incomplete_details={"reason": "max_output_tokens"}),
        "length",
    ),
    "filter": (
        response(status="incomplete", incomplete_details={"reason": "content_filter"}),
        "content_filter",
    ),
    "failed": (response(status="failed", error={"message": "oh"}), "malformed_response"),
    "empty": (response({"type": "reasoning"}), "empty_answer"),
    "none": (httpx2.Response(200, json={"error": {"message": "oh"}}), "malformed_response"),
}


@pytest.mark.parametrize("name", RESPONSES)
async def test_no_verdict_of_the_responses_api(name: str, tmp_path: Path) -> None:
    reply, cause = RESPONSES[name]
    model = {"api": "responses", "parse_retries": 0}
    async with judging(Script(reply), tmp_path, model=model) as judges:
        assert (await failed(judges)).failure.details["type"] == cause


@pytest.mark.parametrize(
    "text",
    [
        '{"result": 1}',
        ' \n{"result": 1}\n',
        '```json\n{"result": 1}\n```',
        '~~~~\n{"result": 1}\n~~~~',
        '<think>perhaps {"result": 0}</think>{"result": 1}',
        '<think>he says </think> and {"result": 0}</think>\n```\n{"result": 1}\n```',
        '<thinking>perhaps {"result": 0}</thinking>\n\n{"result": 1}',
        '[THINK]perhaps {"result": 0}[/THINK]{"result": 1}',
        'perhaps {"result": 0}\n</think>\n{"result": 1}',
        '<think>```json\n{"result": 0}\n</think>\n```json\n{"result": 1}\n```',
        '<|channel|>analysis<|message|>{"result": 0}<|end|><|start|>assistant<|channel|>final<|message|>{"result": 1}<|return|>',
        '\ufeff{"result": 1}',
        '<think>a</think>\ufeff{"result": 1}<|im_end|>\n',
        '{"result": 1}</s>',
        [{"type": "text", "text": '{"result": 1}'}],
        [{"type": "text", "text": '{"result"'}, {"type": "text", "text": ": 1}"}],
        [{"type": "thinking", "thinking": '{"result": 0}'}, {"type": "text", "text": '{"result": 1}'}],
        {"type": "text", "text": '{"result": 1}'},
    ],
)
async def test_what_is_taken_for_an_answer(text: Any, tmp_path: Path) -> None:
    async with judging(Script(chat(text)), tmp_path) as judges:
        assert (await ask(judges)).output == {"result": 1}


async def test_what_may_pass_is_asked_again(tmp_path: Path) -> None:
    at = format_datetime(datetime.now(UTC) - timedelta(seconds=5), usegmt=True)
    script = Script(
        error(408), error(409), error(429, retry_after="0"), error(429, retry_after=at), error(503, retry_after="soon"),
        httpx2.ConnectError("refused"), error(500, retry_after_ms="1"), chat(),
    )  # fmt: skip
    async with judging(script, tmp_path, model={"retries": 7}) as judges:
        verdict = await ask(judges)
        assert judges.statistics["judge"].retries == 7
        assert judges.statistics["judge"].requests == 8
    assert (verdict.output, verdict.retries) == ({"result": 0.5}, 7)


@pytest.mark.parametrize("reply", [error(400), error(403), error(404), error(429, code="insufficient_quota")])
async def test_what_will_not_pass_is_not_asked_again(reply: httpx2.Response, tmp_path: Path) -> None:
    script = Script(reply)
    async with judging(script, tmp_path, model={"structure": "schema"}) as judges:
        await failed(judges)
    assert len(script.requests) == 1


async def test_retries_end(tmp_path: Path) -> None:
    script = Script(error(500, "it burns"))
    async with judging(script, tmp_path, model={"retries": 3}) as judges:
        assert "status 500: it burns" in str(await failed(judges))
    assert len(script.requests) == 4


async def test_a_caller_that_is_asked_to_wait_beyond_the_deadline_gives_up_at_once(tmp_path: Path) -> None:
    script = Script(error(429, "slow down", retry_after="3600"))
    async with judging(script, tmp_path) as judges:
        error_ = await failed(judges)
    assert len(script.requests) == 1
    assert error_.failure.retryable


async def test_an_answer_that_does_not_come_is_given_up(tmp_path: Path) -> None:
    class Silent(httpx2.AsyncBaseTransport):
        requests = 0

        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            self.requests += 1
            await asyncio.sleep(3600)
            raise AssertionError

    silent = Silent()
    settings = Settings(
        judges={"*": {"base_url": "http://judge.test/v1", "attempt_timeout_s": 0.02, "retries": 2}},
        judge_cache_mb=0,
        judge_store=str(tmp_path / "store"),
    )
    judges = Judges(settings, transport=silent)
    error_ = await failed(judges)
    await judges.aclose()
    assert error_.failure.details["type"] == "no_answer"
    assert "none within 0.02 s" in str(error_)
    assert silent.requests == 3


async def test_a_misread_answer_is_asked_for_again_as_often_as_the_operator_says(tmp_path: Path) -> None:
    script = Script(chat("no JSON"), chat(""), httpx2.Response(200, text="<html>"), chat('{"result": 1}'))
    async with judging(script, tmp_path, model={"parse_retries": 3}) as judges:
        verdict = await ask(judges)
    assert verdict.retries == 3
    assert verdict.usage["total_tokens"] == 45, "three completions were paid for"
    script = Script(chat("no JSON"))
    async with judging(script, tmp_path / "b", model={"parse_retries": 2}) as judges:
        error_ = await failed(judges)
    assert len(script.requests) == 3
    assert error_.usage == {
        "judge-2026": {"prompt_tokens": 30, "completion_tokens": 15, "total_tokens": 45, "cached_tokens": 12}
    }
    assert error_.failure.details["answer"] == "no JSON"


async def test_a_verdict_is_remembered_by_everything_that_decides_it(tmp_path: Path) -> None:
    script = Script(chat())
    async with judging(script, tmp_path) as judges:
        await ask(judges)
        again = await ask(judges)
        assert (again.output, again.cached, again.usage) == ({"result": 0.5}, True, {})
        assert judges.statistics["judge"].hit_rate == 0.5
        other_schema = {**SCHEMA, "description": "another"}
        for change in (
            {"text": "other"}, {"sampling": {"seed": 1}}, {"schema": other_schema}, {"name": "other"},
            {"model": "other"},
        ):  # fmt: skip
            assert not (await ask(judges, **change)).cached
        assert not (await ask(judges.seen_by(vote=1))).cached
    async with judging(script, tmp_path) as judges:
        assert (await ask(judges)).cached, "in the next process too"
        assert (await ask(judges.seen_by(vote=1))).cached
    async with judging(script, tmp_path, judge_cache_mb=0) as judges:
        assert not (await ask(judges)).cached


async def test_failures_are_not_remembered(tmp_path: Path) -> None:
    script = Script(chat("prose"), chat())
    async with judging(script, tmp_path, model={"parse_retries": 0}) as judges:
        await failed(judges)
        assert (await ask(judges)).output == {"result": 0.5}


async def test_each_vote_has_a_seed_of_its_own(tmp_path: Path) -> None:
    script = Script(chat())
    async with judging(script, tmp_path) as judges:
        for vote in range(3):
            await ask(judges.seen_by(vote=vote), sampling={"seed": 40})
    assert [body["seed"] for body in script.bodies] == [40, 41, 42]


async def test_what_is_asked_at_once_is_asked_once(tmp_path: Path) -> None:
    script = Script(chat())

    async def later(request: httpx2.Request) -> httpx2.Response:
        await asyncio.sleep(0)
        return script(request)

    async with judging(later, tmp_path) as judges:
        verdicts = await asyncio.gather(*(ask(judges) for _ in range(20)))
        assert judges.statistics["judge"].joined == 19
    assert len(script.requests) == 1
    assert [verdict.output for verdict in verdicts] == [{"result": 0.5}] * 20
    assert sum(bool(verdict.usage) for verdict in verdicts) == 1, "it is paid for once"


async def test_the_limit_of_tokens_is_the_operators_where_the_grader_has_none(tmp_path: Path) -> None:
    script = Script(chat())
    async with judging(script, tmp_path, model={"max_completion_tokens": 500}) as judges:
        await ask(judges)
        await ask(judges, sampling={"max_completion_tokens": 7})
    assert [body["max_completion_tokens"] for body in script.bodies] == [500, 7]


class Choosy:
    """A server that refuses what it does not know, and says so, or does not."""

    def __init__(self, *, knows: str, says: bool, unknown: tuple[str, ...] = ()) -> None:
        self._knows, self._says, self._unknown = knows, says, unknown
        self.requests: list[dict[str, Any]] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        body = json.loads(request.content)
        self.requests.append(body)
        for word in self._unknown:
            if word in json.dumps(body):
                return error(400, f"unknown {word}" if self._says else "bad")
        kind = body.get("response_format", {}).get("type", "text")
        if kind != self._knows:
            return error(400, f"response_format {kind} is not supported" if self._says else "bad request")
        return chat()


@pytest.mark.parametrize(("knows", "tries"), [("json_schema", 1), ("json_object", 2), ("text", 3)])
@pytest.mark.parametrize("says", [True, False])
async def test_what_a_server_understands_is_found_out_once(
    knows: str, tries: int, says: bool, tmp_path: Path
) -> None:
    choosy = Choosy(knows=knows, says=says)
    async with judging(choosy, tmp_path) as judges:
        await ask(judges, "one")
        assert len(choosy.requests) == tries
        await ask(judges, "two")
        assert len(choosy.requests) == tries + 1, "it is remembered"
    told = choosy.requests[-1]["messages"]
    if knows == "json_schema":
        assert told == [{"role": "user", "content": "two"}]
    else:
        assert told[0]["role"] == "system"
        assert json.dumps(SCHEMA, separators=(",", ":")) in told[0]["content"]
        assert told[1:] == [{"role": "user", "content": "two"}]


RANGED = answer_schema(result=number_within((0.0, 1.0)))


def sent_number(body: Any) -> Any:
    """What a request asks for as the result."""
    return body["response_format"]["json_schema"]["schema"]["properties"]["result"]


async def test_bounds_of_a_number_are_asked_for_and_one_width_more_is_taken(tmp_path: Path) -> None:
    script = Script(chat('{"result": 1.5}'), chat('{"result": 75}'), chat('{"result": -0.5}'))
    async with judging(script, tmp_path, model={"parse_retries": 1}) as judges:
        assert (await ask(judges, schema=RANGED)).output == {"result": 1.5}
        # an answer in percents is asked for again, and is not remembered
        assert (await ask(judges, "other", schema=RANGED)).output == {"result": -0.5}
    bounded = {"type": "number", "minimum": 0.0, "maximum": 1.0}
    assert [sent_number(body) for body in script.bodies] == [bounded] * 3


async def test_a_server_that_refuses_bounds_is_asked_without_and_that_is_remembered(tmp_path: Path) -> None:
    refusal = error(400, "In context=('properties', 'result'), 'minimum' is not permitted.")
    script = Script(refusal, chat('{"result": 0.5}'), chat('{"result": 1}'), chat('{"result": 2}'))
    async with judging(script, tmp_path) as judges:
        for number, text in enumerate(("a", "b"), 1):
            assert (await ask(judges, text, schema=RANGED)).output == {"result": number / 2}
        assert (await ask(judges, "c")).output == {"result": 2}  # a schema without bounds is as it was
    numbers = [sent_number(body) for body in script.bodies]
    assert numbers[0] == {"type": "number", "minimum": 0.0, "maximum": 1.0}
    assert numbers[1:3] == [{"type": "number"}] * 2


async def test_a_lone_surrogate_is_sent_as_the_replacement_character(tmp_path: Path) -> None:
    script = Script(chat('{"result": "\\ud800"}'))
    async with judging(script, tmp_path) as judges:
        verdict = await ask(judges, "half \ud83d", schema={"type": "object"})
    assert script.bodies[0]["messages"][-1]["content"] == "half \ufffd"
    assert verdict.output == {"result": "\ufffd"}


async def test_a_server_without_developers_and_with_another_limit(tmp_path: Path) -> None:
    choosy = Choosy(knows="json_object", says=True, unknown=("developer", "max_completion_tokens"))
    async with judging(choosy, tmp_path) as judges:
        messages = [{"role": "developer", "content": "Grade."}, {"role": "user", "content": "x"}]
        await ask(judges, messages=messages, sampling={"max_completion_tokens": 5})
    body = choosy.requests[-1]
    assert body["max_tokens"] == 5
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert body["messages"][0]["content"].startswith("Grade.\n\n")


async def test_an_answer_to_a_plain_question_proves_nothing_of_one_that_uses_more(tmp_path: Path) -> None:
    choosy = Choosy(knows="json_schema", says=True, unknown=("developer", "max_completion_tokens"))
    async with judging(choosy, tmp_path) as judges:
        await ask(judges, "plain")
        messages = [{"role": "developer", "content": "Grade."}, {"role": "user", "content": "x"}]
        await ask(judges, messages=messages, sampling={"max_completion_tokens": 5})
    assert choosy.requests[-1]["max_tokens"] == 5
    assert [message["role"] for message in choosy.requests[-1]["messages"]] == ["system", "user"]


async def test_a_question_that_is_refused_teaches_nothing(tmp_path: Path) -> None:
    script = Script(error(400, "context too long"), error(400), error(400), chat())
    async with judging(script, tmp_path) as judges:
        assert "context too long" in str(await failed(judges))
        await ask(judges, "short")
    assert script.bodies[-1]["response_format"]["type"] == "json_schema"


async def test_a_known_server_is_not_asked_in_other_words(tmp_path: Path) -> None:
    script = Script(chat(), error(400, "context too long"))
    async with judging(script, tmp_path) as judges:
        await ask(judges, "short")
        await failed(judges, text="long")
    assert len(script.requests) == 2


async def test_what_the_operator_has_set_is_not_changed(tmp_path: Path) -> None:
    choosy = Choosy(knows="text", says=True)
    async with judging(choosy, tmp_path, model={"structure": "json"}) as judges:
        await failed(judges)
    assert len(choosy.requests) == 1


async def test_names_come_before_patterns(tmp_path: Path) -> None:
    script = Script(chat())
    models = {
        name: {"base_url": f"http://{host}.test/v1"}
        for name, host in {"gpt-*": "openai", "*": "all", "gpt-4o": "mine"}.items()
    }
    async with judging(script, tmp_path, judges=models) as judges:
        for model in ("gpt-4o", "gpt-5", "o3"):
            await ask(judges, model=model)
    assert [request.url.host for request in script.requests] == ["mine.test", "openai.test", "all.test"]


async def test_a_server_of_ones_own_never_sees_the_key_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    script = Script(chat())
    async with judging(script, tmp_path) as judges:
        await ask(judges)
    assert "sk-secret" not in str(script.requests[0].headers)


async def test_without_settings_the_clients_own_environment_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = Script(chat())
    async with judging(script, tmp_path, judges={}) as judges:
        error_ = await failed(judges)
        assert error_.failure.details["type"] == "judge_unavailable"
        assert "OPENAI_API_KEY" in str(error_)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://elsewhere.test/api")
    async with judging(script, tmp_path, judges={}) as judges:
        await ask(judges, model="o3-mini")
    (request,) = script.requests
    assert str(request.url) == "http://elsewhere.test/api/chat/completions"
    assert request.headers["authorization"] == "Bearer sk-1"


async def test_a_schema_that_is_none_is_its_authors_mistake(tmp_path: Path) -> None:
    async with judging(Script(chat()), tmp_path) as judges:
        with pytest.raises(GradingError, match="the schema that a judge's answer is to have cannot be used"):
            await ask(judges, schema={"type": "nothing"})
        with pytest.raises(GradingError, match="plain data"):
            await ask(judges, messages=[{"role": "user", "content": object()}])

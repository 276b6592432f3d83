"""Sampling: what a server is asked for a row, what is made of its answer, and what is not a sample."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from graders import FailureKind, GradingError, InvalidOptions, Sample
from graders.options import validated
from runtime import Settings
from runtime.judge.client import Judges
from runtime.net import retries
from runtime.sampling.completions import Sampled
from service.evals.sampling import CompletionsSource, FileId, ResponsesSource, Sampler
from tests.judge_server import JudgeServer, Raw, Request, Script, chat, hang, reset, responses_api, status
from tests.small_model import NAME, SmallModel

ITEM = {
    "question": "2 + 2?",
    "messages": [
        {"role": "developer", "content": "Be short."},
        {"role": "user", "content": [{"type": "input_text", "text": "{{item.question}}"}]},
    ],
    "half": "\ud800",
}
ROWS = {"type": "file_content", "content": [{"item": ITEM}]}
TEMPLATE = {"type": "template", "template": [{"role": "user", "content": "How much is {{item.question}}"}]}
COMPLETIONS: dict[str, Any] = {
    "type": "completions",
    "source": {"type": "file_id", "id": "file-1"},
    "model": "gpt-4o",
    "input_messages": TEMPLATE,
}
RESPONSES: dict[str, Any] = {**COMPLETIONS, "type": "responses"}
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "FIRST_PAUSE_S", 0.01)


def completions(**changes: Any) -> CompletionsSource:
    return validated(CompletionsSource, {**COMPLETIONS, **changes})


def responses(**changes: Any) -> ResponsesSource:
    return validated(ResponsesSource, {**RESPONSES, **changes})


@asynccontextmanager
async def sampling(url: str, tmp_path: Path, **changes: Any) -> AsyncIterator[Judges]:
    """Judges whose models are all on one server."""
    settings: dict[str, Any] = {
        "judges": {"*": {"base_url": url, "retries": 2, **changes.pop("model", {})}},
        "judge_cache": tmp_path / "verdicts.sqlite",
        "judge_store": str(tmp_path / "judges.sqlite"),
        **changes,
    }
    judges = Judges(Settings(**settings))
    try:
        yield judges
    finally:
        await judges.aclose()


async def sampled(
    server: JudgeServer, tmp_path: Path, source: CompletionsSource | ResponsesSource, **changes: Any
) -> Sampled:
    """One sample of the row above."""
    async with sampling(server.url, tmp_path, **changes) as judges:
        return await Sampler(judges).sampled(source, ITEM)


async def test_a_template_is_filled_in_and_asked_by_chat_completions(tmp_path: Path) -> None:
    params = {
        "temperature": 0.5,
        "top_p": 0.9,
        "seed": 7,
        "max_completions_tokens": 50,
        "reasoning_effort": "low",
        "response_format": {"type": "json_object"},
        "tools": [WEATHER],
    }
    with JudgeServer([chat("4", usage=(30, 1), cached=10, model="gpt-4o-2026")]) as server:
        found = await sampled(server, tmp_path, completions(sampling_params=params))
    (request,) = server.requests
    assert request.path == "/v1/chat/completions"
    assert request.body == {
        "model": "gpt-4o",
        "messages": [{"role": "user", "content": "How much is 2 + 2?"}],
        "temperature": 0.5,
        "top_p": 0.9,
        "seed": 7,
        "max_completion_tokens": 50,
        "reasoning_effort": "low",
        "response_format": {"type": "json_object"},
        "tools": [WEATHER],
    }
    assert found.model == found.sample.model == "gpt-4o-2026"
    assert found.usage == {
        "prompt_tokens": 30,
        "completion_tokens": 1,
        "total_tokens": 31,
        "cached_tokens": 10,
    }
    assert found.sample.output_text == "4"
    assert found.sample.input_tools == [WEATHER]
    assert found.sample.choices[0]["finish_reason"] == "stop"
    assert Sample.load(found.sample.to_stored()) == found.sample


async def test_a_template_is_asked_by_the_responses_api(tmp_path: Path) -> None:
    form = {"type": "json_schema", "name": "sum", "schema": {"type": "object", "title": None}}
    tool: dict[str, Any] = {"type": "function", "name": "weather", "parameters": {}, "strict": None}
    params = {
        "temperature": 0.5,
        "seed": 7,
        "max_output_tokens": 50,
        "reasoning_effort": "low",
        "text": {"format": form},
        "tools": [tool],
    }
    with JudgeServer([responses_api("4")]) as server:
        found = await sampled(server, tmp_path, responses(sampling_params=params))
    (request,) = server.requests
    assert request.path == "/v1/responses"
    assert request.body == {
        "model": "gpt-4o",
        "input": [{"role": "user", "content": "How much is 2 + 2?"}],
        "store": False,
        "temperature": 0.5,
        "max_output_tokens": 50,
        "reasoning": {"effort": "low"},
        "text": {"format": form},
        "tools": [tool],
    }
    assert found.sample.output_text == "4"
    assert found.sample.input_tools == [tool]
    assert found.model == "judge-1"
    assert found.usage["total_tokens"] == 120
    assert found.sample.choices == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "4", "refusal": None, "tool_calls": []},
            "finish_reason": "stop",
        }
    ]


async def test_a_rows_messages_are_sent_as_they_are(tmp_path: Path) -> None:
    reference = {"type": "item_reference", "item_reference": "item.messages"}
    with JudgeServer([chat("4"), responses_api("4")]) as server:
        await sampled(server, tmp_path, completions(input_messages=reference))
        await sampled(server, tmp_path, responses(input_messages=reference))
    by_chat, by_responses = server.requests
    # nothing in a row is a template, and each API has its own blocks
    assert by_chat.body["messages"] == [
        {"role": "developer", "content": "Be short."},
        {"role": "user", "content": [{"type": "text", "text": "{{item.question}}"}]},
    ]
    assert by_responses.body["input"] == ITEM["messages"]


async def test_a_rows_trajectory_with_calls_is_sent_whole(tmp_path: Path) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    chatted = [
        {"role": "user", "content": [{"type": "text", "text": "Rain?"}]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "sun"},
    ]
    responded = [
        {"role": "user", "content": "Rain?"},
        {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_1", "output": "sun"},
    ]
    reference = {"type": "item_reference", "item_reference": "item.input_trajectory[0]"}
    with JudgeServer([chat("No."), responses_api("No.")]) as server:
        # a limit of tokens a minute makes an estimate of each question
        async with sampling(server.url, tmp_path, model={"tokens_per_minute": 1e6}) as judges:
            sampler = Sampler(judges)
            await sampler.sampled(completions(input_messages=reference), {"input_trajectory": [chatted]})
            await sampler.sampled(responses(input_messages=reference), {"input_trajectory": [responded]})
    assert server.requests[0].body["messages"] == chatted
    assert server.requests[1].body["input"] == responded


@pytest.mark.parametrize(
    ("messages", "why"),
    [
        ("2 + 2?", "it is '2 + 2?'"),
        ([], "it is []"),
        (["2 + 2?"], "a message is an object"),
        ([{"content": "2 + 2?"}], "a message has a role"),
        ([{"role": "user", "content": 4}], "a message's content is a text or a list of blocks"),
        ([{"role": "user", "content": ["2 + 2?"]}], "a block is an object with a type"),
        ([{"role": "user", "content": [{"type": ["text"]}]}], "a block is an object with a type"),
        (
            [{"role": "user", "content": [{"type": "input_image"}]}],
            "a block of type input_image has 'image_url'",
        ),
        ([{"role": "user", "content": float("nan")}], "it is not plain data"),
        ([{"role": "user", "content": object()}], "it is not plain data"),
    ],
)
async def test_a_row_without_messages_is_not_asked_about(messages: object, why: str, tmp_path: Path) -> None:
    source = completions(input_messages={"type": "item_reference", "item_reference": "item.prompt"})
    async with sampling("http://127.0.0.1:1/v1", tmp_path) as judges:
        with pytest.raises(GradingError) as caught:
            await Sampler(judges).sampled(source, {"prompt": messages})
    assert str(caught.value).startswith("item.prompt is no list of messages: ")
    assert why in str(caught.value)
    assert caught.value.failure.kind is FailureKind.INVALID_VARIABLE
    assert caught.value.failure.caused_by == "grader"


async def test_a_row_without_what_a_template_names_is_not_asked_about(tmp_path: Path) -> None:
    async with sampling("http://127.0.0.1:1/v1", tmp_path) as judges:
        with pytest.raises(GradingError, match=r"item\.question") as caught:
            await Sampler(judges).sampled(completions(), {"answer": 4})
    assert caught.value.failure.kind is FailureKind.INVALID_VARIABLE


async def test_calls_of_tools_are_in_the_sample_whichever_api_was_asked(tmp_path: Path) -> None:
    call = {
        "id": "call_1",
        "type": "function",
        "function": {"name": "weather", "arguments": '{"in": "Rome"}'},
    }
    answer: dict[str, Any] = {
        "status": "completed",
        "model": "m",
        "output": [
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Look it up."}]},
            {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": '{"in": "Rome"}'},
        ],
    }
    replies = [chat('{"in": "Rome"}', tool="weather", finish_reason="tool_calls"), status(200, {}, answer)]
    with JudgeServer(replies) as server:
        chatted = await sampled(server, tmp_path, completions(sampling_params={"tools": [WEATHER]}))
        responded = await sampled(server, tmp_path, responses())
    for found in (chatted, responded):
        assert found.sample.output_text == ""
        assert found.sample.output_tools == [call]
        assert found.sample.choices[0]["finish_reason"] == "tool_calls"
    assert responded.sample.output_reasoning_summary == "Look it up."
    assert responded.usage == {}


@pytest.mark.parametrize(
    ("reply", "text", "finish", "refusal"),
    [
        (chat("2 + 2 is", finish_reason="length"), "2 + 2 is", "length", None),
        (chat("2 +", finish_reason="content_filter"), "2 +", "content_filter", None),
        (chat(None, refusal="I will not."), "", "stop", "I will not."),
        (chat(""), "", "stop", None),
        (responses_api("2 + 2 is", incomplete="max_output_tokens"), "2 + 2 is", "length", None),
        (responses_api("2 +", incomplete="content_filter"), "2 +", "content_filter", None),
        (responses_api(None, refusal="I will not."), "", "stop", "I will not."),
        (responses_api(None), "", "stop", None),
    ],
)
async def test_what_is_no_whole_answer_is_a_sample_and_says_so(
    reply: Raw, text: str, finish: str, refusal: str | None, tmp_path: Path
) -> None:
    source = (
        responses()
        if b"incomplete_details" in reply.message(Request("", {}, None, 0, 0, 0))
        else completions()
    )
    with JudgeServer([reply]) as server:
        found = await sampled(server, tmp_path, source)
    assert len(server.requests) == 1
    assert found.sample.output_text == text
    (choice,) = found.sample.choices
    assert (choice["finish_reason"], choice["message"]["refusal"]) == (finish, refusal)


async def test_a_request_is_sent_again_until_there_is_an_answer(tmp_path: Path) -> None:
    with JudgeServer([status(429, {"retry-after": "0"}), reset(), chat("4")]) as server:
        found = await sampled(server, tmp_path, completions())
    assert found.sample.output_text == "4"
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("script", "model", "cause", "words", "asked"),
    [
        ([status(500)], {}, "status", "the server of the model 'gpt-4o' answered with status 500", 3),
        ([status(401)], {}, "status", "status 401: scripted 401", 1),
        ([reset()], {}, "no_answer", "the model 'gpt-4o' did not answer", 3),
        ([hang()], {"attempt_timeout_s": 1, "retries": 1}, "no_answer", "none within 1 s", 2),
        ([hang()], {"deadline_s": 1}, "no_answer", "the model 'gpt-4o' did not answer", 1),
        ([status(200, {}, "<html>")], {}, "malformed_response", "the body is not JSON", 1),
        ([status(200, {}, {"choices": []})], {}, "malformed_response", "no choice with a message", 1),
        (
            [status(200, {}, {"choices": [{"message": {"tool_calls": "none"}}]})],
            {},
            "malformed_response",
            "'tool_calls' is a list",
            1,
        ),
        (
            [status(200, {}, '{"choices": [{"message": {"content": "4"}, "logprobs": NaN}]}')],
            {},
            "malformed_response",
            "the model 'gpt-4o' sent no completion",
            1,
        ),
    ],
)
async def test_without_an_answer_there_is_no_sample(
    *, script: Script, model: dict[str, Any], cause: str, words: str, asked: int, tmp_path: Path
) -> None:
    with JudgeServer(script) as server, pytest.raises(GradingError) as caught:
        await sampled(server, tmp_path, completions(), model=model)
    failure = caught.value.failure
    assert (failure.kind, failure.caused_by) == (FailureKind.OTHER, "infrastructure")
    assert failure.details["type"] == cause
    assert failure.message.startswith("no sample: ")
    assert words in failure.message
    assert len(server.requests) == asked


async def test_a_failed_response_is_no_sample(tmp_path: Path) -> None:
    body = {"status": "failed", "output": [], "error": {"message": "out of memory"}}
    with JudgeServer([status(200, {}, body)]) as server:
        failing = sampled(server, tmp_path, responses())
        with pytest.raises(GradingError, match="sent no completion: out of memory"):
            await failing


async def test_a_model_without_a_server_is_no_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    judges = Judges(Settings(judge_cache=tmp_path / "v.sqlite", judge_store=str(tmp_path / "j.sqlite")))
    with pytest.raises(GradingError, match="no server is known for the model 'gpt-4o'") as caught:
        await Sampler(judges).sampled(completions(), ITEM)
    assert caught.value.failure.details["type"] == "judge_unavailable"
    await judges.aclose()


async def test_a_server_that_knows_neither_developers_nor_the_new_limit_is_found_out_once(
    tmp_path: Path,
) -> None:
    def old(request: Request, _: int) -> Raw:
        if "max_completion_tokens" in request.body:
            return status(400, {}, {"error": {"message": "unknown field max_completion_tokens"}})
        if any(message["role"] == "developer" for message in request.body["messages"]):
            return status(400, {}, {"error": {"message": "unknown role: developer"}})
        return chat("4")

    said = [{"role": "developer", "content": "Be short."}, {"role": "user", "content": "{{item.question}}"}]
    source = completions(
        input_messages={"type": "template", "template": said},
        sampling_params={"max_completion_tokens": 9},
    )
    with JudgeServer(old) as server:
        async with sampling(server.url, tmp_path) as judges:
            sampler = Sampler(judges)
            # an answer to a question without either proves nothing
            await sampler.sampled(completions(), ITEM)
            for _ in range(2):
                await sampler.sampled(source, ITEM)
    assert len(server.requests) == 5
    last = server.requests[-1].body
    assert last["max_tokens"] == 9
    assert last["messages"][0] == {"role": "system", "content": "Be short."}


async def test_a_sample_says_nothing_of_how_a_server_judges(tmp_path: Path) -> None:
    def without_schemas(request: Request, _: int) -> Raw:
        wanted = request.body.get("response_format", {}).get("type")
        return status(400) if wanted == "json_schema" else chat('{"result": 1}')

    schema = {"type": "object", "properties": {"result": {"type": "number"}}, "required": ["result"]}
    ask: list[dict[str, Any]] = [{"role": "user", "content": "Grade."}]
    with JudgeServer(without_schemas) as server:
        async with sampling(server.url, tmp_path) as judges:
            await Sampler(judges).sampled(completions(), ITEM)
            verdict = await judges.seen_by().ask(model="gpt-4o", messages=ask, schema=schema, sampling={})
    assert verdict.output == {"result": 1}
    assert len(server.requests) == 3


async def test_a_format_that_the_server_does_not_know_is_not_replaced_by_another(tmp_path: Path) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "sum", "schema": {"type": "object"}}}
    with JudgeServer([status(400)]) as server, pytest.raises(GradingError, match="status 400"):
        await sampled(server, tmp_path, completions(sampling_params={"response_format": form}))
    assert [request.body["response_format"] for request in server.requests] == [form]


@pytest.mark.parametrize(
    ("changes", "sent"),
    [
        ({"modalities": ["text", "audio"]}, ["text", "audio"]),
        ({"sampling_params": {"modalities": ["text", "audio"]}}, ["text", "audio"]),
        ({"modalities": ["text"]}, None),
        ({}, None),
    ],
)
async def test_modalities_are_asked_for_where_they_are_more_than_text(
    changes: dict[str, Any], sent: list[str] | None, tmp_path: Path
) -> None:
    with JudgeServer([chat("a")]) as server:
        await sampled(server, tmp_path, completions(**changes))
    assert [request.body.get("modalities") for request in server.requests] == [sent]


async def test_a_limit_of_tokens_has_its_older_name_too(tmp_path: Path) -> None:
    with JudgeServer([chat("a")]) as server:
        await sampled(server, tmp_path, completions(sampling_params={"max_tokens": 64}))
    assert [request.body.get("max_completion_tokens") for request in server.requests] == [64]


async def test_the_reasoning_of_a_sample_is_kept(tmp_path: Path) -> None:
    with JudgeServer([chat("<think>b</think>a")]) as server:
        found = await sampled(server, tmp_path, completions())
    assert (found.sample.answer_text, found.sample.reasoning_text) == ("a", "b")


async def test_sampling_shares_names_limits_and_budgets_with_judging(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"judge_budgets": {"run": {"tokens": 200}}}
    model = {"model": "qwen", "max_completion_tokens": 40}
    with JudgeServer([chat("4", usage=(150, 50))]) as server:
        async with sampling(server.url, tmp_path, model=model, **settings) as judges:
            sampler = Sampler(judges)
            await sampler.sampled(completions(), ITEM)
            with pytest.raises(GradingError) as caught:
                await sampler.sampled(completions(), ITEM)
    assert caught.value.failure.details["type"] == "budget_spent"
    (request,) = server.requests
    assert (request.body["model"], request.body["max_completion_tokens"]) == ("qwen", 40)
    assert judges.statistics["gpt-4o"].tokens["total_tokens"] == 200


async def test_nothing_is_remembered(tmp_path: Path) -> None:
    with JudgeServer([chat("4"), chat("5")]) as server:
        async with sampling(server.url, tmp_path) as judges:
            texts = [(await Sampler(judges).sampled(completions(), ITEM)).sample.output_text for _ in "ab"]
    assert texts == ["4", "5"]


async def test_half_a_character_is_neither_sent_nor_kept(tmp_path: Path) -> None:
    said = {"type": "template", "template": [{"role": "user", "content": "{{item.half}}"}]}
    with JudgeServer([chat("\ud800")]) as server:
        found = await sampled(server, tmp_path, completions(input_messages=said))
    assert found.sample.output_text == "\ufffd"
    assert set(server.requests[0].body["messages"][0]["content"]) == {"\ufffd"}


@pytest.mark.parametrize(
    ("changes", "where", "why"),
    [
        ({"model": ""}, "model", "a text that is not empty"),
        (
            {"source": {"type": "stored_completions"}},
            "source.type",
            "nothing that models said is stored here",
        ),
        ({"source": {"type": "file"}}, "source.type", "expected one of file_content, file_id, got 'file'"),
        ({"source": "file-1"}, "source.type", "expected one of file_content, file_id, got None"),
        ({"source": {"type": "file_id"}}, "source.id", "this field is required"),
        ({"source": {**ROWS, "content": [{}]}}, "source.content.0.item", "this field is required"),
        (
            {"input_messages": {"type": "template", "template": []}},
            "input_messages.template",
            "at least one element",
        ),
        (
            {"input_messages": {"type": "template", "template": [{"role": "user", "content": "{{item.a"}]}},
            "input_messages.template.0.content",
            "has no '}}'",
        ),
        (
            {"input_messages": {"type": "item_reference", "item_reference": "messages"}},
            "input_messages.item_reference",
            "must begin with 'item.'",
        ),
        (
            {"input_messages": {"type": "item_reference", "item_reference": "sample.choices"}},
            "input_messages.item_reference",
            "there is no sample yet",
        ),
        (
            {"sampling_params": {"max_completion_tokens": 1, "max_output_tokens": 1}},
            "sampling_params.max_output_tokens",
            "another name of 'max_completion_tokens'",
        ),
        (
            {"sampling_params": {"response_format": {"type": "xml"}}},
            "sampling_params.response_format",
            "json_schema",
        ),
        (
            {"sampling_params": {"tools": [{"type": "web_search"}]}},
            "sampling_params.tools.0",
            "only functions",
        ),
        ({"sampling_params": {"stop": "."}}, "sampling_params.stop", "no such field"),
    ],
)
def test_a_source_that_is_wrong_is_refused_with_the_place(
    changes: dict[str, Any], where: str, why: str
) -> None:
    with pytest.raises(InvalidOptions) as caught:
        completions(**changes)
    (problem,) = caught.value.problems
    assert problem.where == where
    assert why in problem.message


@pytest.mark.parametrize(
    "content",
    [
        "{{ sample.output_text }}",
        {"type": "input_text", "text": "{{sample.output_text}}"},
        [{"type": "output_text", "text": "{{sample.output_text}}"}],
        ["{{item.question}}", {"type": "input_image", "image_url": "{{sample.output_text}}"}],
        {"type": "input_audio", "input_audio": {"data": "{{sample.output_audio}}", "format": "mp3"}},
    ],
)
def test_a_template_over_the_sample_is_refused(content: object) -> None:
    template = [{"role": "system", "content": "{{item.question}}"}, {"role": "user", "content": content}]
    with pytest.raises(InvalidOptions) as caught:
        responses(input_messages={"type": "template", "template": template})
    (problem,) = caught.value.problems
    assert problem.where == "input_messages.template.1.content"
    assert "there is no sample yet" in problem.message


def test_stored_responses_and_tools_without_a_type_are_refused() -> None:
    with pytest.raises(InvalidOptions, match="nothing that models said is stored here"):
        responses(source={"type": "responses"})
    with pytest.raises(InvalidOptions, match="a tool is an object with a 'type'"):
        responses(sampling_params={"tools": [{"name": "weather"}]})
    deep = {"type": "function", "parameters": json.loads('{"a":' * 300 + "0" + "}" * 300)}
    with pytest.raises(InvalidOptions, match=r"sampling_params\.tools\.0"):
        responses(sampling_params={"tools": [deep]})


def test_sources_are_read_within_a_union_and_have_a_schema() -> None:
    either: TypeAdapter[CompletionsSource | ResponsesSource] = TypeAdapter(
        CompletionsSource | ResponsesSource
    )
    assert isinstance(either.validate_python({**RESPONSES, "source": ROWS}), ResponsesSource)
    with pytest.raises(ValidationError):
        either.validate_python({**RESPONSES, "type": "jsonl"})
    assert "FileContent" in json.dumps(either.json_schema())
    written = {**COMPLETIONS, "source": FileId(type="file_id", id="file-1")}
    assert CompletionsSource.model_validate(written).source == completions().source


@pytest.mark.full
async def test_a_real_model_is_sampled(small_model: SmallModel, tmp_path: Path) -> None:
    said = [{"role": "developer", "content": "Be short."}, {"role": "user", "content": "{{item.question}}"}]
    source = completions(
        input_messages={"type": "template", "template": said},
        sampling_params={"temperature": 0, "seed": 1, "max_completion_tokens": 12},
    )
    async with sampling(small_model.url, tmp_path) as judges:
        first, again = [await Sampler(judges).sampled(source, ITEM) for _ in range(2)]
    assert first.sample.output_text.strip()
    assert first.sample.output_text == again.sample.output_text
    assert first.model == NAME
    assert 0 < first.usage["completion_tokens"] <= 12
    assert first.sample.choices[0]["finish_reason"] in ("stop", "length")

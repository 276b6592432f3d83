import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from openai import (
    APIConnectionError,
    APITimeoutError,
    AsyncOpenAI,
    InternalServerError,
    OpenAI,
    RateLimitError,
)
from openai.types.responses import Response, ResponseOutputMessage

from tests.judge_server import (
    Connection,
    JudgeServer,
    Reply,
    Request,
    Script,
    answer,
    chat,
    delayed,
    drip,
    hang,
    reset,
    responses_api,
    slow,
    status,
    truncated,
    verdict,
)

MESSAGES: list[Any] = [{"role": "user", "content": "how good is this?"}]


def asked(server: JudgeServer, **options: Any) -> str | None:
    """What a server answers to a chat completion of the official client."""
    with OpenAI(base_url=server.url, api_key="secret", max_retries=0, **options) as client:
        completion = client.chat.completions.create(model="any", messages=MESSAGES)
    return completion.choices[0].message.content


def responded(server: JudgeServer) -> Response:
    """What a server answers to the Responses API of the official client."""
    with OpenAI(base_url=server.url, api_key="secret", max_retries=0) as client:
        return client.responses.create(model="any", input="how good is this?")


def test_a_chat_completion_is_one_to_the_official_client() -> None:
    replies = [chat("fine", usage=(7, 3), cached=2, model="judge-9")]
    with JudgeServer(replies) as server, OpenAI(base_url=server.url, api_key="secret") as client:
        completion = client.chat.completions.create(model="any", messages=MESSAGES)
    assert (completion.model, completion.choices[0].finish_reason) == ("judge-9", "stop")
    assert completion.choices[0].message.content == "fine"
    assert completion.usage is not None
    assert completion.usage.prompt_tokens_details is not None
    assert (completion.usage.total_tokens, completion.usage.prompt_tokens_details.cached_tokens) == (10, 2)


def test_a_chat_completion_refuses_or_calls_a_tool() -> None:
    replies = [chat(None, refusal="no"), chat('{"x": 1}', tool="grade", finish_reason="tool_calls")]
    with JudgeServer(replies) as server, OpenAI(base_url=server.url, api_key="secret") as client:
        refusing, calling = (
            client.chat.completions.create(model="any", messages=MESSAGES).choices[0] for _ in range(2)
        )
    assert (refusing.message.content, refusing.message.refusal) == (None, "no")
    assert calling.finish_reason == "tool_calls"
    assert calling.message.tool_calls is not None
    assert calling.message.tool_calls[0].to_dict()["function"] == {"name": "grade", "arguments": '{"x": 1}'}


def test_a_response_is_one_to_the_official_client() -> None:
    with JudgeServer([responses_api("fine", usage=(7, 3), cached=2)]) as server:
        response = responded(server)
    assert (response.output_text, response.status) == ("fine", "completed")
    assert [item.type for item in response.output] == ["reasoning", "message"]
    assert response.usage is not None
    assert (response.usage.input_tokens, response.usage.output_tokens) == (7, 3)
    assert response.usage.input_tokens_details.cached_tokens == 2


@pytest.mark.parametrize("reason", ["max_output_tokens", "content_filter"])
def test_a_response_says_why_it_is_incomplete(reason: str) -> None:
    with JudgeServer([responses_api("fi", incomplete=reason)]) as server:
        response = responded(server)
    assert response.status == "incomplete"
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == reason


def test_a_response_refuses() -> None:
    with JudgeServer([responses_api(None, refusal="no", reasoning=False)]) as server:
        (message,) = responded(server).output
    assert isinstance(message, ResponseOutputMessage)
    assert [part.to_dict() for part in message.content] == [{"type": "refusal", "refusal": "no"}]


def test_a_verdict_is_answered_by_the_api_that_was_asked() -> None:
    expected = {"steps": [{"description": "sum", "conclusion": "right"}], "result": 0.5}
    with JudgeServer([verdict(0.5, [("sum", "right")])]) as server:
        assert json.loads(asked(server) or "") == expected
        assert json.loads(responded(server).output_text) == expected
        assert httpx2.post(f"{server.url}/embeddings", json={}).status_code == 404


def test_requests_are_recorded_as_they_came() -> None:
    before = time.monotonic()
    with JudgeServer([answer({})]) as server:
        asked(server)
        responded(server)
    first, second = server.requests
    assert (first.path, second.path) == ("/v1/chat/completions", "/v1/responses")
    assert first.headers["authorization"] == "Bearer secret"
    assert first.body == {"model": "any", "messages": MESSAGES}
    assert before <= first.arrived <= second.arrived <= time.monotonic()
    assert (first.in_flight, server.most_in_flight, server.in_flight) == (1, 1, 0)


def test_requests_follow_each_other_on_one_connection() -> None:
    with JudgeServer([answer({})]) as server, httpx2.Client() as client:
        for number in range(3):
            client.post(f"{server.url}/chat/completions", json={"number": number, "long": "x" * 200_000})
    assert [(request.body["number"], request.connection) for request in server.requests] == [
        (0, 0),
        (1, 0),
        (2, 0),
    ]


def test_a_script_is_a_function_of_the_request_and_its_number() -> None:
    def script(request: Request, number: int) -> Reply:
        return chat(f"{request.body['model']} {number}")

    with JudgeServer(script) as server:
        assert [asked(server), asked(server)] == ["any 0", "any 1"]


def test_the_last_reply_repeats() -> None:
    with JudgeServer([chat("first"), chat("last")]) as server:
        assert [asked(server) for _ in range(3)] == ["first", "last", "last"]


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ([status(429, {"retry-after": "3"})], RateLimitError),
        ([status(503, body="overloaded")], InternalServerError),
        ([reset()], APIConnectionError),
        ([truncated(chat("fine"))], APIConnectionError),
        ([hang()], APITimeoutError),
        ([slow(chat("fine"), 60)], APITimeoutError),
        ([delayed(chat("fine"), 60)], APITimeoutError),
    ],
    ids=["rate limit", "overload", "reset", "truncated", "hang", "slow", "delayed"],
)
def test_the_official_client_sees_a_failure(script: Script, error: type[Exception]) -> None:
    timeout = 0.3 if error is APITimeoutError else 30
    with JudgeServer(script) as server, pytest.raises(error):
        asked(server, timeout=timeout)


def test_an_error_has_its_headers_and_its_body() -> None:
    with JudgeServer([status(429, {"retry-after": "3"}), status(503, body="overloaded")]) as server:
        limited, overloaded = (httpx2.post(f"{server.url}/responses", json={}) for _ in range(2))
    assert (limited.status_code, limited.headers["retry-after"]) == (429, "3")
    assert limited.json()["error"]["message"] == "scripted 429"
    assert (overloaded.status_code, overloaded.text) == (503, "overloaded")


def test_a_reset_is_no_orderly_end() -> None:
    with JudgeServer([reset()]) as server, pytest.raises(httpx2.ReadError, match="reset"):
        httpx2.post(f"{server.url}/chat/completions", json={})


def test_half_a_body_comes_of_an_answer_that_is_truncated() -> None:
    received = bytearray()
    with (
        JudgeServer([truncated(chat("fine"))]) as server,
        httpx2.stream("POST", f"{server.url}/chat/completions", json={}) as response,
        pytest.raises(httpx2.RemoteProtocolError),
    ):
        read(response, received)
    assert len(received) == int(response.headers["content-length"]) // 2


@pytest.mark.parametrize(
    "late", [delayed(chat("fine"), 0.05), slow(chat("fine"), 0.05), drip(chat("fine"), 0)]
)
def test_an_answer_that_takes_its_time_is_whole(late: Reply) -> None:
    with JudgeServer([late]) as server:
        assert asked(server) == "fine"


async def test_an_answer_that_drips_is_sent_one_byte_at_a_time() -> None:
    sent: list[bytes] = []

    class Recorded(Connection):
        def send(self, data: bytes) -> None:
            sent.append(data)

    whole = status(204, {}, b"")
    request = Request("/v1/chat/completions", {}, {}, 0, 1, 0)
    await drip(whole, 0)(request, Recorded(JudgeServer([whole]), 0))
    assert {len(part) for part in sent} == {1}
    assert b"".join(sent) == whole.message(request)


async def test_requests_are_answered_side_by_side_and_counted() -> None:
    with JudgeServer([delayed(verdict(1), 0.2)]) as server:
        async with AsyncOpenAI(base_url=server.url, api_key="secret", max_retries=0) as client:
            await asyncio.gather(
                *[client.chat.completions.create(model="any", messages=MESSAGES) for _ in range(20)]
            )
    assert (len(server.requests), server.most_in_flight, server.in_flight) == (20, 20, 0)


async def test_a_client_that_goes_away_is_in_flight_no_longer() -> None:
    with JudgeServer([hang()]) as server:
        async with httpx2.AsyncClient() as client:
            asking = asyncio.create_task(client.post(f"{server.url}/chat/completions", json={}))
            await until(lambda: server.in_flight == 1)
            asking.cancel()
            await until(lambda: server.in_flight == 0)


async def test_a_waiting_connection_is_reset_when_the_server_ends() -> None:
    async with httpx2.AsyncClient() as client:
        with JudgeServer([hang()]) as server:
            asking = asyncio.create_task(client.post(f"{server.url}/chat/completions", json={}))
            await until(lambda: server.in_flight == 1)
        with pytest.raises(httpx2.ReadError):
            await asking
        with pytest.raises(httpx2.ConnectError):
            await client.post(f"{server.url}/chat/completions", json={})


def test_a_script_that_fails_fails_the_test() -> None:
    def script(request: Request, number: int) -> Reply:
        raise LookupError(f"no reply to {request.path} number {number}")

    with (
        pytest.raises(LookupError, match="no reply to /v1/chat/completions number 0"),
        JudgeServer(script) as server,
        pytest.raises(APIConnectionError),
    ):
        asked(server)


def read(response: httpx2.Response, received: bytearray) -> None:
    """Read a body, and keep what came of it."""
    for part in response.iter_bytes():
        received.extend(part)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that will happen in another thread."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  # no event of this loop is set there
            await asyncio.sleep(0.005)

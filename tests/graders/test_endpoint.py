"""`endpoint` takes a finite `score` and nothing else for a reward, and shows a header's value to nobody."""

import json
import math
import sys
from collections.abc import Mapping
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, BeforeValidator, Field, SecretStr

from graders import (
    FailureKind,
    Grader,
    GraderResult,
    GradingError,
    InvalidOptions,
    Item,
    Registry,
    Sample,
    grader,
)
from graders.context import HttpReply
from graders.options import Also
from graders.testing import FakeContext, FakeHttp
from tests.strategies import json_values

REGISTRY = Registry.installed()
URL = "https://grader.example/score"
CREDENTIAL = "s3cr3t-t0ken-of-the-operator"
MASK = "**********"


async def grade(
    answer: HttpReply | Exception, item: Item | None = None, text: str = "42", **options: Any
) -> tuple[GraderResult, FakeHttp]:
    http = FakeHttp([answer])
    loaded = REGISTRY.load({"type": "endpoint", "url": URL, **options})
    return await FakeContext(http=http, trace_id="t-1").grade(loaded, Sample(text), item or {}), http


def problems(**options: Any) -> str:
    with pytest.raises(InvalidOptions) as caught:
        REGISTRY.load({"type": "endpoint", "url": URL, **options})
    return str(caught.value)


async def test_the_service_is_sent_sample_item_and_trace_id_and_its_score_is_the_reward() -> None:
    result, http = await grade(
        HttpReply(200, {"score": 17}),
        {"a": 1},
        headers={"Authorization": f"Bearer {CREDENTIAL}"},
        rate_limit=5,
    )
    assert result.reward == 17.0
    assert http.calls == [
        {
            "url": URL,
            "body": {"sample": Sample("42").to_dict(), "item": {"a": 1}, "trace_id": "t-1"},
            "headers": {"Authorization": f"Bearer {CREDENTIAL}"},
            "timeout_s": 600.0,
            "retries": 3,
            "rate_limit": 5.0,
        }
    ]


async def test_any_finite_number_is_a_reward_and_there_is_no_threshold_but_the_authors_own() -> None:
    result, _ = await grade(HttpReply(201, {"score": -1e300}))
    assert (result.reward, result.passed) == (-1e300, None)
    result, _ = await grade(HttpReply(200, {"score": 0.5}), pass_threshold=0.5)
    assert result.passed is True


async def test_max_rps_is_another_name_of_rate_limit() -> None:
    _, http = await grade(HttpReply(200, {"score": 1}), max_rps=0.5, headers=None)
    assert http.calls[0]["rate_limit"] == 0.5
    assert http.calls[0]["headers"] == {}
    assert problems(rate_limit=0).startswith("rate_limit: ")


async def test_what_else_the_answer_says_is_metadata_unless_it_is_much() -> None:
    result, _ = await grade(HttpReply(200, {"score": 1, "why": "good", "parts": [1, None]}))
    assert result.metadata == {"why": "good", "parts": [1, None]}
    result, _ = await grade(HttpReply(200, {"score": 1, "why": "x" * 10_000}))
    assert (result.reward, result.metadata) == (1.0, {})


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ([1], "expected a JSON object"),
        (None, "expected a JSON object, got None"),
        ({"reward": 1}, "no 'score'"),
        ({"score": True}, "not True"),
        ({"score": "1"}, "not str '1'"),
        ({"score": None}, "not None"),
        ({"score": math.nan}, "finite"),
        ({"score": 10**400}, "finite"),
    ],
)
async def test_an_answer_without_a_finite_score_leaves_the_sample_ungraded(body: Any, said: str) -> None:
    result, _ = await grade(HttpReply(200, body))
    failure = result.failure
    assert result.reward is None
    assert failure is not None
    assert (failure.kind, failure.caused_by, failure.retryable) == (
        FailureKind.ENDPOINT_GRADER_INTERNAL,
        "infrastructure",
        False,
    )
    assert said in failure.message
    assert "status 200" in failure.message


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (302, FailureKind.ENDPOINT_GRADER_INTERNAL, False),
        (401, FailureKind.ENDPOINT_GRADER_INTERNAL, False),
        (429, FailureKind.ENDPOINT_GRADER_INTERNAL, True),
        (500, FailureKind.ENDPOINT_GRADER_SERVER, True),
    ],
)
async def test_an_error_is_ungraded_even_with_a_score(
    status: int, kind: FailureKind, *, retryable: bool
) -> None:
    result, _ = await grade(HttpReply(status, {"score": 1.0, "error": "no"}))
    failure = result.failure
    assert result.reward is None
    assert failure is not None
    assert (failure.kind, failure.caused_by, failure.retryable) == (kind, "infrastructure", retryable)
    assert failure.details == {"type": "status", "status": status}
    assert f"status {status}: " in failure.message
    assert "'error': 'no'" in failure.message


async def test_an_error_without_words_says_its_status() -> None:
    result, _ = await grade(HttpReply(503, None))
    assert result.failure is not None
    assert result.failure.message == "the endpoint answered with status 503"


async def test_no_answer_is_ungraded_with_the_networks_cause() -> None:
    error = GradingError("no answer", kind=FailureKind.ENDPOINT_GRADER_SERVER, caused_by="infrastructure")
    result, _ = await grade(error)
    assert result.failure == error.failure


async def test_a_sample_of_more_than_a_megabyte_is_not_sent() -> None:
    item = {"a": "x" * 1_000_000}
    result, http = await grade(HttpReply(200, {"score": 1}), item)
    failure = result.failure
    assert failure is not None
    assert (failure.caused_by, failure.details, http.calls) == ("grader", {"type": "too_large"}, [])


async def test_the_megabyte_is_counted_in_bytes_of_utf8() -> None:
    result, _ = await grade(HttpReply(200, {"score": 1}), {"a": "猫" * 300_000})
    assert result.reward == 1.0
    result, _ = await grade(HttpReply(200, {"score": 1}), {"a": "猫" * 340_000})
    assert result.reward is None


@pytest.mark.parametrize("value", [math.nan, {1, 2}, object()])
async def test_an_item_that_is_not_json_is_not_sent(value: object) -> None:
    result, http = await grade(HttpReply(200, {"score": 1}), {"a": value})
    assert result.failure is not None
    assert (result.failure.details, http.calls) == ({"type": "not_plain"}, [])


async def test_half_a_surrogate_pair_is_sent() -> None:
    result, _ = await grade(HttpReply(200, {"score": 1}), text="\ud83d")
    assert result.reward == 1.0


@given(json_values())
async def test_whatever_json_comes_back_there_is_a_reward_or_a_cause(body: Any) -> None:
    result, _ = await grade(HttpReply(200, {"score": body}))
    if type(body) in (int, float) and abs(body) <= sys.float_info.max:
        assert result.reward == body
    else:
        assert result.failure is not None
    result, _ = await grade(HttpReply(200, body))
    assert result.failure is not None


@pytest.mark.parametrize(
    "url",
    [
        "https://grader.example",
        "https://grader.example:8443/a?b=c#d",
        "HTTPS://GRADER.EXAMPLE/",
        "https://[2606:4700::1111]/x",
        "https://10.0.0.1/decided-at-run-time",
        "http://127.0.0.1:8000/score",
        "http://localhost:8000",
        "http://a.localhost",
        "http://[::1]:8000/",
    ],
)
def test_an_https_url_or_one_of_this_machine_is_accepted(url: str) -> None:
    assert REGISTRY.load({"type": "endpoint", "url": url}).config["url"] == url


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://grader.example/", "https://"),
        ("http://127.0.0.1.example/", "https://"),
        ("http://10.0.0.1/", "https://"),
        ("ftp://grader.example/", "begins with https://"),
        ("file:///etc/passwd", "begins with https://"),
        ("grader.example/score", "begins with https://"),
        ("https:///score", "has no host"),
        ("https://:8000/score", "has no host"),
        ("https://grader.example:0/", "port 0"),
        ("https://grader.example:99999/", "not a URL"),
        ("https://[::1/", "not a URL"),
        ("https://user:pass-word@grader.example/", "must not hold a user and password"),
        ("https://@grader.example/", "must not hold a user and password"),
        ("https://grader.example\\@evil.example/", "backslashes"),
        ("https://grader.example/a b", "without spaces"),
        ("https://grader.example/\r\nX: y", "printable"),
        ("https://grädér.example/", "punycode"),
        ("https://grader.example/" + "a" * 2_048, "2,048"),
    ],
)
def test_any_other_url_is_a_mistake_that_is_named_without_showing_it(url: str, said: str) -> None:
    message = problems(url=url)
    assert message.startswith("url: ")
    assert said in message
    assert "pass-word" not in message


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"Bad Name": CREDENTIAL}, "headers.Bad Name: not a header name"),
        ({"": CREDENTIAL}, "not a header name"),
        ({"X-A:": CREDENTIAL}, "not a header name"),
        ({"Näme": CREDENTIAL}, "not a header name"),
        ({"Host": CREDENTIAL}, "the HTTP client sets this header itself"),
        ({"content-length": CREDENTIAL}, "the HTTP client sets this header itself"),
        ({"Transfer-Encoding": CREDENTIAL}, "the HTTP client sets this header itself"),
        ({"Connection": CREDENTIAL}, "the HTTP client sets this header itself"),
        ({"X-A": "a", "x-a": "b"}, "duplicate header"),
        ({"X-A": f"{CREDENTIAL}\r\nHost: evil"}, "printable ASCII"),
        ({"X-A": f"{CREDENTIAL}\0"}, "printable ASCII"),
        ({"X-A": f" {CREDENTIAL}"}, "printable ASCII"),
        ({"X-A": f"{CREDENTIAL}\n"}, "printable ASCII"),
        ({"X-A": [CREDENTIAL]}, "printable ASCII"),
        ([CREDENTIAL], "expected a map"),
        (CREDENTIAL, "expected a map"),
    ],
)
def test_a_wrong_header_is_named_and_its_value_is_not_shown(headers: object, said: str) -> None:
    message = problems(headers=headers)
    assert message.startswith("headers")
    assert said in message
    assert CREDENTIAL not in message


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=8), max_size=3))
def test_a_header_that_is_accepted_cannot_end_a_line(headers: dict[str, str]) -> None:
    try:
        loaded = REGISTRY.load({"type": "endpoint", "url": URL, "headers": headers})
    except InvalidOptions:
        return
    written = "".join(f"{name}: {value}\r\n" for name, value in loaded.config["headers"].items())
    assert len(written.splitlines()) == len(headers)
    assert all(line.count(":") and line.isascii() for line in written.splitlines())


def test_header_values_are_in_no_echo_no_repr_and_no_signature() -> None:
    config = {
        "type": "endpoint",
        "url": URL,
        "headers": {"Authorization": f"Bearer {CREDENTIAL}", "X-A": "b"},
    }
    loaded = REGISTRY.load(config)
    assert loaded.config["headers"] == config["headers"]
    assert loaded.echo == {**loaded.config, "headers": {"Authorization": MASK, "X-A": MASK}}
    assert CREDENTIAL not in repr(loaded) + str(loaded.options) + json.dumps(loaded.echo)
    other = REGISTRY.load({**config, "headers": {"Authorization": "Bearer other", "X-A": ""}})
    assert other.info.signature == loaded.info.signature
    assert REGISTRY.load({"type": "endpoint", "url": URL}).info.signature != loaded.info.signature


def test_header_values_of_graders_inside_graders_are_masked_and_all_else_is_as_it_was_written() -> None:
    inner = {"type": "endpoint", "url": URL, "headers": {"Authorization": CREDENTIAL}}
    check = {"type": "string_check", "input": "{{sample.output_text}}", "reference": "a", "operation": "eq"}
    config = {
        "type": "multi",
        "name": "m",
        "graders": {"a": inner, "b": check},
        "calculate_output": "a + b",
    }
    loaded = REGISTRY.load(config)
    assert loaded.echo == {
        **config,
        "graders": {"a": {**inner, "headers": {"Authorization": MASK}}, "b": check},
    }


def test_every_option_that_is_a_secret_is_masked_whatever_it_is_called_and_wherever_it_is() -> None:
    class Login(BaseModel):
        user: str
        password: SecretStr = Field(alias="pass")

    @grader("secretive")
    class Secretive:
        """Reward 1."""

        def __init__(
            self,
            *,
            key: Annotated[SecretStr, Also("api_key")],
            logins: list[Login],
            tokens: tuple[SecretStr, ...] = (),
            unused: SecretStr | None = None,
            tags: frozenset[str] = frozenset(),
            size: Annotated[int, BeforeValidator(len)] = 0,
        ) -> None: ...

        def __call__(self, sample: Sample, item: Item) -> float:
            return 1.0

    loaded: Grader = (
        Registry()
        .including(Secretive)
        .load(
            {
                "type": "secretive",
                "api_key": CREDENTIAL,
                "logins": [{"user": "u", "pass": CREDENTIAL}],
                "tokens": [CREDENTIAL, "x"],
                "tags": ["a"],
                "size": {"a": 1},
            }
        )
    )
    shown: Mapping[str, Any] = loaded.echo
    assert shown["api_key"] == MASK
    assert shown["logins"] == [{"user": "u", "pass": MASK}]
    assert shown["tokens"] == [MASK, MASK]
    assert (shown["tags"], shown["size"]) == (["a"], {"a": 1})
    assert "unused" not in shown


async def test_a_service_that_says_the_credential_back_does_not_get_it_shown() -> None:
    options: dict[str, Any] = {"headers": {"Authorization": f"Bearer {CREDENTIAL}", "X-Mode": "on"}}
    answer = {
        "got": [f"Authorization: Bearer {CREDENTIAL}", {CREDENTIAL: f"<{CREDENTIAL}>"}],
        "mode": "on",
        "n": 1,
    }
    result, _ = await grade(HttpReply(200, {"score": 1, **answer}), **options)
    assert result.metadata == {"got": [f"Authorization: {MASK}", {MASK: f"<{MASK}>"}], "mode": "on", "n": 1}
    for body in (f"bad token {CREDENTIAL}", answer):
        result, _ = await grade(HttpReply(401, body), **options)
        assert result.failure is not None
        assert CREDENTIAL not in result.failure.message
        assert MASK in result.failure.message

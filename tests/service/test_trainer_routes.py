"""The routes for trainers: each one's literal call, and what becomes there of an ungraded sample."""

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graders import CausedBy, Failure, FailureKind, FailureType, GraderInfo, GraderResult
from service.errors import ApiError
from service.routes.trainers.nemo_gym import failure_kind
from service.routes.trainers.nemo_gym_metrics import figures
from service.routes.trainers.prompt_prefix import answer_in
from service.routes.trainers.ungraded import UNGRADED, outcome, policy_of, ungraded

EQUAL = {
    "type": "string_check",
    "input": "{{sample.output_text}}",
    "reference": "{{item.answer}}",
    "operation": "eq",
}
BROKEN = {"answer": "4"}
"""A label that has the field; one without it leaves its sample ungraded."""
LARGE = {"type": "python", "source": "def grade(sample, item):\n    return 1e39\n"}
MULTI = {
    "type": "multi",
    "graders": {"equal": EQUAL, "again": EQUAL},
    "calculate_output": "(equal + again) / 2",
}
KINDS = {
    "agent_run_error",
    "judge_failed",
    "judge_unparseable",
    "verifier_error",
    "provider_unavailable",
    "provider_quota_exhausted",
    "provider_oom_killed",
}
"""What NeMo-Gym's `failure_kinds.py` knows of these."""


@pytest.fixture(scope="module")
def http(url: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=url, timeout=60) as client:
        for name, grader in {"equal": EQUAL, "large": LARGE, "parts": MULTI}.items():
            assert client.put(f"/v1/graders/{name}", json={"grader": grader}).is_success
        yield client


def ask(
    http: httpx2.Client, trainer: str, body: object, name: str = "equal", **query: Any
) -> httpx2.Response:
    return http.post(f"/v1/graders/{name}/for/{trainer}", json=body, params=query)


def error(reply: httpx2.Response, status: int) -> dict[str, Any]:
    assert reply.status_code == status, reply.text
    found: dict[str, Any] = reply.json()["error"]
    return found


# OpenRLHF


def openrlhf(query: list[str], prompts: list[str], labels: list[Any]) -> dict[str, Any]:
    return {"query": query, "prompts": prompts, "labels": labels}


@pytest.mark.parametrize("path", ["openrlhf", "openrlhf/get_reward"])
def test_openrlhf_gets_lists_of_rewards(http: httpx2.Client, path: str) -> None:
    body = openrlhf(["Q: 2+2\nA:4", "Q: 2+2\nA:5"], ["Q: 2+2\nA:"] * 2, [{"answer": "4"}] * 2)
    assert ask(http, path, body).json() == {
        "rewards": [1.0, 0.0],
        "scores": [1.0, 0.0],
        "extra_logs": {"graded": [1.0, 1.0]},
    }


def test_openrlhf_may_ask_for_nothing(http: httpx2.Client) -> None:
    reply = ask(http, "openrlhf", openrlhf([], [], [])).json()
    assert reply == {"rewards": [], "scores": [], "extra_logs": {"graded": []}}


def test_a_label_in_openrlhf_is_a_text_that_may_hold_the_fields_of_an_item(http: httpx2.Client) -> None:
    labels = [json.dumps({"answer": "4"}), "4"]
    body = openrlhf(["p4", "p4"], ["p", "p"], labels)
    assert ask(http, "openrlhf", body).json()["rewards"] == [1.0, 1.0]  # the mean of the group for the second
    http.put("/v1/graders/label", json={"grader": {**EQUAL, "reference": "{{item.label}}"}})
    assert ask(http, "openrlhf", openrlhf(["p4"], ["p"], ["4"]), "label").json()["rewards"] == [1.0]


def test_an_ungraded_sample_of_openrlhf_gets_the_mean_of_its_own_group(http: httpx2.Client) -> None:
    body = openrlhf(
        ["a4", "a5", "a4", "b5", "a4"],
        ["a", "a", "a", "b", "a"],
        [{"answer": "4"}, {"answer": "4"}, {"none": 1}, {"answer": "4"}, {"answer": "4"}],
    )
    reply = ask(http, "openrlhf", body).json()
    assert reply["rewards"] == [1.0, 0.0, pytest.approx(2 / 3), 0.0, 1.0]
    assert reply["extra_logs"]["graded"] == [1.0, 1.0, 0.0, 1.0, 1.0]


@pytest.mark.parametrize("query", [{}, {"on_failure": "raise"}, {"on_failure": "group_mean"}])
def test_a_lone_ungraded_sample_of_openrlhf_is_a_503_and_never_null(
    http: httpx2.Client, query: dict[str, str]
) -> None:
    found = error(ask(http, "openrlhf", openrlhf(["p4"], ["p"], ["4"]), **query), 503)
    assert (found["code"], found["param"]) == ("ungraded", "query.0")
    assert "invalid_variable_error" in found["message"]


def test_a_number_stands_for_an_ungraded_sample_where_that_is_asked_for(http: httpx2.Client) -> None:
    body = openrlhf(["p4", "p4"], ["p", "q"], ["4", "4"])
    reply = ask(http, "openrlhf", body, on_failure="-0.5")
    assert reply.json()["rewards"] == [-0.5, -0.5]


def test_a_reward_that_overflows_float32_is_ungraded(http: httpx2.Client) -> None:
    assert error(ask(http, "openrlhf", openrlhf(["p4"], ["p"], [""]), "large"), 503)["code"] == "ungraded"
    slime = {"prompt": "p", "response": "4", "label": ""}
    assert "float32" in error(ask(http, "slime", slime, "large"), 503)["message"]
    nemo = ask(http, "nemo-gym/verify", {"response": responses_object("4")}, "large").json()
    assert (nemo["reward"], nemo["mask_sample"]) == (0.0, True)
    assert ask(http, "endpoint", {"sample": "4", "item": {}}, "large").json() == {"score": 1e39}


@pytest.mark.parametrize(
    ("query", "prompt", "answer"),
    [
        ("2+2=4", "2+2=", "4"),
        ("<s>2+2=4</s>", "2+2=", "4"),
        ("<|im_start|>user\n2+2=<|im_end|>\n4<|im_end|>\n", "user 2+2=", "4"),
        ("2+2=<|channel|>final<|message|>4<|return|>", "2+2=", "<|channel|>final<|message|>4"),
        ("2+2= 4", "2+2=", " 4"),
        ("2+2=\n\n4 <|x|> 5", "2+2=\n", "\n4 <|x|> 5"),
        ("<pad><pad>2 + 2 =4", "2+2=", "4"),
        ("and what is two plus two? 4", "What a long question, and what is two plus two?", " 4"),
        ("4", "", "4"),
        ("", "", ""),
        ("2+2=", "2+2=", ""),
        ("5", "2+2=", None),
        ("2+2", "2+2=", None),
        ("=4", "2+2=", None),
    ],
)
def test_the_prompt_is_found_although_it_was_decoded_otherwise(
    query: str, prompt: str, answer: str | None
) -> None:
    assert answer_in(query, prompt) == answer


TEXTS = st.text("ab <|>\ns/[]｜INST", max_size=60)


@given(TEXTS, TEXTS, TEXTS)
def test_an_answer_is_an_end_of_its_query_and_never_holds_the_prompt(
    before: str, prompt: str, answer: str
) -> None:
    assert answer_in(prompt + "x", prompt) == "x"
    found = answer_in(before + prompt + answer, prompt)
    assert found is None or found in before + prompt + answer
    whole = answer_in(prompt + answer, prompt)
    assert whole is not None
    assert whole in answer


def test_a_query_without_its_prompt_is_ungraded(http: httpx2.Client) -> None:
    body = openrlhf(["something else: 4"], ["2+2="], [{"answer": "4"}])
    assert "does not begin with the prompt" in error(ask(http, "openrlhf", body), 503)["message"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "query"),
        ({"query": "a"}, "query"),
        ({"query": ["a"], "prompts": []}, "prompts"),
        ({"query": ["a"], "prompts": ["a"], "labels": "a"}, "labels"),
    ],
)
def test_a_wrong_body_of_openrlhf_is_a_400(http: httpx2.Client, body: object, param: str) -> None:
    assert error(ask(http, "openrlhf", body), 400)["param"] == param


# slime


def test_the_whole_answer_to_slime_is_a_number(http: httpx2.Client) -> None:
    body = {"prompt": "2+2=", "response": "4", "label": {"answer": "4"}}
    reply = ask(http, "slime", body)
    assert (reply.text, reply.headers["content-type"]) == ("1.0", "application/json")
    conversation = {**body, "prompt": [{"role": "user", "content": "2+2="}], "response": "5"}
    assert ask(http, "slime", conversation).json() == 0.0


def test_slime_may_have_an_object_for_its_reward_key(http: httpx2.Client) -> None:
    body = {"prompt": "2+2=", "response": "4", "label": {"answer": "4"}}
    reply = ask(http, "slime", body, "parts", form="object").json()
    assert reply == {"reward": 1.0, "graded": True, "sub_rewards": {"equal": 1.0, "again": 1.0}}


def test_an_ungraded_sample_of_slime_is_a_503_or_the_number_that_is_asked_for(http: httpx2.Client) -> None:
    body = {"prompt": "2+2=", "response": "4", "label": "4"}
    assert error(ask(http, "slime", body), 503)["code"] == "ungraded"
    assert ask(http, "slime", body, on_failure="0.25").text == "0.25"
    assert ask(http, "slime", body, on_failure="0.25", form="object").json()["graded"] is False


# NeMo-Gym


def responses_object(text: str) -> dict[str, Any]:
    content = [{"type": "output_text", "text": text, "annotations": []}]
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": content,
    }
    return {"id": "resp_1", "object": "response", "status": "completed", "output": [message], "model": "m"}


def verify_body(text: str, **row: Any) -> dict[str, Any]:
    params = {"input": [{"role": "user", "content": "2+2="}]}
    return {**row, "_ng_task_index": 3, "responses_create_params": params, "response": responses_object(text)}


def test_nemo_gym_gets_its_request_back_with_the_reward(http: httpx2.Client) -> None:
    body = verify_body("4", answer="4")
    assert ask(http, "nemo-gym/verify", body, "parts").json() == {
        **body,
        "reward": 1.0,
        "mask_sample": False,
        "failure_kind": None,
        "failure_reason": None,
        "reward_components": {"equal": 1.0, "again": 1.0},
    }


def test_an_ungraded_sample_of_nemo_gym_is_masked_and_its_kind_is_of_their_vocabulary(
    http: httpx2.Client,
) -> None:
    reply = ask(http, "nemo-gym/verify", verify_body("4")).json()
    assert (reply["reward"], reply["mask_sample"]) == (0.0, True)
    assert reply["failure_kind"] == reply["_ng_failure_class"] == "verifier_error"
    assert "answer" in reply["failure_reason"]


def test_a_response_that_cannot_be_read_is_masked(http: httpx2.Client) -> None:
    for response in (None, 5, {"status": "failed", "error": {"message": "down"}, "output": []}):
        reply = ask(http, "nemo-gym/verify", {"answer": "4", "response": response}).json()
        assert reply["mask_sample"] is True
        assert reply["failure_kind"].startswith("graders:")


@pytest.mark.parametrize("caused_by", ["model", "grader", "infrastructure"])
@pytest.mark.parametrize("kind", FailureKind)
def test_every_failure_has_a_word_that_nemo_gym_takes(kind: FailureKind, caused_by: CausedBy) -> None:
    for type_ in (None, *FailureType):
        word = failure_kind(Failure(kind=kind, caused_by=caused_by, message="m", details={"type": type_}))
        assert word in KINDS or word == f"graders:{kind.value}"
        if caused_by == "model":
            assert word == f"graders:{kind.value}"


def test_what_stands_around_verify_answers_as_nemo_gym_expects(http: httpx2.Client) -> None:
    session = {"resources_session_id": "s", "episode_id": "e", "task_id": "t", "task_data": {}}
    assert ask(http, "nemo-gym/seed_session", session).json() == {
        "resources_session_id": "s",
        "resources_tools": None,
        "sandbox_access": None,
    }
    assert ask(http, "nemo-gym/seed_session", {"responses_create_params": {}}).json() == {}
    closed = ask(http, "nemo-gym/close_session", {"resources_session_id": "s", "episode_id": "e"}).json()
    assert closed == {"resources_session_id": "s"}
    assert http.post("/v1/graders/equal/for/nemo-gym/sandbox_access").status_code == 404
    assert http.get("/v1/graders/equal/for/nemo-gym/reverify_mode").json() == "stateless"


def test_figures_leave_masked_samples_out(http: httpx2.Client) -> None:
    answers = [
        {"_ng_task_index": 0, "reward": 1.0, "mask_sample": False, "correct": True},
        {"_ng_task_index": 0, "reward": 0.0, "mask_sample": False, "correct": False},
        {"_ng_task_index": 0, "reward": 0.0, "mask_sample": True},
        {"_ng_task_index": 1, "reward": 4.0, "mask_sample": False},
    ]
    reply = ask(http, "nemo-gym/aggregate_metrics", {"verify_responses": answers}).json()
    assert [group["_ng_task_index"] for group in reply["group_level_metrics"]] == [0, 1]
    group, whole = reply["group_level_metrics"][0], reply["agent_metrics"]
    assert (group["mean/reward"], group["std/reward"]) == (0.5, pytest.approx(0.5**0.5))
    assert (whole["mean/reward"], whole["max/reward"], whole["median/reward"]) == (pytest.approx(5 / 3), 4, 1)
    assert reply["key_metrics"]["mean/reward"] == whole["mean/reward"]
    empty = ask(http, "nemo-gym/aggregate_metrics", {"verify_responses": []}).json()
    assert empty == {"group_level_metrics": [], "agent_metrics": {}, "key_metrics": {}}


@given(
    st.lists(st.dictionaries(st.sampled_from(["reward", "a", "b"]), st.one_of(st.integers(), st.floats())))
)
def test_figures_are_finite_whatever_numbers_come(answers: list[dict[str, float]]) -> None:
    assert all(abs(value) < 1e200 for value in figures(answers).values())


# endpoint graders


def test_an_endpoint_grader_is_answered_with_its_score(http: httpx2.Client) -> None:
    stored = {
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "4"}, "finish_reason": "stop"}],
        "output_text": "4",
        "output_json": 4,
        "output_tools": [],
        "output_reasoning_summary": None,
    }
    body = {"sample": stored, "item": {"answer": "4", "messages": []}, "trace_id": "trace-1"}
    assert ask(http, "endpoint", body).json() == {"score": 1.0}
    assert error(ask(http, "endpoint", {**body, "item": {}}), 503)["code"] == "ungraded"
    assert error(ask(http, "endpoint", {**body, "item": 5}), 400)["param"] == "item"
    assert error(ask(http, "endpoint", {**body, "trace_id": 5}), 400)["param"] == "trace_id"


SAID = {"role": "assistant", "content": "4"}
CALL = {"id": "c", "type": "function", "function": {"name": "add", "arguments": '{"a": 2, "b": 2}'}}
# what the hosts send as `sample`: a text, or the completion with what they have read out of it
ENDPOINT_SAMPLES: dict[str, Any] = {
    "a text": "4",
    "the text alone": {"output_text": "4"},
    "a completion": {"choices": [{"index": 0, "message": SAID, "finish_reason": "stop"}], "output_text": "4"},
    "a completion without what was read": {"choices": [{"message": SAID}]},
    "with JSON": {"choices": [{"message": SAID}], "output_text": "4", "output_json": {"answer": 4}},
    "with calls of tools": {
        "choices": [{"message": {**SAID, "tool_calls": [CALL]}, "finish_reason": "tool_calls"}],
        "output_text": "4",
        "output_tools": [CALL],
    },
    "with a summary of its reasoning": {"output_text": "4", "output_reasoning_summary": "2 and 2 are 4"},
    "with nulls": {"output_text": "4", "output_json": None, "output_tools": None, "output_audio": None},
    "messages": [{"role": "user", "content": "2+2?"}, SAID],
}


@pytest.mark.parametrize("kind", ENDPOINT_SAMPLES)
def test_each_published_body_of_an_endpoint_grader_is_read(http: httpx2.Client, kind: str) -> None:
    body = {"sample": ENDPOINT_SAMPLES[kind], "item": {"answer": "4"}, "trace_id": "trace-1"}
    assert ask(http, "endpoint", body).json() == {"score": 1.0}
    assert ask(http, "endpoint", {**body, "item": {"answer": "5"}}).json() == {"score": 0.0}
    without = {name: value for name, value in body.items() if name != "trace_id"}
    assert ask(http, "endpoint", {**without, "newer": True}).json() == {"score": 1.0}


# Google


def test_a_cloud_run_reward_is_answered_as_google_reads_it(http: httpx2.Client) -> None:
    grader = {**EQUAL, "reference": "{{item.references.answer}}"}
    http.put("/v1/graders/google", json={"grader": grader})
    body = {
        "example": {
            "contents": [{"role": "user", "parts": [{"text": "What is the capital of France?"}]}],
            "references": {"answer": "Paris"},
        },
        "response": {"parts": [{"text": "Pa"}, {"text": "ris"}]},
        "metadata": {"step": 1, "tuning_job_id": 123456789},
    }
    assert ask(http, "google", body, "google").json() == {"reward": 1.0, "user_requested_aux_info": ""}
    thinking = {"role": "model", "parts": [{"text": "Hm.", "thought": True}, {"text": "Paris"}]}
    assert ask(http, "google", {**body, "response": thinking}, "google").json()["reward"] == 1.0
    assert error(ask(http, "google", {**body, "example": {}}, "google"), 503)["code"] == "ungraded"
    assert error(ask(http, "google", {**body, "response": "Paris"}, "google"), 400)["param"] == "response"


# SandboxFusion


def program(code: str, **fields: Any) -> dict[str, Any]:
    """The body that verl's client sends."""
    return {
        "compile_timeout": 10,
        "run_timeout": 10,
        "code": code,
        "stdin": "3\n",
        "memory_limit_MB": 1024,
        "language": "python",
        "files": {},
        "fetch_files": [],
        **fields,
    }


def test_a_program_is_run_with_its_input(http: httpx2.Client) -> None:
    reply = http.post("/run_code", json=program("print(int(input()) + 1)")).json()
    assert reply["run_result"].pop("execution_time") >= 0
    assert reply == {
        "status": "Success",
        "message": "",
        "compile_result": None,
        "run_result": {"status": "Finished", "return_code": 0, "stdout": "4\n", "stderr": ""},
        "executor_pod_name": None,
        "files": {},
    }


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (program("raise SystemExit(3)"), "Finished", 3),
        (program("1/0"), "Finished", 1),
        (program("def"), "Finished", 1),
        (program("while True: pass", run_timeout=0.3), "TimeLimitExceeded", None),
        (program("print('x' * (20 << 20))"), "Error", None),
    ],
)
def test_a_program_that_fails_is_an_answer(
    http: httpx2.Client, body: object, status: str, code: int | None
) -> None:
    reply = http.post("/run_code", json=body)
    assert reply.status_code == 200
    found = reply.json()
    assert found["status"] == "Failed"
    assert (found["run_result"]["status"], found["run_result"]["return_code"]) == (status, code)


def test_files_are_there_and_a_long_output_comes_whole(http: httpx2.Client) -> None:
    files = {"a/b.txt": base64.b64encode(b"here").decode(), "left_out": None}
    reply = http.post("/run_code", json=program("print(open('a/b.txt').read() * 20000)", files=files)).json()
    assert reply["run_result"]["stdout"] == "here" * 20_000 + "\n"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"language": "cpp"}, "language"),
        ({"code": 5}, "code"),
        ({"stdin": 5}, "stdin"),
        ({"run_timeout": 0}, "run_timeout"),
        ({"run_timeout": "x"}, "run_timeout"),
        ({"memory_limit_MB": 1.5}, "memory_limit_MB"),
        ({"files": []}, "files"),
        ({"files": {"../a": ""}}, "files"),
        ({"files": {"/a": ""}}, "files"),
        ({"files": {"a": "?"}}, "files.a"),
        ({"fetch_files": ["a"]}, "fetch_files"),
    ],
)
def test_a_program_that_cannot_be_run_here_is_a_400(
    http: httpx2.Client, fields: Mapping[str, Any], param: str
) -> None:
    assert error(http.post("/run_code", json={**program(""), **fields}), 400)["param"] == param


# all of them

BODIES: dict[str, dict[str, Any]] = {
    "openrlhf": openrlhf(["p4"], ["p"], [BROKEN]),
    "slime": {"prompt": "p", "response": "4", "label": BROKEN},
    "nemo-gym/verify": verify_body("4", **BROKEN),
    "endpoint": {"sample": "4", "item": BROKEN},
    "google": {"example": BROKEN, "response": {"parts": [{"text": "4"}]}},
}


@pytest.mark.parametrize("trainer", BODIES)
def test_every_route_says_what_is_wrong_with_its_parameters(http: httpx2.Client, trainer: str) -> None:
    body = BODIES[trainer]
    assert ask(http, trainer, body).is_success
    wrong = {
        "on_failure": "zero",
        "version": "x",
        "split": "test",
        "step": "-1",
        "deadline_s": "0",
        "onfailure": "1",
    }
    for parameter, value in wrong.items():
        assert error(ask(http, trainer, body, **{parameter: value}), 400)["param"] == parameter
    assert error(ask(http, trainer, body, "no-such-grader"), 404)["code"] == "not_found"
    assert error(ask(http, trainer, body, version="7"), 404)["code"] == "not_found"
    assert error(ask(http, trainer, []), 400)["code"] == "invalid_body"
    assert ask(http, trainer, body, version="1", split="valid", step="3", deadline_s="30").is_success


def test_gradings_of_trainers_enter_the_statistics_of_their_grader(http: httpx2.Client) -> None:
    http.put("/v1/graders/counted", json={"grader": EQUAL})
    for trainer, body in BODIES.items():
        assert ask(http, trainer, body, "counted", step="5").is_success
    shown = http.get("/v1/graders/counted/stats", params={"step": "5"}).json()
    assert shown["splits"]["train"]["gradings"] == len(BODIES)


@pytest.mark.parametrize("number", ["1e999", "-1e400", "9" * 5000])
def test_a_number_that_cannot_be_held_leaves_its_sample_ungraded(http: httpx2.Client, number: str) -> None:
    for trainer, body in BODIES.items():
        text = json.dumps(body).replace('"4"', number, 1) if trainer == "endpoint" else None
        text = text or json.dumps(body).replace('{"answer": "4"}', f'{{"answer": {number}}}')
        if trainer == "nemo-gym/verify":
            text = json.dumps(body).replace('"answer": "4"', f'"answer": {number}')
        reply = http.post(
            f"/v1/graders/equal/for/{trainer}", content=text, headers={"content-type": "application/json"}
        )
        if trainer == "nemo-gym/verify":
            assert reply.json()["mask_sample"] is True
        else:
            assert error(reply, 503)["code"] == "ungraded"


@pytest.mark.parametrize("trainer", UNGRADED)
def test_the_table_gives_each_trainer_what_it_may_ask_for_and_nothing_else(trainer: str) -> None:
    rule = UNGRADED[trainer]
    assert policy_of(trainer, None) == rule.words[0]
    for word in ("raise", "group_mean", "mask"):
        if word in rule.words:
            assert policy_of(trainer, word) == word
        else:
            with pytest.raises(ApiError, match="on_failure: expected"):
                policy_of(trainer, word)
    for text in ("nan", "inf", "-inf", "1e999", "", "1_0", "٣"):
        with pytest.raises(ApiError, match="on_failure: expected"):
            policy_of(trainer, text)
    if rule.numbers:
        assert policy_of(trainer, "-0.5") == -0.5


@pytest.mark.parametrize("trainer", UNGRADED)
def test_an_ungraded_result_is_no_reward_for_any_trainer(trainer: str) -> None:
    failure = Failure(kind=FailureKind.OTHER, caused_by="infrastructure", message="down", retryable=True)
    info = GraderInfo("a", "b", "c")
    assert outcome(GraderResult(None, failure=failure, grader=info), trainer) is failure
    refused = ungraded(failure, trainer)
    assert refused.status == UNGRADED[trainer].status >= 500
    assert refused.response().headers["retry-after"] == "1"

"""Mistakes that reward functions of others made, each shut out here."""

import ast
import asyncio
import copy
import json
import pickle
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import graders_client
import pytest
from graders_client import Graded, GraderClient
from graders_client.trainers import (
    areal,
    art,
    aws_lambda,
    eval_protocol,
    openrlhf,
    slime,
    swift,
    tinker,
    trl,
    tunix,
    verl,
)
from graders_client.trainers import verifiers_v03 as verifiers

from runtime import Settings
from tests.clients import scripted
from tests.clients.scripted import Scripted
from tests.judge_server import JudgeServer, chat
from tests.service.conftest import served

FOLDER = Path(graders_client.__file__).parent


def test_time_limits_hold_outside_the_main_thread_and_use_no_signal() -> None:
    imported = {
        name
        for path in FOLDER.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [getattr(node, "module", None)]
        )
    }
    assert "signal" not in imported
    found: list[Graded] = []
    with (
        Scripted(usually=scripted.silent) as server,
        GraderClient(server.url, "math", deadline_s=0.3) as client,
    ):
        thread = threading.Thread(target=lambda: found.append(client.grade_one("1", {})))
        thread.start()
        thread.join()
        client.close()
    assert found[0].reason.details["type"] == "deadline"


@pytest.mark.full
def test_a_call_whose_time_was_up_leaves_no_thread_behind() -> None:
    before = set(threading.enumerate())

    def ours() -> list[threading.Thread]:
        return [
            each for each in threading.enumerate() if each.name == "graders-client" and each not in before
        ]

    with Scripted(usually=scripted.silent) as server:
        with GraderClient(server.url, "math", deadline_s=0.2, concurrency=2) as client:
            for _ in range(5):
                assert client.grade(["1"], [{}])[0].reward is None
            assert len(ours()) <= 2
        assert ours() == []


def test_the_time_limit_is_not_multiplied_by_what_is_tried_again() -> None:
    with Scripted(usually=scripted.says(503, "busy", Retry_After="0")) as server:
        with GraderClient(server.url, "math", deadline_s=1.0) as client:
            assert client.grade(["1"], [{}])[0].reward is None
        allowed = [seen.body["deadline_s"] for seen in server.seen]
    assert len(allowed) > 2
    assert allowed == sorted(allowed, reverse=True)  # each try has what the ones before have left
    assert 1.0 > allowed[0] > allowed[-1] > 0


@pytest.mark.full
def test_one_failing_sample_changes_no_keys_of_its_batch() -> None:
    with Scripted() as server, GraderClient(server.url, "math") as client:
        reward = verl.Reward(client, sub_rewards=["format"])
        found = reward.compute_scores(["s"] * 3, ["4", "5", "4"], ["4", "4", "4"], [{}, None, {"a": 1}])
        assert {tuple(each) for each in found} == {("score", "graded", "format")}
        assert all(type(value) is float for each in found for value in each.values())


def test_every_adapter_can_be_pickled_and_copied() -> None:
    client = GraderClient("http://127.0.0.1:1", "math", api_key="secret")
    adapters: list[Any] = [
        trl.Reward(client), trl.AsyncReward(client), swift.Reward(client), tunix.Reward(client), verl.Reward(client),
        openrlhf.Reward(client), areal.Reward(client), slime.Reward(client), verifiers.Reward(client), art.Reward(client),
        eval_protocol.Reward(client), aws_lambda.Handler(client), tinker.GraderGroupBuilder(None, client, {}, decode=str),
    ]  # fmt: skip
    for adapter in adapters:
        copied = pickle.loads(pickle.dumps(adapter))  # noqa: S301  # our own
        assert type(copied) is type(adapter)
        assert type(copy.deepcopy(adapter)) is type(adapter)
        if hasattr(adapter, "__name__"):
            assert copied.__name__ == adapter.__name__


def test_results_are_matched_by_their_index_and_not_by_their_place() -> None:
    def shuffled(connection: Any, seen: scripted.Seen) -> bool:
        answer = scripted.batch(seen.body)
        answer["results"].reverse()
        return scripted.sends(json.dumps(answer).encode())(connection, seen)

    with Scripted(usually=shuffled) as server, GraderClient(server.url, "math") as client:
        found = client.grade(["1", "2", "3"], [{"answer": "1"}, {"answer": "x"}, {"answer": "3"}])
    assert [graded.reward for graded in found] == [1.0, 0.0, 1.0]


def test_a_lone_value_is_not_spread_over_a_batch() -> None:
    client = GraderClient("http://127.0.0.1:1", "math")
    wrong: list[tuple[Any, Any]] = [("4", [{}]), (["4", "5"], {"answer": "4"}), (["4", "5"], [{}])]
    for arguments in wrong:
        with pytest.raises((TypeError, ValueError), match=r"expected (a list|one for each)"):
            client.grade(*arguments)
    with pytest.raises(ValueError, match=r"answer: expected one value for each of the 2"):
        trl.Reward(client)(prompts=["?"] * 2, completions=["4", "5"], answer=["4"])


@pytest.mark.parametrize(
    "reward", ["NaN", "Infinity", "-Infinity", "1e39", "1e400", '"inf"', '"1.0"', "true", "[1]", "{}"]
)
def test_what_is_no_finite_number_is_no_reward(reward: str) -> None:
    body = f'{{"results":[{{"index":0,"reward":{reward},"failure":null}}]}}'.encode()
    with Scripted(usually=scripted.sends(body)) as server, GraderClient(server.url, "math") as client:
        (graded,) = client.grade(["1"], [{}])
        assert graded.reward is None
        assert graded.failure is not None


@pytest.mark.parametrize("reward", [float("nan"), float("inf"), 1e39, "1.0", True, None])
def test_what_is_no_finite_number_is_no_reward_in_this_process_either(reward: object) -> None:
    result = SimpleNamespace(reward=reward, failure=None, sub_rewards={"a": reward}, metrics={"b": reward})
    evaluator: Any = SimpleNamespace(
        prepare=lambda config: config, grade_many=lambda *args, **kwargs: [result]
    )
    (graded,) = graders_client.local(evaluator, {}).grade(["1"], [{}])
    assert graded.reward is None
    assert graded.failure is not None
    assert graded.metrics == {}


def test_a_reward_does_not_block_the_event_loop() -> None:
    gate = threading.Event()

    def gated(connection: Any, seen: scripted.Seen) -> bool:
        gate.wait(30)
        return scripted.answers(connection, seen)

    async def main(client: GraderClient) -> Any:
        grading = asyncio.ensure_future(
            slime.Reward(client)(None, SimpleNamespace(prompt="", response="1", label=None))
        )
        await asyncio.sleep(0.05)
        gate.set()  # a loop that is blocked would never come here
        return await grading

    def with_answer(connection: Any, seen: scripted.Seen) -> bool:
        for row in seen.body["rows"]:
            row["item"]["answer"] = "1"
        return gated(connection, seen)

    with Scripted(usually=with_answer) as server, GraderClient(server.url, "math") as client:
        assert asyncio.run(main(client)) == 1.0


@pytest.mark.parametrize("sample", ["inf", "Infinity", "#### inf", "nan", "1e999"])
def test_infinity_is_no_right_answer(service: str, sample: str) -> None:
    grader = {
        "type": "numeric_check",
        "input": "{{sample.output_text}}",
        "reference": "{{item.answer}}",
        "tolerance": 1e300,
    }
    with GraderClient(
        service, {name: value for name, value in grader.items() if name != "tolerance"}
    ) as client:
        assert client.grade_one(sample, {"answer": "12"}).reward == 0.0


@pytest.mark.full
@pytest.mark.parametrize("said", ["I would say 7 of 10, or 8.", "7", "", None])
def test_a_judges_prose_or_silence_is_no_score(quick: Settings, tmp_path: Path, said: str | None) -> None:
    """The first number in its words is no verdict, and an empty answer, after reasoning that took all tokens, no zero."""
    grader = {
        "type": "score_model",
        "model": "judge",
        "input": [{"role": "user", "content": "{{sample.output_text}}"}],
        "range": [0, 10],
    }
    with JudgeServer(lambda request, number: chat(said)) as judge:
        settings = {
            "judges": {"judge": {"base_url": judge.url}},
            "judge_cache_mb": 0,
            "database": str(tmp_path / "service.sqlite"),
        }
        with (
            served(Settings.model_validate({**quick.model_dump(), **settings})) as url,
            GraderClient(url, grader) as client,
        ):
            graded = client.grade_one("an answer", {})
    assert graded.reward is None
    assert graded.reason.caused_by == "infrastructure"

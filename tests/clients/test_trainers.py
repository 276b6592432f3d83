"""Each trainer's literal call, with its keywords, threads and event loops, and without its package.

A sample whose reference is not a number cannot be graded: it stands for every failed measurement.
"""

import asyncio
import importlib
import inspect
import multiprocessing
import pickle
import runpy
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from graders_client import GraderClient, UngradedSamples, local
from graders_client.__main__ import main
from graders_client.calls import GRACE_S
from graders_client.reward_files import reward_file
from graders_client.rewarder import Rewarder
from graders_client.trainers import (
    areal,
    art,
    aws_lambda,
    decoded,
    eval_protocol,
    openenv,
    openrlhf,
    skyrl,
    slime,
    swift,
    tinker,
    trl,
    tunix,
    verifiers_v03,
    verl,
)
from graders_client.trainers.decoded import answer_in
from graders_client.trainers.inspect import grader_scorer
from pydantic import BaseModel

from runtime import SyncEvaluator
from tests.clients import stand_ins
from tests.clients.conftest import put

BROKEN = "no number"
"""A reference with which no sample can be graded."""


def number(path: str) -> dict[str, Any]:
    """A grader that compares a number with a field of the item."""
    return {"type": "numeric_check", "input": "{{sample.output_text}}", "reference": "{{item." + path + "}}"}


NUMBER = number("answer")
PARTS = {"type": "multi", "graders": {"right": number("answer")}, "calculate_output": "0.5 + 0.5 * right"}


@pytest.fixture(scope="module")
def graders(service: str) -> str:
    """The service, with a grader for the items of each trainer."""
    paths = {
        "truth": "ground_truth",
        "label": "label",
        "target": "target",
        "reference": "reference_answer.answer",
    }
    for name, path in paths.items():
        put(service, name, number(path))
    return service


@pytest.fixture
def client(service: str) -> Iterator[GraderClient]:
    """A client of the grader `NUMBER`."""
    put(service, "number", NUMBER)
    with GraderClient(service, "number", deadline_s=120.0) as made:
        yield made


@pytest.fixture(params=["http", "local"])
def exact(request: pytest.FixtureRequest, client: GraderClient, local_evaluator: SyncEvaluator) -> Rewarder:
    """The grader `NUMBER`, over HTTP and in this process."""
    return client if request.param == "http" else local(local_evaluator, NUMBER)


# TRL: grpo_trainer.py calls `reward_func(prompts=, completions=, completion_ids=, **reward_kwargs)`


def trl_call(**columns: Any) -> dict[str, Any]:
    logged: dict[str, Any] = {}
    return {
        "prompts": ["2+2?"] * 4,
        "completions": ["4", "5", "4", "4"],
        "completion_ids": [[1], [2], [1], [1]],
        "answer": ["4", "4", "4", "4"],
        "trainer_state": SimpleNamespace(global_step=7),
        "log_extra": lambda column, values: logged.update({column: values}),
        "log_metric": lambda name, value: logged.update({name: value}),
        "environments": None,
        "logged": logged,
        **columns,
    }


def test_trl_gets_a_reward_for_each_completion_and_none_where_there_is_none(exact: Rewarder) -> None:
    call = trl_call(unused=["a", "b", "c", "d"])
    logged = call.pop("logged")
    reward = trl.Reward(exact, columns=["answer"], name="math")
    assert reward(**call) == [1.0, 0.0, 1.0, 1.0]
    assert logged["math/ungraded"] == 0.0
    assert logged["math_failure"] == [""] * 4
    found = trl.Reward(exact)(**{**call, "answer": ["4", "4", BROKEN, "4"]})
    assert found == [1.0, 0.0, None, 1.0]


def test_trl_conversational_completions_are_messages(exact: Rewarder) -> None:
    completions = [[{"role": "assistant", "content": text}] for text in ("4", "5")]
    prompts = [[{"role": "user", "content": "2+2?"}]] * 2
    assert trl.Reward(exact)(prompts=prompts, completions=completions, answer=["4", "4"]) == [1.0, 0.0]


def test_trl_logs_the_rewards_inside(service: str) -> None:
    call = trl_call()
    logged = call.pop("logged")
    with GraderClient(service, PARTS) as client:
        assert trl.Reward(client)(**call) == [1.0, 0.5, 1.0, 1.0]
    assert logged["graders/right"] == 0.75


def test_trl_counts_the_step(service: str) -> None:
    seen: list[Any] = []

    class Recording(GraderClient):
        def grade(self, *args: Any, **kwargs: Any) -> Any:
            seen.append(kwargs["step"])
            return super().grade(*args, **kwargs)

    call = trl_call()
    del call["logged"]
    with Recording(service, NUMBER) as client:
        trl.Reward(client)(**call)
    assert seen == [7]


def test_trl_awaits_the_asynchronous_form(exact: Rewarder) -> None:
    call = trl_call()
    del call["logged"]
    reward = trl.AsyncReward(exact)
    assert inspect.iscoroutinefunction(reward.__call__)
    loop = asyncio.new_event_loop()  # TRL runs one in a thread of its own
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def several() -> list[Any]:
        return list(await asyncio.gather(reward(**call), reward(**call)))

    try:
        found = asyncio.run_coroutine_threadsafe(several(), loop).result(60)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
    assert found == [[1.0, 0.0, 1.0, 1.0]] * 2


def test_trl_pickles_it_into_a_started_process_and_calls_it_from_threads(client: GraderClient) -> None:
    call = {
        "prompts": ["?"] * 2,
        "completions": ["4", "5"],
        "completion_ids": [[1], [2]],
        "answer": ["4", "4"],
    }
    reward = pickle.loads(pickle.dumps(trl.Reward(client, name="math")))  # noqa: S301  # our own
    assert reward.__name__ == "math"
    with ThreadPoolExecutor(4) as pool:
        assert [each.result() for each in [pool.submit(reward, **call) for _ in range(8)]] == [[1.0, 0.0]] * 8


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"answer": ["4"]}, "answer: expected one value for each of the 2"),
        ({"other": ["1", "1"]}, "no 'answer'"),
    ],
)
def test_a_column_that_does_not_fit_is_named(
    client: GraderClient, columns: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        trl.Reward(client, columns=["answer"])(prompts=["?"] * 2, completions=["4", "5"], **columns)


def test_a_lone_value_is_not_spread_over_a_batch(client: GraderClient) -> None:
    found = trl.Reward(client)(prompts=["?"] * 2, completions=["4", "5"], answer="4")
    assert found == [None, None]


# ms-swift: `reward_func(completions, **reward_kwargs)`, classes made with `args=`; tunix: `f(prompts=, completions=, **kw)`


def test_swift_makes_it_and_gets_numbers_only(client: GraderClient) -> None:
    made = swift.reward_class(client)(args=SimpleNamespace())
    messages = [[{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": c}] for c in "4545"]
    rest = {"trainer_state": SimpleNamespace(global_step=1), "messages": messages, "request_id": list("abcd")}
    assert made(["4", "5", "4", "5"], **rest, solution=["x"] * 4, answer=["4"] * 4) == [1.0, 0.0, 1.0, 0.0]
    # two prompts; the first sample of the second cannot be graded
    messages = [
        [{"role": "user", "content": p}, {"role": "assistant", "content": c}]
        for p, c in zip("aabbb", "45454", strict=True)
    ]
    answers = ["4", "4", BROKEN, "4", "4"]
    assert made(["4", "5", "4", "5", "4"], messages=messages, answer=answers) == [1.0, 0.0, 0.5, 0.0, 1.0]


def test_tunix_gets_numbers_only(client: GraderClient) -> None:
    reward = tunix.Reward(client)
    assert "completions" in inspect.signature(reward).parameters
    found = reward(
        prompts=["?"] * 3, completions=["4", "5", "4"], answer=np.array(["4", "4", "4"]), mode="train"
    )
    assert found == [1.0, 0.0, 1.0]
    assert reward(prompts=["?"] * 3, completions=["4", "5", "4"], answer=["4", "4", BROKEN]) == [
        1.0,
        0.0,
        0.5,
    ]


# verl: `await compute_score(data_source=, solution_str=, ground_truth=, extra_info=, **router)`, from a file


def verl_call(solution: str, truth: Any) -> dict[str, Any]:
    return {
        "data_source": "gsm8k",
        "solution_str": solution,
        "ground_truth": truth,
        "extra_info": {
            "index": 3,
            "num_turns": np.int32(2),
            "rollout_reward_scores": {},
            "array": np.zeros(2),
        },
        "reward_router_address": "10.0.0.1:80",
        "reward_model_tokenizer": object(),
    }


def test_verl_loads_the_file_and_awaits_its_function(graders: str, tmp_path: Path) -> None:
    path = tmp_path / "reward.py"
    path.write_text(reward_file("verl", graders, "truth"))
    loaded = runpy.run_path(str(path))
    assert inspect.iscoroutinefunction(loaded["compute_score"])

    async def main() -> list[dict[str, float]]:
        answers = [("4", "4"), ("5", "4"), ("4", "4")]
        return list(
            await asyncio.gather(*(loaded["compute_score"](**verl_call(*answer)) for answer in answers))
        )

    right, wrong = {"score": 1.0, "graded": 1.0}, {"score": 0.0, "graded": 1.0}
    assert asyncio.run(main()) == [right, wrong, right]
    with ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(loaded["compute_score_sync"], **verl_call("4", "4")) for _ in range(6)]
        assert [each.result() for each in waiting] == [right] * 6
    loaded["client"].close()


@pytest.mark.full
def test_verl_gets_the_same_keys_and_a_number_for_every_sample(service: str) -> None:
    grader = {**PARTS, "graders": {"right": number("ground_truth")}, "calculate_output": "right"}
    with GraderClient(service, grader) as client:
        reward = verl.Reward(client, sub_rewards=["right"])
        found = [
            reward.compute_score(**verl_call(text, truth))
            for text, truth in [("4", "4"), ("5", "4"), ("4", BROKEN)]
        ]
        # the samples of one prompt have one truth; the mean of another prompt's is what is known
        assert found[2] == {"score": 0.5, "graded": 0.0, "right": 0.0}
        assert {tuple(each) for each in found} == {("score", "graded", "right")}
        assert all(type(value) is float for each in found for value in each.values())
        batch = reward.compute_scores(
            data_sources=["a"] * 3,
            solution_strs=["4", "5", "4"],
            ground_truths=["4", "4", BROKEN],
            extra_infos=[None] * 3,
        )
        assert [each["score"] for each in batch] == [1.0, 0.0, 0.5]
        with pytest.raises(UngradedSamples):
            verl.Reward(client, on_failure="raise").compute_score("a", "4", BROKEN)


# OpenRLHF: `await asyncio.to_thread(reward_func, [query], [prompt], [label])`, from a file


def test_openrlhf_loads_the_file_and_calls_it_in_threads(
    graders: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_ins.install(monkeypatch, torch={"tensor": stand_ins.Tensor})
    path = tmp_path / "reward.py"
    path.write_text(reward_file("openrlhf", graders, "label", on_failure=0.25))
    reward_func = runpy.run_path(str(path))["reward_func"]
    prompt = "<|im_start|>user\n2+2?<|im_end|>\n<|im_start|>assistant\n"

    async def main() -> list[Any]:
        calls = [
            (prompt + "4<|im_end|>", "4"),
            (prompt + "5", "4"),
            (prompt + "4", BROKEN),
            ("elsewhere", "4"),
        ]
        return list(
            await asyncio.gather(
                *(asyncio.to_thread(reward_func, [query], [prompt], [label]) for query, label in calls)
            )
        )

    found = asyncio.run(main())
    assert [each["rewards"] for each in found] == [
        stand_ins.Tensor([value]) for value in (1.0, 0.0, 0.25, 0.25)
    ]
    assert [each["scores"] for each in found] == [each["rewards"] for each in found]
    assert [each["extra_logs"]["graded"].values for each in found] == [[1.0], [1.0], [0.0], [0.0]]


def test_openrlhf_takes_several_samples_and_none(graders: str) -> None:
    with GraderClient(graders, "label") as client:
        reward = openrlhf.Reward(client, tensor=list)
        found = reward(["p4", "p5", "x", "p4"], ["p"] * 4, ["4"] * 4)
        assert found["rewards"] == [1.0, 0.0, pytest.approx(2 / 3), 1.0]
        assert reward([], [], []) == {"rewards": [], "scores": [], "extra_logs": {"graded": []}}


@pytest.mark.parametrize(
    ("query", "prompt", "answer"),
    [
        ("2+2=4", "2+2=", "4"),
        ("<s>2+2=4</s>", "2+2=", "4"),
        (
            "a rather long question: 2+2=4",
            "first a rather long question: 2+2=",
            "4",
        ),  # its beginning was cut off
        ("2+2=4<|im_end|>\n<|endoftext|>", "2+2=", "4"),
        ("2+2= 4 ", "2+2=", " 4 "),
        ("something else", "2+2=", None),
        (
            "<|im_start|>user\n2+2=<|im_end|>\n<|im_start|>assistant\n4<|im_end|>",
            "user\n2+2=\nassistant\n",
            "4",
        ),
        ("4 of s", "s", None),
        ("=4", "a long question: 2+2=", None),  # too little of the prompt is left
        ("4", "", "4"),
    ],
)
def test_the_answer_is_told_from_the_prompt_or_not_graded(
    query: str, prompt: str, answer: str | None
) -> None:
    assert answer_in(query, prompt) == answer


def test_the_service_tells_them_apart_in_the_same_way() -> None:
    """The file is there twice: neither distribution can import the other."""
    there = pytest.importorskip("service.routes.trainers.prompt_prefix")
    here = inspect.getsource(decoded).replace("from __future__ import annotations\n\n", "")
    assert here == inspect.getsource(there)


# AReaL: `partial(reward_fn, prompt, completions, prompt_ids, completion_ids, **data)` in a pool of processes


def test_areal_calls_it_in_forked_processes(client: GraderClient) -> None:
    reward = areal.Reward(client)
    client.grade_one("a", {"answer": "a"})  # connections are open when it forks
    with ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as pool:
        assert pool.submit(reward, "2+2?", "4", [1], [2], answer="4", messages=[]).result(60) == 1.0
        assert pool.submit(reward, "2+2?", "5<|im_end|>", [1], [2], answer="4").result(60) == 0.0
        with pytest.raises(UngradedSamples, match=r"item.answer"):
            pool.submit(reward, "2+2?", "4", [1], [2]).result(60)
    assert areal.Reward(client, on_failure=-1)("2+2?", "4") == -1.0


def test_areal_decodes_the_token_that_ends_an_answer_which_is_no_part_of_it(service: str) -> None:
    with GraderClient(service, "exact") as client:
        assert areal.Reward(client)("2+2?", "4<|im_end|>", [1], [2], answer="4") == 1.0


def test_areal_is_answered_before_it_gives_up(client: GraderClient) -> None:
    with pytest.raises(ValueError, match=r"AReaL waits 15"):
        areal.Reward(client, deadline_s=13)
    assert areal.LONGEST_S + GRACE_S < 15


# slime: `await f(args, sample)`, or with `--group-rm` `await f(args, samples)`


def slime_sample(response: str, label: Any, group: int = 0) -> SimpleNamespace:
    return SimpleNamespace(
        prompt="2+2?", response=response, label=label, metadata={"a": 1}, group_index=group
    )


def test_slime_awaits_it_for_a_sample_or_a_group(graders: str, tmp_path: Path) -> None:
    path = tmp_path / "reward.py"
    path.write_text(reward_file("slime", graders, "label"))
    reward = runpy.run_path(str(path))["reward"]
    args = SimpleNamespace(reward_key=None)
    assert asyncio.run(reward(args, slime_sample("4", "4"))) == 1.0
    assert asyncio.run(reward(args, [slime_sample("4", "4"), slime_sample("5", "4")], evaluation=False)) == [
        1.0,
        0.0,
    ]
    with pytest.raises(UngradedSamples):
        asyncio.run(reward(args, slime_sample("4", BROKEN)))
    with GraderClient(graders, "label") as client:
        mean = slime.Reward(client, on_failure="group_mean")
        samples = [slime_sample("4", "4", 0), slime_sample("5", "4", 1), slime_sample("4", BROKEN, 1)]
        assert asyncio.run(mean(args, samples)) == [1.0, 0.0, 0.0]


# verifiers 0.3: the parameters that a function names, out of these, and nothing else


def verifiers_call(reward: Any, completion: Any, answer: Any) -> tuple[Any, dict[str, Any]]:
    state: dict[str, Any] = {}
    merged = {
        "prompt": [{"role": "user", "content": "2+2?"}], "completion": completion, "answer": answer, "state": state,
        "info": {}, "task": "math", "parser": object(),
    }  # fmt: skip
    parameters = inspect.signature(reward).parameters
    assert not any(each.kind == each.VAR_KEYWORD for each in parameters.values())
    return reward(**{name: value for name, value in merged.items() if name in parameters}), state


def test_verifiers_of_old_awaits_it_with_what_it_names(exact: Rewarder) -> None:
    reward = verifiers_v03.Reward(exact)
    assert reward.__name__ == "graders"
    call, state = verifiers_call(reward, [{"role": "assistant", "content": "4"}], "4")
    assert (asyncio.run(call), state) == (1.0, {})


def test_verifiers_of_old_is_told_of_an_ungraded_sample_in_the_state(graders: str) -> None:
    with GraderClient(graders, number("info.answer")) as client:
        call, state = verifiers_call(verifiers_v03.Reward(client), "4", "4")
        with pytest.raises(UngradedSamples) as raised:
            asyncio.run(call)
    assert state["error"] is raised.value


# verifiers 0.4 imports a top-level module by the judge's id, and takes the one subclass of `Judge` in its `__all__`


def test_verifiers_of_now_loads_the_judge_by_a_name_at_the_top_level(
    graders: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_ins.install(
        monkeypatch, verifiers__v1={"Judge": stand_ins.Judge, "JudgeConfig": stand_ins.JudgeConfig}
    )
    monkeypatch.delitem(sys.modules, "graders_judge", raising=False)
    module = importlib.import_module("graders_judge")
    monkeypatch.delitem(sys.modules, "graders_judge")
    (judge_class,) = (getattr(module, name) for name in module.__all__)
    assert issubclass(judge_class, stand_ins.Judge)
    judge = judge_class(module.GradersConfig(id="graders_judge", url=graders, grader="truth"))
    parameters = set(inspect.signature(judge.score).parameters)
    assert parameters == {"task", "trace"}

    class Data(BaseModel):
        ground_truth: Any = "4"

    trace = SimpleNamespace(last_reply="4")
    assert asyncio.run(judge.score(task=Data(), trace=trace)) == 1.0
    with pytest.raises(UngradedSamples):
        asyncio.run(judge.score(task=Data(ground_truth=BROKEN), trace=trace))
    nameless = judge_class(module.GradersConfig(url=graders))
    with pytest.raises(ValueError, match="grader: expected the name"):
        asyncio.run(nameless.score(task=Data(), trace=trace))


# SkyRL-gym: `load("module:Class")(env_config=, extras=)`, then `step(action)` in a thread


def test_skyrl_makes_an_environment_for_each_sample(graders: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_ins.install(monkeypatch, skyrl_gym__envs__base_text_env={"BaseTextEnv": stand_ins.SkyEnv})
    name, _, attribute = "graders_client.trainers.skyrl:GradersEnv".partition(":")
    environment = getattr(importlib.import_module(name), attribute)
    config = {"url": graders, "grader": "truth"}

    def episode(action: str, truth: Any) -> Any:
        extras = {
            "reward_spec": {"method": "rule", "ground_truth": truth},
            "data_source": "gsm8k",
            "max_turns": 1,
        }
        env = environment(env_config=config, extras=extras)
        prompt, _ = env.init([{"role": "user", "content": "2+2?"}])
        step = env.step(action)
        env.close()
        assert prompt
        assert env.get_metrics() == {}
        return step

    with ThreadPoolExecutor(4) as pool:
        right, wrong = pool.submit(episode, "4", "4").result(), pool.submit(episode, "5", "4").result()
    assert right == {"observations": [], "reward": 1.0, "done": True, "metadata": {"graded": True}}
    assert (wrong["reward"], wrong["done"]) == (0.0, True)
    ungraded = episode("4", BROKEN)
    assert (ungraded["reward"], ungraded["metadata"]["graded"]) == (0.5, False)
    assert ungraded["metadata"]["failure"]
    with pytest.raises(AttributeError):
        skyrl.OtherEnv  # noqa: B018


# ART: `await after_each(group)`


def test_art_gets_its_group_with_rewards_and_without_the_ungraded(exact: Rewarder) -> None:
    reward = art.Reward(exact)
    group = stand_ins.TrajectoryGroup(
        [stand_ins.Trajectory("4"), stand_ins.Trajectory("5"), stand_ins.Trajectory("4", {"answer": BROKEN})],
        {"answer": "4"},
    )
    found = asyncio.run(reward(group))
    assert [trajectory.reward for trajectory in found.trajectories] == [1.0, 0.0]
    assert found.metrics["ungraded"] == 1
    assert found.logs[0].startswith("ungraded: ")
    nothing = stand_ins.TrajectoryGroup([stand_ins.Trajectory("4")], {"answer": BROKEN})
    assert asyncio.run(reward(nothing)) is None


# tinker-cookbook: `await builder.compute_group_rewards(trajectories, envs)`


class Envs:
    async def make_envs(self) -> list[str]:
        return ["env"] * 2

    async def cleanup(self) -> None: ...

    def logging_tags(self) -> list[str]:
        return ["math"]


def decode(tokens: Any) -> str:
    return "".join(map(str, tokens))


def test_tinker_gets_a_reward_and_metrics_for_each_trajectory(exact: Rewarder, client: GraderClient) -> None:
    builder = tinker.GraderGroupBuilder(Envs(), exact, {"answer": "4"}, decode=decode)

    async def main() -> Any:
        envs = await builder.make_envs()
        found = await builder.compute_group_rewards([stand_ins.tinker_trajectory([n]) for n in (4, 5)], envs)
        await builder.cleanup()
        return found

    assert asyncio.run(main()) == [
        (1.0, {"graded": 1.0, "distance": 0.0}),
        (0.0, {"graded": 1.0, "distance": 1.0}),
    ]
    assert builder.logging_tags() == ["math"]
    broken = tinker.GraderGroupBuilder(Envs(), exact, {}, decode=decode)
    with pytest.raises(UngradedSamples):
        asyncio.run(broken.compute_group_rewards([stand_ins.tinker_trajectory([4])], [None]))
    assert pickle.dumps(tinker.GraderGroupBuilder(Envs(), client, {}, decode=decode))


# OpenEnv: `rubric(action, observation)`, awaited where `forward` is a coroutine function


def test_openenv_calls_or_awaits_the_rubric(exact: Rewarder, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_ins.install(monkeypatch, openenv__core__rubrics={"Rubric": stand_ins.Rubric})
    action, observation = SimpleNamespace(message="4"), SimpleNamespace(answer="4")
    assert openenv.rubric(exact)(action, observation) == 1.0
    asynchronous = openenv.rubric(exact, asynchronous=True)
    assert inspect.iscoroutinefunction(asynchronous.forward)
    assert asyncio.run(asynchronous(action, observation)) == 1.0
    with pytest.raises(UngradedSamples):
        openenv.rubric(exact)(action, SimpleNamespace())
    assert openenv.rubric(exact, on_failure=0)(action, SimpleNamespace()) == 0.0


# eval-protocol: `f(messages=, ground_truth=, **kwargs)` → `EvaluateResult`


def test_eval_protocol_gets_a_valid_score_or_says_that_it_is_none(
    graders: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = {"EvaluateResult": stand_ins.EvaluateResult, "MetricResult": stand_ins.MetricResult}
    stand_ins.install(monkeypatch, eval_protocol__models=models)
    messages = [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}]
    with GraderClient(graders, "truth") as client:
        reward = eval_protocol.Reward(client)
        graded = reward(messages=messages, ground_truth="4", tools=[], original=object())
        ungraded = reward(messages=messages, ground_truth=BROKEN)
    assert (graded.score, graded.is_score_valid) == (1.0, True)
    assert (ungraded.score, ungraded.is_score_valid) == (0.0, False)
    assert ungraded.reason.startswith("ungraded: ")


# Inspect: `await score(state, target)` → `Score`


def test_inspect_gets_a_score_or_an_unscored_one(graders: str, monkeypatch: pytest.MonkeyPatch) -> None:
    members = {
        "Score": stand_ins.Score,
        "scorer": stand_ins.scorer,
        "mean": lambda: "mean",
        "stderr": lambda: "stderr",
    }
    stand_ins.install(monkeypatch, inspect_ai__scorer=members)
    state = SimpleNamespace(metadata={"a": 1}, input_text="2+2?", output=SimpleNamespace(completion="4"))
    with GraderClient(graders, "target") as client:
        score = grader_scorer(client)
        graded = asyncio.run(score(state, SimpleNamespace(text="4")))
        ungraded = asyncio.run(score(state, SimpleNamespace(text=BROKEN)))
    assert (graded.value, graded.reason) == (1.0, None)
    assert np.isnan(ungraded.value)
    assert ungraded.reason == "scoring_failed"
    assert ungraded.explanation


# Bedrock and SageMaker: `lambda_handler(event, context)`


def lambda_row(name: str, answer: Any, content: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": content}]
    return {"id": name, "messages": messages, "reference_answer": {"answer": answer}, "task_id": "t"}


def test_a_lambda_gets_its_rewards_by_id(graders: str) -> None:
    event = [
        lambda_row("a", "4", "4"),
        lambda_row("b", "4", [{"text": "5"}]),
        lambda_row("c", "5", [{"text": "5"}]),
    ]
    with GraderClient(graders, "reference") as client:
        handler = aws_lambda.Handler(client)
        found = handler(event, SimpleNamespace(aws_request_id="1"))
        assert [(each["id"], each["aggregate_reward_score"]) for each in found] == [
            ("a", 1.0),
            ("b", 0.0),
            ("c", 1.0),
        ]
        distance = {"name": "distance", "value": 0.0, "type": "Metric"}
        assert found[0]["metrics_list"] == [distance, {"name": "graded", "value": 1.0, "type": "Metric"}]
        assert handler(event[0], None)[0]["aggregate_reward_score"] == 1.0
        with pytest.raises(UngradedSamples):
            handler([*event, lambda_row("d", BROKEN, "4")], None)
        mean = aws_lambda.Handler(client, on_failure="group_mean")
        group = [lambda_row("a", "4", "4"), lambda_row("b", "4", "5"), lambda_row("c", BROKEN, "5")]
        assert [each["aggregate_reward_score"] for each in mean(group, None)] == [1.0, 0.0, 0.5]
        with pytest.raises(ValueError, match=r"event: expected a list of rows"):
            handler({"body": "x"}, None)


# files that are written for trainers


def test_the_file_is_written_by_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verl", "--url", "http://host:1", "--grader", "math", "--on-failure", "0.5"]) == 0
    text = capsys.readouterr().out
    assert "GraderClient('http://host:1', 'math', api_key=os.environ.get('GRADERS_API_KEY') or None)" in text
    assert "on_failure=0.5" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["verl", "--grader", "m", "--url", "nowhere"], "url: expected"),
        (["verl", "--grader", "m", "--on-failure", "null"], "on_failure: expected one of"),
        (["openrlhf", "--grader", "m", "--on-failure", "raise"], "on_failure: expected one of"),
        (["else", "--grader", "m"], "invalid choice"),
    ],
)
def test_a_wrong_argument_of_the_command_is_named(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err

"""Plugins in worker processes: one that misbehaves costs exactly its own grading."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from hostile_graders.reaching import reach_files

from graders import ConfigurationError, PluginError, Registry
from graders.registry import Entry
from runtime import Evaluator, Settings

HOSTILE = {"type": "hostile"}
SERVER, RUNTIME = "python_grader_server_error", "python_grader_runtime_error"

MISDEEDS = {
    "spin": ("unresponsive_reward_error", "timeout", "no reward within 4 s"),
    "allocate": (SERVER, "memory_limit", "more memory than it may"),
    "exit": (SERVER, "worker_exited", "exited with status 3"),
    "segfault": (SERVER, "worker_exited", "killed by SIGSEGV"),
    "imitate": (SERVER, "worker_exited", "the worker sent an invalid request"),
    "sys_exit": (RUNTIME, None, "SystemExit: 4"),
    "raise": (RUNTIME, None, "Unpicklable: (its message cannot be shown)"),
    "recurse": (RUNTIME, None, "RecursionError"),
    "unplain": (RUNTIME, None, "not plain data"),
    "return nan": (RUNTIME, None, "a finite number, not nan"),
    "return inf": (RUNTIME, None, "a finite number, not inf"),
    "return none": (RUNTIME, None, "a reward is a number, not None"),
    "return text": (RUNTIME, None, "not str '1.0'"),
    "return huge": (RUNTIME, None, "too large for a float"),
    "return two": (RUNTIME, None, "outside the range 0 to 1"),
}


COUNTS = [100, pytest.param(1_000, marks=pytest.mark.slow)]


@pytest.mark.few(8)
@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("misdeed", MISDEEDS)
async def test_a_misdeed_among_many_gradings_costs_exactly_its_own(
    evaluator: Evaluator, misdeed: str, count: int
) -> None:
    samples, bad = [f"good {n}" for n in range(count)], count // 2
    samples[bad] = misdeed
    gradings = await evaluator.grade_many(HOSTILE, samples, [{}] * len(samples))
    assert [n for n, reward in enumerate(gradings.rewards) if reward != 1.0] == [bad]
    failure = gradings[bad].failure
    kind, detail, message = MISDEEDS[misdeed]
    assert failure is not None
    assert (failure.kind, failure.caused_by, failure.details.get("type")) == (kind, "grader", detail)
    assert message in failure.message
    assert gradings[bad].reward is None
    assert gradings.ungraded == 1


@pytest.mark.parametrize("count", COUNTS)
async def test_the_misdeeds_together_leave_the_other_gradings_right_and_in_order(
    evaluator: Evaluator, count: int
) -> None:
    misdeeds = ("exit", "raise", "return nan", "allocate", "segfault")[: 3 if count < 1_000 else 5]
    bad = {count * (2 * n + 1) // 10: misdeed for n, misdeed in enumerate(misdeeds)}
    samples = [bad.get(n, f"good {n}") for n in range(count)]
    gradings = await evaluator.grade_many(HOSTILE, samples, [{}] * len(samples))
    assert [n for n, reward in enumerate(gradings.rewards) if reward != 1.0] == sorted(bad)


FORGED = [
    "no JSON",
    '{"done":1,"rewards":[1.0]}',
    '{"done":NUMBER,"rewards":[7.0]}',
    '{"done":NUMBER,"results":[{"reward":null}]}',
    "[" * 50_000,
]
"""What is no frame, of another grading, out of range, no result, and too deep; the misdeed `imitate` sends a question."""
ALSO_FORGED = [
    '{"number":NUMBER,"call":"grade_all","graders":[],"sample":"","item":{}}',
    "[1]",
    '{"done":{}}',
    '{"done":0}',
    '{"done":NUMBER,"rewards":[]}',
    '{"done":NUMBER,"rewards":[[[{}]]]}',
    '{"done":NUMBER,"rewards":[NaN]}',
    '{"done":NUMBER,"results":[{"reward":1.0,"metrics":{"a":NaN}}]}',
]


def usual_and_slow(usual: list[str], more: list[str]) -> list[Any]:
    """Parameters: each one costs a new worker, so that more of the same kinds belong to the slow tests."""
    return [*usual, *(pytest.param(each, marks=pytest.mark.slow) for each in more)]


@pytest.mark.full
@pytest.mark.parametrize("forged", usual_and_slow(FORGED, ALSO_FORGED))
async def test_what_a_worker_sends_is_checked_like_a_strangers(evaluator: Evaluator, forged: str) -> None:
    result = await evaluator.grade(HOSTILE, f"forge {forged}")
    assert result.reward is None
    assert result.failure is not None
    assert result.failure.caused_by == "grader"
    assert (await evaluator.grade(HOSTILE, "good")).reward == 1.0


@pytest.mark.parametrize("seconds", usual_and_slow(["1e999", '"a"'], ["NaN", str(10**400), "null"]))
async def test_a_time_that_is_none_does_no_harm(evaluator: Evaluator, seconds: str) -> None:
    result = await evaluator.grade(HOSTILE, f'forge {{"done":NUMBER,"rewards":[0.5],"seconds":{seconds}}}')
    assert (result.reward, result.execution_time) == (0.5, 0.0)


async def test_an_answer_that_was_forged_is_not_taken_for_the_next_gradings(evaluator: Evaluator) -> None:
    first = await evaluator.grade(HOSTILE, 'forge {"done":NUMBER,"rewards":[0.5]}')
    rest = [await evaluator.grade(HOSTILE, text) for text in ("return none", "return text", "good")]
    assert first.reward == 0.5
    assert [result.reward for result in rest] == [None, None, 1.0]


async def test_a_plugin_that_prints_megabytes_is_graded(evaluator: Evaluator) -> None:
    assert (await evaluator.grade(HOSTILE, "print")).reward == 1.0


async def test_a_failure_that_the_plugin_says_the_model_caused_is_graded_lowest(evaluator: Evaluator) -> None:
    result = await evaluator.grade(HOSTILE, "blame")
    assert result.reward == 0.0
    assert result.failure is not None
    assert (result.failure.kind, result.failure.caused_by) == ("sample_parse_error", "model")


@pytest.mark.full
async def test_a_grading_whose_worker_died_of_something_else_is_done_again(
    quick: Settings, tmp_path: Path
) -> None:
    settings = quick.model_copy(update={"plugin_needs": {"reach_files": frozenset({"files"})}})
    async with Evaluator(Registry.installed().including(reach_files), settings) as evaluator:
        result = await evaluator.grade({"type": "reach_files"}, f"exit_once {tmp_path}/flag")
    assert (result.reward, result.explanation) == (1.0, "again")


async def test_an_evaluator_that_is_closed_starts_no_worker(quick: Settings) -> None:
    evaluator = Evaluator(settings=quick)
    starting = asyncio.create_task(evaluator.prepare(HOSTILE))
    await asyncio.sleep(0.05)
    await evaluator.aclose()
    with pytest.raises(RuntimeError, match="the evaluator is closed"):
        await starting
    with pytest.raises(RuntimeError, match="the evaluator is closed"):
        await evaluator.grade(HOSTILE, "good")


async def test_a_plugin_that_does_not_import_says_so_before_the_first_grading(quick: Settings) -> None:
    registry = Registry([Entry("gone", "hostile_graders.unimportable:nothing", "some-plugin", "2.0")])
    async with Evaluator(registry, quick) as evaluator:
        with pytest.raises(PluginError, match=r"'gone' of some-plugin 2\.0: cannot import .* libmissing\.so"):
            await evaluator.grade_many({"type": "gone"}, ["a"], [{}])


async def test_a_plugin_that_imports_only_here_says_so_before_the_first_grading(quick: Settings) -> None:
    registry = Registry(
        [Entry("unimportable_in_worker", "hostile_graders.worker_only:unimportable_in_worker")]
    )
    async with Evaluator(registry, quick) as evaluator:
        with pytest.raises(PluginError, match=r"does not load in a worker: .* KeyError: 'HOME'"):
            await evaluator.grade({"type": "unimportable_in_worker"}, "a")


async def test_a_worker_sees_no_variable_of_its_evaluator(quick: Settings) -> None:
    os.environ["GRADERS_TEST_CANARY"] = "sesame"
    try:
        async with Evaluator(settings=quick) as evaluator:
            result = await evaluator.grade(HOSTILE, "environment GRADERS_TEST_CANARY")
    finally:
        del os.environ["GRADERS_TEST_CANARY"]
    assert result.explanation == "None"


@pytest.mark.full
async def test_a_deadline_ends_what_runs_and_keeps_what_is_done(evaluator: Evaluator) -> None:
    samples = ["good 1", "spin", *(f"good {n}" for n in range(2, 20))]
    # a worker that another test has ended is started before the deadline begins
    await evaluator.grade(HOSTILE, "good")
    gradings = await evaluator.grade_many(HOSTILE, samples, [{}] * 20, deadline_s=3.0)
    failure = gradings[1].failure
    assert gradings.rewards[0] == 1.0
    assert failure is not None
    assert (failure.kind, failure.caused_by, failure.retryable) == (
        "unresponsive_reward_error",
        "infrastructure",
        True,
    )
    assert gradings[1].reward is None


@pytest.mark.full
async def test_a_grader_inside_a_plugin_runs_through_its_context_at_any_depth(evaluator: Evaluator) -> None:
    inner = {"type": "keyword", "words": ["cat", "dog"]}
    middle = {"type": "best_of", "graders": {"keyword": inner, "exact": _exact("cat")}}
    outer = {"type": "best_of", "graders": {"middle": middle, "never": _exact("nothing")}}
    assert (await evaluator.grade(outer, "a cat")).reward == 0.5
    assert (await evaluator.grade(outer, "cat")).reward == 1.0


async def test_as_many_nested_gradings_as_there_are_workers_do_not_wait_for_each_other(
    evaluator: Evaluator,
) -> None:
    grader = {"type": "best_of", "graders": {"a": {"type": "best_of", "graders": {"b": _exact("cat")}}}}
    gradings = await evaluator.grade_many(grader, [f"cat{n}" for n in range(40)], [{}] * 40)
    assert gradings.rewards.tolist() == [0.0] * 40


async def test_a_worker_without_services_says_which_is_missing(evaluator: Evaluator) -> None:
    result = await evaluator.grade(HOSTILE_ASYNC, "sandbox")
    assert result.reward is None
    assert result.failure is not None
    assert result.failure.caused_by == "infrastructure"
    assert result.failure.details["type"] == "sandbox_unavailable"


async def test_a_row_that_is_not_plain_data_is_ungraded_and_named(evaluator: Evaluator) -> None:
    result = await evaluator.grade({"type": "keyword", "words": ["a"]}, "a", {"image": {1}})
    assert result.reward is None
    assert "cannot be sent to a worker: it is not plain data" in (result.explanation or "")


async def test_equal_samples_are_graded_once(evaluator: Evaluator, tmp_path: Path) -> None:
    tally = {"type": "tally", "path": str(tmp_path / "tally")}
    gradings = await evaluator.grade_many(tally, ["one", "two", "one", "one"], [{}] * 4)
    assert gradings.rewards.tolist() == [0.3, 0.3, 0.3, 0.3]
    assert sorted((tmp_path / "tally").read_text().split()) == ["one", "two"]


async def test_a_cancelled_batch_leaves_the_evaluator_usable(evaluator: Evaluator) -> None:
    grading = asyncio.create_task(
        evaluator.grade_many({"type": "slow", "seconds": 0.5}, [f"{n}" for n in range(100)], [{}] * 100)
    )
    await asyncio.sleep(0.3)
    grading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await grading
    assert (await evaluator.grade({"type": "slow", "seconds": 0.0}, "after")).reward == 1.0


async def test_a_group_grader_scores_runs_of_equal_items_together(evaluator: Evaluator) -> None:
    samples, items = ["a", "bbb", "cc", "d"], [{"q": 1}, {"q": 1}, {"q": 2}, {"q": 2}]
    gradings = await evaluator.grade_many({"type": "longest"}, samples, items)
    assert gradings.rewards.tolist() == [0.0, 1.0, 1.0, 0.0]


async def test_a_lone_score_is_never_spread_over_a_group(evaluator: Evaluator) -> None:
    results = await evaluator.grade_group({"type": "longest", "lone": True}, ["a", "bb"])
    assert [result.reward for result in results] == [None, None]
    assert "one score for each of the 2 samples" in (results[0].explanation or "")


async def test_a_plugin_that_no_longer_starts_leaves_what_waits_ungraded_with_the_cause(
    quick: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    registry = Registry([Entry("fragile", "hostile_graders.fragile:fragile", "p", "1")])
    settings = quick.model_copy(update={"worker_environment": {"FRAGILE": str(tmp_path / "gone")}})
    os.environ["FRAGILE"] = str(tmp_path / "gone")
    try:
        async with Evaluator(registry, settings) as evaluator:
            grader = await evaluator.prepare({"type": "fragile"})
            (tmp_path / "gone").touch()
            result = await evaluator.grade(grader, "die")
    finally:
        del os.environ["FRAGILE"]
    assert result.reward is None
    assert result.failure is not None
    assert (result.failure.caused_by, result.failure.details["type"]) == ("infrastructure", "worker_start")
    assert "the library is gone" in result.failure.message
    assert "a worker for fragile was given up" in caplog.text


async def test_a_class_plugin_is_prepared_and_graded(evaluator: Evaluator) -> None:
    gradings = await evaluator.grade_many(
        {"type": "starts_with", "prefix": "The"}, ["the end", "an end"], [{}] * 2
    )
    assert gradings.rewards.tolist() == [1.0, 0.0]


async def test_a_bad_option_of_a_plugin_is_a_configuration_error(evaluator: Evaluator) -> None:
    with pytest.raises(ConfigurationError, match="words: expected a list, got 'cat'"):
        await evaluator.grade({"type": "keyword", "words": "cat"}, "a")


def _exact(text: str) -> dict[str, str]:
    return {"type": "string_check", "input": "{{sample.output_text}}", "reference": text, "operation": "eq"}


HOSTILE_ASYNC = {"type": "asks"}

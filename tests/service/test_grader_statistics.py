"""Statistics of named graders: what is ungraded enters no mean, and the sums of all processes add up."""

import math
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from graders import Failure, FailureKind, GraderInfo, GraderResult
from runtime import Settings
from service.store import GraderSums, NamedGraders, Store
from service.store.failures import StorageFailed
from service.store.graders import GraderVersion
from service.store.sums import NO_STEP, Figure, Series
from service.telemetry.grader_statistics import Statistics
from service.telemetry.shown_statistics import shown_statistics
from tests.judge_server import JudgeServer, verdict

GRADE, BATCH, NAMES = "/v1/grade", "/v1/grade/batch", "/v1/graders"
LINES = {"accept": "application/x-ndjson"}
EQUAL = {
    "type": "string_check",
    "name": "equal",
    "input": "{{sample.output_text}}",
    "reference": "{{item.answer}}",
    "operation": "eq",
}
BOTH = {
    "type": "multi",
    "name": "both",
    "graders": {"same": EQUAL, "close": {**EQUAL, "operation": "like"}},
    "calculate_output": "(same + close) / 2",
}
ROWS = [
    *({"sample": sample, "item": {"answer": "4"}} for sample in ("4", "5", "4")),
    *({"sample": "7", "item": {"answer": "7"}} for _ in range(2)),
    {"sample": "7", "item": {}},  # ungraded
]
"""A group with two rewards, one whose rewards are all equal, and a row by itself."""

Serve = Callable[[Settings], AbstractContextManager[str]]


@pytest.fixture(scope="module")
def http(url: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=url, timeout=30) as bare:
        yield bare


def named(http: httpx2.Client, grader: Mapping[str, Any]) -> str:
    name = f"s{uuid.uuid4().hex}"
    assert http.put(f"{NAMES}/{name}", json={"grader": grader}).status_code == 201
    return name


def stats(http: httpx2.Client, name: str, **query: int) -> dict[str, Any]:
    reply = http.get(f"{NAMES}/{name}/stats", params=query)
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


@pytest.mark.full
@pytest.mark.parametrize("headers", [{}, LINES], ids=["json", "lines"])
def test_what_is_ungraded_is_counted_and_enters_no_mean(http: httpx2.Client, headers: dict[str, str]) -> None:
    name = named(http, EQUAL)
    body = {"name": name, "rows": ROWS, "split": "valid"}
    assert http.post(BATCH, json=body, headers=headers).status_code == 200
    found = stats(http, name)
    assert (found["object"], found["name"], found["version"], found["step"]) == (
        "grader.stats",
        name,
        1,
        None,
    )
    valid = found["splits"]["valid"]
    assert valid.pop("execution_latency_mean") > 0
    assert valid == {
        "gradings": 6,
        "graded": 5,
        "ungraded": 1,
        "ungraded_causes": {"invalid_variable_error": 1},
        "failures": {
            "model": {"flagged": 0, "substituted": 0, "ungraded": 0},
            "grader": {"flagged": 0, "substituted": 0, "ungraded": 1},
            "infrastructure": {"flagged": 0, "substituted": 0, "ungraded": 0},
        },
        "reward_mean": 0.8,
        "reward_std": pytest.approx(0.4),
        "errors": {"invalid_variable_error": 1},
        "tokens": {},
        "groups": {"count": 2, "equal": 1, "frac_reward_zero_std": 0.5},
        "graders": {},
    }
    metrics = found["metrics"]
    assert metrics["valid_reward_mean"] == metrics["full_valid_mean_reward"] == 0.8
    assert metrics["scores/graders/string_check/equal/valid_reward_mean"] == 0.8
    assert metrics["errors/graders/string_check/equal/valid_invalid_variable_error_count"] == 1
    assert metrics["errors/graders/string_check/equal/valid_invalid_variable_error_mean"] == 1 / 6
    assert metrics["errors/graders/string_check/equal/valid_sample_parse_error_mean"] == 0
    assert metrics["timing/graders/string_check/equal/valid_execution_latency_mean"] > 0
    assert metrics["valid_frac_reward_zero_std"] == 0.5
    assert metrics["valid_ungraded_mean"] == 1 / 6
    assert metrics["full_valid_mean_parse_error"] == 0
    assert found["splits"]["train"]["gradings"] == 0
    for nothing in ("train_reward_mean", "train_mean_reward", "mean_unresponsive_rewards"):
        assert metrics[nothing] is None


def test_steps_and_splits_and_versions_are_apart(http: httpx2.Client) -> None:
    name = named(http, EQUAL)
    for sample, fields in (
        ("4", {}),
        ("5", {"step": 0}),
        ("4", {"step": 7}),
        ("5", {"step": 7}),
        ("4", {"step": 7, "split": "valid"}),
    ):
        body = {"name": name, "sample": sample, "item": {"answer": "4"}, **fields}
        assert http.post(GRADE, json=body).status_code == 200

    def counted(**query: int) -> tuple[Any, ...]:
        found = stats(http, name, **query)
        return (
            *(found["splits"][split]["gradings"] for split in ("train", "valid")),
            *(found["metrics"][f"{split}_reward_mean"] for split in ("train", "valid")),
        )

    assert counted() == (4, 1, 0.5, 1.0)
    assert counted(step=0) == (1, 0, 0.0, None)
    assert counted(step=7) == (2, 1, 0.5, 1.0)
    assert counted(step=8) == (0, 0, None, None)
    assert http.put(f"{NAMES}/{name}", json={"grader": {**EQUAL, "operation": "ne"}}).status_code == 201
    assert counted() == (0, 0, None, None)
    assert counted(version=1) == (4, 1, 0.5, 1.0)
    for query in ({"step": "-1"}, {"step": "x"}, {"version": "0"}):
        reply = http.get(f"{NAMES}/{name}/stats", params=query)
        assert (reply.status_code, reply.json()["error"]["param"]) == (400, next(iter(query)))


def test_each_part_of_a_grader_has_its_own(http: httpx2.Client) -> None:
    name = named(http, BOTH)
    for sample in ("4", "41"):
        body = {"name": name, "sample": sample, "item": {"answer": "4"}}
        assert http.post(GRADE, json=body).status_code == 200
    found = stats(http, name)
    parts = found["splits"]["train"]["graders"]
    assert {key: part["reward_mean"] for key, part in parts.items()} == {"same": 0.5, "close": 1.0}
    assert {key: part["gradings"] for key, part in parts.items()} == {"same": 2, "close": 2}
    metrics = found["metrics"]
    assert metrics["train_reward_mean"] == metrics["scores/graders/multi/both/train_reward_mean"] == 0.75
    assert metrics["scores/graders/string_check/same/train_reward_mean"] == 0.5
    assert metrics["scores/graders/string_check/close/train_reward_mean"] == 1.0


@pytest.mark.full
def test_judge_tokens_are_summed_up_by_model(quick: Settings, serve: Serve, tmp_path: Path) -> None:
    judged = {
        "type": "score_model",
        "name": "judged",
        "model": "judge",
        "input": [{"role": "user", "content": "{{sample.output_text}}"}],
    }
    with JudgeServer([verdict(0.5, usage=(11, 3))]) as server:
        own = quick.model_copy(
            update={
                "judges": Settings(judges={"judge": {"base_url": server.url}}).judges,
                "judge_cache_mb": 0,
                "database": str(tmp_path / "service.sqlite"),
            }
        )
        with serve(own) as url, httpx2.Client(base_url=url, timeout=30) as http:
            name = named(http, judged)
            rows = [{"sample": "a"}, {"sample": "b"}]
            assert http.post(BATCH, json={"name": name, "rows": rows}).json()["counts"]["graded"] == 2
            found = stats(http, name)
    (tokens,) = found["splits"]["train"]["tokens"].values()
    assert (tokens["prompt_tokens"], tokens["completion_tokens"]) == (22, 6)
    metrics = found["metrics"]
    assert metrics["usage/graders/score_model/judged/train_prompt_tokens_count"] == 22
    assert metrics["usage/graders/score_model/judged/train_completion_tokens_mean"] == 3
    (usage,) = found["model_graders_token_usage"].values()
    assert (usage["train_prompt_tokens"], usage["train_completion_tokens"]) == (22, 6)


def result(reward: float | None, **fields: Any) -> GraderResult:
    return GraderResult(
        reward, grader=GraderInfo("g", "t", "s", range=(-math.inf, math.inf)), execution_time=1.0, **fields
    )


def failed(kind: FailureKind, **details: Any) -> Failure:
    return Failure(kind=kind, caused_by="infrastructure", message="it failed", details=details)


@pytest.fixture(params=["sqlite", "postgresql"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """An empty one of each kind."""
    sqlite = str(tmp_path / "service.sqlite")
    async with Store(
        sqlite if request.param == "sqlite" else request.getfixturevalue("postgresql")
    ) as opened:
        yield opened


async def a_series(store: Store, name: str = "n", **fields: Any) -> Series:
    made = GraderVersion(
        identity="i", digest="d", signature="s", config={}, shown={}, labels=None, created_at=1
    )
    stored, _ = await NamedGraders(store).put(name, made)
    return Series(
        **{"grader_id": stored.grader.id, "version": 1, "split": "train", "step": NO_STEP, **fields}
    )


async def test_sums_are_added_to_those_that_are_there(store: Store) -> None:
    sums, series = GraderSums(store), await a_series(store)
    other = series._replace(step=2**63 - 1)
    await sums.add({series: {("", "a"): 1.5, ("p", "a"): 2.0}, other: {("", "a"): 10.0}})
    await sums.add({series: {("", "a"): 0.5, ("", "b"): -1.0}})
    everything: dict[str, dict[Figure, float]] = {
        "train": {("", "a"): 12.0, ("p", "a"): 2.0, ("", "b"): -1.0}
    }
    assert await sums.read(series.grader_id, 1, None) == everything
    assert await sums.read(series.grader_id, 1, 2**63 - 1) == {"train": {("", "a"): 10.0}}
    assert await sums.read(series.grader_id, 2, None) == {}


async def test_what_is_counted_of_a_deleted_grader_goes_with_it(store: Store) -> None:
    sums, gone, stays = GraderSums(store), await a_series(store), await a_series(store, "stays")
    assert await NamedGraders(store).delete("n")
    await sums.add({gone: {("", "a"): 1.0}, stays: {("", "a"): 1.0}})
    assert await sums.read(gone.grader_id, 1, None) == {}
    assert await sums.read(stays.grader_id, 1, None) == {"train": {("", "a"): 1.0}}


async def test_flags_causes_and_strange_parts_are_counted(store: Store) -> None:
    statistics, series = Statistics(GraderSums(store)), await a_series(store)
    late = failed(FailureKind.UNRESPONSIVE_REWARD, type="timeout")
    parse = Failure(kind=FailureKind.SAMPLE_PARSE, caused_by="model", message="no JSON")
    statistics.observe(series, result(None, failure=late))
    statistics.observe(series, result(None, failure=failed(FailureKind.OTHER, type="a plugin's own words")))
    statistics.observe(series, result(-1.0, failure=parse))
    statistics.observe(series, result(4.0, sub_rewards={"\0": 1.0, "": 3.0, "k" * 200: None}))
    found = shown_statistics({"type": "t", "name": "g"}, await statistics.read(series.grader_id, 1, None))
    train, metrics = found["splits"]["train"], found["metrics"]
    assert (train["gradings"], train["graded"], train["reward_mean"]) == (4, 2, 1.5)
    assert train["reward_std"] == 2.5
    assert train["ungraded_causes"] == {"timeout": 1, "other": 1}
    assert train["errors"] == {"unresponsive_reward_error": 1, "other_error": 1, "sample_parse_error": 1}
    assert metrics["mean_unresponsive_rewards"] == metrics["train_mean_parse_error"] == 0.25
    assert {key: part["reward_mean"] for key, part in train["graders"].items()} == {
        "\ufffd": 1.0,
        "''": 3.0,
        "k" * 100: None,
    }


async def test_what_the_store_does_not_take_is_kept_for_later(store: Store) -> None:
    statistics, series = Statistics(GraderSums(store)), await a_series(store)
    statistics.observe(series, result(1.0))
    async with store.write() as session:
        await session.execute(text("ALTER TABLE grader_sums RENAME TO elsewhere"))
    for _ in range(2):
        with pytest.raises(StorageFailed):
            await statistics.flush()
    statistics.observe(series, result(0.0))
    async with store.write() as session:
        await session.execute(text("ALTER TABLE elsewhere RENAME TO grader_sums"))
    found = await statistics.read(series.grader_id, 1, None)
    assert found["train"]["", "graded"] == 2
    assert found["train"]["", "rewards"] == 1.0


async def test_so_much_waits_and_no_more(tmp_path: Path) -> None:
    async with Store(str(tmp_path / "s.sqlite")) as store:
        statistics, series = Statistics(GraderSums(store), held=20), await a_series(store)
        for step in range(100):
            statistics.observe(series._replace(step=step), result(1.0))
        found = await statistics.read(series.grader_id, 1, None)
        # each has five sums
        assert found["train"]["", "gradings"] == 4
        statistics.observe(series._replace(step=99), result(1.0))
        assert (await statistics.read(series.grader_id, 1, None))["train"]["", "gradings"] == 5


async def test_rewards_beyond_measure_leave_numbers(store: Store) -> None:
    statistics, series = Statistics(GraderSums(store)), await a_series(store)
    for reward in (1.7e308, 1.7e308, -1.7e308):
        statistics.observe(series, result(reward))
    for _ in range(2):
        found = shown_statistics(
            {"type": "t", "name": "g"}, await statistics.read(series.grader_id, 1, None)
        )["splits"]["train"]
        assert found["graded"] == 3
        assert math.isfinite(found["reward_mean"])
        assert math.isfinite(found["reward_std"])

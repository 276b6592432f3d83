"""What is counted, under which labels, and that the processes of one service count together."""

import asyncio
import contextlib
import math
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai import OpenAI
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from graders import Failure, FailureKind, FailureType, GraderResult
from graders.contract import CausedBy, GraderInfo
from graders.pattern import encodable
from runtime import Evaluator, Settings
from runtime.evaluation.cost_class import Cost
from runtime.settings.judges import JudgeModel
from runtime.telemetry.outcomes import OTHER
from service.telemetry.metrics import NAME_CHARACTERS, Metrics
from tests.judge_server import JudgeServer, verdict
from tests.runtime.sandbox.isolation import ISOLATES
from tests.service.serving import CHECK, RUN, serving

Serve = Callable[[Settings], contextlib.AbstractContextManager[str]]


def samples(text: bytes | str) -> Iterator[tuple[str, dict[str, str], float]]:
    """Every number of an exposition, read by Prometheus's own parser."""
    text = text if isinstance(text, str) else text.decode()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            yield sample.name, sample.labels, sample.value


def number(text: bytes | str, name: str, **labels: str) -> float:
    """The sum of a figure's numbers that have these labels."""
    return sum(
        value for found, has, value in samples(text) if found == name and labels.items() <= has.items()
    )


def result(
    reward: float | None = 1.0, *, name: str = "g", kind: str = "string_check", **fields: Any
) -> GraderResult:
    info = GraderInfo(name, kind, "signature", range=(-math.inf, math.inf))
    return GraderResult(reward, grader=info, **fields)


def failed(caused_by: CausedBy, **details: Any) -> Failure:
    return Failure(kind=FailureKind.OTHER, caused_by=caused_by, message="it failed", details=details)


def shown(metrics: Metrics) -> bytes:
    metrics.catch_up()
    return metrics.show()[0]


def test_gradings_are_counted_by_outcome_and_cause() -> None:
    metrics = Metrics()
    flagged = failed("model", type="timeout")
    metrics.observe(
        [
            result(1.0),
            result(0.0),
            result(0.0, failure=flagged),
            result(0.5, parts={"inner": result(0.0, failure=flagged)}),
            result(None, failure=failed("infrastructure", type="budget_spent")),
            result(None, failure=failed("grader")),
            result(None, failure=failed("grader", type="a plugin's own words")),
            result(None, failure=failed("grader", type=["no", "text"])),
        ]
    )
    counted = {
        (labels["outcome"], labels["cause"]): value
        for name, labels, value in samples(shown(metrics))
        if name == "graders_gradings_total"
    }
    assert counted == {
        ("graded", ""): 2,
        ("flagged", "timeout"): 2,
        ("ungraded", "budget_spent"): 1,
        ("ungraded", "other_error"): 1,
        ("ungraded", "other"): 2,
    }


def test_every_type_and_every_kind_of_failure_is_told_apart() -> None:
    metrics = Metrics()
    names = [*FailureType, *FailureKind]
    metrics.observe([result(None, failure=failed("grader", type=str(name))) for name in names])
    assert {
        labels["cause"] for name, labels, _ in samples(shown(metrics)) if name == "graders_gradings_total"
    } == set(names)


def test_mean_and_deviation_of_the_rewards_follow_from_the_sums() -> None:
    rewards = [0.25, 1.0, -0.5, 0.75]
    metrics = Metrics()
    metrics.observe([*map(result, rewards), result(None, failure=failed("grader"))])
    text = shown(metrics)
    count = number(text, "graders_rewards_count", grader="g")
    mean = number(text, "graders_rewards_sum", grader="g") / count
    squares = number(text, "graders_rewards_squared_total", grader="g") / count
    assert count == 4
    assert mean == pytest.approx(statistics.mean(rewards))
    assert math.sqrt(squares - mean**2) == pytest.approx(statistics.pstdev(rewards))


def test_seconds_are_counted_by_type() -> None:
    metrics = Metrics()
    metrics.observe([result(execution_time=0.25), result(execution_time=0.5), result(kind="python")])
    text = shown(metrics)
    assert number(text, "graders_grading_seconds_sum", type="string_check") == 0.75
    assert number(text, "graders_grading_seconds_bucket", type="string_check", le="0.1") == 0
    assert number(text, "graders_grading_seconds_bucket", type="string_check", le="0.5") == 2
    assert number(text, "graders_grading_seconds_count", type="python") == 1


def test_strangers_have_no_more_names_than_are_allowed() -> None:
    metrics = Metrics(names=3)
    metrics.observe(result(name=f"grader {n}") for n in range(10))
    metrics.observe([result(name="grader 1")])
    counted = {
        labels["grader"]: value
        for name, labels, value in samples(shown(metrics))
        if name == "graders_rewards_count"
    }
    assert counted == {"grader 0": 1, "grader 1": 2, "grader 2": 1, OTHER: 7}


@given(st.lists(st.text(st.characters()) | st.sampled_from(['"} 1\nup 1', "\\", "\n", "\ud800", "é" * 999])))
def test_whatever_a_grader_is_called_the_exposition_is_valid(names: list[str]) -> None:
    metrics = Metrics()
    metrics.observe(result(name=name) for name in names)
    counted = Counter(encodable(name[:NAME_CHARACTERS]) for name in names)
    found = [
        (labels["grader"], value)
        for name, labels, value in samples(shown(metrics))
        if name == "graders_gradings_total"
    ]
    assert dict(found) == counted
    assert len(found) == len(counted)


async def test_the_depth_of_each_queue_is_what_it_is_when_it_is_asked_for() -> None:
    metrics = Metrics()
    depths: dict[Cost, int] = {"inline": 7, "judge": 2}
    following = asyncio.create_task(metrics.follow(dict, dict, lambda: depths))
    await asyncio.sleep(0)
    metrics.catch_up()
    seen = [shown(metrics)]
    depths["inline"] = 0
    metrics.catch_up()
    seen.append(shown(metrics))
    following.cancel()
    assert [number(text, "graders_queue_depth", cost="inline") for text in seen] == [7, 0]
    assert [number(text, "graders_queue_depth", cost="judge") for text in seen] == [2, 2]


def test_a_stranger_invents_no_methods() -> None:
    metrics = Metrics()
    metrics.answered("/readyz", "GET", 200, 0.1)
    metrics.answered("other", "MAKEUP", 405, 0.1)
    text = shown(metrics)
    assert number(text, "graders_http_requests_total", route="/readyz", method="GET", status="200") == 1
    assert number(text, "graders_http_requests_total", method=OTHER, status="405") == 1
    assert number(text, "graders_http_request_seconds_sum") == pytest.approx(0.2)


def test_the_service_counts_gradings_and_requests_by_the_route_as_it_is_written(serve: Serve) -> None:
    with serve(Settings()) as url, httpx2.Client(base_url=url) as client:
        for sample in "aab":
            assert client.post(RUN, json={"grader": CHECK, "model_sample": sample}).status_code == 200
        assert client.post("/openai" + RUN, json={}).status_code == 400
        assert client.get(RUN).status_code == 405
        assert client.get("/nowhere/secret").status_code == 404
        reply = client.get("/metrics")
    text = reply.text
    assert reply.headers["content-type"].startswith("text/plain")
    assert number(text, "graders_gradings_total", type="string_check", outcome="graded", cause="") == 3
    assert number(text, "graders_rewards_sum") == 2
    assert number(text, "graders_http_requests_total", route=RUN, method="POST", status="200") == 3
    assert number(text, "graders_http_requests_total", route="/openai" + RUN, status="400") == 1
    assert number(text, "graders_http_requests_total", method="GET", status="405") == 1
    assert number(text, "graders_http_requests_total", route=OTHER, status="404") == 1
    assert number(text, "graders_http_request_seconds_count", route=RUN, method="POST") == 3
    assert number(text, "graders_build_info") == 1
    assert "secret" not in text
    assert "_created" not in text


def test_metrics_come_as_openmetrics_if_the_client_accepts_it(url: str) -> None:
    reply = httpx2.get(f"{url}/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})
    assert reply.headers["content-type"].startswith("application/openmetrics-text")
    assert reply.text.endswith("# EOF\n")


@pytest.mark.full
def test_figures_need_a_key_where_keys_are_configured(serve: Serve) -> None:
    with serve(Settings(api_keys=(SecretStr("letmein"),))) as url:
        assert httpx2.get(f"{url}/metrics").status_code == 401
        assert httpx2.get(f"{url}/metrics", headers={"api-key": "letmein"}).status_code == 200


@pytest.mark.full
def test_judges_are_counted_once_however_often_they_are_looked_at(serve: Serve, tmp_path: Path) -> None:
    grader = {
        "type": "score_model",
        "model": "judge",
        "input": [{"role": "user", "content": "{{sample.output_text}}"}],
    }
    with JudgeServer([verdict(0.5, usage=(7, 3))]) as server:
        settings = Settings(
            judges={"*": JudgeModel(base_url=server.url, prompt_price=1000.0, completion_price=2000.0)},
            judge_cache=tmp_path / "verdicts.sqlite",
            judge_store=str(tmp_path / "judges.sqlite"),
        )
        with serve(settings) as url, httpx2.Client(base_url=url, timeout=30) as client:
            for sample in ("one", "one", "one", "one"):
                assert (
                    client.post(RUN, json={"grader": grader, "model_sample": sample}).json()["reward"] == 0.5
                )
                text = client.get("/metrics").text
    assert number(text, "graders_judge_judgements_total", model="judge") == 4
    assert number(text, "graders_judge_remembered_total", model="judge") == 3
    assert number(text, "graders_judge_requests_total", model="judge") == len(server.requests) == 1
    assert number(text, "graders_judge_hit_rate", model="judge") == 0.75
    assert number(text, "graders_judge_tokens_total", model="judge", kind="prompt_tokens") == 7
    assert number(text, "graders_judge_tokens_total", model="judge", kind="completion_tokens") == 3
    assert number(text, "graders_judge_money_total", model="judge") == pytest.approx(0.013)


@pytest.mark.full
def test_failed_judgements_are_counted_by_cause(serve: Serve) -> None:
    grader = {"type": "score_model", "model": "nobody", "input": [{"role": "user", "content": "hello"}]}
    with serve(Settings(judge_cache_mb=0)) as url:
        httpx2.post(f"{url}{RUN}", json={"grader": grader, "model_sample": "a"})
        text = httpx2.get(f"{url}/metrics").text
    assert number(text, "graders_gradings_total", outcome="ungraded", cause="judge_unavailable") == 1


@pytest.mark.full
def test_one_process_alone_writes_no_files(tmp_path: Path) -> None:
    with serving({"TMPDIR": str(tmp_path)}) as served:
        httpx2.post(f"{served.url}{RUN}", json={"grader": CHECK, "model_sample": "a"})
        assert number(httpx2.get(f"{served.url}/metrics").text, "graders_gradings_total") == 1
        assert not [file for file in tmp_path.rglob("*") if "metrics" in file.name or file.suffix == ".db"]


def test_the_rows_of_a_batch_are_counted_like_single_ones(url: str) -> None:
    before = _total(url, "batched")
    grader = {
        "type": "string_check",
        "name": "batched",
        "input": "{{sample.output_text}}",
        "reference": "{{item.answer}}",
        "operation": "eq",
    }
    rows = [
        {"sample": "a", "item": {"answer": "a"}},
        {"sample": "a", "item": {"answer": "b"}},
        {"sample": "a"},
    ]
    for accept in ("application/json", "application/x-ndjson"):
        body = {"grader": grader, "rows": rows}
        answer = httpx2.post(f"{url}/v1/grade/batch", json=body, headers={"accept": accept})
        assert answer.status_code == 200
    assert _total(url, "batched") - before == 6


@pytest.mark.parametrize("accept", ["application/json", "application/x-ndjson"])
def test_groups_are_counted_and_those_that_teach_nothing(url: str, accept: str) -> None:
    name = f"grouped {accept}"
    grader = {
        "type": "string_check",
        "name": name,
        "input": "{{sample.output_text}}",
        "reference": "{{item.answer}}",
        "operation": "eq",
    }
    samples = {
        "a": "aa",
        "b": "bc",
        "c": "cccc",
        "d": "d",
    }  # all right, half of them, all, and a group of none
    rows = [
        {"sample": sample, "item": {"answer": answer}} for answer, said in samples.items() for sample in said
    ]
    rows += [{"sample": "e", "item": {}}] * 2  # ungraded
    body = {"grader": grader, "rows": rows}
    assert httpx2.post(f"{url}/v1/grade/batch", json=body, headers={"accept": accept}).status_code == 200
    text = httpx2.get(f"{url}/metrics").text
    assert number(text, "graders_groups_total", grader=name) == 3
    assert number(text, "graders_groups_equal_total", grader=name) == 2


@pytest.mark.full
@ISOLATES
def test_processes_that_the_sandbox_loses_are_counted_by_cause(serve: Serve) -> None:
    sources = {
        "timeout": "while True: pass",
        "memory_limit": "return len(bytearray(1 << 40))",
        "output_limit": "print('x' * (2 << 20))\n    return 1",
        "exit": "import os; os._exit(3)",
        "signal": "import ctypes; ctypes.string_at(0)",
    }
    with serve(Settings(python_timeout_s=2.0, sandbox_output_mb=1)) as url, httpx2.Client(timeout=60) as http:
        for body in (*sources.values(), "return 1"):
            grader = {"type": "python", "source": f"def grade(sample, item):\n    {body}"}
            http.post(f"{url}{RUN}", json={"grader": grader, "model_sample": "a"}).raise_for_status()
        text = http.get(f"{url}/metrics").text
    counted = {
        labels["cause"]: value
        for name, labels, value in samples(text)
        if name == "graders_sandbox_kills_total" and value
    }
    assert counted == dict.fromkeys(sources, 1.0)


@ISOLATES
async def test_a_process_that_fails_many_gradings_is_lost_once() -> None:
    source = "def grade(sample, item):\n    raise MemoryError"
    async with Evaluator(settings=Settings(sandbox_processes=1)) as evaluator:
        rows: list[tuple[Any, Any]] = [({}, {"row": row}) for row in range(20)]
        answers = await evaluator.sandbox.grade(source, rows, isolation="batch")
        assert len(answers) == 20
        assert dict(evaluator.sandbox.kills) == {"memory_limit": 1}


@pytest.mark.full
def test_gradings_of_eval_runs_are_counted(serve: Serve, tmp_path: Path) -> None:
    settings = Settings(database=str(tmp_path / "service.sqlite"), files_dir=tmp_path / "files")
    rows = [{"item": {}, "sample": {"output_text": text}} for text in "aab"]
    with serve(settings) as url, OpenAI(base_url=f"{url}/v1", api_key="any", timeout=60) as client:
        evaluation = client.evals.create(
            data_source_config={"type": "custom", "item_schema": {}, "include_sample_schema": True},
            testing_criteria=[{**CHECK, "name": "in a run"}],  # type: ignore[list-item]  # a plain dictionary
        )
        source: Any = {"type": "jsonl", "source": {"type": "file_content", "content": rows}}
        run = client.evals.runs.create(evaluation.id, data_source=source)
        while client.evals.runs.retrieve(run.id, eval_id=evaluation.id).status in {"queued", "in_progress"}:
            time.sleep(0.02)
        text = httpx2.get(f"{url}/metrics").text
    assert number(text, "graders_gradings_total", grader="in a run", outcome="graded") == 3
    assert number(text, "graders_rewards_sum", grader="in a run") == 2


def _total(url: str, grader: str) -> float:
    families = text_string_to_metric_families(httpx2.get(f"{url}/metrics").text)
    return sum(
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == "graders_gradings_total" and sample.labels["grader"] == grader
    )

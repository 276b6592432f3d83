"""Rows that are graded by actors have the results that the evaluator would give them, whatever becomes of the actors."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from graders import ConfigurationError, GraderResult, PluginError, Registry
from runtime import Evaluator, Settings
from runtime.engines.clustered import ClusterEngine
from runtime.engines.dispatch import MAX_BYTES
from runtime.engines.in_process import InProcessCluster
from runtime.engines.messages import Answer, Task
from service.telemetry.tracing import OpenTelemetry
from tests.judge_server import JudgeServer, verdict

EXACT = {
    "type": "string_check",
    "name": "exact",
    "input": "{{sample.output_text}}",
    "reference": "{{item.answer}}",
    "operation": "eq",
}
JUDGED = {
    "type": "score_model",
    "name": "judged",
    "model": "m",
    "input": [{"role": "user", "content": "{{sample.output_text}}"}],
}
ENDS_ACTORS = "ends actors"


def ends_actors(rows: Sequence[Any]) -> bool:
    return any(ENDS_ACTORS in str(source) for source, _ in rows)


@asynccontextmanager
async def clustered(cluster: InProcessCluster, known: Settings, **engine: Any) -> AsyncIterator[Evaluator]:
    async with Evaluator(settings=known, engine=ClusterEngine(cluster, **engine)) as evaluator:
        yield evaluator


def told(result: GraderResult) -> GraderResult:
    """A result without the time that it took."""
    return result.replace(execution_time=0.0)


samples: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(["a", "b", ""]),
    st.sampled_from([{"output_text": "a"}, {"choices": []}, None, 3, {"wrong": 1}]),
)
items: st.SearchStrategy[Any] = st.sampled_from(
    [{"answer": "a"}, {"answer": "b"}, {}, None, {"answer": object()}]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=10)
@given(rows=st.lists(st.tuples(samples, items), max_size=40), room=st.integers(1, 3))
async def test_results_are_those_of_one_process(
    evaluator: Evaluator, quick: Settings, rows: list[Any], room: int
) -> None:
    texts, rows_items = [sample for sample, _ in rows], [item for _, item in rows]
    here = await evaluator.grade_many(EXACT, texts, rows_items)
    async with clustered(InProcessCluster(room), quick) as there:
        graded = await there.grade_many(EXACT, texts, rows_items)
        streamed = [each async for each in there.stream(EXACT, zip(texts, rows_items, strict=True))]
    assert list(map(told, graded)) == list(map(told, here))
    assert np.array_equal(graded.rewards, here.rewards, equal_nan=True)
    assert [position for position, _ in streamed] == list(range(len(rows)))
    assert [told(result) for _, result in streamed] == list(map(told, here))


async def test_lost_actors_change_no_result_and_no_row_is_graded_twice_over(quick: Settings) -> None:
    cluster, chunks = InProcessCluster(2), iter(range(10_000))
    cluster.outage = lambda rows: next(chunks) % 3 == 1
    texts = [str(n % 7) for n in range(20_000)]
    rows_items = [{"answer": str(n % 5)} for n in range(20_000)]
    async with clustered(cluster, quick) as evaluator:
        graded = await evaluator.grade_many(EXACT, texts, rows_items)
    expected = [float(n % 7 == n % 5) for n in range(20_000)]
    assert graded.rewards.tolist() == expected
    assert (len(graded), graded.ungraded) == (20_000, 0)
    assert cluster.started > 2


@pytest.mark.parametrize("bad", [[0], [999], [500, 501], [3, 700]])
async def test_a_row_that_ends_actors_is_found_and_alone_ungraded(quick: Settings, bad: list[int]) -> None:
    cluster = InProcessCluster(2, outage=ends_actors)
    texts = [ENDS_ACTORS if n in bad else "a" for n in range(1_000)]
    async with clustered(cluster, quick) as evaluator:
        graded = await evaluator.grade_many(EXACT, texts, [{"answer": "a"}] * 1_000)
    assert np.flatnonzero(np.isnan(graded.rewards)).tolist() == bad
    failure = graded[bad[0]].failure
    assert failure is not None
    assert (failure.caused_by, failure.details["type"]) == ("infrastructure", "worker_exited")
    assert "graded alone" in failure.message
    assert np.nansum(graded.rewards) == 1_000 - len(bad)


async def test_a_group_that_ends_actors_is_ungraded_as_a_whole(quick: Settings) -> None:
    grader = {"type": "rank", "model": "m", "criterion": "The best."}
    cluster = InProcessCluster(1, outage=ends_actors)
    async with clustered(cluster, quick) as evaluator:
        texts = ["", ENDS_ACTORS, "", "", "", ""]
        rows_items = [{"p": n // 2} for n in range(6)]
        graded = await evaluator.grade_many(grader, texts, rows_items)
    ended = [n for n, result in enumerate(graded) if "ended" in (result.explanation or "")]
    assert ended == [0, 1]


async def test_a_failing_actor_is_not_a_lost_one_and_its_rows_say_why(quick: Settings) -> None:
    class Failing(InProcessCluster):
        def start(self) -> Any:
            actor = super().start()
            actor.grade = fail  # type: ignore[method-assign]
            return actor

    async def fail(task: Task, rows: bytes) -> bytes:
        raise ZeroDivisionError("of the actor's")

    cluster = Failing(1)
    async with clustered(cluster, quick) as evaluator:
        graded = await evaluator.grade_many(EXACT, ["a", "b"], [{"answer": "a"}] * 2)
    assert graded.ungraded == 2
    assert "ZeroDivisionError" in str(graded[0].explanation)
    assert cluster.started == 1


async def test_where_no_actor_can_be_started_the_batch_is_refused_before_its_first_row(
    quick: Settings,
) -> None:
    class Refusing(InProcessCluster):
        async def open(self) -> None:
            raise ConfigurationError("cannot reach it")

    read: list[int] = []

    def rows() -> Any:
        read.append(1)
        yield "a", {}

    async with clustered(Refusing(1), quick) as evaluator:
        with pytest.raises(ConfigurationError, match="cannot reach it"):
            await anext(evaluator.stream(EXACT, rows()))
    assert not read


def without_exact() -> Registry:
    return Registry([])


async def test_what_a_machine_lacks_is_named_before_the_first_row(quick: Settings) -> None:
    cluster = InProcessCluster(2)
    async with clustered(cluster, quick, registry=without_exact) as evaluator:
        with pytest.raises(PluginError, match=r"not every machine .*: .*string_check"):
            await evaluator.grade_many(EXACT, ["a"], [{"answer": "a"}])
    assert not cluster.sent


async def test_limits_over_several_machines_need_a_store_that_they_share(
    quick: Settings, tmp_path: Path
) -> None:
    known = quick.model_copy(
        update={
            "judges": Settings(
                judges={"m": {"base_url": "http://127.0.0.1:9/v1", "requests_per_minute": 60}}
            ).judges,
            "judge_store": str(tmp_path / "judges.sqlite"),
        }
    )
    async with clustered(InProcessCluster(1, remote=True), known) as evaluator:
        assert (await evaluator.grade_many(EXACT, ["a"], [{"answer": "a"}])).rewards.tolist() == [1.0]
        with pytest.raises(PluginError, match="judge_store is a file"):
            await evaluator.grade_many(JUDGED, ["a"], [{}])


async def test_few_chunks_are_under_way_and_rows_are_read_only_for_them(quick: Settings) -> None:
    cluster, read = InProcessCluster(2, delay_s=0.01), 0

    def rows() -> Any:
        nonlocal read
        for _ in range(50_000):
            read += 1
            yield "a", {"answer": "a"}

    async with clustered(cluster, quick) as evaluator:
        stream = evaluator.stream(EXACT, rows())
        await anext(stream)
        assert read <= 6 * 1_024
        await stream.aclose()
    assert cluster.most <= 4


async def test_rows_that_are_not_done_by_the_deadline_are_ungraded_and_the_others_are_not(
    quick: Settings,
) -> None:
    cluster = InProcessCluster(
        1, delay_s=1.2
    )  # the chunks that are sent at once are in time, whatever follows is not
    async with clustered(cluster, quick) as evaluator:
        await evaluator.engine.warm()
        graded = await evaluator.grade_many(EXACT, ["a"] * 20_000, [{"answer": "a"}] * 20_000, deadline_s=1.0)
    kinds = {str(result.failure and result.failure.details["type"]) for result in graded}
    assert kinds == {"None", "deadline"}
    assert graded.rewards[0] == 1.0


async def test_a_chunk_too_large_to_send_is_cut(quick: Settings) -> None:
    cluster = InProcessCluster(1)
    rows_items = [{"answer": "a", "beside": str(n) * (MAX_BYTES // 4)} for n in range(10)]
    async with clustered(cluster, quick) as evaluator:
        graded = await evaluator.grade_many(EXACT, ["a"] * 10, rows_items)
    assert graded.rewards.tolist() == [1.0] * 10
    assert max(cluster.sent) < 10
    assert cluster.started == 1


async def test_judges_are_asked_once_for_identical_rows_and_what_they_did_adds_up(
    quick: Settings, tmp_path: Path
) -> None:
    with JudgeServer([verdict(0.5)]) as server:
        known = judged_at(quick, server.url, tmp_path)
        async with clustered(InProcessCluster(2), known) as evaluator:
            texts = [str(n % 50) for n in range(300)]
            graded = await evaluator.grade_many(JUDGED, texts, [{}] * 300)
            statistics = evaluator.judge_statistics["m"]
    assert graded.rewards.tolist() == [0.5] * 300
    assert len(server.requests) == statistics.requests == 50
    assert statistics.tokens["total_tokens"] == 50 * 120 or sum(statistics.tokens.values()) > 0


async def test_all_actors_pay_out_of_the_budget_of_one_run(quick: Settings, tmp_path: Path) -> None:
    with JudgeServer([verdict(0.5)]) as server:
        known = judged_at(quick, server.url, tmp_path, {"run": {"tokens": 1_000}})
        async with clustered(InProcessCluster(4), known) as evaluator:
            graded = await evaluator.grade_many(JUDGED, [str(n) for n in range(512)], [{}] * 512)
    asked = len(server.requests)
    assert graded.ungraded == 512 - asked
    assert 8 <= asked <= 9 + 1


def judged_at(quick: Settings, url: str, tmp_path: Path, budgets: Any = None) -> Settings:
    said = Settings(
        judges={"m": {"base_url": url, "concurrency": 8, "max_completion_tokens": 20}},
        judge_budgets=budgets or {},
    )
    return quick.model_copy(
        update={
            "judges": said.judges,
            "judge_budgets": said.judge_budgets,
            "judge_store": str(tmp_path / "judges.sqlite"),
            "judge_cache": tmp_path / "verdicts.sqlite",
        }
    )


def test_an_answer_that_leaves_a_row_out_is_refused() -> None:
    with pytest.raises(ValueError, match="without the reason"):
        Answer.unpack(
            Answer(np.array([np.nan]), {}, 0.0, ClusterEngine(InProcessCluster()).usage, 1).packed(), 1
        )
    with pytest.raises(ValueError, match="2 rows"):
        Answer.unpack(
            Answer(np.array([1.0]), {}, 0.0, ClusterEngine(InProcessCluster()).usage, 1).packed(), 2
        )


async def test_an_engine_belongs_to_one_evaluator(quick: Settings) -> None:
    engine = ClusterEngine(InProcessCluster())
    Evaluator(settings=quick, engine=engine)
    with pytest.raises(ConfigurationError, match="one evaluator"):
        Evaluator(settings=quick, engine=engine)


class Traced:
    """What opens the spans of an actor of this process."""

    def __init__(self, tracer: OpenTelemetry) -> None:
        self.tracer = tracer

    async def aclose(self) -> None:
        """There is nothing to send."""


async def test_the_spans_of_actors_are_parts_of_the_batch(quick: Settings) -> None:
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    tracer = OpenTelemetry(provider.get_tracer("test"))
    engine = ClusterEngine(InProcessCluster(2), tracing=lambda: Traced(tracer))
    async with Evaluator(settings=quick, tracer=tracer, engine=engine) as evaluator:
        await evaluator.grade_many(
            {"type": "multi", "graders": {"a": EXACT}, "calculate_output": "a"},
            [str(n) for n in range(200)],
            [{"answer": "1"}] * 200,
        )
    found = spans.get_finished_spans()
    (batch,) = (span for span in found if span.name == "grade batch")
    chunks = [span for span in found if span.name == "grade chunk"]
    assert batch.context is not None
    assert {span.context.trace_id for span in found if span.context} == {batch.context.trace_id}
    assert {span.parent.span_id for span in chunks if span.parent} == {batch.context.span_id}
    assert sum(int(str((span.attributes or {})["graders.rows"])) for span in chunks) == 200
    assert (batch.attributes or {})["graders.graded"] == 200

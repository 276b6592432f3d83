"""Spans for OpenTelemetry: a real service sends them to a real collector, and what it graded is in none of them."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from graders import Registry
from runtime import Evaluator, Settings
from service.telemetry.tracing import OpenTelemetry, Tracing
from tests.collector import Collector, Received
from tests.judge_server import JudgeServer, Request, status, verdict
from tests.runtime.sandbox.isolation import ISOLATES
from tests.service.serving import serving

PRIVATE = "s3cr3t-never-traced"
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
GRADE, BATCH = "/v1/grade", "/v1/grade/batch"

EQUAL: dict[str, Any] = {
    "type": "string_check",
    "name": "equal",
    "input": "{{sample.output_text}}",
    "reference": "{{item.answer}}",
    "operation": "eq",
}
JUDGED: dict[str, Any] = {
    "type": "score_model",
    "name": "judged",
    "model": "judge",
    "input": [{"role": "user", "content": "{{sample.output_text}}"}],
}
MULTI: dict[str, Any] = {
    "type": "multi",
    "name": "both",
    "graders": {"equal": EQUAL, "judged": JUDGED},
    "calculate_output": "equal + judged",
}
PYTHON: dict[str, Any] = {
    "type": "python",
    "name": "raises",
    "source": "def grade(sample, item):\n    raise type(item['word'], (Exception,), {})(sample['output_text'])",
}
ITEM = {"answer": PRIVATE, "word": PRIVATE.replace("-", "_")}


@dataclass(frozen=True, slots=True)
class Story:
    """What a service was asked, and what came of it.

    Attributes:
        collector: Has its spans.
        told: What judge and endpoint were asked, by their path.
    """

    collector: Collector
    told: list[Request]

    def requests(self) -> list[Received]:
        """The spans of requests, in order."""
        return [span for span in self.collector.spans() if span.kind == "server"]

    def below(self, parent: Received) -> list[Received]:
        """The spans that are parts of one."""
        return [span for span in self.collector.spans() if span.parent == parent.id]

    def request(self, caller: str) -> Received:
        """The request of whose gradings the caller's name is this."""
        spans = {span.id: span for span in self.collector.spans()}
        named = [span for span in spans.values() if span.attributes.get("graders.trace_id") == caller]
        (found,) = {span.parent for span in named} - {span.id for span in named}
        return spans[found]


def settings(server: JudgeServer, collector: Collector, home: Path, **more: str) -> dict[str, str]:
    where = server.url.removeprefix("http://").removesuffix("/v1")
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_SERVICE_NAME": "mine",
        "GRADERS_JUDGES": json.dumps({"*": {"base_url": server.url, "retries": 0, "api_key": PRIVATE}}),
        "GRADERS_JUDGE_CACHE": str(home / "verdicts.sqlite"),
        "GRADERS_ENDPOINT_HOSTS": json.dumps([where]),
        **more,
    }


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """A service that was asked once for everything that has spans."""

    def reply_to(request: Request, number: int) -> Any:
        if "endpoint" in request.path:
            return status(200, {}, {"score": 0.25})
        return status(500, {}, {"error": PRIVATE}) if request.body["model"] == "broken" else verdict(0.5)

    with Collector() as collector, JudgeServer(reply_to) as server:
        ask_all(server, settings(server, collector, tmp_path_factory.mktemp("traced")))
        yield Story(collector, list(server.requests))


def ask_all(server: JudgeServer, variables: Mapping[str, str]) -> None:
    endpoint = {
        "type": "endpoint",
        "name": "remote",
        "url": f"{server.url}/endpoint/{PRIVATE}?key={PRIVATE}",
        "headers": {"x-key": PRIVATE},
    }
    headers = {
        "authorization": f"Bearer {PRIVATE}",
        "traceparent": f"00-{TRACE}-{PARENT}-01",
        "tracestate": f"vendor={PRIVATE}",
        "baggage": f"user={PRIVATE}",
        "x-mine": PRIVATE,
    }

    def body(grader: Mapping[str, Any], caller: str) -> dict[str, Any]:
        return {"grader": grader, "sample": PRIVATE, "item": ITEM, "trace_id": caller}

    rows: list[dict[str, Any]] = [{"sample": PRIVATE, "item": ITEM, "id": PRIVATE}] * 2
    with serving(variables) as served, httpx2.Client(base_url=served.url, timeout=60) as client:
        client.post(GRADE, json=body(EQUAL, "first"), headers=headers).raise_for_status()
        client.post(GRADE, json=body(MULTI, "parts")).raise_for_status()
        client.post(GRADE, json=body({**JUDGED, "model": "broken"}, "broken")).raise_for_status()
        client.post(GRADE, json=body(PYTHON, "python")).raise_for_status()
        client.post(GRADE, json=body(endpoint, "remote")).raise_for_status()
        batch: dict[str, Any] = {"grader": EQUAL, "rows": [*rows, {"sample": PRIVATE}], "trace_id": "bulk"}
        client.post(BATCH, json=batch).raise_for_status()
        batch = {"grader": {**JUDGED, "model": "other"}, "rows": rows, "trace_id": "lines"}
        client.post(BATCH, json=batch, headers={"accept": "application/x-ndjson"}).raise_for_status()
        assert client.get(f"/v1/files/{PRIVATE}").status_code == 404
        assert client.get(f"/{PRIVATE}").status_code == 404
        assert client.get("/healthz").status_code == 200


def test_a_request_is_a_server_span_that_continues_the_clients_trace(story: Story) -> None:
    first = story.requests()[0]
    assert (first.name, first.trace, first.parent) == (f"POST {GRADE}", TRACE, PARENT)
    assert first.attributes == {
        "http.request.method": "POST",
        "url.scheme": "http",
        "http.route": GRADE,
        "http.response.status_code": 200,
    }
    assert not first.failed


def test_each_request_has_one_span_but_for_those_of_load_balancers(story: Story) -> None:
    names = [span.name for span in story.requests()]
    assert names == [*[f"POST {GRADE}"] * 5, *[f"POST {BATCH}"] * 2, "GET /v1/files/{file_id}", "GET"]
    assert len({span.trace for span in story.requests()}) == 9


def test_a_grading_says_what_graded_and_how_it_came_out(story: Story) -> None:
    (grading,) = story.below(story.request("first"))
    said = dict(grading.attributes)
    assert str(said.pop("graders.grader.signature")).startswith("string_check:")
    assert grading.name == "grade string_check"
    assert said == {
        "graders.grader.name": "equal",
        "graders.grader.type": "string_check",
        "graders.trace_id": "first",
        "graders.outcome": "graded",
        "graders.reward": 1.0,
    }


def test_graders_inside_a_grader_and_their_judges_are_parts_of_it(story: Story) -> None:
    (outer,) = story.below(story.request("parts"))
    inner = {span.name: span for span in story.below(outer)}
    assert (outer.name, outer.attributes["graders.reward"]) == ("grade multi", 1.5)
    assert set(inner) == {"grade string_check", "grade score_model"}
    (judged,) = story.below(inner["grade score_model"])
    assert (judged.name, judged.kind) == ("chat judge", "client")
    port = judged.attributes["server.port"]
    assert judged.attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "judge",
        "gen_ai.response.model": "judge-1",
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 20,
        "server.address": "127.0.0.1",
        "server.port": port,
    }


def test_a_judge_that_fails_is_a_failed_span_in_an_ungraded_grading(story: Story) -> None:
    (grading,) = story.below(story.request("broken"))
    (asked,) = story.below(grading)
    assert (asked.failed, asked.attributes["error.type"]) == (True, "500")
    assert asked.attributes["http.response.status_code"] == 500
    assert (grading.failed, grading.attributes["graders.outcome"]) == (True, "ungraded")
    assert grading.attributes["graders.cause"] == grading.attributes["error.type"] == "status"
    assert "graders.reward" not in grading.attributes


@ISOLATES
def test_a_sandboxed_grading_is_a_span_whose_cause_no_stranger_words(story: Story) -> None:
    (grading,) = story.below(story.request("python"))
    (sandboxed,) = story.below(grading)
    assert (sandboxed.name, sandboxed.failed) == ("sandbox grade", True)
    assert sandboxed.attributes["graders.rows"] == 1
    assert sandboxed.attributes["error.type"] == grading.attributes["graders.cause"] == "other"


def test_a_call_of_an_endpoint_says_its_host_and_status(story: Story) -> None:
    (grading,) = story.below(story.request("remote"))
    (call,) = story.below(grading)
    assert (grading.attributes["graders.reward"], call.name, call.kind) == (0.25, "POST", "client")
    port = call.attributes["server.port"]
    assert call.attributes == {
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "server.address": "127.0.0.1",
        "server.port": port,
    }


def test_a_bulk_batch_is_one_span_with_counts(story: Story) -> None:
    (batch,) = story.below(story.request("bulk"))
    assert batch.name == "grade batch"
    counts = {name: batch.attributes[f"graders.{name}"] for name in ("rows", "graded", "ungraded")}
    assert counts == {"rows": 3, "graded": 2, "ungraded": 1}
    assert story.below(batch) == []


def test_rows_that_are_graded_one_by_one_are_parts_of_their_batch_also_as_lines(story: Story) -> None:
    (batch,) = story.below(story.request("lines"))
    (row,) = story.below(batch)  # equal rows are graded once
    assert (batch.name, batch.attributes["graders.rows"], row.name) == ("grade batch", 2, "grade score_model")
    assert [span.name for span in story.below(row)] == ["chat other"]


def test_nothing_that_was_graded_or_is_secret_is_in_any_byte(story: Story) -> None:
    sent = b"".join(story.collector.bodies)
    assert b"gen_ai.request.model" in sent
    assert PRIVATE.encode() not in sent
    assert PRIVATE.replace("-", "_").encode() not in sent
    assert all(span.events == 0 and span.message == "" for span in story.collector.spans())


def test_whom_the_service_asks_is_told_nothing_of_the_trace_by_itself(story: Story) -> None:
    assert len(story.told) == 4
    for request in story.told:
        assert not {"traceparent", "tracestate", "baggage"} & set(request.headers)


def test_the_service_says_who_it_is_and_sends_where_otlp_goes(story: Story) -> None:
    assert set(story.collector.paths) == {"/v1/traces"}
    resource = story.collector.resource()
    assert resource["service.name"] == "mine"
    assert "process.command_args" not in resource


@pytest.mark.full
def test_hosts_that_the_operator_names_are_told_the_trace(tmp_path: Path) -> None:
    def reply_to(request: Request, number: int) -> Any:
        return status(200, {}, {"score": 0.25}) if "endpoint" in request.path else verdict(0.5)

    with Collector() as collector, JudgeServer(reply_to) as server:
        endpoint = {"type": "endpoint", "url": f"{server.url}/endpoint"}
        known = settings(server, collector, tmp_path, GRADERS_TRACE_HOSTS='["127.0.0.1"]')
        with serving(known) as served, httpx2.Client(base_url=served.url, timeout=60) as client:
            for grader in (JUDGED, endpoint):
                headers = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": f"vendor={PRIVATE}"}
                client.post(GRADE, json={"grader": grader, "sample": "a"}, headers=headers).raise_for_status()
    asking = {span.id: span for span in collector.spans() if span.kind == "client"}
    told = [request.headers["traceparent"].split("-") for request in server.requests]
    assert [(version, trace_id, flags) for version, trace_id, _, flags in told] == [("00", TRACE, "01")] * 2
    assert [asking[span].name for _, _, span, _ in told] == ["chat judge", "POST"]
    assert not any("tracestate" in request.headers for request in server.requests)


def test_nothing_is_traced_where_nobody_says_where_to() -> None:
    for environment in (
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none"},
        {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://127.0.0.1:1"},
    ):
        tracing = Tracing()
        tracing.open(environment)
        assert tracing.tracer is None


def test_a_protocol_that_is_not_spoken_is_said_and_nothing_is_traced(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tracing = Tracing()
    tracing.open({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"})
    assert tracing.tracer is None
    assert caplog.messages == [
        "nothing is traced: http/protobuf is spoken to OTEL_EXPORTER_OTLP_ENDPOINT, not grpc"
    ]


async def test_an_evaluator_traces_to_whatever_tracer_it_is_given() -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = OpenTelemetry(provider.get_tracer("mine"))
    async with Evaluator(Registry.installed(), Settings(), tracer=tracer) as evaluator:
        with trace.use_span(provider.get_tracer("mine").start_span("around")) as around:
            await evaluator.grade(EQUAL, "a", {"answer": "b"}, trace_id="é" * 500 + "\ud800")
            await evaluator.grade({**EQUAL, "name": "\ud800"}, "a", {})
    first, second = exporter.get_finished_spans()
    assert first.parent == second.parent == around.get_span_context()
    assert first.attributes is not None
    assert second.attributes is not None
    assert (first.attributes["graders.reward"], first.attributes["graders.trace_id"]) == (0.0, "é" * 128)
    assert second.attributes["graders.cause"] == "invalid_variable_error"
    assert second.attributes["graders.grader.name"] == "\ufffd"
    assert second.status.description is None

"""Evals through the unmodified official client, from their making to their end."""

import asyncio
import json
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from runtime import Settings
from tests.conftest import EXAMPLES
from tests.runtime.sandbox.isolation import ISOLATES
from tests.service.evals.conftest import CUSTOM, EQUAL, ITEMS, ended, rows

COUNTDOWN = EXAMPLES / "data" / "countdown_answers.jsonl"
SOURCE = "def grade(sample, item):\n    return 5.0 if str(sample['output_json']['result']) == item['target'] else 1.0\n"
PYTHON = {"type": "python", "name": "stated", "source": SOURCE, "pass_threshold": 5}
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


def made(client: OpenAI, *criteria: Any, **changes: Any) -> Any:
    config: Any = {**CUSTOM, **changes}
    return client.evals.create(data_source_config=config, testing_criteria=list(criteria))


def refused(client: OpenAI, *criteria: Any, **changes: Any) -> Any:
    with pytest.raises(openai.BadRequestError) as raised:
        made(client, *criteria, **changes)
    return raised.value.body


def test_a_run_counts_what_passes_and_what_fails(client: OpenAI) -> None:
    of = made(client, EQUAL)
    assert of.to_dict()["data_source_config"]["schema"]["properties"]["item"] == CUSTOM["item_schema"]
    assert of.to_dict()["data_source_config"]["schema"]["required"] == ["item", "sample"]
    (criterion,) = of.to_dict()["testing_criteria"]
    assert re.fullmatch(f"equal-{UUID}", criterion["id"])
    run = client.evals.runs.create(of.id, data_source=rows(("a", "a"), ("b", "c"), ("d", "d")))  # type: ignore[arg-type]
    assert (run.object, run.status, run.eval_id) == ("eval.run", "queued", of.id)
    run_after = ended(client, of.id, run.id)
    assert run_after.status == "completed"
    assert run_after.result_counts.to_dict() == {"total": 3, "errored": 0, "failed": 1, "passed": 2}
    assert [result.to_dict() for result in run_after.per_testing_criteria_results] == [
        {"testing_criteria": criterion["id"], "passed": 2, "failed": 1}
    ]
    assert run_after.report_url.endswith(f"/evals/{of.id}/runs/{run.id}")
    items = list(client.evals.runs.output_items.list(run.id, eval_id=of.id))
    assert [(item.status, item.datasource_item_id) for item in items] == [
        ("pass", 0),
        ("fail", 1),
        ("pass", 2),
    ]
    assert items[1].datasource_item == {"answer": "b"}
    assert items[1].sample.output[0].content == "c"
    assert items[1].results[0].to_dict() == {
        "name": criterion["id"],
        "type": "string_check",
        "score": 0.0,
        "passed": False,
        "sample": None,
    }
    assert client.evals.runs.output_items.retrieve(items[1].id, eval_id=of.id, run_id=run.id).to_dict() == (
        items[1].to_dict()
    )


def test_what_is_ungraded_is_errored_and_never_failed(client: OpenAI) -> None:
    missing = {**EQUAL, "name": "missing", "reference": "{{item.absent}}"}
    of = made(client, EQUAL, missing)
    run = client.evals.runs.create(of.id, data_source=rows(("a", "b"), ("a", "a")))  # type: ignore[arg-type]
    done = ended(client, of.id, run.id)
    assert done.result_counts.to_dict() == {"total": 2, "errored": 2, "failed": 0, "passed": 0}
    assert [(result.passed, result.failed) for result in done.per_testing_criteria_results] == [
        (1, 1),
        (0, 0),
    ]
    item = next(iter(client.evals.runs.output_items.list(run.id, eval_id=of.id)))
    assert item.status == "error"
    result: Any = item.results[1].to_dict()
    assert (result["score"], result["passed"]) == (None, None)
    assert result["sample"]["failure"]["kind"] == "invalid_variable_error"


def test_a_missing_sample_is_no_empty_answer(client: OpenAI) -> None:
    of = made(client, {**EQUAL, "reference": ""}, include_sample_schema=False)
    source = {"type": "jsonl", "source": {"type": "file_content", "content": [{"item": {"answer": "a"}}]}}
    run = client.evals.runs.create(of.id, data_source=source)  # type: ignore[arg-type]
    assert ended(client, of.id, run.id).result_counts.errored == 1


@pytest.mark.full
@ISOLATES
def test_python_criteria_grade_an_uploaded_file(client: OpenAI) -> None:
    stored = [json.loads(line) for line in COUNTDOWN.read_text().splitlines()]
    results = [json.loads(row["sample"]["output_text"])["result"] == row["item"]["target"] for row in stored]
    of = made(client, PYTHON, item_schema={"type": "object", "required": ["target"]})
    file = client.files.create(file=COUNTDOWN, purpose="evals")
    source: Any = {"type": "jsonl", "source": {"type": "file_id", "id": file.id}}
    run = client.evals.runs.create(of.id, data_source=source)
    done = ended(client, of.id, run.id)
    assert done.status == "completed", done
    counts = done.result_counts
    assert (counts.total, counts.passed, counts.failed) == (len(stored), sum(results), results.count(False))
    assert counts.passed > 0 < counts.failed


async def test_the_async_client_measures_as_well(url: str) -> None:
    async with AsyncOpenAI(base_url=f"{url}/openai/v1", api_key="any", max_retries=0) as client:
        of = await client.evals.create(data_source_config=CUSTOM, testing_criteria=[EQUAL])  # type: ignore[arg-type, list-item]
        run = await client.evals.runs.create(of.id, data_source=rows(*[("a", "a")] * 25))  # type: ignore[arg-type]
        async with asyncio.timeout(60):
            # what changes is in the service, which tells nobody
            while (await client.evals.runs.retrieve(run.id, eval_id=of.id)).status != "completed":  # noqa: ASYNC110
                await asyncio.sleep(0.02)  # what changes is in the service
        items = [item async for item in client.evals.runs.output_items.list(run.id, eval_id=of.id, limit=10)]
        assert [item.datasource_item_id for item in items] == list(range(25))
        assert of.id in [found.id async for found in client.evals.list()]
        assert (await client.evals.delete(of.id)).deleted


def test_only_name_and_metadata_change(client: OpenAI) -> None:
    of = made(client, EQUAL)
    changed = client.evals.update(of.id, name="new", metadata={"a": "b"})
    assert (changed.name, changed.metadata) == ("new", {"a": "b"})
    assert changed.to_dict() == {**of.to_dict(), "name": "new", "metadata": {"a": "b"}}
    assert client.evals.retrieve(of.id).to_dict() == changed.to_dict()
    with pytest.raises(openai.BadRequestError) as raised:
        client.evals.update(of.id, extra_body={"testing_criteria": []})
    assert raised.value.param == "testing_criteria"
    with pytest.raises(openai.BadRequestError):
        client.evals.update(of.id, metadata={"a": "b" * 513})


@pytest.mark.full
def test_pages_follow_each_other(client: OpenAI) -> None:
    made_evals = [made(client, EQUAL).id for _ in range(5)]
    assert [of.id for of in client.evals.list(limit=2)][-5:] == made_evals
    assert [of.id for of in client.evals.list(limit=2, order="desc")][:5] == made_evals[::-1]
    by_update = list(client.evals.list(limit=2, order_by="updated_at"))
    assert sorted(of.id for of in by_update if of.id in made_evals) == made_evals
    eval_id = made_evals[0]
    runs = [client.evals.runs.create(eval_id, data_source=rows(("a", "a"), ("a", "b"))).id for _ in range(5)]  # type: ignore[arg-type]
    for run in runs:
        ended(client, eval_id, run)
    listed = client.evals.runs.list(eval_id, limit=2)
    assert [run.id for run in listed] == runs
    assert [
        run.id for run in client.evals.runs.list(eval_id, status="completed", limit=3, order="desc")
    ] == runs[::-1]
    assert list(client.evals.runs.list(eval_id, status="failed")) == []
    items = client.evals.runs.output_items
    assert [i.datasource_item_id for i in items.list(runs[0], eval_id=eval_id, limit=1, order="desc")] == [
        1,
        0,
    ]
    assert [i.datasource_item_id for i in items.list(runs[0], eval_id=eval_id, status="fail")] == [1]
    assert [i.datasource_item_id for i in items.list(runs[0], eval_id=eval_id, status="pass")] == [0]
    with pytest.raises(openai.BadRequestError, match="after"):
        client.evals.list(after="eval_0", order_by="updated_at")
    with pytest.raises(openai.BadRequestError, match="limit"):
        client.evals.list(limit=0)
    with pytest.raises(openai.BadRequestError, match="status"):
        items.list(runs[0], eval_id=eval_id, status="odd")  # type: ignore[arg-type]


def test_deleting_takes_everything_below(client: OpenAI) -> None:
    of = made(client, EQUAL)
    runs = [client.evals.runs.create(of.id, data_source=rows(("a", "a"))).id for _ in range(2)]  # type: ignore[arg-type]
    deleted = client.evals.runs.delete(runs[0], eval_id=of.id)
    assert deleted.to_dict() == {"object": "eval.run.deleted", "deleted": True, "run_id": runs[0]}
    assert [run.id for run in client.evals.runs.list(of.id)] == runs[1:]
    gone = client.evals.delete(of.id)
    assert gone.to_dict() == {"object": "eval.deleted", "deleted": True, "eval_id": of.id}
    for use in (
        lambda: client.evals.retrieve(of.id),
        lambda: client.evals.delete(of.id),
        lambda: client.evals.update(of.id, name="a"),
        lambda: client.evals.runs.retrieve(runs[1], eval_id=of.id),
        lambda: client.evals.runs.cancel(runs[1], eval_id=of.id),
        lambda: client.evals.runs.output_items.list(runs[1], eval_id=of.id),
    ):
        with pytest.raises(openai.NotFoundError):
            use()


def test_a_wrong_criterion_is_named(client: OpenAI) -> None:
    body = refused(client, EQUAL, {**EQUAL, "operation": "near"})
    assert body["param"] == "testing_criteria.1.operation"
    assert body["message"].startswith("testing_criteria.1.operation: ")
    assert refused(client)["param"] == "testing_criteria"


def test_a_similarity_must_say_what_passes(client: OpenAI) -> None:
    similar = {"type": "text_similarity", "input": "a", "reference": "b", "evaluation_metric": "bleu"}
    assert refused(client, similar)["param"] == "testing_criteria.0.pass_threshold"


@pytest.mark.parametrize(
    "criterion",
    [
        {"type": "python", "name": "stated", "source": SOURCE},
        {"type": "multi", "name": "twice", "graders": {"a": EQUAL}, "calculate_output": "2 * a"},
    ],
)
def test_where_scores_have_no_middle_half_a_point_passes(client: OpenAI, criterion: dict[str, Any]) -> None:
    (shown,) = made(client, criterion).testing_criteria
    assert shown.model_dump(warnings=False)["pass_threshold"] == 0.5


def test_secrets_are_masked_in_every_echo(client: OpenAI) -> None:
    endpoint = {
        "type": "endpoint",
        "name": "e",
        "url": "https://example.com/g",
        "headers": {"x-key": "hidden"},
        "pass_threshold": 1,
    }
    of = made(client, endpoint)
    raw = client.evals.with_raw_response
    for echo in (raw.retrieve(of.id), raw.update(of.id, name="b"), raw.list()):
        assert "hidden" not in echo.text
        assert '"headers":{"x-key":"**********"}' in echo.text


def test_a_variable_that_no_row_can_have_is_refused(client: OpenAI) -> None:
    wrong = {**EQUAL, "reference": "{{item.anwser}}"}
    parts = {
        "type": "multi",
        "name": "m",
        "graders": {"a": wrong},
        "calculate_output": "a",
        "pass_threshold": 1,
    }
    closed = {**ITEMS, "additionalProperties": False}
    for criteria, param in (
        ([wrong], "testing_criteria.0.reference"),
        (
            [EQUAL, parts],
            "testing_criteria.1.graders.a.reference",
        ),
    ):
        error = refused(client, *criteria, item_schema=closed)
        assert (error["param"], error["code"]) == (param, "invalid_grader")
        assert "{{item.anwser}}: no such field; did you mean 'answer'?" in error["message"]
    made(client, EQUAL, item_schema=closed)
    made(client, wrong)  # rows may have more than the schema names
    made(client, wrong, item_schema={**closed, "patternProperties": {"^a": {}}})
    of = made(client, EQUAL, item_schema=closed)
    run = client.evals.runs.create(of.id, data_source=rows(("a", "a")))  # type: ignore[arg-type]  # plain JSON
    ended(client, of.id, run.id)
    with pytest.raises(openai.BadRequestError, match="no such field"):
        client.post(
            f"/evals/{of.id}/runs/{run.id}/regrade", body={"testing_criteria": [wrong]}, cast_to=object
        )


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"type": "logs"}, "data_source.type: expected 'jsonl', 'completions', 'responses', got 'logs'"),
        ({}, "data_source.type: this field is required"),
        ({"type": "jsonl", "source": {"type": "file_id"}}, "data_source.source.id: this field is required"),
        ({"type": "jsonl", "source": {"type": "file_content", "content": 3}}, "data_source.source.content: expected a list"),
        ({"type": "jsonl", "source": {"type": "url"}}, "data_source.source: expected an object whose 'type' is"),
    ],
)  # fmt: skip
def test_a_wrong_data_source_is_told_in_words_of_json(client: OpenAI, source: Any, message: str) -> None:
    of = made(client, EQUAL)
    with pytest.raises(openai.BadRequestError) as raised:
        client.evals.runs.create(of.id, data_source=source)
    assert raised.value.body["message"].startswith(message)  # type: ignore[index]  # the published shape


@pytest.mark.parametrize("kind", ["logs", "stored_completions"])
def test_what_the_vendor_has_logged_is_not_here(client: OpenAI, kind: str) -> None:
    config: Any = {"type": kind}
    with pytest.raises(openai.BadRequestError, match="'custom'"):
        client.evals.create(data_source_config=config, testing_criteria=[EQUAL])  # type: ignore[list-item]


@pytest.mark.parametrize(
    "schema", [{"type": "strin"}, {"$ref": "http://127.0.0.1:9/x"}, {"$ref": "file:///etc/hostname"}]
)
def test_what_is_no_schema_is_refused(client: OpenAI, schema: dict[str, Any]) -> None:
    assert refused(client, EQUAL, item_schema=schema)["param"] == "data_source_config.item_schema"


def chained(keyword: str) -> dict[str, Any]:
    """2.7 kB that expand to 4 to the power of 22 subschemas for one value."""
    defined = {f"d{n}": {keyword: [{"$ref": f"#/$defs/d{n + 1}"}] * 4} for n in range(22)}
    return {"$defs": {**defined, "d22": {"type": "object"}}, "$ref": "#/$defs/d0"}


@pytest.mark.parametrize("schema", [chained("allOf"), chained("anyOf"), {"$ref": "#"}, {"$ref": "item.json"}])
def test_a_schema_that_stops_the_service_is_refused_with_its_place(
    client: OpenAI, schema: dict[str, Any]
) -> None:
    message = refused(client, EQUAL, item_schema=schema)["message"]
    assert message.startswith("data_source_config.item_schema: no JSON schema: #")


DOUBLING = {
    "$defs": {"n": {"properties": {"c": {"allOf": [{"$ref": "#/$defs/n"}, {"$ref": "#/$defs/n"}]}}}},
    "$ref": "#/$defs/n",
}


@pytest.mark.full
def test_a_row_that_makes_a_schema_costly_is_refused_or_an_error(client: OpenAI) -> None:
    deep: Any = "leaf"
    for _ in range(60):
        deep = {"c": deep}
    of = made(client, EQUAL, item_schema=DOUBLING)
    source: Any = rows(("a", "a"))
    source["source"]["content"][0]["item"] = {"answer": "a", "c": {"c": "leaf"}}
    assert ended(client, of.id, client.evals.runs.create(of.id, data_source=source).id).status == "completed"
    source["source"]["content"][0]["item"] = deep
    with pytest.raises(openai.BadRequestError, match=r"more than 2 s of processor time") as raised:
        client.evals.runs.create(of.id, data_source=source)
    assert (raised.value.param, raised.value.code) == ("data_source.source.content.0.item", "costly_schema")
    row = json.dumps({"item": deep, "sample": "a"}).encode()
    file = client.files.create(file=("rows.jsonl", row), purpose="evals")
    from_file: Any = {"type": "jsonl", "source": {"type": "file_id", "id": file.id}}
    run = ended(client, of.id, client.evals.runs.create(of.id, data_source=from_file).id)
    assert (run.status, run.result_counts.errored) == ("completed", 1)
    (item,) = client.evals.runs.output_items.list(run.id, eval_id=of.id)
    result: Any = item.results[0].to_dict()
    assert "line 1: item: it cannot be checked" in result["sample"]["failure"]["message"]


def test_a_request_none_of_whose_rows_is_what_the_eval_says_is_refused(client: OpenAI) -> None:
    of = made(client, EQUAL)
    wrong: Any = rows(("a", "a"), ("b", "b"))
    first, second = wrong["source"]["content"]
    first["item"] = second["item"] = {"answer": 4}
    with pytest.raises(openai.BadRequestError, match=r"row 1: item\.answer: 4 is not of type") as raised:
        client.evals.runs.create(of.id, data_source=wrong)
    assert (raised.value.param, raised.value.code) == (
        "data_source.source.content.0.item.answer",
        "invalid_row",
    )
    del first["sample"]
    first["item"] = {"answer": "4"}
    with pytest.raises(openai.BadRequestError, match="row 1: sample: this field is required"):
        client.evals.runs.create(of.id, data_source=wrong)
    assert list(client.evals.runs.list(of.id)) == []


def test_a_data_source_that_is_not_there_is_refused(client: OpenAI) -> None:
    of = made(client, EQUAL)
    sources: list[Any] = [
        {"type": "jsonl", "source": {"type": "file_id", "id": "file-0"}},
        {"type": "jsonl", "source": {"type": "file_id", "id": f"file-{0:024}"}},
        {"type": "jsonl", "source": {"type": "file_id", "id": f"evalrun_{0:024}"}},
        {"type": "jsonl", "source": {"type": "file_id", "id": "file-\0" + "0" * 999}},
        {"type": "jsonl", "source": {"type": "file_content", "content": []}},
        {"type": "other"},
    ]
    for source in sources:
        with pytest.raises(openai.BadRequestError):
            client.evals.runs.create(of.id, data_source=source)


def test_stored_samples_are_graded_again_by_other_criteria(client: OpenAI) -> None:
    of = made(client, EQUAL)
    old = client.evals.runs.create(of.id, data_source=rows(("a", "A"), ("b", "b"), ("c", "x")))  # type: ignore[arg-type]
    assert ended(client, of.id, old.id).result_counts.passed == 1
    body = {"testing_criteria": [{**EQUAL, "operation": "ilike"}], "name": "again"}
    answer: Any = client.post(f"/evals/{of.id}/runs/{old.id}/regrade", body=body, cast_to=object)
    done = ended(client, of.id, answer["id"])
    assert (done.name, done.status) == ("again", "completed")
    assert done.result_counts.to_dict() == {"total": 3, "errored": 0, "failed": 1, "passed": 2}
    assert ended(client, of.id, old.id).result_counts.passed == 1


@pytest.mark.few(3)
@pytest.mark.parametrize(
    "criterion",
    [
        {"type": "numeric_check", "input": "{{sample.output_text}}", "reference": "{{item.answer}}"},
        {"type": "multi", "graders": {"a": EQUAL}, "calculate_output": "2 * a", "pass_threshold": 2},
        {
            "type": "text_similarity",
            "input": "{{sample.output_text}}",
            "reference": "{{item.answer}}",
            "evaluation_metric": "fuzzy_match",
            "pass_threshold": 0.9,
        },
        {"type": "keyword", "words": ["121"]},
    ],
    ids=lambda criterion: criterion["type"],
)
def test_every_type_is_a_criterion(client: OpenAI, criterion: dict[str, Any]) -> None:
    of = made(client, criterion)
    run = client.evals.runs.create(of.id, data_source=rows(("121", "121"), ("454", "3")))  # type: ignore[arg-type]
    done = ended(client, of.id, run.id)
    assert done.result_counts.to_dict() == {"total": 2, "errored": 0, "failed": 1, "passed": 1}


@pytest.mark.full
def test_postgresql_keeps_evals_too(
    own: Settings, serve: Callable[[Settings], AbstractContextManager[str]], postgresql: str
) -> None:
    settings = own.model_copy(update={"database": postgresql})
    with serve(settings) as address, OpenAI(base_url=f"{address}/v1", api_key="any") as client:
        of = client.evals.create(name="\0", data_source_config=CUSTOM, testing_criteria=[EQUAL])  # type: ignore[arg-type, list-item]
        run = client.evals.runs.create(of.id, data_source=rows(("\0", "\0"), ("a", "b")))  # type: ignore[arg-type]
        done = ended(client, of.id, run.id)
        assert done.result_counts.to_dict() == {"total": 2, "errored": 0, "failed": 1, "passed": 1}
        items = client.evals.runs.output_items.list(run.id, eval_id=of.id, limit=1)
        assert [item.datasource_item for item in items] == [{"answer": "\0"}, {"answer": "a"}]

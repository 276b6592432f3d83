"""What each source system's exports become: the item, what the model answered, the scores that came along."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from graders import ConfigurationError, Sample
from runtime.data.datasets import read_rows
from runtime.data.importing.read import ImportReport, import_files
from runtime.data.importing.rows import failed
from tests.runtime.data import sound_rows as sound

CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"a":1}'}}
ASKED = [{"role": "user", "content": "2+2"}]
COMPLETION = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "m-1",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "4"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
}
RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "status": "completed",
    "model": "m-1",
    "output": [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "4"}]}],
}
OUTPUT_ITEM = {
    "object": "eval.run.output_item",
    "id": "outputitem_1",
    "status": "fail",
    "datasource_item_id": 0,
    "datasource_item": {"answer": "4"},
    "results": [
        {"name": "a", "score": 0.25, "passed": False},
        {"name": "b", "score": None},
        {"name": "a", "score": 1},
    ],
    "sample": {
        "input": ASKED,
        "output": [{"role": "assistant", "content": "4"}],
        "model": "m-1",
        "usage": None,
    },
}
PARTS = [{"role": "assistant", "parts": [{"type": "text", "content": "4"}], "finish_reason": "stop"}]
SPAN: dict[str, Any] = {
    "traceId": "t",
    "spanId": "s",
    "name": "chat m-1",
    "attributes": {
        "gen_ai.operation.name": "chat",
        "gen_ai.response.model": "m-1",
        "gen_ai.input.messages": [{"role": "user", "parts": [{"type": "text", "content": "2+2"}]}],
        "gen_ai.output.messages": PARTS,
    },
}
PROMPTFOO = {
    "vars": {"question": "2+2", "answer": "4"},
    "prompt": {"raw": "Add: 2+2", "label": "Add"},
    "provider": {"id": "openai:m-1"},
    "response": {"output": "4"},
    "score": 0.5,
    "success": False,
    "namedScores": {"exact": 1},
    "gradingResult": {"componentResults": [{"score": 0, "assertion": {"type": "contains", "value": "x"}}]},
}


def otlp(attributes: dict[str, Any]) -> list[dict[str, Any]]:
    def value(inner: Any) -> dict[str, Any]:
        if isinstance(inner, str):
            return {"stringValue": inner}
        if isinstance(inner, list):
            return {"arrayValue": {"values": [value(each) for each in inner]}}
        if isinstance(inner, dict):
            return {"kvlistValue": {"values": otlp(inner)}}
        return {"intValue": str(inner)}

    return [{"key": name, "value": value(inner)} for name, inner in attributes.items()]


AS_TEXT = {
    **SPAN["attributes"],
    **{
        name: json.dumps(SPAN["attributes"][name])
        for name in ("gen_ai.input.messages", "gen_ai.output.messages")
    },
}
NUMBERED = {
    "gen_ai.prompt.0.role": "user",
    "gen_ai.prompt.0.content": "2+2",
    "gen_ai.completion.0.role": "assistant",
    "gen_ai.completion.0.content": "4",
    "gen_ai.completion.0.finish_reason": "stop",
    "gen_ai.response.model": "m-1",
}


def nested(span: dict[str, Any]) -> dict[str, Any]:
    return {
        "resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": {}, "spans": [span, {"name": "GET"}]}]}]
    }


FOUR_TO_2_PLUS_2: dict[str, tuple[str, Any]] = {
    "a stored output item": ("evals", OUTPUT_ITEM),
    "an output item with its item inside": ("evals", {**OUTPUT_ITEM, "datasource_item": {"item": {"answer": "4"}}}),
    "a page of output items": ("evals", {"object": "list", "data": [OUTPUT_ITEM], "has_more": False}),
    "a run with its items": ("evals", {"run_id": "r", "status": "completed", "items": [OUTPUT_ITEM]}),
    "a request and its response": ("chat", {"request": {"messages": ASKED, "model": "m"}, "response": COMPLETION}),
    "messages and a response": ("chat", {"messages": ASKED, "response": COMPLETION}),
    "messages and choices": ("chat", {"messages": ASKED, "choices": COMPLETION["choices"], "model": "m-1"}),
    "input and output": ("chat", {"input": ASKED, "output": {"role": "assistant", "content": "4"}, "model": "m-1"}),
    "texts": ("chat", {"input": "2+2", "output": "4"}),
    "a response as the text of JSON": ("chat", {"messages": ASKED, "response": json.dumps(COMPLETION)}),
    "a request as the text of JSON": (
        "chat",
        {"request": json.dumps({"messages": ASKED}), "response": json.dumps(COMPLETION)},
    ),
    "bodies of a batch": ("chat", {"custom_id": "1", "request": {"body": {"messages": ASKED}}, "response": {"status_code": 200, "body": COMPLETION}}),
    "a Responses object beside its request": ("chat", {"request": {"input": "2+2"}, "response": RESPONSE}),
    "a Responses object with its input": ("responses", {**RESPONSE, "input": ASKED}),
    "a span": ("otel", SPAN),
    "a span with texts": ("otel", {**SPAN, "attributes": AS_TEXT}),
    "a span of OTLP": ("otel", nested({**SPAN, "attributes": otlp(AS_TEXT)})),
    "a span of OTLP with structures": ("otel", nested({**SPAN, "attributes": otlp(SPAN["attributes"])})),
    "spans by their other names": (
        "otel",
        {"resource_spans": [{"scope_spans": [{"spans": [{**SPAN, "attributes": otlp(AS_TEXT)}]}]}]},
    ),
    "a span with an event": (
        "otel",
        {"name": "chat", "span_id": "s", "attributes": {}, "events": [{"name": "x", "attributes": SPAN["attributes"]}]},
    ),
    "a span with numbered attributes": ("otel", {"name": "c", "trace_id": "t", "attributes": NUMBERED}),
    "a result of promptfoo": ("promptfoo", {**PROMPTFOO, "prompt": {"raw": json.dumps(ASKED)}}),
    "results of promptfoo": (
        "promptfoo",
        {"evalId": "e", "results": {"version": 3, "results": [{**PROMPTFOO, "prompt": {"raw": json.dumps(ASKED)}}]}},
    ),
    "a prompt and a completion": ("trl", {"prompt": ASKED, "completion": [{"role": "assistant", "content": "4"}]}),
    "a logged completion": ("trl", {"step": 1, "prompt": "2+2", "completion": "4", "advantage": 0.5, "right": 1.0}),
    "a rollout of verl": ("verl", {"input": "2+2", "output": "4", "gts": "4", "score": 1.0, "step": 3}),
    "a conversation": ("messages", {"messages": [*ASKED, {"role": "assistant", "content": "4"}]}),
    "contents with an answer": (
        "google",
        {"contents": [{"role": "user", "parts": [{"text": "2+2"}]}, {"role": "model", "parts": [{"text": "4"}]}]},
    ),
    "a conversation of Bedrock": (
        "bedrock",
        {
            "schemaVersion": "bedrock-conversation-2024",
            "messages": [
                {"role": "user", "content": [{"text": "2+2"}]},
                {"role": "assistant", "content": [{"text": "4"}]},
            ],
        },
    ),
    "a row of ours": ("rows", {"item": {"messages": ASKED}, "sample": {"output_text": "4", "model": "m-1"}}),
}  # fmt: skip
"""Exports in which a model answered 4 to 2+2."""


def imported(
    path: Path, content: str | bytes, **options: Any
) -> tuple[list[dict[str, Any]], ImportReport, list[str]]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    rejected: list[str] = []
    output = path.with_name("rows.jsonl")
    report = import_files([path], output, force=True, reject=rejected.append, **options)
    return [json.loads(line) for line in output.read_text().splitlines()], report, rejected


def rows_of(path: Path, *values: Any, **options: Any) -> list[dict[str, Any]]:
    found, _, rejected = imported(path, "".join(f"{json.dumps(value)}\n" for value in values), **options)
    assert not rejected
    return found


@pytest.mark.few(57)
@pytest.mark.parametrize("form", ["lines", "list", "indented"])
@pytest.mark.parametrize("name", FOUR_TO_2_PLUS_2)
def test_an_answer_is_found_with_its_prompt(tmp_path: Path, name: str, form: str) -> None:
    source, value = FOUR_TO_2_PLUS_2[name]
    text = {
        "lines": f"{json.dumps(value)}\n" * 2,
        "list": json.dumps([value, value]),
        "indented": json.dumps(value, indent=2),
    }[form]
    found, report, rejected = imported(tmp_path / "export.json", text)
    assert not rejected
    assert len(found) == (1 if form == "indented" else 2)
    assert set(report.by_source) == {source}
    for row in found:
        assert Sample.load(row["sample"]).output_text == "4"
        prompt = row.get("messages") or row["item"].get("messages")
        assert [message["content"] for message in prompt or ()] == ["2+2"]
    read = list(read_rows(tmp_path / "rows.jsonl"))
    assert [row.sample.output_text for row in read if row.sample] == ["4"] * len(found)


def test_scores_come_along_by_the_names_of_their_graders(tmp_path: Path) -> None:
    found = rows_of(
        tmp_path / "export",
        OUTPUT_ITEM,
        PROMPTFOO,
        FOUR_TO_2_PLUS_2["a logged completion"][1],
        FOUR_TO_2_PLUS_2["a rollout of verl"][1],
        {
            **SPAN,
            "events": [
                {
                    "name": "gen_ai.evaluation.result",
                    "attributes": {"gen_ai.evaluation.name": "right", "gen_ai.evaluation.score.value": 0.5},
                }
            ],
        },
        {"messages": ASKED, "response": "4", "scores": {"a": 1, "b": "x", "c": True}},
    )
    assert [row["recorded"] for row in found] == [
        {"a": 0.25, "a (2)": 1.0},
        {"score": 0.5, "exact": 1.0, "contains": 0.0},
        {"right": 1.0},
        {"score": 1.0},
        {"right": 0.5},
        {"a": 1.0, "c": 1.0},
    ]


def test_every_row_says_where_it_is_from(tmp_path: Path) -> None:
    found, _, _ = imported(
        tmp_path / "run.json", json.dumps({"run_id": "r1", "items": [OUTPUT_ITEM, OUTPUT_ITEM]})
    )
    assert found[1]["source"] == {
        "run_id": "r1",
        "id": "outputitem_1",
        "status": "fail",
        "datasource_item_id": 0,
        "model": "m-1",
        "file": str(tmp_path / "run.json"),
        "row": 2,
    }


@pytest.mark.parametrize(
    "value",
    [
        {**OUTPUT_ITEM, "sample": {"error": {"code": "x", "message": "no sample"}, "output": []}},
        {**OUTPUT_ITEM, "sample": None},
        {"custom_id": "1", "response": {"status_code": 500, "body": {"error": {"message": "oops"}}}},
        {"custom_id": "1", "response": None, "error": {"message": "expired"}},
        {**RESPONSE, "output": [], "status": "failed", "error": {"message": "oops"}},
        {**PROMPTFOO, "response": {"error": "rate limit"}},
        {**PROMPTFOO, "response": None, "error": "no connection", "failureReason": 2},
        {
            **SPAN,
            "status": {"code": 2, "message": "timeout"},
            "attributes": {**SPAN["attributes"], "gen_ai.output.messages": None},
        },
    ],
)
def test_an_answer_that_failed_is_a_row_with_the_cause_and_never_an_empty_answer(
    tmp_path: Path, value: dict[str, Any]
) -> None:
    (row,) = rows_of(tmp_path / "export", value)
    assert row["sample"]["error"]["message"]
    assert "recorded" not in row or value["object"] == "eval.run.output_item"
    (read,) = read_rows(tmp_path / "rows.jsonl")
    assert read.failure is not None
    assert read.failure.failure.caused_by == "infrastructure"


def test_calls_of_tools_and_reasoning_come_from_spans(tmp_path: Path) -> None:
    parts = [
        {"type": "reasoning", "content": "think"},
        {"type": "tool_call", "id": "c1", "name": "look", "arguments": {"a": 1}},
    ]
    output = [{"role": "assistant", "parts": parts, "finish_reason": "tool_call"}]
    prompt = [
        *SPAN["attributes"]["gen_ai.input.messages"],
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c0", "response": {"b": 2}}]},
    ]
    attributes = {
        **SPAN["attributes"],
        "gen_ai.input.messages": prompt,
        "gen_ai.output.messages": output,
        "gen_ai.system_instructions": [{"type": "text", "content": "Add."}],
    }
    (row,) = rows_of(tmp_path / "export", {**SPAN, "attributes": attributes})
    sample = Sample.load(row["sample"])
    assert sample.output_tools == [CALL]
    assert sample.reasoning_text == "think"
    assert sample.choices[0]["finish_reason"] == "tool_calls"
    assert row["item"]["messages"] == [
        {"role": "system", "content": "Add."},
        {"role": "user", "content": "2+2"},
        {"role": "tool", "tool_call_id": "c0", "content": '{"b":2}'},
    ]


def test_rows_of_ours_need_no_answer_and_lose_nothing_that_is_recorded(tmp_path: Path) -> None:
    recorded = {"score": 4.0, "judge": "j"}
    plain, judged = rows_of(
        tmp_path / "export", {"item": {"a": 1}}, {"item": {"a": 1}, "sample": "4", "recorded": recorded}
    )
    assert (plain["item"], "sample" in plain) == ({"a": 1}, False)
    assert judged["recorded"] == {"score": 4.0}
    assert judged["source"]["judge"] == "j"


def test_spans_of_other_work_are_no_rows(tmp_path: Path) -> None:
    others: Sequence[Any] = [
        {"name": "GET /", "spanId": "s", "attributes": {"http.method": "GET"}},
        {"name": "embed", "spanId": "s", "attributes": {"gen_ai.operation.name": "embeddings"}},
        {"name": "tool", "spanId": "s", "attributes": {"gen_ai.operation.name": "execute_tool"}},
    ]
    assert rows_of(tmp_path / "export", *others) == []


def test_each_choice_is_a_row(tmp_path: Path) -> None:
    choices = [
        {"index": index, "message": {"role": "assistant", "content": text}}
        for index, text in enumerate(("4", "5"))
    ]
    found = rows_of(
        tmp_path / "export", {"messages": ASKED, "response": {**COMPLETION, "choices": choices}, "label": "4"}
    )
    assert [(Sample.load(row["sample"]).output_text, row["source"]["draw"]) for row in found] == [
        ("4", 0),
        ("5", 1),
    ]
    assert all(row["item"] == {"messages": ASKED, "label": "4"} for row in found)


@pytest.mark.parametrize(
    "value",
    [
        {"prompt": ASKED, "chosen": [{"role": "assistant", "content": "4"}], "rejected": [{"role": "assistant", "content": "5"}]},
        {"prompt": "2+2", "chosen": "4", "rejected": "5"},
        {"chosen": [*ASKED, {"role": "assistant", "content": "4"}], "rejected": [*ASKED, {"role": "assistant", "content": "5"}]},
        {"input": {"messages": ASKED}, "preferred_output": [{"role": "assistant", "content": "4"}], "non_preferred_output": [{"role": "assistant", "content": "5"}]},
    ],
)  # fmt: skip
def test_a_preference_is_two_rows(tmp_path: Path, value: dict[str, Any]) -> None:
    found = rows_of(tmp_path / "export", value)
    answers = [(Sample.load(row["sample"]).output_text, row["source"]["preferred"]) for row in found]
    assert answers == [("4", True), ("5", False)]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("messages", {"messages": ASKED, "target": "4"}),
        ("trl", {"prompt": "2+2", "target": "4"}),
        ("verl", {"data_source": "d", "prompt": ASKED, "reward_model": {"style": "rule", "ground_truth": "4"}}),
        ("bedrock", {"messages": ASKED, "reference_answer": {"a": 4}}),
        ("google", {"contents": [{"role": "user", "parts": [{"text": "2+2"}]}], "references": {"answer": "4"}}),
    ],
)  # fmt: skip
def test_a_row_for_training_is_the_item_as_it_is(tmp_path: Path, kind: str, value: dict[str, Any]) -> None:
    found, report, _ = imported(tmp_path / "export", json.dumps(value))
    assert report.by_source == {kind: 1}
    assert found[0]["item"] == value
    assert "sample" not in found[0]


def test_parquet_is_read(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = [{"data_source": "d", "prompt": ASKED, "reward_model": {"style": "rule", "ground_truth": "4"}}] * 3
    parquet.write_table(arrow.Table.from_pylist(rows), tmp_path / "rows.parquet")
    output = tmp_path / "rows.jsonl"
    report = import_files([tmp_path / "rows.parquet"], output, reject=pytest.fail)
    assert report.by_source == {"verl": 3}
    assert json.loads(output.read_text().splitlines()[2])["item"] == rows[2]


UNREADABLE: list[tuple[str, str]] = [
    ("not json", "line 2: "),
    ("[1, 2]", "line 2, 0: expected an object"),
    ("3", "line 2: expected an object"),
    ('{"a": 1}', "line 2: no known source system; it has the fields 'a'"),
    ('{"datasource_item": 3, "sample": "a"}', "line 2: datasource_item"),
    ('{"datasource_item": {}, "sample": {"output": [{"type": "widget"}]}}', "line 2: sample: output.0"),
    ('{"messages": [{"role": "user", "content": "a"}], "response": {"x": 1}}', "line 2: sample: "),
    ('{"contents": 3}', "line 2: contents"),
    ('{"name": "chat", "spanId": "s", "attributes": {"gen_ai.operation.name": "chat"}}', "line 2: the span 'chat' has no"),
    ('{"vars": {}, "response": {}}', "line 2: there is no answer"),
    ('{"a": ' + "[" * 300 + "]" * 300 + "}", "line 2: a.0.0"),
    ('{"object": "list", "data": [{"datasource_item": {}, "sample": "a"}, 3]}', "line 2, data.1: expected an object"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "words"), UNREADABLE)
def test_what_cannot_be_read_is_listed_with_its_place_and_costs_no_other_row(
    tmp_path: Path, line: str, words: str
) -> None:
    good = json.dumps(OUTPUT_ITEM)
    found, report, rejected = imported(tmp_path / "e.jsonl", f"{good}\n{line}\n{good}\n")
    assert len(found) == report.rows == 2 + ("data.1" in words)
    assert report.rejected == len(rejected) >= 1
    assert f"e.jsonl: {words}" in rejected[0]


def test_a_page_that_is_not_the_last_is_noted(tmp_path: Path) -> None:
    _, report, _ = imported(tmp_path / "e.json", json.dumps({"data": [OUTPUT_ITEM], "has_more": True}))
    assert "has_more" in report.notes[0]


def test_a_source_that_is_named_reads_what_others_would(tmp_path: Path) -> None:
    value = {"prompt": "2+2", "completion": "4"}
    trl = rows_of(tmp_path / "e", value)
    chat = rows_of(tmp_path / "e", value, source="chat")
    assert trl[0]["item"] == {"prompt": "2+2"}
    assert chat[0]["item"] == {"messages": ASKED}
    with pytest.raises(ConfigurationError, match="--from: expected one of"):
        rows_of(tmp_path / "e", value, source="nobody")


def test_a_file_is_not_written_over_without_force_nor_over_what_is_read(tmp_path: Path) -> None:
    export, output = tmp_path / "e.jsonl", tmp_path / "rows.jsonl"
    export.write_text(json.dumps(OUTPUT_ITEM))
    output.write_text("mine")
    with pytest.raises(ConfigurationError, match="--force"):
        import_files([export], output, reject=pytest.fail)
    with pytest.raises(ConfigurationError, match="is what is read"):
        import_files([export], export, force=True, reject=pytest.fail)
    assert output.read_text() == "mine"


def test_a_failure_is_read_as_one() -> None:
    assert failed({"a": 1})["error"]["message"] == "{'a': 1}"


def test_what_a_row_does_not_hold_is_listed_and_tools_are_kept(tmp_path: Path) -> None:
    """Answers of `/v1/grade`, of the alpha graders' run and of batches show no samples: nothing of them can be imported."""
    tools = [{"type": "function", "function": {"name": "look"}}]
    own = {"item": {"a": 1}, "sample": "4", "tools": tools, "note": "x"}
    source = tmp_path / "export.jsonl"
    source.write_text("".join(f"{json.dumps(each)}\n" for each in (own, own, OUTPUT_ITEM)))
    report = import_files([source], tmp_path / "rows.jsonl", reject=pytest.fail)
    assert report.lost == {"note": 2, "the result of 'b', which has no number for a score": 1}
    assert json.loads((tmp_path / "rows.jsonl").read_text().splitlines()[0])["tools"] == tools


@pytest.mark.parametrize("make", [sound.google_preference, sound.bedrock_dpo])
def test_a_pair_of_google_or_bedrock_is_two_rows_with_their_answers(tmp_path: Path, make: Any) -> None:
    row = {name: value for name, value in make(3).items() if name != "schemaVersion"}
    source = tmp_path / "export.jsonl"
    source.write_text(f"{json.dumps(row)}\n")
    import_files([source], tmp_path / "rows.jsonl", reject=pytest.fail)
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert [each["source"]["preferred"] for each in rows] == [True, False]
    assert rows[0]["sample"][-1]["content"] == sound.said(3)["content"]
    assert "No idea" in rows[1]["sample"][-1]["content"]


@pytest.mark.parametrize(
    ("name", "steps"),
    [
        ("a page of output items", ["data"]),
        ("a run with its items", ["items"]),
        ("results of promptfoo", ["results", "results"]),
        ("a span of OTLP", ["resourceSpans"]),
    ],
)
def test_a_list_that_is_taken_out_of_an_object_gives_the_same_rows(
    tmp_path: Path, name: str, steps: list[str]
) -> None:
    """What `jq -c .STEPS` makes of a file that is too large to be read as a whole."""
    whole = FOUR_TO_2_PLUS_2[name][1]
    part = whole
    for step in steps:
        part = part[step]
    found, again = (imported(tmp_path / "export.json", json.dumps(value))[0] for value in (whole, part))
    assert found
    assert [_without_source(row) for row in again] == [_without_source(row) for row in found]


def _without_source(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != "source"}

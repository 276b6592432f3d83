"""What a run shows as a sample can be given back and grades the same; rows need a sample only where it is read."""

import json
from typing import Any

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai import OpenAI

from graders import GradingError, Sample
from graders.samples.sample import FIELDS
from graders.template import Template
from runtime.data.rows import sample_or_failure
from service.evals.responses import ItemObject
from service.store.evals import OutputItem
from tests.service.evals.conftest import CUSTOM, EQUAL, ended

CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CHOICE = {
    "index": 0,
    "finish_reason": "length",
    "message": {"role": "assistant", "content": "<think>1</think>2"},
}
ITEM_CHECK = {**EQUAL, "name": "item only", "input": "{{item.answer}}"}
CONSTANT = "def grade(sample, item):\n    return float(item['answer'] == 'a')\n"
ITEMS: list[dict[str, Any]] = [
    {"datasource_item": {"answer": "a"}, "sample": {"output_text": "a"}, "results": []}
]
FIELD_TEMPLATES = [Template(f"{{{{sample.{name}}}}}") for name in FIELDS]


def content(*found: dict[str, Any]) -> Any:
    return {"type": "jsonl", "source": {"type": "file_content", "content": list(found)}}


def made(client: OpenAI, *criteria: Any) -> Any:
    config: Any = CUSTOM
    return client.evals.create(data_source_config=config, testing_criteria=list(criteria))


def graded(client: OpenAI, criteria: list[Any], found: list[dict[str, Any]]) -> list[Any]:
    of = made(client, *criteria)
    run = client.evals.runs.create(of.id, data_source=content(*found))
    ended(client, of.id, run.id)
    return [item.to_dict() for item in client.evals.runs.output_items.list(run.id, eval_id=of.id)]


def scores(items: list[Any]) -> list[Any]:
    return [[(each["score"], each["passed"]) for each in item["results"]] for item in items]


def test_every_sample_that_is_shown_can_be_given_back(client: OpenAI) -> None:
    samples: list[Any] = [
        "a",
        {"output": [{"role": "assistant", "content": "a"}]},
        {"choices": [CHOICE], "model": "m"},
        {"output_text": "a", "output_tools": [CALL], "input_tools": [CALL], "output_reasoning_summary": "s"},
        [
            {
                "role": "assistant",
                "content": [{"type": "thinking", "thinking": "1"}, {"type": "text", "text": "a"}],
            }
        ],
        {"output": [{"type": "widget"}]},
        {"error": {"code": "sample_parse_error", "message": "no JSON", "caused_by": "model"}},
    ]
    fields = [
        "output_text",
        "output_tools",
        "choices",
        "model",
        "output_reasoning_summary",
        "input_tools",
        "reasoning_text",
    ]
    criteria = [
        {**EQUAL, "name": name, "input": f"{{{{sample.{name}}}}}", "operation": "like"} for name in fields
    ]
    items = graded(client, criteria, [{"item": {"answer": "a"}, "sample": sample} for sample in samples])
    again = graded(
        client, criteria, [{"item": item["datasource_item"], "sample": item["sample"]} for item in items]
    )
    assert [item["status"] for item in items] == ["fail", "fail", "fail", "fail", "fail", "error", "fail"]
    assert scores(again) == scores(items)
    assert [item["sample"] for item in again] == [item["sample"] for item in items]


@given(
    st.builds(
        Sample,
        st.text("<think>/ab42`\n", max_size=20),
        output_tools=st.lists(st.just(CALL), max_size=1),
        choices=st.none() | st.lists(st.just(CHOICE), max_size=2),
        model=st.none() | st.just("m"),
        output_audio=st.none() | st.just({"id": "a"}),
        output_reasoning_summary=st.none() | st.just("s"),
        input_tools=st.none() | st.lists(st.just(CALL), max_size=1),
        reasoning_content=st.none() | st.just("r"),
    )
)
def test_no_template_tells_a_shown_sample_from_the_first(sample: Sample) -> None:
    stored: Any = sample.to_stored()
    row = OutputItem(
        id="i", run_id="r", position=0, item={}, sample=stored, results=[], status="pass", created_at=0
    )
    again = sample_or_failure(ItemObject.of(row, "e").sample)
    assert isinstance(again, Sample)
    for template in FIELD_TEMPLATES:
        assert rendered(template, again) == rendered(template, sample)


def rendered(template: Template, sample: Sample) -> str:
    try:
        return template(sample, {})
    except GradingError as error:
        return str(error)


@pytest.mark.full
@pytest.mark.parametrize(
    "criterion", [ITEM_CHECK, {"type": "python", "name": "p", "source": CONSTANT, "pass_threshold": 1}]
)
def test_a_row_needs_no_sample_where_no_criterion_reads_it(client: OpenAI, criterion: dict[str, Any]) -> None:
    (item,) = graded(client, [criterion], [{"item": {"answer": "a"}}])
    assert item["status"] == "pass"


@pytest.mark.parametrize(
    "criterion",
    [
        EQUAL,
        {"type": "multi", "name": "m", "graders": {"a": ITEM_CHECK, "b": EQUAL}, "calculate_output": "a * b"},
        {
            "type": "python",
            "name": "p",
            "source": "def grade(s, item):\n    return len(s)\n",
            "pass_threshold": 1,
        },
    ],
    ids=lambda criterion: criterion["type"],
)
def test_a_row_without_the_sample_that_a_criterion_reads_is_refused(
    client: OpenAI, criterion: dict[str, Any]
) -> None:
    of = made(client, ITEM_CHECK, criterion)
    with pytest.raises(openai.BadRequestError, match="sample: this field is required"):
        client.evals.runs.create(of.id, data_source=content({"item": {"answer": "a"}}))


def test_a_criterion_keeps_what_published_ones_carry(client: OpenAI) -> None:
    described: Any = {**EQUAL, "id": "equal-1", "description": "Whether it is equal."}
    of = made(client, described)
    (shown,) = of.to_dict()["testing_criteria"]
    assert shown["description"] == "Whether it is equal."
    assert shown["id"].startswith("equal-")
    made(client, shown)
    with pytest.raises(
        openai.BadRequestError, match=r"testing_criteria\.0\.description: expected a text, got 5"
    ):
        made(client, {**described, "description": 5})


@pytest.mark.full
def test_output_items_can_be_given_back_as_they_are_shown_in_a_request_and_in_a_file(client: OpenAI) -> None:
    rows: list[dict[str, Any]] = [
        {"item": {"answer": "a"}, "sample": {"output": [{"role": "assistant", "content": "a"}]}},
        {"item": {"answer": "b"}, "sample": {"output_text": "c", "output_tools": [CALL], "model": "m"}},
    ]
    shown = graded(client, [EQUAL], rows)
    wrapped = [{**each, "datasource_item": {"item": each["datasource_item"]}} for each in shown]
    text = "".join(f"{json.dumps(each)}\n" for each in shown)
    file = client.files.create(file=("items.jsonl", text.encode()), purpose="evals")
    of = made(client, EQUAL)
    source: Any = {"type": "jsonl", "source": {"type": "file_id", "id": file.id}}
    run = client.evals.runs.create(of.id, data_source=source)
    ended(client, of.id, run.id)
    from_file = [item.to_dict() for item in client.evals.runs.output_items.list(run.id, eval_id=of.id)]
    for again in (graded(client, [EQUAL], shown), graded(client, [EQUAL], wrapped), from_file):
        assert scores(again) == scores(shown) == [[(1.0, True)], [(0.0, False)]]
        for name in ("datasource_item", "sample"):
            assert [each[name] for each in again] == [each[name] for each in shown]


@pytest.mark.full
@pytest.mark.parametrize("item", [3, "a", []])
def test_an_output_item_with_a_wrong_item_is_a_row_of_its_own_that_says_so(client: OpenAI, item: Any) -> None:
    items = graded(client, [ITEM_CHECK], [{"datasource_item": item, "sample": {"output_text": "a"}}, *ITEMS])
    assert [each["status"] for each in items] == ["error", "pass"]

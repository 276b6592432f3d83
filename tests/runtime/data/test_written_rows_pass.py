"""What is exported or converted for a host passes the check for that host."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graders import ConfigurationError
from runtime.data.check import check_data
from runtime.data.converting import convert_file
from runtime.data.exporting.choosing import Wanted
from runtime.data.exporting.hosts import HOSTS
from runtime.data.exporting.writing import Form, export
from runtime.data.graded.reading import GradedFile
from tests.runtime.graded.files import write_graded, write_rows

KINDS = ("sft", "dpo", "rft")
FORMATS = [
    (host, kind) for host, formats in HOSTS.items() for kind in KINDS if getattr(formats, kind) is not None
]
TOOLS = [
    {"type": "function", "function": {"name": "add", "description": "d", "parameters": {"type": "object"}}}
]
CALL = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
TEXTS = st.sampled_from(["2 + 2?", "Which letter?", "ça, 日本", "a\nb", " ", "", "x" * 50])
COLUMNS = st.sampled_from(
    [
        "answer",
        "reference_answer",
        "reward_model",
        "data_source",
        "prompt",
        "completion",
        "chosen",
        "contents",
        "references",
        "completions",
        "response",
        "output",
        "system",
        "schemaVersion",
        "tools",
        "label",
        "sample",
        "text",
        "weight",
        "trainer_state",
        "ability",
        "index",
        "id",
    ]
)
VALUES: list[st.SearchStrategy[Any]] = [
    st.sampled_from(["a", "b", ""]), st.integers(0, 9), st.just(["a"]), st.just({"style": "rule"}), st.just([{"parts": []}]),
]  # fmt: skip


def errors(path: Path, host: str) -> list[tuple[str, str]]:
    found = check_data(path, host=host).findings
    return [
        (group.first.code, group.first.message)
        for group in found
        if group.first.level == "error" and group.first.code != "too-few-rows"
    ]


@st.composite
def asked(draw: st.DrawFn) -> dict[str, Any]:
    """A prompt of a row, with tools where it calls them, and often something wrong with it."""
    first: list[Any] = [{"role": draw(st.sampled_from(["system", "developer"])), "content": draw(TEXTS)}]
    messages = [*first * draw(st.integers(0, 1)), {"role": "user", "content": draw(TEXTS)}]
    found: dict[str, Any] = {}
    if draw(st.booleans()):
        result = {"role": "tool", "tool_call_id": draw(st.sampled_from(["call_1", "other"])), "content": "3"}
        called = {
            "role": "assistant",
            "content": draw(st.sampled_from([None, "", "so"])),
            "tool_calls": [CALL],
        }
        messages += [called, *[result] * draw(st.integers(0, 2))]
        messages += [{"role": "user", "content": draw(TEXTS)}] * draw(st.integers(0, 1))
        found["tools"] = draw(st.sampled_from([TOOLS, [{"name": "other"}], None]))
    if draw(st.booleans()):
        image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
        messages[-1] = {**messages[-1], "content": [{"type": "text", "text": "this?"}, image]}
    return {"messages": messages, **found}


ANSWERS = st.sampled_from(
    [
        "four",
        " ",
        "five",
        {"output_text": "six", "output_tools": [CALL]},
        {"output_text": "", "output_tools": [CALL]},
        [
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            {"role": "assistant", "content": "ok"},
        ],
        [{"role": "assistant", "content": ""}, {"role": "assistant", "content": "ok"}],
        [
            {"role": "assistant", "content": "", "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "call_1", "content": ""},
            {"role": "assistant", "content": "3"},
        ],
    ]
)


@st.composite
def items(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Items whose columns have one type each, and names that formats use for themselves."""
    columns = draw(st.dictionaries(COLUMNS, st.sampled_from(VALUES), max_size=4))
    return [
        {"answer": draw(st.sampled_from("AB")), **{name: draw(each) for name, each in columns.items()}}
        for _ in range(3)
    ]


@pytest.mark.few(3)
@pytest.mark.parametrize(("host", "kind"), FORMATS)
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(items(), st.data())
def test_every_export_passes_the_check_for_its_host(
    tmp_path_factory: pytest.TempPathFactory,
    host: str,
    kind: Any,
    given_items: list[Any],
    data: st.DataObject,
) -> None:
    folder = tmp_path_factory.mktemp("exported")
    rows = [
        {**data.draw(asked()), "item": item, "samples": data.draw(st.lists(ANSWERS, min_size=2, max_size=3))}
        for item in given_items
    ]
    count = sum(len(row["samples"]) for row in rows)
    rewards = data.draw(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=count, max_size=count))
    output = folder / "out.jsonl"
    with GradedFile(write_graded(folder, rows, rewards)) as file:
        try:
            export(file, Wanted(kind), Form(host), output)
        except ConfigurationError:
            return
    if output.exists():
        assert errors(output, host) == []


@pytest.mark.few(3)
@pytest.mark.parametrize("host", HOSTS)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(items(), st.sampled_from([*KINDS, "mixed"]), st.data())
def test_every_conversion_passes_the_check_for_its_host(
    tmp_path_factory: pytest.TempPathFactory,
    host: str,
    given_items: list[Any],
    kind: str,
    data: st.DataObject,
) -> None:
    folder = tmp_path_factory.mktemp("converted")
    kinds = [data.draw(st.sampled_from(KINDS)) if kind == "mixed" else kind for _ in given_items]
    rows = [_row(item, each, data) for item, each in zip(given_items, kinds, strict=True)]
    source = write_rows(folder / "rows.jsonl", rows)
    for to in (host, *data.draw(st.permutations(list(HOSTS)))[:1]):
        output = folder / f"{to}.{source.name}"
        if not convert_file(source, output, to, allow_loss=True).written:
            return
        assert errors(output, to) == []
        source = output


def _row(item: dict[str, Any], kind: str, data: st.DataObject) -> dict[str, Any]:
    prompt = {name: value for name, value in data.draw(asked()).items() if value is not None}
    if data.draw(st.integers(0, 3)) == 0:
        prompt["messages"] = [*prompt["messages"], {"role": "assistant", "content": data.draw(TEXTS)}]
    good, bad = ([{"role": "assistant", "content": data.draw(TEXTS)}] for _ in range(2))
    if kind == "rft":
        row: dict[str, Any] = data.draw(st.sampled_from(RFT))(item, prompt)
        return row
    if kind == "dpo":
        return {"input": prompt, "preferred_output": good, "non_preferred_output": bad}
    return {**prompt, "messages": [*prompt["messages"], *good]}


def _google(item: dict[str, Any], prompt: dict[str, Any]) -> dict[str, Any]:
    roles = {"assistant": "model"}
    said = [each for each in prompt["messages"] if each["role"] in ("user", "assistant")]
    contents = [
        {"role": roles.get(each["role"], "user"), "parts": [{"text": str(each["content"])}]} for each in said
    ]
    return {"contents": contents, "references": {"answer": item["answer"]}}


RFT: list[Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]]] = [
    lambda item, prompt: {**item, **prompt},
    lambda item, prompt: {**prompt, "reference_answer": item["answer"]},
    lambda item, prompt: {**item, "prompt": prompt["messages"]},
    lambda item, prompt: {
        "data_source": "d",
        "prompt": prompt["messages"],
        "reward_model": {"style": "rule", "ground_truth": item["answer"]},
    },
    _google,
]
"""What a row for reinforcement fine-tuning looks like: OpenAI's, Bedrock's, TRL's, verl's and Google's."""


def test_an_exported_row_that_its_host_would_refuse_is_left_out_with_the_reason(tmp_path: Path) -> None:
    rows = [
        {"item": {"answer": "4"}, "messages": [{"role": "user", "content": text}], "samples": ["4"]}
        for text in ("2 + 2?", " ")
    ]
    with GradedFile(write_graded(tmp_path, rows, [1.0, 1.0])) as file:
        found = export(file, Wanted("sft"), Form("google"), tmp_path / "out.jsonl")
    assert found.rows == 1
    [(reason, count)] = found.left_out.items()
    assert (reason, count) == ("rows: contents.[] has no text", 1)

"""Exports load where they go, and hold nothing that was not measured."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from google.genai import types as google
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletionMessageParam
from pyarrow import parquet
from pydantic import TypeAdapter

from graders import ConfigurationError
from graders.template import Template
from runtime.data.exporting.choosing import Wanted
from runtime.data.exporting.hosts import HOSTS
from runtime.data.exporting.writing import PROVENANCE, Exported, Form, export, prompts_of_export
from runtime.data.formats import format_of
from runtime.data.graded.reading import GradedFile
from tests.runtime.graded.files import Reward, prompts, write_graded

MESSAGES = TypeAdapter(list[ChatCompletionMessageParam])
CALL = {"id": "", "type": "function", "function": {"name": "look_up", "arguments": '{"id": 7}'}}
TOOL = {
    "type": "function",
    "function": {"name": "look_up", "description": "d", "parameters": {"type": "object", "properties": {}}},
}
ROWS: list[dict[str, Any]] = [
    {
        "item": {"answer": "four", "n": 4, "nested": {"a": [1]}},
        "messages": [{"role": "system", "content": "Be short."}, {"role": "user", "content": "2 + 2?"}],
        "tools": [TOOL],
        "samples": [
            "five",
            {"output_text": "four", "model": "m-1"},
            {"output_text": "", "output_tools": [CALL]},
            "four!",
        ],
    },
    {"item": {"answer": "x", "question": "Which letter?"}, "samples": ["y", "x", "", "x"]},
]
REWARDS: list[Reward] = [0.0, 1.0, 0.75, 0.5, 0.25, 0.9, 0.0, 0.9]


def write(path: Path, kind: Any, host: str = "openai", output: str = "out.jsonl", **options: Any) -> Exported:
    form = {name: options.pop(name) for name in ("bom", "reference", "data_source") if name in options}
    replace = options.pop("replace", False)
    with GradedFile(path) as file:
        return export(
            file, Wanted(kind, **options), Form(host, **form), path.with_name(output), replace=replace
        )


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8-sig").splitlines()]


def exported(path: Path, kind: str, host: str = "openai", **options: Any) -> list[dict[str, Any]]:
    write(path, kind, host, replace=True, **options)
    return lines(path.with_name("out.jsonl"))


@pytest.fixture
def graded(tmp_path: Path) -> Path:
    return write_graded(tmp_path, ROWS, REWARDS)


def test_openai_rows_are_those_that_its_types_and_pages_describe(graded: Path) -> None:
    for row in exported(graded, "sft"):
        MESSAGES.validate_python(row["messages"])
        assert row["messages"][-1]["role"] == "assistant"
    first = exported(graded, "sft", per_prompt=2)
    assert [row["messages"][-1]["content"] for row in first] == ["four", "", "x"]
    assert first[1]["messages"][-1]["tool_calls"][0]["id"] == "call_0"
    assert first[0]["tools"] == [TOOL]
    pairs = exported(graded, "dpo")
    for pair in pairs:
        for part in (pair["input"]["messages"], pair["preferred_output"], pair["non_preferred_output"]):
            MESSAGES.validate_python(part)
        assert pair["input"]["messages"][-1]["role"] == "user"
    assert [(p["preferred_output"][0]["content"], p["non_preferred_output"][0]["content"]) for p in pairs] == [
        ("four", "five"), ("x", "y"),
    ]  # fmt: skip
    assert exported(graded, "rft") == [
        {"messages": ROWS[0]["messages"], "tools": [TOOL], "answer": "four", "n": 4, "nested": {"a": [1]}},
        {
            "messages": [{"role": "user", "content": "Which letter?"}],
            "answer": "x",
            "question": "Which letter?",
        },
    ]


def test_google_rows_are_read_by_its_types(graded: Path) -> None:
    for kind in ("sft", "dpo", "rft"):
        for row in exported(graded, kind, "google", **({"per_prompt": 2} if kind == "sft" else {})):
            contents = [google.Content.model_validate(each) for each in row["contents"]]
            assert {content.role for content in contents} <= {"user", "model"}
            if "systemInstruction" in row:
                google.Content.model_validate(row["systemInstruction"])
                google.Tool.model_validate(row["tools"][0])
            assert (contents[-1].role == "model") == (kind == "sft")
    assert exported(graded, "rft", "google")[0]["references"] == {
        "answer": "four",
        "n": "4",
        "nested": '{"a": [1]}',
    }
    [one, other] = exported(graded, "dpo", "google")[0]["completions"]
    assert (one["score"], other["score"]) == (1.0, 0.0)
    assert google.Content.model_validate(one["completion"]).role == "model"


def test_bedrock_turns_alternate_and_hold_blocks(graded: Path) -> None:
    for row in exported(graded, "sft", "bedrock", per_prompt=2):
        assert row["schemaVersion"] == "bedrock-conversation-2024"
        roles = [turn["role"] for turn in row["messages"]]
        assert roles == ["user", "assistant"]
        assert all(turn["content"] for turn in row["messages"])
    pair = exported(graded, "dpo", "bedrock")[0]
    assert [each["preferenceLabel"] for each in pair["messages"][-1]["candidates"]] == [
        "preferred",
        "non-preferred",
    ]
    assert exported(graded, "rft", "bedrock")[0]["reference_answer"] == "four"


def test_verl_and_trl_rows_have_their_columns(graded: Path) -> None:
    row = exported(graded, "rft", "verl", data_source="sums")[0]
    assert (row["data_source"], row["prompt"]) == ("sums", ROWS[0]["messages"])
    assert row["reward_model"] == {"style": "rule", "ground_truth": "four"}
    assert row["extra_info"] == {"n": 4, "nested": {"a": [1]}, "index": 0}
    assert exported(graded, "rft", "trl")[1] == {
        "prompt": [{"role": "user", "content": "Which letter?"}],
        "answer": "x",
        "question": "Which letter?",
    }
    assert exported(graded, "dpo", "trl")[1]["chosen"] == [{"role": "assistant", "content": "x"}]


@pytest.mark.parametrize("host", ["openai", "foundry", "trl"])
@pytest.mark.parametrize("kind", ["sft", "dpo", "rft"])
def test_exports_are_recognised_and_have_no_fault(graded: Path, kind: str, host: str) -> None:
    for row in exported(graded, kind, host):
        found = format_of(row)
        errors = [fault for fault in found.faults(row) if fault.level == "error"]
        assert (found.kind, errors) == (kind, [])


def test_only_foundry_gets_a_byte_order_mark_unless_it_is_wanted(graded: Path) -> None:
    for host, bom, expected in (
        ("foundry", None, True),
        ("foundry", False, False),
        ("openai", None, False),
        ("openai", True, True),
    ):
        write(graded, "rft", host, bom=bom, replace=True)
        assert graded.with_name("out.jsonl").read_bytes().startswith(b"\xef\xbb\xbf") is expected


def test_parquet_holds_the_same_rows(graded: Path) -> None:
    write(graded, "rft", "verl", "out.parquet")
    rows = parquet.read_table(graded.with_name("out.parquet")).to_pylist()
    assert [row["reward_model"]["ground_truth"] for row in rows] == ["four", "x"]


# what may be an example


MAY_BE = st.sampled_from([None, "flagged", "stand-in", 0.0, 0.2, 0.25, 0.5, 1.0])


@settings(max_examples=30, deadline=None)
@given(
    st.lists(MAY_BE, min_size=8, max_size=8),
    st.sampled_from([0.0, 0.05, 0.25, 0.8]),
    st.integers(1, 4),
)
def test_nothing_that_was_not_measured_is_exported(
    tmp_path_factory: pytest.TempPathFactory, rewards: list[Reward], gap: float, per_prompt: int
) -> None:
    folder = tmp_path_factory.mktemp("measured")
    path = write_graded(folder, prompts(2, 4), rewards)
    measured = {f"answer {n // 4}.{n % 4}": rewards[n] for n in range(8) if isinstance(rewards[n], float)}
    bad = {f"answer {n // 4}.{n % 4}" for n in range(8) if rewards[n] == "flagged"}
    found = write(path, "dpo", min_gap=gap, per_prompt=per_prompt)
    pairs = lines(folder / "out.jsonl") if found.rows else []
    assert len(pairs) == found.rows
    for pair in pairs:
        better, worse = (pair[side][0]["content"] for side in ("preferred_output", "non_preferred_output"))
        assert better.split(".")[0] == worse.split(".")[0]
        assert better in measured
        low = 0.0 if worse in bad else measured[worse]
        assert isinstance(low, float)
        assert measured[better] - low >= max(gap, 1e-9) - 1e-9  # type: ignore[operator]
    written = [(p["preferred_output"], p["non_preferred_output"]) for p in pairs]
    assert len(written) == len({json.dumps(each) for each in written})
    if found.rows:
        (folder / "out.jsonl").unlink()
        (folder / ("out.jsonl" + PROVENANCE)).unlink()
    found = write(path, "sft", min_reward=0.2, per_prompt=per_prompt)
    for row in lines(folder / "out.jsonl") if found.rows else []:
        assert measured[row["messages"][-1]["content"]] >= 0.2  # type: ignore[operator]


@pytest.mark.parametrize(
    ("rewards", "rows"),
    [
        ([1.0, 1.0], 0),  # a tie
        (["stand-in", 0.0], 0),  # better by substitution
        ([0.5, "stand-in"], 0),  # worse by substitution
        ([None, 0.0], 0),
        ([1.0, None], 0),
        ([1.0, 0.9], 1),  # 0.09999… is the gap of 0.1
        ([1.0, 0.95], 0),
        ([1.0, "flagged"], 1),  # the model's failure was measured
        (["flagged", "flagged"], 0),
    ],
)
def test_pairs_by_reward(tmp_path: Path, rewards: Sequence[Reward], rows: int) -> None:
    assert write(write_graded(tmp_path, prompts(1, 2), rewards), "dpo").rows == rows


@pytest.mark.parametrize(
    "answers", [["same", "same"], ["", "b"], ["a", "  "], ["a", {"output": []}], ["a", 17]]
)
def test_a_pair_needs_two_answers_that_differ(tmp_path: Path, answers: list[Any]) -> None:
    path = write_graded(tmp_path, [{"item": {"question": "q"}, "samples": answers}], [1.0, 0.0])
    assert write(path, "dpo").rows == 0
    assert not (tmp_path / "out.jsonl").exists()


def test_reasons_for_what_is_left_out_are_counted(tmp_path: Path) -> None:
    rows = [*prompts(2, 2), {"item": {"a": 1}, "samples": ["a", "b"]}]
    found = write(write_graded(tmp_path, rows, [None, 1.0, 0.1, None, 1.0, 1.0]), "sft")
    assert found.rows == 1
    assert found.left_out["samples: ungraded"] == 2
    assert found.left_out["prompts: no measured sample is good enough"] == 1
    assert any("no prompt: expected 'messages'" in reason for reason in found.left_out)


def test_a_prompt_is_made_from_a_template(tmp_path: Path) -> None:
    path = write_graded(tmp_path, [{"item": {"a": "A", "b": [1]}, "sample": "s"}], [1.0])
    [row] = exported(path, "sft", template=Template("{{item.a}} {{item.b}}"))
    assert row["messages"][0] == {"role": "user", "content": "A [1]"}
    found = write(path, "sft", output="none.jsonl", template=Template("{{item.none}}"))
    assert (found.rows, len(found.left_out)) == (0, 1)


def test_without_a_threshold_sft_needs_a_lowest_reward(tmp_path: Path) -> None:
    path = write_graded(tmp_path, prompts(1, 2), [0.1, 0.9], threshold=None)
    with pytest.raises(ConfigurationError, match="give --min-reward"):
        write(path, "sft")
    assert write(path, "sft", min_reward=0.9).rows == 1


# where it comes from


def test_every_row_has_its_provenance(graded: Path) -> None:
    write(graded, "dpo", per_prompt=2)
    rows, origins = lines(graded.with_name("out.jsonl")), lines(graded.with_name("out.jsonl" + PROVENANCE))
    assert [origin["line"] for origin in origins] == list(range(1, len(rows) + 1))
    sources = {line["key"]: line for line in lines(graded)}
    for row, origin in zip(rows, origins, strict=True):
        better, worse = origin["samples"]
        assert (better["role"], worse["role"]) == ("preferred", "non_preferred")
        assert better["reward"] > worse["reward"]
        for side, name in ((better, "preferred_output"), (worse, "non_preferred_output")):
            source = sources[side["key"]]
            stored = source["sample"]
            assert row[name][0]["content"] == (stored if isinstance(stored, str) else stored["output_text"])
            assert (side["signature"], side["row_line"]) == (source["signature"], source["line"])
    assert origins[0]["samples"][0]["model"] == "m-1"


def test_disjoint_exports_share_no_prompt(tmp_path: Path) -> None:
    path = write_graded(tmp_path, prompts(6, 2), [1.0, 0.0] * 3 + [1.0, 1.0] * 3)
    assert write(path, "dpo", output="dpo.jsonl").rows == 3
    taken = frozenset(prompts_of_export(tmp_path / "dpo.jsonl"))
    found = write(path, "sft", output="sft.jsonl", taken=taken)
    assert (found.rows, found.left_out["prompts: in another export"]) == (3, 3)
    both = taken | prompts_of_export(tmp_path / ("sft.jsonl" + PROVENANCE))
    assert len(both) == 6
    assert write(path, "rft", output="rft.jsonl", taken=frozenset(both)).rows == 0


@pytest.mark.parametrize("text", ["", "{}\n", "[]\n", "nonsense\n"])
def test_a_file_without_provenance_cannot_be_kept_apart(tmp_path: Path, text: str) -> None:
    if text:
        (tmp_path / ("a.jsonl" + PROVENANCE)).write_text(text)
    with pytest.raises(ConfigurationError, match=r"cannot read|expected the provenance"):
        prompts_of_export(tmp_path / "a.jsonl")


def test_nothing_is_written_over_without_force(graded: Path) -> None:
    write(graded, "sft")
    for name in ("out.jsonl", "out.jsonl" + PROVENANCE):
        other = "out.jsonl" + PROVENANCE if name == "out.jsonl" else "out.jsonl"
        graded.with_name(other).unlink(missing_ok=True)
        with pytest.raises(ConfigurationError, match="is there already; --force writes over it"):
            write(graded, "sft")
        write(graded, "sft", replace=True)


def test_a_host_without_a_format_says_who_has_one(graded: Path) -> None:
    with pytest.raises(ConfigurationError, match="verl has no format for dpo; openai, foundry"):
        write(graded, "dpo", "verl")


def test_a_reference_that_no_item_has_leaves_its_row_out(graded: Path) -> None:
    found = write(graded, "rft", "verl", reference="item.none")
    assert (found.rows, sum(found.left_out.values())) == (0, 2)
    assert write(graded, "rft", "bedrock", reference="n").rows == 1


def test_a_conversation_with_tools_goes_to_every_host(tmp_path: Path) -> None:
    turns: list[dict[str, Any]] = [
        {"role": "user", "content": [{"type": "input_text", "text": "Where is it?"}]},
        {"role": "assistant", "content": None, "tool_calls": [{**CALL, "id": "c1"}]},
        {"role": "tool", "tool_call_id": "c1", "content": '{"place": "here"}'},
        {"role": "assistant", "content": "Here."},
    ]
    path = write_graded(tmp_path, [{"item": {"a": "b"}, "prompt": "Where is it?", "sample": turns}], [1.0])
    for host in HOSTS:
        [row] = exported(path, "sft", host)
        text = json.dumps(row)
        assert text.count("Where is it?") == 1
        assert '"here' in text.replace("\\", "")
        if host == "google":
            parts = [google.Content.model_validate(each) for each in row["contents"]]
            assert [part.role for part in parts] == ["user", "model", "user", "model"]
        elif host == "openai":
            MESSAGES.validate_python(row["messages"])
            assert [each["role"] for each in row["messages"]] == ["user", "assistant", "tool", "assistant"]


@pytest.mark.parametrize(
    ("host", "output", "name"),
    [
        ("trl", "out.jsonl", "answer"),
        ("verl", "out.jsonl", "reward_model.ground_truth"),
        ("verl", "out.parquet", "reward_model.ground_truth"),
        ("openai", "out.parquet", "answer"),
    ],
)
def test_a_column_of_several_types_is_not_exported_for_tables(
    tmp_path: Path, host: str, output: str, name: str
) -> None:
    rows = [
        {
            "item": {"answer": answer},
            "messages": [{"role": "user", "content": f"{number}?"}],
            "samples": ["4"],
        }
        for number, answer in enumerate(["4", "4", ["4"], None])
    ]
    path = write_graded(tmp_path, rows, [1.0] * 4)
    with pytest.raises(ConfigurationError) as refused:
        write(path, "rft", host, output)
    assert f"'{name}' is a text in 2 rows (first in line " in str(refused.value)
    assert "and a list in 1 row (first in line " in str(refused.value)
    assert not path.with_name(output).exists()
    assert not path.with_name(output + PROVENANCE).exists()

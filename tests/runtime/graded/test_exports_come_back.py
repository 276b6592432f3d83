"""What is exported is imported again: prompts, tools, answers and references are what they were."""

import json
from pathlib import Path
from typing import Any

import pytest
from google.genai import types as google
from openai.types.chat import ChatCompletionFunctionToolParam, ChatCompletionMessageParam
from pydantic import TypeAdapter

from graders import Sample
from runtime.data.conversation import prompt_of
from runtime.data.exporting.choosing import Wanted
from runtime.data.exporting.hosts import HOSTS
from runtime.data.exporting.writing import Form, export
from runtime.data.graded.reading import GradedFile
from runtime.data.importing.read import import_files
from runtime.data.rows import sample_or_failure
from tests.runtime.graded.files import write_graded

KINDS = ("sft", "dpo", "rft")
FORMATS = [(host, kind) for host in HOSTS for kind in KINDS if getattr(HOSTS[host], kind) is not None]
SYSTEM, ASKED = {"role": "system", "content": "Be short."}, {"role": "user", "content": "2 + 2?"}
TOOL = {
    "type": "function",
    "function": {"name": "add", "description": "d", "parameters": {"type": "object", "properties": {}}},
}
CALL = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a": 2}'}}
RESULT = {"role": "tool", "tool_call_id": "call_1", "content": "4"}
CALLED = [SYSTEM, ASKED, {"role": "assistant", "content": "so", "tool_calls": [CALL]}, RESULT, {**ASKED, "content": "So?"}]  # fmt: skip
ROWS: list[dict[str, Any]] = [
    {"messages": [SYSTEM, ASKED], "item": {"answer": "vier", "topic": "sums"}, "samples": ["vier, ça 日本", "fünf"]},
    {"messages": [ASKED], "item": {"answer": "x", "topic": "letters"}, "samples": ["x\n\ny", "z"]},
    {"messages": CALLED, "tools": [TOOL], "item": {"answer": "4", "topic": "sums"}, "samples": ["4", "5"]},
]  # fmt: skip
MESSAGES = TypeAdapter(list[ChatCompletionMessageParam])
TOOLS = TypeAdapter(list[ChatCompletionFunctionToolParam])


def exported(folder: Path, host: str, kind: Any) -> list[dict[str, Any]]:
    graded = write_graded(folder, ROWS, [1.0, 0.0] * len(ROWS))
    with GradedFile(graded) as file:
        assert export(file, Wanted(kind), Form(host), folder / "out.jsonl").rows == len(ROWS)
    return [json.loads(line) for line in (folder / "out.jsonl").read_text("utf-8-sig").splitlines()]


def said(message: dict[str, Any]) -> tuple[str, str, list[tuple[str, Any]]]:
    """What a message says and calls, without the ids of calls, for which Google has no place."""
    calls = [
        (each["function"]["name"], json.loads(each["function"]["arguments"]))
        for each in message.get("tool_calls") or ()
    ]
    return message["role"], str(message.get("content")), calls


def text_of(stored: Any) -> str:
    sample = sample_or_failure(stored)
    assert isinstance(sample, Sample)
    return sample.output_text


@pytest.mark.parametrize(("host", "kind"), FORMATS)
def test_an_export_is_imported_as_it_was(tmp_path: Path, host: str, kind: str) -> None:
    exported(tmp_path, host, kind)
    rejected: list[str] = []
    report = import_files([tmp_path / "out.jsonl"], tmp_path / "rows.jsonl", reject=rejected.append)
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert (rejected, report.lost, report.ungraded) == ([], {}, 0)
    answers = {"sft": 1, "dpo": 2, "rft": 0}[kind]
    assert report.with_sample == answers * len(ROWS)
    for number, row in enumerate(rows):
        before = ROWS[number // max(answers, 1)]
        assert [said(each) for each in prompt_of(row).messages] == [said(each) for each in before["messages"]]
        if answers:
            assert text_of(row["sample"]) == before["samples"][number % answers]
            continue
        assert "sample" not in row
        for value in before["item"].values():
            assert json.dumps(value) in json.dumps(row["item"])


@pytest.mark.parametrize("name", ["answer", "result"])
@pytest.mark.parametrize("prompt", [{"messages": [ASKED]}, {"prompt": [ASKED]}, {"prompt": "2 + 2?"}])
def test_a_reference_is_never_taken_for_the_answer_of_a_model(
    tmp_path: Path, name: str, prompt: dict[str, Any]
) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({**prompt, name: "4", "n": 1}))
    report = import_files([tmp_path / "a.jsonl"], tmp_path / "rows.jsonl", reject=lambda line: None)
    row = json.loads((tmp_path / "rows.jsonl").read_text())
    assert (report.with_sample, row["item"][name], row["item"]["n"]) == (0, "4", 1)


# what the hosts publish


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("host", ["openai", "foundry"])
def test_messages_and_tools_are_of_the_types_of_openai(tmp_path: Path, host: str, kind: str) -> None:
    for row in exported(tmp_path, host, kind):
        asked = row["input"] if kind == "dpo" else row
        for name in ("preferred_output", "non_preferred_output"):
            MESSAGES.validate_python(row.get(name, []))
        MESSAGES.validate_python(asked["messages"])
        TOOLS.validate_python(asked.get("tools", []))


@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_of_the_types_of_google(tmp_path: Path, kind: str) -> None:
    for row in exported(tmp_path, "google", kind):
        asked = {name: row[name] for name in ("systemInstruction", "contents", "tools") if name in row}
        read = google.ReinforcementTuningExample.model_validate(
            {**asked, "references": row.get("references", {})}
        )
        assert read.contents
        assert (read.contents[-1].role == "model") == (kind == "sft")
        if kind == "dpo":
            pair = {name: row[name] for name in ("contents", "completions")}
            scores = google.GeminiPreferenceExample.model_validate(pair).completions or []
            assert [each.score for each in scores] == [1, 0]
        known = {"completions"} if kind == "dpo" else {"references"} if kind == "rft" else set()
        assert row.keys() == asked.keys() | known


@pytest.mark.parametrize("kind", ["sft", "dpo"])
def test_conversations_keep_the_rules_of_bedrock(tmp_path: Path, kind: str) -> None:
    """The rules of the Converse API: turns alternate from the user's on; results follow the calls that they answer."""
    for row in exported(tmp_path, "bedrock", kind):
        assert row.keys() <= {"schemaVersion", "system", "messages", "toolConfig"}
        assert row["schemaVersion"] == "bedrock-conversation-2024"
        assert all(block.keys() == {"text"} for block in row.get("system", ()))
        roles = [turn["role"] for turn in row["messages"]]
        assert roles == [("user", "assistant")[number % 2] for number in range(len(roles))]
        assert roles[-1] == "assistant"
        declared = {each["toolSpec"]["name"] for each in row.get("toolConfig", {}).get("tools", ())}
        opened: set[str] = set()
        for turn in row["messages"]:
            contents = [each["content"] for each in turn.get("candidates", [turn])]
            for block in (block for content in contents for block in content):
                [(name, value)] = block.items()
                if name == "toolUse":
                    assert value.keys() == {"toolUseId", "name", "input"}
                    assert value["name"] in declared
                    assert isinstance(value["input"], dict)
                    opened.add(value["toolUseId"])
                elif name == "toolResult":
                    opened.remove(value["toolUseId"])
                else:
                    assert (name, bool(value.strip())) == ("text", True)
        assert not opened
        if kind == "dpo":
            labels = [each["preferenceLabel"] for each in row["messages"][-1]["candidates"]]
            assert labels == ["preferred", "non-preferred"]


def test_rows_for_reinforcement_keep_the_rules_of_bedrock(tmp_path: Path) -> None:
    for row in exported(tmp_path, "bedrock", "rft"):
        MESSAGES.validate_python(row["messages"])
        assert row["messages"][-1]["role"] == "user"
        assert isinstance(row["reference_answer"], (str, dict))
        assert row["reference_answer"]

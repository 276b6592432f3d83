"""Rows in another trainer's format: what is not listed as lost comes through, and nothing is written when something is."""

import json
from pathlib import Path
from typing import Any

import pytest
from google.genai import types as google
from hypothesis import assume, given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletionMessageParam
from pydantic import TypeAdapter

from graders import ConfigurationError
from graders.testing.strategies import json_values
from runtime.data.conversation import NoConversation
from runtime.data.converting import Converter, convert_file
from runtime.data.exporting.hosts import HOSTS
from runtime.data.formats import FORMATS, format_of
from runtime.data.training_rows import training_row

MESSAGES = TypeAdapter(list[ChatCompletionMessageParam])
SYSTEM = {"role": "system", "content": "Add."}
ASKED = [SYSTEM, {"role": "user", "content": "2+2"}]
FOUR, FIVE = ({"role": "assistant", "content": text} for text in ("4", "5"))
CALL = {"id": "call_2_0", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
RESULT = {"role": "tool", "tool_call_id": "call_2_0", "content": "3"}
TOOLS = [
    {"type": "function", "function": {"name": "add", "description": "d", "parameters": {"type": "object"}}}
]
SFT = {"messages": [*ASKED, FOUR]}
DPO = {"input": {"messages": ASKED}, "preferred_output": [FOUR], "non_preferred_output": [FIVE]}
RFT = {"messages": ASKED, "answer": "4"}
WITH_TOOLS = {
    "messages": [*ASKED, {"role": "assistant", "content": None, "tool_calls": [CALL]}],
    "tools": TOOLS,
}


def round_trip(row: dict[str, Any], host: str, back: str = "openai") -> tuple[dict[str, Any], list[str]]:
    there, lost, _ = Converter(host).convert(row)
    again, lost_again, _ = Converter(back).convert(there)
    return again, [*lost, *lost_again]


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("row", [SFT, DPO, RFT, WITH_TOOLS], ids=["sft", "dpo", "rft", "tools"])
def test_a_row_goes_to_every_host_that_has_a_format_for_it_and_comes_back(
    row: dict[str, Any], host: str
) -> None:
    if host == "verl" and row is DPO:
        with pytest.raises(NoConversation, match="verl has no format for dpo"):
            round_trip(row, host)
        return
    again, lost = round_trip(row, host)
    assert [name for name in lost if not name.endswith("[].id")] == []
    expected = training_row(row)
    found = training_row(again)
    assert (found.training, len(found.answers)) == (expected.training, len(expected.answers))
    assert [message["content"] for message in found.prompt.messages] == ["Add.", "2+2"]
    if row is RFT:
        assert "4" in json.dumps(again)


@pytest.mark.parametrize(
    ("row", "host", "lost"),
    [
        ({"messages": [*ASKED, {**FOUR, "weight": 0}]}, "google", ["messages[].weight"]),
        ({**SFT, "id": 7}, "openai", ["id"]),
        ({"messages": ASKED, "nums": [1, 2], "answer": "4"}, "google", ["nums (becomes a text)"]),
        ({"messages": ASKED, "answer": "4", "tools": TOOLS}, "trl", ["tools"]),
        ({"messages": [{**SYSTEM, "role": "developer"}, ASKED[1]], "answer": "4"}, "google", ["messages[].role"]),
        ({"messages": [SYSTEM, {**ASKED[1], "name": "u"}], "answer": "4"}, "google", ["messages[].name"]),
        ({"contents": [{"role": "user", "parts": [{"text": "2"}]}], "references": {"a": "4"}, "tools": [{"googleSearch": {}}]}, "openai", ["tools[].googleSearch"]),
    ],
)  # fmt: skip
def test_what_is_lost_is_named(row: dict[str, Any], host: str, lost: list[str]) -> None:
    assert Converter(host).convert(row)[1] == lost


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        ({"contents": [{"role": "user", "parts": [{"inlineData": {}}, {"text": "2"}]}]}, "inlineData"),
        (
            {
                "schemaVersion": "bedrock-conversation-2024",
                "messages": [
                    {"role": "user", "content": [{"text": "2"}, {"image": {"format": "png"}}]},
                    {"role": "assistant", "content": [{"text": "4"}]},
                ],
            },
            "image",
        ),
    ],
)
def test_a_row_is_not_converted_without_the_image_that_it_asks_about(row: dict[str, Any], kind: str) -> None:
    with pytest.raises(NoConversation, match=kind):
        Converter("openai").convert(row)


@pytest.mark.parametrize("row", [SFT, DPO, RFT, WITH_TOOLS], ids=["sft", "dpo", "rft", "tools"])
@pytest.mark.parametrize("over", ["google", "bedrock", "trl"])
def test_converted_rows_are_read_by_the_types_of_openai_and_google(row: dict[str, Any], over: str) -> None:
    between = Converter(over).convert(row)[0]
    chat = Converter("openai").convert(between)[0]
    asked = chat.get("input", chat)
    for part in (asked["messages"], chat.get("preferred_output"), chat.get("non_preferred_output")):
        MESSAGES.validate_python(part or [])
    found = Converter("google").convert(between)[0]
    completions = [each["completion"] for each in found.get("completions", ())]
    for content in (found["systemInstruction"], *found["contents"], *completions):
        google.Content.model_validate(content)
    for tool in found.get("tools", ()):
        google.Tool.model_validate(tool)
    if completions:
        kept = {name: found[name] for name in ("contents", "completions")}
        google.GeminiPreferenceExample.model_validate(kept)


def test_a_renamed_reference_is_noted() -> None:
    written, lost, note = Converter("verl").convert(RFT)
    assert written["reward_model"]["ground_truth"] == "4"
    assert (lost, note) == ([], "item.answer becomes ground_truth")


def lines(path: Path, *rows: object) -> Path:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def test_nothing_is_written_when_something_would_be_lost_unless_that_is_allowed(tmp_path: Path) -> None:
    source = lines(tmp_path / "a.jsonl", SFT, {**SFT, "id": 1}, {"other": 1})
    output = tmp_path / "b.jsonl"
    report = convert_file(source, output, "google")
    assert not report.written
    assert not output.exists()
    assert (report.losses.rows, report.losses.lines) == ({"id": 1}, {"id": [2]})
    assert report.refused.lines == {"no format of a trainer has the fields 'other'": [3]}
    report = convert_file(source, output, "google", allow_loss=True)
    assert (report.written, report.rows) == (True, 2)
    assert len(output.read_text().splitlines()) == 2


def test_what_foundry_takes_begins_with_a_mark_and_a_file_is_replaced_only_by_force(tmp_path: Path) -> None:
    source, output = lines(tmp_path / "a.jsonl", SFT), tmp_path / "b.jsonl"
    assert convert_file(source, output, "foundry").written
    assert output.read_bytes().startswith(b"\xef\xbb\xbf{")
    with pytest.raises(ConfigurationError, match="--force"):
        convert_file(source, output, "openai")
    assert convert_file(source, output, "openai", force=True).written
    assert json.loads(output.read_text()) == SFT
    with pytest.raises(ConfigurationError, match="--to: expected one of"):
        convert_file(source, output, "nobody")
    with pytest.raises(ConfigurationError, match="is what is read"):
        convert_file(source, source, "google", force=True)


def as_json(value: Any) -> Any:
    """The value as a file would have it; integers of too many digits are texts there."""
    try:
        return json.loads(json.dumps(value))
    except ValueError:
        return "an integer of too many digits"


VALUES = json_values(4).map(as_json)
TEXTS = st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=10).filter(str.strip)


@st.composite
def training_rows(draw: st.DrawFn) -> dict[str, Any]:
    asked: list[Any] = [
        *(
            [{"role": draw(st.sampled_from(["system", "developer"])), "content": draw(TEXTS)}]
            * draw(st.integers(0, 1))
        ),
        {"role": "user", "content": draw(TEXTS)},
    ]
    if draw(st.booleans()):
        said: Any = {"role": "assistant", "content": draw(TEXTS), "tool_calls": [CALL]}
        asked += [said, RESULT, {"role": "user", "content": draw(TEXTS)}]
    answers = [{"role": "assistant", "content": draw(TEXTS)} for _ in range(2)]
    columns = draw(st.dictionaries(st.sampled_from(["answer", "nums", "id", "level"]), VALUES, max_size=3))
    kind = draw(st.sampled_from(["sft", "dpo", "rft"]))
    if kind == "sft":
        return {"messages": [*asked, answers[0]], **columns}
    if kind == "dpo":
        return {
            "input": {"messages": asked},
            "preferred_output": answers[:1],
            "non_preferred_output": answers[1:],
        }
    return {"messages": asked, "answer": draw(TEXTS), **columns}


@pytest.mark.full
@given(training_rows(), st.sampled_from(list(HOSTS)))
def test_what_is_not_listed_as_lost_comes_back(row: dict[str, Any], host: str) -> None:
    try:
        there, lost, _ = Converter(host).convert(row)
        again, _, _ = Converter("openai").convert(there)
    except NoConversation:
        return
    assume(not lost)
    before, after = training_row(json.loads(json.dumps(row))), training_row(again)
    assert after.prompt.messages == before.prompt.messages
    assert [list(each) for each in after.answers] == [list(each) for each in before.answers]
    values = [value for name, value in before.fields.items() if value is not None]
    assert all(value in after.fields.values() for value in values)


@given(VALUES | st.dictionaries(st.sampled_from(["messages", "prompt", "contents", "chosen", "rejected", "completion", "input", "preferred_output", "non_preferred_output", "references", "reward_model", "extra_info", "tools", "toolConfig", "system", "schemaVersion", "completions", "answer"]), VALUES | st.just(ASKED) | st.just([{"role": "user", "parts": [{"text": "a"}]}])), st.sampled_from(list(HOSTS)))  # fmt: skip
def test_any_json_is_converted_or_refused_with_a_reason(value: Any, host: str) -> None:
    try:
        Converter(host).convert(value)
    except NoConversation:
        return


def test_what_is_written_is_in_a_known_format() -> None:
    for host in HOSTS:
        written = Converter(host).convert(SFT)[0]
        assert format_of(written) in FORMATS


ANSWERED = [*ASKED, FOUR]
GOOGLE_ANSWERED = [{"role": "user", "parts": [{"text": "2"}]}, {"role": "model", "parts": [{"text": "4"}]}]


@pytest.mark.parametrize(
    "row",
    [
        {"messages": ANSWERED, "reference_answer": "4"},
        {"data_source": "d", "prompt": ANSWERED, "reward_model": {"style": "rule", "ground_truth": "4"}},
        {"prompt": ANSWERED, "answer": "4"},
        {"contents": GOOGLE_ANSWERED, "references": {"answer": "4"}},
        {**DPO, "input": {"messages": ANSWERED}},
        {"prompt": ANSWERED, "chosen": [FOUR], "rejected": [FIVE]},
        {"prompt": ANSWERED, "completion": [FIVE]},
        {
            "contents": GOOGLE_ANSWERED,
            "completions": [
                {"score": score, "completion": {"role": "model", "parts": [{"text": str(score)}]}}
                for score in (0, 1)
            ],
        },
        {
            "schemaVersion": "bedrock-conversation-2024",
            "messages": [
                {"role": "user", "content": [{"text": "2"}]},
                {"role": "assistant", "content": [{"text": "4"}]},
                {
                    "role": "assistant",
                    "candidates": [
                        {"preferenceLabel": label, "content": [{"text": label}]}
                        for label in ("preferred", "non-preferred")
                    ],
                },
            ],
        },
    ],
    ids="-".join,
)
@pytest.mark.parametrize("host", HOSTS)
def test_a_prompt_that_ends_with_an_answer_is_refused_and_never_cut(row: dict[str, Any], host: str) -> None:
    with pytest.raises(NoConversation, match="ends with the model's turn; expected the user's"):
        Converter(host).convert(row)


ANSWERED_RFT = {"messages": ANSWERED, "answer": "4"}


@pytest.mark.parametrize("host", [name for name in HOSTS if name not in ("google", "bedrock")])
@pytest.mark.parametrize(
    ("rows", "kept", "reason"),
    [
        ([RFT, ANSWERED_RFT, RFT], "rft", "for sft, since it ends with the model's turn; most rows of the file are for rft"),
        ([ANSWERED_RFT, RFT, ANSWERED_RFT], "sft", "for rft, since it has no answer; most rows of the file are for sft"),
        ([SFT, {"prompt": ASKED, "chosen": [FOUR], "rejected": [FIVE]}, SFT], "sft", "for dpo, since it has a better and a worse answer"),
    ],
)  # fmt: skip
def test_a_file_is_for_one_kind_of_training(
    tmp_path: Path, host: str, rows: list[Any], kept: str, reason: str
) -> None:
    source, output = lines(tmp_path / "a.jsonl", *rows), tmp_path / "b.jsonl"
    report = convert_file(source, output, host, allow_loss=True)
    [(refused, at)] = report.refused.lines.items()
    assert at == [2]
    assert reason in refused
    written = [training_row(json.loads(line)) for line in output.read_text("utf-8-sig").splitlines()]
    assert [row.training for row in written] == [kept] * 2


def test_a_named_format_decides_what_rows_are_for(tmp_path: Path) -> None:
    source, output = lines(tmp_path / "a.jsonl", ANSWERED_RFT, ANSWERED_RFT, RFT), tmp_path / "b.jsonl"
    report = convert_file(source, output, "openai", row_format="rft", allow_loss=True)
    [(refused, at)] = report.refused.lines.items()
    assert at == [1, 2]
    assert "'messages' ends with the model's turn" in refused
    assert json.loads(output.read_text()) == RFT


@pytest.mark.parametrize("name", ["no", "rows", "columns"])
def test_a_format_that_is_no_trainers_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"--format: expected one of sft, .*, got '{name}'"):
        convert_file(lines(tmp_path / "a.jsonl", SFT), tmp_path / "b.jsonl", "openai", row_format=name)


def test_rows_without_the_fields_of_the_named_format_are_refused(tmp_path: Path) -> None:
    source = lines(tmp_path / "a.jsonl", DPO)
    report = convert_file(source, tmp_path / "b.jsonl", "openai", row_format="verl")
    reason = "the row has no 'reward_model', which rows of the format 'verl' have"
    assert report.refused.lines == {reason: [1]}


def test_a_report_stays_small_whatever_the_rows_are(tmp_path: Path) -> None:
    source = lines(tmp_path / "a.jsonl", *({f"x{number}": 1} for number in range(1_000)))
    refused = convert_file(source, tmp_path / "b.jsonl", "trl").refused
    assert (refused.total, len(refused.rows), refused.left_out) == (1_000, 300, 700)
    source = lines(tmp_path / "a.jsonl", *({**SFT, f"x{number}": 1} for number in range(400)))
    report = convert_file(source, tmp_path / "b.jsonl", "trl")
    assert (report.losses.total, len(report.losses.rows), report.to_dict()["refused_rows"]) == (400, 300, 0)


MIXED = [
    ("a number", 1),
    ("a boolean", True),
    ("a list", ["4"]),
    ("an object", {"a": 1}),
]


@pytest.mark.parametrize(("kind", "value"), MIXED)
@pytest.mark.parametrize(
    ("host", "name"), [("trl", "answer"), ("verl", "reward_model.ground_truth")], ids=["trl", "verl"]
)
def test_a_column_of_several_types_is_refused_for_tables_and_repaired_as_texts(
    tmp_path: Path, host: str, name: str, kind: str, value: Any
) -> None:
    source = lines(tmp_path / "a.jsonl", RFT, RFT, {**RFT, "answer": value}, {**RFT, "answer": "5"})
    output = tmp_path / "b.jsonl"
    report = convert_file(source, output, host)
    assert not output.exists()
    assert report.mixed == [
        (
            f"'{name}' is a text in 3 rows (first in line 1) and {kind} in 1 row (first in line 3); "
            "a table has one type a column"
        )
    ]
    assert convert_file(source, output, host, allow_loss=True).written
    found = [json.loads(line) for line in output.read_text().splitlines()]
    values = [row["answer"] if host == "trl" else row["reward_model"]["ground_truth"] for row in found]
    assert (values[0], json.loads(values[2]), values[3]) == ("4", value, "5")
    assert all(isinstance(each, str) for each in values)


def test_null_and_numbers_of_two_kinds_are_one_type_and_other_hosts_take_any(tmp_path: Path) -> None:
    source = lines(tmp_path / "a.jsonl", *({**RFT, "x": value} for value in (1, 1.5, None)))
    assert convert_file(source, tmp_path / "b.jsonl", "trl").written
    mixed = lines(tmp_path / "m.jsonl", RFT, {**RFT, "answer": 4})
    assert convert_file(mixed, tmp_path / "c.jsonl", "openai").written

"""Each planted fault is found, by its code and at its line."""

import copy
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pyarrow import Table, parquet

from graders import Registry
from runtime.data.check import CheckReport, check_data
from runtime.data.formats import FORMATS, format_of
from tests.runtime.data import sound_rows as sound
from tests.runtime.data.sound_rows import Row

AT = 8
"""The line that is changed, unless a fault says otherwise."""
ROWS = 24


class Fault(NamedTuple):
    """A fault, and what is to be found of it."""

    name: str
    make: Callable[[int], Row]
    plant: Callable[[list[Any]], object]
    code: str
    level: str = "error"
    line: int | None = AT
    options: dict[str, Any] = {}  # noqa: RUF012  # a tuple's default


def into(*path: str | int, value: object) -> Callable[[list[Any]], None]:
    """Put a value into the row at line 8."""

    def plant(rows: list[Any]) -> None:
        place = rows[AT - 1]
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value

    return plant


def without(*path: str | int) -> Callable[[list[Any]], None]:
    """Remove a field from the row at line 8."""

    def plant(rows: list[Any]) -> None:
        place = rows[AT - 1]
        for step in path[:-1]:
            place = place[step]
        del place[path[-1]]

    return plant


def renamed(old: str, new: str) -> Callable[[list[Any]], None]:
    def plant(rows: list[Any]) -> None:
        rows[AT - 1][new] = rows[AT - 1].pop(old)

    return plant


def line_of(text: str) -> Callable[[list[Any]], None]:
    """Put a text that need not be JSON in place of line 8."""

    def plant(rows: list[Any]) -> None:
        rows[AT - 1] = text

    return plant


def copied(line: int = 3) -> Callable[[list[Any]], None]:
    def plant(rows: list[Any]) -> None:
        rows[AT - 1] = copy.deepcopy(rows[line - 1])

    return plant


def nearly(rows: list[Any]) -> None:
    text = " ".join(f"{sound.question(number)[0]}" for number in (70, 71, 72))
    rows[2]["messages"][0]["content"] = text
    rows[AT - 1]["messages"][0]["content"] = text.replace("Task 71", "Case 71")


def contradictory(rows: list[Any]) -> None:
    rows[AT - 1]["messages"] = copy.deepcopy(rows[2]["messages"])


def opposite(rows: list[Any]) -> None:
    rows[AT - 1] = {
        "input": rows[2]["input"],
        "preferred_output": rows[2]["non_preferred_output"],
        "non_preferred_output": rows[2]["preferred_output"],
    }


def every(name: str, value: object, share: float = 1.0) -> Callable[[list[Any]], None]:
    def plant(rows: list[Any]) -> None:
        for row in rows[: round(share * len(rows))]:
            row[name] = value

    return plant


def longest(rows: list[Any]) -> None:
    rows[AT - 1]["messages"][0]["content"] += " and one more of them" * 400


def told(rows: list[Any]) -> None:
    rows[AT - 1]["messages"][0]["content"] += f" (The answer is: {rows[AT - 1]['answer']})"


def cut_to(count: int) -> Callable[[list[Any]], None]:
    def plant(rows: list[Any]) -> None:
        del rows[count:]

    return plant


def longer_is_better(rows: list[Any]) -> None:
    for number, row in enumerate(rows):
        row["chosen"] = (
            f"{row['chosen']} That took me {number} minutes and the help of a friend, whose name I shall not give."
        )
        row["rejected"] = f"Never {number}."


def in_german(rows: list[Any]) -> None:
    rows[AT - 1]["messages"][0]["content"] = (
        "Der Bäcker trägt am Morgen sieben Lampen in das Haus und am Abend noch einmal neun. Wie viele Lampen sind das?"
    )


def grown(count: int) -> Callable[[list[Any]], None]:
    def plant(rows: list[Any]) -> None:
        rows += [sound.google(number) for number in range(ROWS, count)]

    return plant


def candidate(number: int, name: str, value: object) -> Callable[[list[Any]], None]:
    return into("messages", 1, "candidates", number, name, value=value)


M = ("messages",)
FAULTS = (
    # any file
    Fault("text that is not JSON", sound.rft, line_of('{"messages": [}'), "not-json"),
    Fault("NaN", sound.rft, line_of('{"messages": [], "answer": NaN}'), "not-json"),
    Fault("a list for a row", sound.rft, line_of("[1, 2]"), "not-an-object"),
    Fault(
        "an integer of 5,000 digits", sound.rft, line_of(f'{{"answer": {"9" * 5000}}}'), "unreadable-value"
    ),
    Fault("no rows", sound.rft, cut_to(0), "no-rows", line=None),
    Fault(
        "a row of another format", sound.rft, lambda rows: rows.__setitem__(7, sound.dpo(7)), "other-format"
    ),
    # conversations
    Fault("no messages field", sound.rft, without("messages"), "missing-field"),
    Fault("messages misspelled", sound.sft, renamed("messages", "mesages"), "missing-field"),
    Fault("messages that are a text", sound.sft, into("messages", value="hello"), "wrong-type"),
    Fault("messages that are an object", sound.sft, into("messages", value={"role": "user"}), "wrong-type"),
    Fault("no message", sound.sft, into("messages", value=[]), "no-messages"),
    Fault("a message that is a text", sound.sft, into(*M, 0, value="hello"), "wrong-type"),
    Fault("unknown role", sound.sft, into(*M, 0, "role", value="human"), "wrong-role"),
    Fault("role of a wrong type", sound.sft, into(*M, 0, "role", value=["user"]), "wrong-role"),
    Fault("no role", sound.sft, without(*M, 0, "role"), "wrong-role"),
    Fault("no content", sound.sft, without(*M, 0, "content"), "empty-content"),
    Fault("empty content", sound.sft, into(*M, 0, "content", value=""), "empty-content"),
    Fault("white space", sound.rft, into(*M, 0, "content", value=" \n\t"), "empty-content"),
    Fault(
        "parts without text", sound.sft_parts, into(*M, 0, "content", 0, "text", value="  "), "empty-content"
    ),
    Fault("content of a wrong type", sound.sft, into(*M, 0, "content", value=5), "wrong-type"),
    Fault(
        "content misspelled",
        sound.sft,
        into(*M, 0, value={"role": "user", "contnet": "x"}),
        "misspelled-field",
    ),
    Fault("ends with the user", sound.sft, into("messages", value=sound.asked(7)), "last-not-assistant"),
    Fault(
        "ends with the assistant",
        sound.rft,
        into("messages", value=[*sound.asked(7), sound.said(7)]),
        "last-not-user",
    ),
    Fault(
        "begins with the assistant",
        sound.sft,
        into("messages", value=[sound.said(7)]),
        "role-order",
        "warning",
    ),
    Fault(
        "system message late",
        sound.sft,
        lambda rows: rows[7]["messages"].insert(1, {"role": "system", "content": "x"}),
        "role-order",
        "warning",
    ),
    Fault(
        "only instructions",
        sound.rft_developer,
        into("messages", value=[{"role": "developer", "content": "x"}]),
        "no-user-message",
    ),
    Fault("weight of 0.5", sound.sft_weights, into(*M, 1, "weight", value=0.5), "wrong-weight"),
    Fault("weight of the user", sound.sft, into(*M, 0, "weight", value=1), "wrong-weight"),
    Fault("nothing has weight", sound.sft, into(*M, 1, "weight", value=0), "wrong-weight"),
    Fault("a field of no format", sound.sft, into("note", value="x"), "extra-field", "warning"),
    # tools
    Fault("call without answer", sound.sft_tools, without(*M, 2), "tool-call-unanswered"),
    Fault(
        "answer without call",
        sound.sft_tools,
        into(*M, 2, "tool_call_id", value="call_2"),
        "tool-answer-without-call",
    ),
    Fault("answer without id", sound.sft_tools, without(*M, 2, "tool_call_id"), "tool-answer-without-call"),
    Fault("call without id", sound.sft_tools, without(*M, 1, "tool_calls", 0, "id"), "tool-call-malformed"),
    Fault(
        "call without function",
        sound.sft_tools,
        into(*M, 1, "tool_calls", value=[{"id": "call_1"}]),
        "tool-call-malformed",
    ),
    Fault(
        "two calls with one id",
        sound.sft_last_call,
        into(*M, 1, "tool_calls", value=[*sound.call(1)["tool_calls"], *sound.call(2)["tool_calls"]]),
        "tool-call-malformed",
    ),
    Fault(
        "arguments that are an object",
        sound.sft_tools,
        into(*M, 1, "tool_calls", 0, "function", "arguments", value={"a": 1}),
        "tool-call-arguments",
    ),
    Fault(
        "arguments that are no JSON",
        sound.sft_tools,
        into(*M, 1, "tool_calls", 0, "function", "arguments", value="a=1"),
        "tool-call-arguments",
    ),
    Fault(
        "tool not declared",
        sound.sft_tools,
        into(*M, 1, "tool_calls", 0, "function", "name", value="multipl"),
        "tool-undeclared",
    ),
    Fault(
        "tool without a name",
        sound.sft_tools,
        into("tools", value=[{"type": "function", "function": {}}]),
        "tool-malformed",
    ),
    # preferences
    Fault("no worse answer", sound.dpo, without("non_preferred_output"), "missing-field"),
    Fault(
        "equal answers", sound.dpo, into("non_preferred_output", value=[sound.said(AT - 1)]), "outputs-equal"
    ),
    Fault(
        "a user message as answer", sound.dpo, into("preferred_output", value=sound.asked(3)), "wrong-role"
    ),
    Fault(
        "an answer of tools alone",
        sound.dpo,
        into("preferred_output", value=[{"role": "tool", "tool_call_id": "x", "content": "y"}]),
        "output-without-assistant",
    ),
    Fault(
        "input ends with the assistant",
        sound.dpo,
        into("input", "messages", value=[*sound.asked(7), sound.said(9)]),
        "last-not-user",
    ),
    Fault("input that is a list", sound.dpo, into("input", value=sound.asked(7)), "wrong-type"),
    Fault("opposite preferences", sound.dpo, opposite, "contradictory-preference", "warning"),
    Fault("an empty chosen", sound.dpo_trl, into("chosen", value=" "), "empty-content"),
    Fault(
        "chosen is rejected",
        sound.dpo_trl,
        into("rejected", value=sound.dpo_trl(AT - 1)["chosen"]),
        "outputs-equal",
    ),
    Fault("texts and messages mixed", sound.dpo_trl, into("chosen", value=[sound.said(7)]), "wrong-type"),
    Fault("longer is better", sound.dpo_trl, longer_is_better, "length-bias", "warning", None),
    # reinforcement
    Fault("nothing to grade by", sound.rft, without("answer"), "no-reference", "warning"),
    Fault("an empty reference", sound.rft, into("answer", value=" "), "empty-reference", "warning"),
    Fault("no reference_answer", sound.bedrock, without("reference_answer"), "missing-field"),
    Fault("an empty reference_answer", sound.bedrock, into("reference_answer", value=""), "empty-reference"),
    Fault("no ground truth", sound.verl, without("reward_model", "ground_truth"), "missing-field"),
    Fault("reward_model is a text", sound.verl, into("reward_model", value="rule"), "wrong-type"),
    Fault("an unknown style", sound.verl, into("reward_model", "style", value="rules"), "wrong-style"),
    Fault("prompt is a text", sound.verl, into("prompt", value="hello"), "wrong-type"),
    Fault("no data_source", sound.verl, without("data_source"), "missing-field"),
    Fault("role of OpenAI", sound.google, into("contents", 0, "role", value="assistant"), "wrong-role"),
    Fault(
        "content for parts",
        sound.google,
        into("contents", 0, value={"role": "user", "content": "x"}),
        "wrong-type",
    ),
    Fault(
        "a part without text", sound.google, into("contents", 0, "parts", 0, value={"txt": "x"}), "bad-part"
    ),
    Fault("a reference that is a number", sound.google, into("references", "answer", value=5), "wrong-type"),
    Fault("snake case", sound.google, renamed("systemInstruction", "system_instruction"), "misspelled-field"),
    Fault(
        "ends with the model",
        sound.google,
        lambda rows: rows[7]["contents"].append({"role": "model", "parts": [{"text": "x"}]}),
        "last-not-user",
    ),
    Fault(
        "ends with the user",
        sound.google_sft,
        lambda rows: rows[7]["contents"].pop(),
        "last-not-assistant",
    ),
    Fault("a score of 5", sound.google_preference, into("completions", 0, "score", value=5), "wrong-score"),
    Fault("one completion", sound.google_preference, lambda rows: rows[7]["completions"].pop(), "wrong-type"),
    Fault(
        "a content that is a text", sound.bedrock_sft, into("messages", 0, "content", value="x"), "wrong-type"
    ),
    Fault("another schema", sound.bedrock_sft, into("schemaVersion", value="2023"), "wrong-type"),
    Fault("a system turn", sound.bedrock_sft, into("messages", 0, "role", value="system"), "wrong-role"),
    Fault(
        "a blank block",
        sound.bedrock_sft,
        into("messages", 0, "content", value=[{"text": " "}]),
        "empty-content",
    ),
    Fault(
        "one candidate",
        sound.bedrock_dpo,
        lambda rows: rows[7]["messages"][-1]["candidates"].pop(),
        "wrong-type",
    ),
    Fault(
        "a turn of OpenAI's role",
        sound.google_sft,
        into("contents", 1, "role", value="assistant"),
        "wrong-role",
    ),
    Fault("a turn without parts", sound.google_sft, into("contents", 1, "parts", value=[]), "empty-content"),
    Fault(
        "a system instruction that is a text",
        sound.google_sft,
        into("systemInstruction", value="Be brief."),
        "wrong-type",
    ),
    Fault(
        "two completions of one score",
        sound.google_preference,
        into("completions", 1, "score", value=1),
        "wrong-score",
    ),
    Fault("a wrong label", sound.bedrock_dpo, candidate(0, "preferenceLabel", "better"), "missing-field"),
    Fault(
        "two of one label", sound.bedrock_dpo, candidate(1, "preferenceLabel", "preferred"), "missing-field"
    ),
    Fault("an empty candidate", sound.bedrock_dpo, candidate(1, "content", []), "empty-content"),
    # TRL's prompt and completion
    Fault("an empty completion", sound.sft_prompt_completion, into("completion", value=""), "empty-content"),
    Fault(
        "a completion of a wrong type", sound.sft_prompt_completion, into("completion", value=3), "wrong-type"
    ),
    Fault(
        "a text and a message",
        sound.sft_prompt_completion,
        into("completion", value=[sound.said(AT - 1)]),
        "wrong-type",
    ),
    Fault("no completion", sound.sft_prompt_completion, without("completion"), "other-format"),
    Fault("an empty text", sound.sft_text, into("text", value=" "), "empty-content"),
    # columns of no format
    Fault("a column that drifts", sound.columns, into("words", value="many"), "type-drift", "warning"),
    Fault("a column misspelled", sound.columns, renamed("words", "wrods"), "field-missing", "warning"),
    Fault("a copy of columns", sound.columns, copied(), "duplicate-row", "warning"),
    Fault("an empty prompt", sound.prompts, into("prompt", value=""), "empty-content"),
    Fault("a reserved column", sound.prompts, into("completions", value="x"), "reserved-field"),
    # answers
    Fault("item is a text", sound.rows, into("item", value="x"), "wrong-type"),
    Fault("sample is a number", sound.rows, into("sample", value=5), "unreadable-sample"),
    Fault("no samples", sound.rows_samples, into("samples", value=[]), "wrong-type"),
    Fault("sample and samples", sound.rows_samples, into("sample", value="x"), "sample-and-samples"),
    Fault("an empty sample", sound.rows, into("sample", value=""), "empty-content", "warning"),
    Fault("a score that is a text", sound.evals, into("results", 0, "score", value="1.0"), "wrong-score"),
    Fault("no sample", sound.evals, without("sample"), "missing-field"),
    Fault(
        "a cut answer",
        sound.logs,
        into("response", "choices", 0, "finish_reason", value="length"),
        "cut-answer",
        "warning",
    ),
    Fault("no response", sound.logs, without("response"), "missing-field"),
    # the file as a whole
    Fault("a copy", sound.rft, copied(), "duplicate-row", "warning"),
    Fault(
        "a copy with another id",
        sound.bedrock,
        lambda rows: rows.__setitem__(7, {**copy.deepcopy(rows[2]), "id": "new"}),
        "duplicate-row",
        "warning",
    ),
    Fault("a near copy", sound.rft, nearly, "near-duplicate", "warning"),
    Fault("contradictory references", sound.rft, contradictory, "contradictory-reference", "warning"),
    Fault("the answer in the prompt", sound.rft, told, "reference-in-prompt", "warning"),
    Fault("always B", sound.rft, every("answer", "B", 0.5), "dominating-reference", "warning", None),
    Fault("one answer", sound.rft, every("answer", "B"), "constant-reference", "warning", None),
    Fault("a field missing", sound.rft_developer, without("level"), "field-missing", "warning"),
    Fault("a field misspelled", sound.rft_developer, renamed("answer", "anwser"), "field-missing", "warning"),
    Fault("a type that drifts", sound.rft, into("answer", value=12), "type-drift", "warning"),
    Fault(
        "a type that drifts, for a table",
        sound.prompts,
        into("solution", value=12),
        "type-drift",
        options={"host": "trl"},
    ),
    Fault("a prompt far too long", sound.rft, longest, "length-outlier", "warning"),
    Fault("another language", sound.rft, in_german, "other-language", "warning"),
    Fault(
        "another system prompt",
        sound.sft_system,
        into(*M, 0, "content", value="Be rude."),
        "system-prompt-differs",
        "warning",
    ),
    Fault("no system prompt", sound.sft_system, without(*M, 0), "system-prompt-differs", "warning"),
    Fault(
        "an e-mail address",
        sound.rft,
        into("contact", value="ask jane.roe@example.org"),
        "personal-data",
        "warning",
    ),
    Fault(
        "a key",
        sound.rft,
        into("note", value="sk-" + "proj-a1B2c3D4e5F6g7H8i9J0k1L2"),
        "personal-data",
        "warning",
    ),
    # hosts
    Fault("nine rows", sound.sft, cut_to(9), "too-few-rows", line=None, options={"host": "openai"}),
    Fault("nine rows for nobody", sound.sft, cut_to(9), "too-few-rows", "warning", None),
    Fault(
        "99 rows for Bedrock",
        sound.bedrock,
        lambda rows: None,
        "too-few-rows",
        line=None,
        options={"host": "bedrock"},
    ),
    Fault(
        "5,001 rows for Google",
        sound.google,
        grown(5_001),
        "too-many-rows",
        line=None,
        options={"host": "google"},
    ),
    Fault(
        "a format that is not taken",
        sound.verl,
        lambda rows: None,
        "format-not-taken",
        line=None,
        options={"host": "openai"},
    ),
    Fault(
        "no validation file",
        sound.rft,
        lambda rows: None,
        "no-validation-file",
        "warning",
        None,
        {"host": "foundry"},
    ),
    Fault(
        "no byte order mark",
        sound.sft,
        lambda rows: None,
        "no-byte-order-mark",
        "warning",
        None,
        {"host": "foundry"},
    ),
    Fault(
        "no such field", sound.rft, lambda rows: None, "no-such-field", line=None, options={"by": ["anwser"]}
    ),
)


MANY_ROWS = ("5,001 rows for Google",)


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))
    return path


def found(report: CheckReport) -> list[tuple[str, str, int | None]]:
    return [(each.level, each.code, each.line) for group in report.findings for each in group.findings]


@pytest.mark.few(15)
@pytest.mark.parametrize(
    "fault",
    [pytest.param(fault, marks=[pytest.mark.slow] if fault.name in MANY_ROWS else []) for fault in FAULTS],
    ids=lambda fault: fault.name,
)
def test_a_planted_fault_is_found_at_its_line(fault: Fault, tmp_path: Path) -> None:
    rows: list[Any] = [fault.make(number) for number in range(ROWS)]
    fault.plant(rows)
    report = check_data(write(tmp_path / "rows.jsonl", rows), **fault.options)
    assert (fault.level, fault.code, fault.line) in found(report)
    lines = {line for _, _, line in found(report)} - {None}
    assert lines <= {fault.line}, found(report)
    group = next(group for group in report.findings if group.first.code == fault.code)
    assert group.first.message
    assert group.first.hint


def test_there_are_more_than_forty_faults_and_two_of_each_format() -> None:
    planted = Counter(format_of(fault.make(1)).name for fault in FAULTS)
    assert sum(planted.values()) > 40
    assert {name: planted[name] for each in FORMATS if planted[name := each.name] < 2} == {}


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("overlap", lambda row: row),
        (
            "near-overlap",
            lambda row: {
                **row,
                "messages": [{"role": "user", "content": row["messages"][0]["content"] + " Thanks."}],
            },
        ),
    ],
)
def test_rows_in_both_files_are_found(code: str, change: Callable[[Row], Row], tmp_path: Path) -> None:
    text = " ".join(sound.question(number)[0] for number in (70, 71))
    shared = {"messages": [{"role": "user", "content": text}], "answer": "x1"}
    train = write(tmp_path / "train.jsonl", [*(sound.rft(number) for number in range(12)), shared])
    valid = write(
        tmp_path / "valid.jsonl", [*(sound.rft(number) for number in range(50, 61)), change(shared)]
    )
    report = check_data(train, valid=valid)
    assert found(report) == [("warning", code, 12)]
    assert next(iter(report.findings)).first.related == (13,)


def test_equal_rows_without_a_prompt_in_both_files_are_found(tmp_path: Path) -> None:
    rows = [{"item": {"answer": f"w{number}"}, "sample": f"It is {number}."} for number in range(12)]
    train = write(tmp_path / "train.jsonl", rows)
    valid = write(tmp_path / "valid.jsonl", [{"item": {"answer": "other"}, "sample": "no"}, rows[4]])
    report = check_data(train, valid=valid)
    assert ("warning", "overlap", 2) in found(report)
    assert report.files[1].figures["overlap"] == {"exact": 1, "near": 0, "group": 0}


def test_more_validation_rows_than_a_host_takes_are_an_error(tmp_path: Path) -> None:
    train = write(tmp_path / "train.jsonl", [sound.google(number) for number in range(ROWS)])
    valid = write(tmp_path / "valid.jsonl", [sound.google(number) for number in range(ROWS, ROWS + 501)])
    report = check_data(train, valid=valid, host="google")
    [group] = [group for group in report.findings if group.first.level == "error"]
    assert (group.first.code, group.file) == ("too-many-rows", str(valid))


@pytest.mark.parametrize(
    ("make", "path"),
    [(sound.rft, ("messages", 0)), (sound.sft, ("messages", 1)), (sound.google, ("contents", 0)), (sound.google_sft, ("contents", 1))],
)  # fmt: skip
def test_a_last_turn_of_an_unknown_role_is_one_error(
    make: Callable[[int], Row], path: tuple[str, int], tmp_path: Path
) -> None:
    rows = [make(number) for number in range(ROWS)]
    into(*path, "role", value="human")(rows)
    assert found(check_data(write(tmp_path / "rows.jsonl", rows))) == [("error", "wrong-role", AT)]


def test_a_group_in_both_files_is_found(tmp_path: Path) -> None:
    train = write(
        tmp_path / "train.jsonl", [{**sound.rft(number), "book": f"b{number}"} for number in range(12)]
    )
    valid = write(
        tmp_path / "valid.jsonl",
        [{**sound.rft(number), "book": f"b{number - 40}"} for number in range(50, 62)],
    )
    report = check_data(train, valid=valid, by=["book"])
    assert ("warning", "group-overlap", 1) in found(report)
    assert report.files[1].figures["overlap"] == {"exact": 0, "near": 0, "group": 2}


def test_rows_that_a_grader_cannot_grade_are_errors(tmp_path: Path) -> None:
    config = {
        "type": "string_check",
        "name": "g",
        "input": "{{sample.output_text}}",
        "reference": "{{item.answer}}",
        "operation": "eq",
    }
    rows = [sound.rft(number) for number in range(12)]
    del rows[4]["answer"]
    report = check_data(write(tmp_path / "rows.jsonl", rows), grader=Registry.installed().load(config))
    assert ("error", "cannot-grade", 5) in found(report)


def test_the_same_rules_hold_for_a_list_and_for_parquet(tmp_path: Path) -> None:
    rows = [sound.verl(number) for number in range(ROWS)]
    rows[AT - 1]["reward_model"]["ground_truth"] = ""
    (tmp_path / "rows.json").write_text(json.dumps(rows, indent=1))
    parquet.write_table(Table.from_pylist(rows), tmp_path / "rows.parquet")
    for name in ("rows.json", "rows.parquet"):
        report = check_data(tmp_path / name, host="verl")
        assert report.files[0].unit == "row"
        assert ("error", "empty-reference", AT) in found(report)


def test_a_misspelled_field_is_named_with_what_was_meant(tmp_path: Path) -> None:
    rows = [sound.rft_developer(number) for number in range(ROWS)]
    rows[AT - 1]["anwser"] = rows[AT - 1].pop("answer")
    report = check_data(write(tmp_path / "rows.jsonl", rows))
    assert [group.first.hint for group in report.findings if group.first.code == "field-missing"] == [
        "did you mean 'answer'? It has 'anwser'"
    ]


def test_instructions_that_all_prompts_share_make_no_near_duplicates(tmp_path: Path) -> None:
    rules = "Use every number once. Write the result as JSON, and nothing beside it. Take your time. " * 8
    rows = [
        {
            "messages": [
                {"role": "user", "content": f"{rules} Target: {number} Numbers: {number * 7}, {number + 5}"}
            ],
            "t": "x",
        }
        for number in range(40)
    ]
    report = check_data(write(tmp_path / "rows.jsonl", rows))
    assert report.files[0].figures["near_duplicates"] == 0


@pytest.mark.parametrize(
    ("values", "host", "is_found"),
    [
        (["1969-07-20", "2024-01-01T03:04:05Z", "2024-01-01 03:04"], "trl", True),
        (["1969-07-20", "2024-01-01", "2024-01-01"], "verl", True),
        (["1969-07-20", "in 1969", "1969-07-20"], "trl", False),
        (["20240101", "20240102", "20240103"], "trl", False),
        ([1969, 1970, 1971], "trl", False),
        (["1969-07-20", "2024-01-01", "2024-01-01"], "openai", False),
    ],
)
def test_texts_that_a_table_makes_timestamps_of_are_found(
    tmp_path: Path, values: list[Any], host: str, *, is_found: bool
) -> None:
    rows = [{"prompt": f"When, {value}?", "answer": value} for value in values]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    codes = {group.first.code for group in check_data(path, host=host).findings}
    assert ("date-column" in codes) == is_found

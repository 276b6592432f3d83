"""`graders run` on the rows of Gemini's reinforcement tuning, with its reward configuration, both as they are."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from runtime import Settings
from runtime.data.datasets import parse_rows
from service.cli.explain import read_row
from service.cli.run import grade_file
from tests.service.test_run_samples import lines, write

REWARD: dict[str, Any] = {
    "singleRewardConfig": {
        "rewardName": "capital",
        "parseResponseConfig": {"parseType": "REGEX_EXTRACT", "regexExtractExpression": "<ans>(.*?)</ans>"},
        "stringMatchRewardScorer": {
            "correctAnswerReward": 1.0,
            "wrongAnswerReward": -1.0,
            "stringMatchExpression": {"matchOperation": "EXACT_MATCH", "expression": "{{references.answer}}"},
        },
    }
}
ASKED: dict[str, Any] = {
    "systemInstruction": {"parts": [{"text": "Be brief."}]},
    "contents": [{"role": "user", "parts": [{"text": "The capital of France?"}]}],
    "references": {"answer": "Paris"},
}
RIGHT, WRONG = "<ans>Paris</ans>", "<ans>Rome</ans>"


def graded(folder: Path, rows: list[dict[str, Any]], reward: dict[str, Any]) -> list[dict[str, Any]]:
    (folder / "reward.json").write_text(json.dumps(reward))
    where = folder / "reward.json", write(folder / "rows.jsonl", rows), folder / "out.jsonl"
    grade_file(*where, settings=Settings(), fresh=True, console=Console(file=io.StringIO()))
    return lines(folder / "out.jsonl")


def answered(*parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {**ASKED, "contents": [*ASKED["contents"], {"role": "model", "parts": list(parts)}], **more}


@pytest.mark.parametrize("reward", [REWARD, REWARD["singleRewardConfig"]], ids=["request", "object"])
def test_rows_are_graded_with_their_references(tmp_path: Path, reward: dict[str, Any]) -> None:
    rows = [
        answered({"text": RIGHT}),
        answered({"text": WRONG}),
        answered({"text": "Paris", "thought": True}, {"text": RIGHT}),
        answered({"text": "<ans>Pa"}, {"text": "ris</ans>"}),
        {**ASKED, "sample": RIGHT},
        {**ASKED, "sample": {"output_text": WRONG}, "id": "five"},
        {**ASKED, "samples": [RIGHT, WRONG, 17]},
        {"item": ASKED, "sample": RIGHT},
        {"contents": answered({"text": RIGHT})["contents"], "references": {}},
        {"contents": answered()["contents"], "references": ASKED["references"]},
    ]
    found = graded(tmp_path, rows, reward)
    assert [record["reward"] for record in found] == [1, -1, 1, 1, 1, -1, 1, -1, None, 1, None, -1]
    # a sample that is none, and a row without what the reward compares with
    assert [record["failure"]["caused_by"] for record in found if record["reward"] is None] == [
        "infrastructure",
        "grader",
    ]


def test_a_code_reward_sees_the_row_without_the_answer(tmp_path: Path) -> None:
    source = (
        "def evaluate(example, response):\n"
        "    assert len(example['contents']) == 1 and 'sample' not in example\n"
        "    text = ''.join(part['text'] for part in response['parts'])\n"
        "    return float(text == example['references']['answer'])\n"
    )
    reward = {"rewardName": "code", "codeExecutionRewardScorer": {"pythonCodeSnippet": source}}
    rows = [answered({"text": "Paris"}), answered({"text": "Rome"}), {**ASKED, "sample": "Paris"}]
    assert [record["reward"] for record in graded(tmp_path, rows, reward)] == [1, 0, 1]


def test_a_row_that_ends_with_the_user_has_no_sample(tmp_path: Path) -> None:
    (row,) = parse_rows([json.dumps(ASKED).encode()])
    assert (row.item, row.sample, row.failure) == (ASKED, None, None)
    preferences = {**answered({"text": "x"}), "completions": [{"score": 1}, {"score": 0}]}
    (row,) = parse_rows([json.dumps(preferences).encode()])
    assert row.sample is None


def test_draws_of_one_question_have_the_same_item() -> None:
    lines = [json.dumps(answered({"text": text})).encode() for text in (RIGHT, WRONG)]
    first, second = parse_rows(lines)
    assert first.item == second.item == ASKED
    assert first.key != second.key


def test_explain_reads_such_a_row(tmp_path: Path) -> None:
    file = write(tmp_path / "rows.jsonl", [answered({"text": RIGHT})])
    row = read_row(f"{file}:1")
    assert row.item == ASKED
    assert row.sample is not None
    assert row.sample.output_text == RIGHT


@pytest.mark.parametrize(
    "contents", ["text", [], [17], [{"role": "model"}], [{"role": "model", "content": "x"}]]
)
def test_other_rows_with_contents_are_as_they_were(contents: object) -> None:
    data = {"contents": contents, "answer": 1}
    (row,) = parse_rows([json.dumps(data).encode()])
    assert (row.item, row.sample) == (data, None)

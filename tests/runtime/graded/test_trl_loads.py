"""What is exported and converted for TRL is loaded by `datasets` and prepared by TRL's own trainers, and is what it was."""

import json
import subprocess
from pathlib import Path
from typing import Any, Literal

import pytest

from runtime.data.check import check_data
from runtime.data.converting import convert_file
from runtime.data.exporting.choosing import Wanted
from runtime.data.exporting.writing import Form, export
from runtime.data.graded.reading import GradedFile
from tests.runtime.graded.files import write_graded, write_rows

ROOT = Path(__file__).parents[3]
PYTHON = ROOT / ".cache" / "trl" / "bin" / "python"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON.exists(), reason="no TRL: run tools/fetch_trl.sh"),
    pytest.mark.timeout(900),
]

SYSTEM, ASKED = {"role": "system", "content": "Be short."}, {"role": "user", "content": "2 + 2?"}
CALL = {"id": "call_0", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
TOOLS = [
    {"type": "function", "function": {"name": "add", "description": "d", "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}}}},
    {"type": "function", "function": {"name": "sub", "description": "d", "parameters": {"type": "object", "properties": {"b": {"type": "string", "enum": ["x"]}}}}},
]  # fmt: skip
ROWS: list[dict[str, Any]] = [
    {
        "messages": [SYSTEM, ASKED],
        "item": {"answer": "vier", "n": 4, "nested": {"a": [1, 2]}},
        "samples": ["vier, ça 日本 \u2028 \\ \"q\"", "fünf"],
    },
    {
        "messages": [ASKED],
        "tools": TOOLS,
        "item": {"answer": "3", "n": 2.5, "nested": {"a": []}},
        "samples": [{"output_text": "", "output_tools": [CALL]}, "no"],
    },
    {
        "messages": [{"role": "user", "content": "When?"}],
        "item": {"answer": "on 1969-07-20", "n": None, "nested": {"b": "x"}},
        "samples": ["a\n\nb", "c"],
    },
]  # fmt: skip


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """One process loads all files."""
    folder = tmp_path_factory.mktemp("trl")
    graded = write_graded(folder, ROWS, [1.0, 0.0] * len(ROWS))
    kinds: list[tuple[Literal["sft", "dpo", "rft"], str]] = [
        ("sft", "sft"),
        ("dpo", "dpo"),
        ("rft", "prompts"),
    ]
    for kind, name in kinds:
        with GradedFile(graded) as file:
            assert export(file, Wanted(kind), Form("trl"), folder / f"{name}.jsonl").rows == len(ROWS)
    pairs = [{"prompt": f"{number} + 1 =", "completion": f" {number + 1}"} for number in range(3)]
    write_rows(folder / "completions.jsonl", pairs)
    program = Path(__file__).with_name("trl_loading.py")
    done = subprocess.run(
        [PYTHON, "-I", program, folder], capture_output=True, text=True, check=False, timeout=840
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    return folder, json.loads((folder / "found.json").read_text())


def written(folder: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / f"{name}.jsonl").read_text("utf-8").splitlines()]


def without_null(value: Any) -> Any:
    """A value without fields that are null: a table has every column in every row."""
    if isinstance(value, dict):
        return {name: without_null(inner) for name, inner in value.items() if inner is not None}
    return [without_null(inner) for inner in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", ["sft", "completions", "dpo", "prompts"])
def test_rows_after_loading_equal_those_before(found: tuple[Path, dict[str, Any]], name: str) -> None:
    folder, loaded = found
    assert without_null(loaded[name]["rows"]) == without_null(written(folder, name))
    errors = [group.first for group in check_data(folder / f"{name}.jsonl", host="trl").findings]
    assert [each for each in errors if each.level == "error"] == []


def test_supervised_training_sees_each_message_and_the_tools(found: tuple[Path, dict[str, Any]]) -> None:
    first, with_tools, last = (row["whole"] for row in found[1]["sft"]["trained"])
    assert first == f"<system>Be short.<end><user>2 + 2?<end><assistant>{ROWS[0]['samples'][0]}<end>"
    assert with_tools.endswith('<user>2 + 2?<end><assistant><call>add {"a": 1}</call><end>')
    assert without_null(json.loads(with_tools[len("<tools>") : with_tools.index("</tools>")])) == TOOLS
    assert last == "<user>When?<end><assistant>a\n\nb<end>"


def test_only_the_completion_is_learned(found: tuple[Path, dict[str, Any]]) -> None:
    assert [row["learned"] for row in found[1]["completions"]["trained"]] == [" 1<end>", " 2<end>", " 3<end>"]


def test_preferences_have_one_prompt_and_two_answers(found: tuple[Path, dict[str, Any]]) -> None:
    first, with_tools, _ = found[1]["dpo"]["trained"]
    assert first["prompt"] == "<system>Be short.<end><user>2 + 2?<end><assistant>"
    assert (first["chosen"], first["rejected"]) == (f"{ROWS[0]['samples'][0]}<end>", "fünf<end>")
    assert (with_tools["chosen"], with_tools["rejected"]) == ('<call>add {"a": 1}</call><end>', "no<end>")


def test_reward_functions_get_the_fields_of_the_item(found: tuple[Path, dict[str, Any]]) -> None:
    seen = [without_null(row) for row in found[1]["prompts"]["trained"]]
    for row in ROWS:
        item = without_null(row["item"])
        [match] = [each for each in seen if each["answer"] == item["answer"]]
        assert {name: match.get(name) for name in item} == item
        assert match["prompt"] == row["messages"]


def test_rows_come_back_from_what_was_exported(found: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = found
    for name in ("sft", "dpo", "prompts"):
        report = convert_file(folder / f"{name}.jsonl", folder / f"{name}.back", "trl")
        assert (report.written, report.losses.total) == (True, 0)

"""`graders convert`: what is written for another host gives the same rewards there; what cannot be said is said."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from graders import ConfigurationError
from runtime import SyncEvaluator
from runtime.convert.convert import HOSTS, Host, convert
from service.cli import app

TEXT = "{{sample.output_text}}"
EQUAL = {
    "type": "string_check",
    "name": "equal",
    "input": TEXT,
    "reference": "{{item.answer}}",
    "operation": "eq",
}
NUMBER = {"type": "numeric_check", "name": "number", "input": TEXT, "reference": "{{item.answer}}"}
NEAR = {
    "type": "numeric_check",
    "input": TEXT,
    "reference": "{{item.answer}}",
    "extract": "boxed",
    "score": {"linear": {"scale": 10}},
}
FOUND = {"type": "pattern_match", "input": TEXT, "pattern": r"(?i)\b(four|4)\s*$"}
BOTH = {
    "type": "multi",
    "graders": {"number": NUMBER, "equal": EQUAL},
    "calculate_output": "number / 2 + equal / 2",
}
PLUGIN = {
    "type": "countdown",
    "answer": TEXT,
    "numbers": "{{item.numbers}}",
    "target": "{{item.target}}",
}
SOURCE = {
    "type": "python",
    "name": "source",
    "source": "def grade(sample, item):\n    return len(sample['output_text']) / 10\n",
}
JUDGED = {"type": "score_model", "name": "j", "model": "m", "input": [{"role": "user", "content": TEXT}]}
ENDPOINT = {
    "type": "endpoint",
    "name": "e",
    "url": "https://g.example/",
    "headers": {"x-key": "secret-secret"},
}
GOOGLE = {
    "rewardName": "g",
    "stringMatchRewardScorer": {
        "correctAnswerReward": 1.0,
        "wrongAnswerReward": -1.0,
        "stringMatchExpression": {"matchOperation": "PARTIAL_MATCH", "expression": "{{references.answer}}"},
    },
}

ANSWERS = [
    *(
        "4",
        "four",
        "4.0",
        "the answer is 4",
        "The answer is 4.",
        "5",
        "",
        "4 or 5",
        "not 4",
        "1/0",
        "½",
        "0x4",
    ),
    *("\\boxed{4}", "\\boxed{7}", "$4$", "4 %", "-4", "−4", "4,000", "1e1", "inf", "<think>4</think>5"),
    *(
        "<think>5</think> 4",
        "<think>4",
        "\\frac{8}{2}",
        "4\n",
        "FOUR ",
        "٤",
        "four\ufffd",
        "1 + 3 = 4",
        "x = 4",
        "4x",
    ),
    '{"expression": "1+3", "result": 4}',
    '{"expression": "1+4", "result": 5}',
    '{"expression": "1*4", "result": 4}',
    '{"expression": "4", "result": "a"}',
]
ITEM = {"answer": "4", "numbers": [1, 3], "target": 4, "references": {"answer": "4"}}


@pytest.fixture(scope="module")
def published_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Packages as the published image has them: pydantic, and nothing of ours or of google-re2."""
    site = tmp_path_factory.mktemp("site")
    for name in ("pydantic", "pydantic_core", "annotated_types", "typing_extensions", "typing_inspection"):
        spec = find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        origin = Path(spec.origin)
        place = origin.parent if origin.name == "__init__.py" else origin
        (site / place.name).symlink_to(place)
    return site


def run_elsewhere(site: Path | None, source: str, call: str) -> Any:
    """What Python code gives in an interpreter of its own, perhaps with other packages."""
    own = (
        ""
        if site is None
        else f"sys.path[:] = [p for p in sys.path if 'site-packages' not in p] + [{str(site)!r}]\n"
    )
    code = f"import sys\n{own}{source}\nimport json as j\nprint('RESULT' + j.dumps({call}))\n"
    done = subprocess.run(
        [sys.executable, "-I", "-"], input=code, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    return json.loads(done.stdout.rpartition("RESULT")[2])


def rewards_here(
    config: Mapping[str, Any], evaluator: SyncEvaluator, texts: Sequence[str]
) -> list[float | None]:
    return [result.reward for result in evaluator.grade_many(config, texts, [ITEM] * len(texts))]


def samples_of(texts: Sequence[str]) -> list[dict[str, Any]]:
    return [{"output_text": text} for text in texts]


# to published JSON


@pytest.mark.full
@pytest.mark.parametrize("config", [NUMBER, NEAR, FOUND, PLUGIN], ids=lambda config: config["type"])
@pytest.mark.parametrize("bare", [False, True], ids=["here", "published image"])
def test_what_is_not_published_becomes_a_source_that_gives_the_same_rewards(
    config: dict[str, Any], sync_evaluator: SyncEvaluator, published_site: Path, *, bare: bool
) -> None:
    written = json.loads(convert(config, "openai").text)
    assert written["type"] == "python"
    assert len(written["source"]) < 256_000
    call = f"[grade(sample, {ITEM!r}) for sample in {samples_of(ANSWERS)!r}]"
    found = run_elsewhere(published_site if bare else None, written["source"], call)
    assert found == rewards_here(config, sync_evaluator, ANSWERS)
    assert len(set(found)) > 1


@pytest.mark.full
def test_the_source_gives_the_same_rewards_in_the_sandbox(sync_evaluator: SyncEvaluator) -> None:
    written = json.loads(convert(BOTH, "openai").text)
    assert {key: part["type"] for key, part in written["graders"].items()} == {
        "number": "python",
        "equal": "string_check",
    }
    texts = ["4", "4.0", "five"]
    assert (
        rewards_here(written, sync_evaluator, texts)
        == rewards_here(BOTH, sync_evaluator, texts)
        == [1.0, 0.5, 0.0]
    )


@pytest.mark.full
def test_a_source_is_ungraded_where_the_grader_is_to_blame(sync_evaluator: SyncEvaluator) -> None:
    written = json.loads(convert(NUMBER, "foundry").text)
    results = sync_evaluator.grade_many(written, ["4"], [{"answer": "many"}])
    assert results[0].reward is None
    assert results[0].failure is not None
    assert "is not a number" in results[0].failure.message


@pytest.mark.few(8)
@pytest.mark.parametrize("host", ["openai", "foundry"])
@pytest.mark.parametrize(
    "config",
    [
        EQUAL,
        {**EQUAL, "pass_threshold": 0.5},
        {
            "type": "text_similarity",
            "name": "t",
            "input": TEXT,
            "reference": "4",
            "evaluation_metric": "bleu",
        },
        JUDGED,
        SOURCE,
        ENDPOINT,
    ],
)
def test_what_is_published_stays_as_it_is(config: dict[str, Any], host: Host) -> None:
    found = convert(config, host)
    assert json.loads(found.text) == config
    assert not found.notes


def test_options_of_ours_are_left_out_where_they_change_no_reward() -> None:
    found = convert({**SOURCE, "timeout_s": 5, "isolation": "batch"}, "openai")
    assert json.loads(found.text) == SOURCE
    assert [note.partition(" ")[2].partition(" ")[0] for note in found.notes] == ["isolation", "timeout_s"]


def test_foundry_has_invalid_grade_for_a_multi_and_openai_has_not() -> None:
    config = {**BOTH, "graders": {"equal": EQUAL}, "calculate_output": "equal", "invalid_grade": 0.0}
    assert json.loads(convert(config, "foundry").text)["invalid_grade"] == 0.0
    with pytest.raises(ConfigurationError, match="invalid_grade: OpenAI's graders do not have it"):
        convert(config, "openai")


RUBRIC = {"type": "rubric", "model": "m", "criteria": {"a": "good"}}


@pytest.mark.parametrize(
    ("config", "host", "message"),
    [
        (RUBRIC, "openai", "the type 'rubric'"),
        (
            {"type": "multi", "graders": {"a": RUBRIC}, "calculate_output": "a"},
            "foundry",
            "graders.a: foundry cannot",
        ),
        ({**JUDGED, "votes": 3}, "openai", "votes"),
        ({**NUMBER, "votes": 3}, "openai", "votes"),
        ({**EQUAL, "invalid_grade": 0.0}, "foundry", "invalid_grade"),
        (
            {**SOURCE, "source": "def grade(s, i):\n    return len(s['answer_text'])\n"},
            "openai",
            "the type 'python'",
        ),
        (JUDGED, "google", "the type 'score_model'"),
        ({**EQUAL, "invalid_grade": 0.0}, "google", "no invalid_grade"),
        (ENDPOINT, "lambda", "the type 'endpoint'"),
        ({"type": "nothing"}, "lambda", "unknown grader type"),
    ],
)
def test_what_cannot_be_said_is_an_error(config: dict[str, Any], host: Host, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        convert(config, host)


# to Google


@pytest.mark.parametrize("operation", ["eq", "ne", "like"])
def test_a_string_check_becomes_a_string_match(operation: str, sync_evaluator: SyncEvaluator) -> None:
    config = {**EQUAL, "operation": operation}
    found = convert(config, "google")
    written = json.loads(found.text)
    assert "stringMatchRewardScorer" in written["singleRewardConfig"]
    assert found.notes == ("rows need the fields that the grader reads under 'references'",)
    assert rewards_here(written, sync_evaluator, ANSWERS) == rewards_here(config, sync_evaluator, ANSWERS)


@pytest.mark.full
@pytest.mark.parametrize(
    "config",
    [SOURCE, {**EQUAL, "operation": "ilike"}, BOTH, {**NUMBER, "reference": "{{item.references.answer}}"}],
)
def test_other_graders_become_code_for_google(config: dict[str, Any], sync_evaluator: SyncEvaluator) -> None:
    written = json.loads(convert(config, "google").text)
    assert "codeExecutionRewardScorer" in written["singleRewardConfig"]
    texts = ["4", "4.0", "five"]
    assert rewards_here(written, sync_evaluator, texts) == rewards_here(config, sync_evaluator, texts)


@pytest.mark.full
def test_googles_own_configuration_stays_as_it_is_and_may_become_a_source(
    sync_evaluator: SyncEvaluator,
) -> None:
    assert json.loads(convert(GOOGLE, "google").text) == {"singleRewardConfig": GOOGLE}
    written = json.loads(convert(GOOGLE, "openai").text)
    texts = ["so 4", "5"]
    assert (
        rewards_here(written, sync_evaluator, texts)
        == rewards_here(GOOGLE, sync_evaluator, texts)
        == [1.0, -1.0]
    )


@pytest.mark.full
def test_rewards_that_google_would_clip_are_noted() -> None:
    assert any("clips rewards" in note for note in convert(PLUGIN, "google").notes)


# to Lambda

TURN = {"role": "assistant", "content": "The answer is 4."}
ROW = {
    "id": "r-1",
    "messages": [{"role": "user", "content": "2+2"}, TURN],
    "reference_answer": {"answer": "4"},
}


@pytest.mark.full
@pytest.mark.parametrize(
    "config", [NUMBER, {**SOURCE, "source": "def grade(s, i):\n    return i['answer'] in s['output_text']\n"}]
)
def test_a_lambda_function_answers_a_list_of_rows(config: dict[str, Any]) -> None:
    blocks = {**TURN, "role": "nova_assistant", "content": [{"text": "The answer "}, {"text": "is 5."}]}
    rows = [
        ROW,
        {**ROW, "id": "r-2", "messages": [*ROW["messages"], blocks]},
        {**ROW, "id": "r-3", "metadata": {"answer": "5"}},
    ]
    found = run_elsewhere(None, convert(config, "lambda").text, f"lambda_handler({rows!r}, None)")
    name = config["name"]
    assert found == [
        {
            "id": f"r-{number}",
            "aggregate_reward_score": reward,
            "metrics_list": [{"name": name, "value": reward, "type": "Reward"}],
        }
        for number, reward in ((1, 1.0), (2, 0.0), (3, 0.0))
    ]


# the command


def test_the_command_writes_a_file_and_its_notes_elsewhere(tmp_path: Path) -> None:
    grader, output = tmp_path / "grader.json", tmp_path / "out.json"
    grader.write_text(json.dumps(EQUAL))
    done = CliRunner().invoke(app, ["convert", str(grader), "--to", "google", "-o", str(output)])
    assert done.exit_code == 0, done.output
    assert json.loads(output.read_text())["singleRewardConfig"]["rewardName"] == "equal"
    assert done.stdout == ""
    assert "note: rows need" in done.stderr
    assert json.loads(CliRunner().invoke(app, ["convert", str(grader), "--to", "openai"]).stdout) == EQUAL


def test_the_command_says_where_a_grader_cannot_be_said(tmp_path: Path) -> None:
    grader = tmp_path / "grader.json"
    grader.write_text(
        json.dumps({"type": "multi", "graders": {"a": RUBRIC}, "calculate_output": "a"}, indent=1)
    )
    done = CliRunner().invoke(app, ["convert", str(grader), "--to", "openai"])
    assert done.exit_code != 0
    assert "graders.a" in str(done.exception) + done.output


def test_every_host_is_one_of_the_command(tmp_path: Path) -> None:
    grader = tmp_path / "grader.json"
    grader.write_text(json.dumps(SOURCE))
    for host in HOSTS:
        assert CliRunner().invoke(app, ["convert", str(grader), "--to", host]).exit_code == 0

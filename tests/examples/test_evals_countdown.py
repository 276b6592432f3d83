"""The Evals flow of the Countdown demo, by the official client and a real service, with the counts that were worked out by hand."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest

from examples.countdown_grade import grade
from runtime import Settings
from tests.conftest import EXAMPLES
from tests.judge_server import JudgeServer, Reply, Request, chat, status
from tests.runtime.sandbox.isolation import ISOLATES
from tests.service.conftest import served

ROWS = [json.loads(line) for line in (EXAMPLES / "data/countdown_answers.jsonl").read_text().splitlines()]
ITEM = {"target": "24", "nums": "[2, 3, 4]"}


def said(request: Request, _: int) -> Reply:
    """What o3 said of the 9 puzzles whose target is below 40, what o4-mini said of 9 others, and nothing of the last, 90."""
    target, numbers = re.findall(r": (.+)", request.body["messages"][1]["content"])
    if target == "90":
        return status(400)
    model = "o3" if int(target) < 40 else "o4_mini"
    (answer,) = [
        row["sample"]["output_text"]
        for row in ROWS
        if row["item"] == {"target": target, "nums": numbers} and row["recorded"]["model"] == model
    ]
    return chat(answer)


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, EXAMPLES / "evals_countdown.py", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.full
@ISOLATES
def test_stored_and_sampled_answers_are_compared() -> None:
    with JudgeServer(said) as upstream:
        done = run("--upstream", upstream.url, "--model", "judge-1")
    assert done.returncode == 1, done.stderr  # something is ungraded
    assert "38, 42, 19, 24      13                 4            5                  5" in done.stdout
    assert "68, 96, 59, 44      89                 3            5                  3" in done.stdout
    assert "37, 25, 92, 13      90                 4            5           ungraded" in done.stdout
    # o4-mini: 15 times 4, twice 3, twice 0; sampled: 9 times 5, 8 times 4, once 3
    assert done.stdout.splitlines()[-3:] == [
        "o4_mini (stored): 19 rows, 0 passed, 19 failed, 0 errored, mean score 3.47",
        "o3 (stored): 19 rows, 19 passed, 0 failed, 0 errored, mean score 5.00",
        "judge-1 (sampled): 19 rows, 9 passed, 9 failed, 1 errored, mean score 4.44",
    ]
    assert {request.body["model"] for request in upstream.requests} == {"judge-1"}


@pytest.mark.full
@ISOLATES
def test_nothing_is_left_on_the_service(quick: Settings, tmp_path: Path) -> None:
    own = {"database": str(tmp_path / "service.sqlite"), "files_dir": tmp_path / "files"}
    with served(quick.model_copy(update=own)) as url:
        done = run("--url", url)
        assert done.returncode == 0, done.stderr
        assert "o3 (stored): 19 rows, 19 passed, 0 failed, 0 errored" in done.stdout
        assert "To sample from a model as well: --upstream" in done.stdout
        assert [httpx2.get(f"{url}/v1/{kind}").json()["data"] for kind in ("evals", "files")] == [[], []]
    assert list((tmp_path / "files").iterdir()) == []


@pytest.mark.full
def test_an_upstream_without_a_model_is_refused() -> None:
    done = run("--upstream", "http://127.0.0.1:9/v1")
    assert done.returncode == 2
    assert (
        "--upstream is for the service that is started here (without --url), and needs --model" in done.stderr
    )


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"expression": "2 × 3 * 4", "result": "24.00"}, 5.0),
        ({"expression": "(2 + 4) * 3", "result": 18}, 2.0),
        ({"expression": "2 / 3 * 4", "result": "2.67"}, 2.0),
        ({"expression": "2 / 3 * 4", "result": "2.66"}, 1.0),
        ({"expression": "2 * 3 * 4"}, 1.0),
        ({"expression": "2 * 3 * 4", "result": "1/0"}, 1.0),
        ({"expression": "4 / (3 - 3) * 2", "result": "0"}, 0.0),
        ({"expression": "2 * 3", "result": "6"}, 0.0),
        ({"expression": "2 ** 3 * 4", "result": "32"}, 0.0),
        ({"result": "24"}, 0.0),
        ("24", 0.0),
        (None, 0.0),
    ],
)
def test_the_rules_of_the_grader(answer: Any, expected: float) -> None:
    assert grade({"output_json": answer}, ITEM) == expected


def test_the_grader_agrees_with_every_score_of_the_recorded_judge() -> None:
    rewards = [grade({"output_json": json.loads(row["sample"]["output_text"])}, row["item"]) for row in ROWS]
    assert len(rewards) == 38
    assert rewards == [row["recorded"]["score"] for row in ROWS]

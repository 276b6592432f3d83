"""`graders data import`, `graders data convert` and `graders sample` as commands: what they print, and how they end."""

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from graders import ConfigurationError
from service.cli import app
from tests.judge_server import JudgeServer, chat, hang, status
from tests.processes import inheriting
from tests.service.test_cli import command, environment, write
from tests.service.test_cli import graders as in_own_process
from tests.service.test_graded_commands import graders

ITEM: dict[str, Any] = {
    "datasource_item": {"messages": [{"role": "user", "content": "2+2"}], "answer": "4"},
    "results": [{"name": "right", "score": 0.5}],
    "sample": {"output": [{"role": "assistant", "content": "4"}]},
}


def sampling(server: JudgeServer) -> dict[str, str]:
    return environment() | {"GRADERS_JUDGES": json.dumps({"*": {"base_url": server.url, "retries": 0}})}


def sample(
    server: JudgeServer, folder: Path, *options: str, rows: str = "rows.jsonl"
) -> "subprocess.CompletedProcess[str]":
    arguments = command("sample", rows, "--model", "m", "-o", "samples.jsonl", *options)
    return subprocess.run(
        arguments, cwd=folder, env=sampling(server), capture_output=True, text=True, timeout=120, check=False
    )


def test_an_import_says_what_it_found_and_lists_what_it_could_not_read(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", ITEM, {"other": 1}, ITEM)
    done = graders("data", "import", "a.jsonl", "-o", "rows.jsonl", cwd=tmp_path)
    assert done.exit_code == 1
    assert done.stdout.splitlines() == [
        "2 rows in rows.jsonl: 2 from evals",
        "2 have an answer, 0 have none",
        "2 recorded scores of right",
        "1 part of the exports could not be read: see 'not imported' above",
    ]
    assert done.stderr == (
        "not imported: a.jsonl: line 2: no known source system; it has the fields 'other'; "
        "give --from if you know which it is\n"
    )
    as_json = in_own_process("data", "import", "a.jsonl", "-o", "-", "--json", cwd=tmp_path)
    assert [json.loads(line)["item"]["answer"] for line in as_json.stdout.splitlines()] == ["4", "4"]
    assert json.loads(as_json.stderr)["not_imported"][0].startswith("a.jsonl: line 2: ")


def test_a_conversion_that_would_lose_something_writes_nothing(tmp_path: Path) -> None:
    answer = {"role": "assistant", "content": "4", "weight": 1}
    write(tmp_path / "a.jsonl", {"messages": [{"role": "user", "content": "2+2"}, answer]})
    refused = graders("data", "convert", "a.jsonl", "--to", "google", "-o", "b.jsonl", cwd=tmp_path)
    assert (refused.exit_code, (tmp_path / "b.jsonl").exists()) == (1, False)
    assert "lost: messages[].weight in 1 row, first in line 1" in refused.stdout
    done = graders(
        "data", "convert", "a.jsonl", "--to", "google", "-o", "b.jsonl", "--allow-loss", cwd=tmp_path
    )
    assert (done.exit_code, done.stdout.splitlines()[-1]) == (0, "1 row in b.jsonl")


ASKED = [{"role": "user", "content": "2+2"}]
ANSWERED = {"messages": [*ASKED, {"role": "assistant", "content": "4"}], "answer": "4"}
OPEN = {"messages": ASKED, "answer": "4"}
MIXED = "mixed: 'answer' is a text in 1 row (first in line 1) and a number in 1 row (first in line 2); a table has one type a column; "
NOT_WRITTEN = "nothing was written; --allow-loss writes what the format can hold"


@pytest.mark.parametrize(
    ("rows", "options", "code", "printed"),
    [
        ([ANSWERED], ["--to", "openai"], 1, ["lost: answer in 1 row, first in line 1", NOT_WRITTEN]),
        (
            [ANSWERED, OPEN],
            ["--to", "openai", "--format", "rft"],
            1,
            ["not converted: line 1: 'messages' ends with the model's turn; expected the user's: remove the answer, or keep it in a field of its own", NOT_WRITTEN],
        ),
        ([OPEN, OPEN], ["--to", "openai", "--format", "rft"], 0, ["2 rows in b.jsonl"]),
        (
            [OPEN] * 7,
            ["--to", "openai", "--format", "verl"],
            1,
            ["not converted: 7 rows, lines 1, 2, 3, 4, 5, …: the row has no 'reward_model', which rows of the format 'verl' have", "nothing was written: a.jsonl: no row can be converted"],
        ),
        ([OPEN, {**OPEN, "answer": 4}], ["--to", "trl"], 1, [f"{MIXED}--allow-loss writes texts", NOT_WRITTEN]),
        ([OPEN, {**OPEN, "answer": 4}], ["--to", "trl", "--allow-loss"], 0, [f"{MIXED}written as texts", "2 rows in b.jsonl"]),
        (
            [OPEN, {**OPEN, "messages": []}],
            ["--to", "bedrock", "--allow-loss"],
            0,
            ["not converted: line 2: the prompt is empty; expected at least the user's message", "note: item.answer becomes reference_answer in 1 row; the templates of a grader name it so", "1 row in b.jsonl; 1 row left out"],
        ),
        ([], ["--to", "trl"], 1, ["nothing was written: a.jsonl: it has no rows"]),
    ],
)  # fmt: skip
def test_a_conversion_names_what_differs_by_reason(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    rows: list[Any],
    options: list[str],
    code: int,
    printed: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a.jsonl", *rows)
    ended = app(["data", "convert", "a.jsonl", *options, "-o", "b.jsonl"], standalone_mode=False)
    shown = capsys.readouterr().out.splitlines()
    assert (ended or 0, (tmp_path / "b.jsonl").exists()) == (code, code == 0)
    assert " ".join(line.strip() for line in shown) == " ".join(printed)
    assert max(map(len, shown)) <= 80


@pytest.mark.parametrize("name", ["rtf", "rows"])
def test_a_conversion_of_an_unknown_format_names_those_that_can_be_read(tmp_path: Path, name: str) -> None:
    write(tmp_path / "a.jsonl", OPEN)
    arguments = [str(tmp_path / "a.jsonl"), "--to", "trl", "--format", name, "-o", str(tmp_path / "b.jsonl")]
    with pytest.raises(ConfigurationError, match=f"--format: expected one of sft, .*, got '{name}'"):
        app(["data", "convert", *arguments], standalone_mode=False)


@pytest.mark.full
def test_failed_draws_end_with_1_beyond_what_is_allowed(tmp_path: Path) -> None:
    write(tmp_path / "rows.jsonl", {"prompt": "2+2"}, {"prompt": "3+3"})
    with JudgeServer(lambda request, number: status(500) if number == 0 else chat("4")) as server:
        failed = sample(server, tmp_path, "-n", "2")
        assert failed.returncode == 1
        assert "1 draws failed (1 status); run the same command again to draw them again" in failed.stdout
        again = sample(server, tmp_path, "-n", "2", "--json")
    report = json.loads(again.stdout)
    assert (again.returncode, report["taken_over"], report["failed"]) == (0, 3, 0)


@pytest.mark.full
def test_an_interrupt_says_what_is_kept_and_the_command_is_resumed(tmp_path: Path) -> None:
    write(tmp_path / "rows.jsonl", *({"prompt": str(number)} for number in range(200)))
    journal = tmp_path / "samples.jsonl.journal"
    with JudgeServer(lambda request, number: chat("4") if number < 20 else hang()) as server:
        arguments = command("sample", "rows.jsonl", "--model", "m", "-o", "samples.jsonl")
        running = subprocess.Popen(
            inheriting("default", arguments),
            cwd=tmp_path,
            env=sampling(server),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        until = time.monotonic() + 60
        while not journal.exists() or journal.read_bytes().count(b"\n") < 20:
            assert time.monotonic() < until
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        said, _ = running.communicate(timeout=60)
    assert running.returncode == 130, said
    assert said.startswith("interrupted, 20 of 200 draws done: 20 answers are kept in ")
    with JudgeServer([chat("5")]) as server:
        done = sample(server, tmp_path)
        assert len(server.requests) == 180
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "samples.jsonl").read_text().splitlines()
    texts = [json.loads(line)["samples"][0]["output_text"] for line in lines]
    assert (texts.count("4"), texts.count("5")) == (20, 180)

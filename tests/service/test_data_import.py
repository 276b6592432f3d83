"""`graders data import`, `graders data convert` and `graders sample` as commands: what they print, and how they end."""

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from tests.judge_server import JudgeServer, chat, hang, status
from tests.processes import inheriting
from tests.service.test_cli import command, environment, graders, write

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
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "2 rows in rows.jsonl: 2 from evals",
        "2 have an answer, 0 have none",
        "2 recorded scores of right",
        "1 parts of the exports could not be read; each is listed with its place",
    ]
    assert done.stderr == (
        "not imported: a.jsonl: line 2: no known source system; it has the fields 'other'; "
        "give --from if you know which it is\n"
    )
    as_json = graders("data", "import", "a.jsonl", "-o", "-", "--json", cwd=tmp_path)
    assert [json.loads(line)["item"]["answer"] for line in as_json.stdout.splitlines()] == ["4", "4"]
    assert json.loads(as_json.stderr)["not_imported"][0].startswith("a.jsonl: line 2: ")


def test_a_conversion_that_would_lose_something_writes_nothing(tmp_path: Path) -> None:
    answer = {"role": "assistant", "content": "4", "weight": 1}
    write(tmp_path / "a.jsonl", {"messages": [{"role": "user", "content": "2+2"}, answer]})
    refused = graders("data", "convert", "a.jsonl", "--to", "google", "-o", "b.jsonl", cwd=tmp_path)
    assert (refused.returncode, (tmp_path / "b.jsonl").exists()) == (1, False)
    assert "lost: messages[].weight in 1 rows, first in line 1" in refused.stdout
    done = graders(
        "data", "convert", "a.jsonl", "--to", "google", "-o", "b.jsonl", "--allow-loss", cwd=tmp_path
    )
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "1 rows in b.jsonl")


def test_failed_draws_end_with_1_beyond_what_is_allowed(tmp_path: Path) -> None:
    write(tmp_path / "rows.jsonl", {"prompt": "2+2"}, {"prompt": "3+3"})
    with JudgeServer(lambda request, number: status(500) if number == 0 else chat("4")) as server:
        failed = sample(server, tmp_path, "-n", "2")
        assert failed.returncode == 1
        assert "1 draws failed (1 status); run the same command again to draw them again" in failed.stdout
        again = sample(server, tmp_path, "-n", "2", "--json")
    report = json.loads(again.stdout)
    assert (again.returncode, report["taken_over"], report["failed"]) == (0, 3, 0)


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

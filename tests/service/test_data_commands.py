"""`graders data check` and `graders data split`, as they are typed."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from graders import ConfigurationError
from service.cli import app
from tests.runtime.data import sound_rows as sound
from tests.service.test_cli import graders
from tests.service.test_graded_commands import graders as in_process

GRADER = {
    "type": "string_check",
    "name": "exact",
    "input": "{{sample.output_text}}",
    "reference": "{{item.answer}}",
    "operation": "eq",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    rows = [sound.rft(number) for number in range(30)]
    write(folder / "good.jsonl", rows)
    write(folder / "valid.jsonl", [sound.rft(number) for number in range(60, 72)])
    (folder / "grader.json").write_text(json.dumps(GRADER))
    bad = [
        *rows[:20],
        {**rows[20], "messages": []},
        {"messages": rows[21]["messages"]},
        {"messages": "\x1b[2J\u202e"},
    ]
    write(folder / "bad.jsonl", bad)
    return folder


def write(path: Path, rows: list[sound.Row]) -> None:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))


@pytest.mark.parametrize(
    ("grader", "shown"),
    [
        (GRADER, "by the grader"),
        (
            {"type": "python", "source": "def grade(sample, item):\n    return 1.0\n"},
            "the empty answer: 1.00\n",
        ),
        (
            {
                "type": "score_model",
                "model": "m",
                "input": [{"role": "user", "content": "{{sample.output_text}}"}],
            },
            "the grader calls judges",
        ),
    ],
    ids=lambda value: value["type"] if isinstance(value, dict) else "",
)
def test_check_says_what_constant_answers_get_from_the_grader(
    folder: Path, tmp_path: Path, grader: dict[str, Any], shown: str
) -> None:
    (tmp_path / "grader.json").write_text(json.dumps(grader))
    done = in_process("data", "check", "good.jsonl", "--grader", tmp_path / "grader.json", cwd=folder)
    assert shown in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.full
def test_a_sound_file_exits_with_0_and_a_bad_one_with_1(folder: Path) -> None:
    good = graders("data", "check", "good.jsonl", "--valid", "valid.jsonl", "--for", "openai", cwd=folder)
    assert (good.returncode, good.stderr) == (0, "")
    assert "good.jsonl: 30 rows" in good.stdout
    assert "reinforcement fine-tuning (OpenAI, Foundry)" in " ".join(good.stdout.split())
    assert good.stdout.endswith("0 errors, 0 warnings\n")
    bad = graders("data", "check", "bad.jsonl", "--grader", "grader.json", cwd=folder)
    assert (bad.returncode, bad.stderr) == (1, "")
    assert "error   no-messages: line 21\n" in bad.stdout
    assert "error   cannot-grade: 2 times, lines 22, 23\n" in bad.stdout
    assert max(map(len, bad.stdout.splitlines())) <= 80
    assert "\x1b" not in bad.stdout
    assert "\u202e" not in bad.stdout


def test_lines_stay_within_80_columns_with_long_names(folder: Path) -> None:
    long = folder / ("a-rather-long-name-of-a-training-file-of-many-words-" * 2)
    long.write_bytes((folder / "bad.jsonl").read_bytes())
    done = in_process("data", "check", long, "--valid", folder / "bad.jsonl", cwd=folder)
    assert done.exit_code == 1
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_json_has_every_finding_and_figure(folder: Path) -> None:
    done = in_process("data", "check", "bad.jsonl", "--json", "--by", "answer", cwd=folder)
    found = json.loads(done.stdout)
    assert done.exit_code == 1
    assert (
        found["errors"] == sum(group["count"] for group in found["findings"] if group["level"] == "error") > 0
    )
    assert [file["format"] for file in found["files"]] == ["rft"]
    assert found["files"][0]["figures"]["by"]["answer"]["rows"] == 21
    group = next(group for group in found["findings"] if group["code"] == "no-messages")
    assert (group["lines"], group["count"], group["left_out"]) == ([21], 1, 0)
    assert group["findings"][0]["field"] == "messages"


def test_what_is_no_host_exits_with_2(folder: Path) -> None:
    done = graders("data", "check", "good.jsonl", "--for", "nobody", cwd=folder)
    assert done.returncode == 2
    assert "nobody" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent.jsonl"], "cannot read absent.jsonl: No such file or directory"),
        (["."], "cannot read .: Is a directory"),
        (["good.jsonl", "--grader", "valid.jsonl"], "valid.jsonl"),
        (["good.jsonl", "--format", "rtf"], "unknown format 'rtf'; expected one of sft, "),
        (["good.jsonl", "--html", "good.jsonl"], "good.jsonl is what is read"),
        (["good.jsonl", "--html", "bad.jsonl"], "bad.jsonl is there already; --force"),
        (["-", "--valid", "-"], "cannot both come from the standard input"),
        (["-", "--grader", "-"], "cannot both come from the standard input"),
    ],
)
def test_a_wrong_check_is_refused(
    arguments: list[str], message: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        app(["data", "check", *arguments], standalone_mode=False)


def test_the_page_is_written_once_and_over_itself_with_force(folder: Path) -> None:
    arguments = ["data", "check", "good.jsonl", "--html", "page.html"]
    assert in_process(*arguments, cwd=folder).exit_code == 0
    assert "<svg" in (folder / "page.html").read_text()
    assert in_process(*arguments, "--force", cwd=folder).exit_code == 0


@pytest.mark.full
def test_the_standard_input_is_checked_and_split(folder: Path, tmp_path: Path) -> None:
    text = (folder / "good.jsonl").read_bytes()
    assert "-: 30 rows" in graders("data", "check", "-", stdin=text).stdout
    done = graders("data", "split", "-", "--valid", "3", "-o", tmp_path / "new", stdin=text)
    assert done.returncode == 0, done.stderr
    assert f"{tmp_path}/new/valid.jsonl: 3 rows (10.0%)\n" in done.stdout
    assert len((tmp_path / "new/train.jsonl").read_text().splitlines()) == 27


def test_a_split_says_what_it_did(folder: Path, tmp_path: Path) -> None:
    done = in_process(
        "data",
        "split",
        "good.jsonl",
        "--valid",
        "0.2",
        "--by",
        "answer",
        "--train",
        tmp_path / "t",
        "--valid-out",
        tmp_path / "v",
        "--json",
        cwd=folder,
    )
    found = json.loads(done.stdout)
    assert (found["train"]["rows"], found["valid"]["rows"], found["seed"], found["unreadable"]) == (
        24,
        6,
        0,
        [],
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--valid", "0.1"], "say where the rows go"),
        (["--valid", "0.1", "-o", "x", "--train", "y"], "say where the rows go"),
        (["--valid", "1.5", "-o", "x"], "a share between 0 and 1 or a number of rows, not '1.5'"),
        (["--valid", "-1", "-o", "x"], "not '-1'"),
        (["--valid", "many", "-o", "x"], "not 'many'"),
        (["--valid", "nan", "-o", "x"], "not 'nan'"),
        (["--valid", "30", "-o", "x"], "leave none for training"),
        (["--valid", "2", "-o", "good.jsonl"], "cannot make good.jsonl"),
    ],
)
def test_a_wrong_split_is_refused(
    arguments: list[str], message: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        app(["data", "split", "good.jsonl", *arguments], standalone_mode=False)


def test_lines_that_are_no_rows_are_named_and_exit_with_1(tmp_path: Path) -> None:
    write(tmp_path / "rows.jsonl", [sound.rft(number) for number in range(12)])
    with (tmp_path / "rows.jsonl").open("a") as file:
        file.write("{\n[1]\n")
    done = in_process("data", "split", "rows.jsonl", "--valid", "2", "-o", ".", cwd=tmp_path)
    assert done.exit_code == 1
    assert "lines 13, 14 cannot be read" in done.stderr
    assert len((tmp_path / "train.jsonl").read_text().splitlines()) == 10


@pytest.mark.full
def test_a_missing_extra_leaves_the_other_checks_standing(folder: Path) -> None:
    """Without the extra `data`, what needs it is named with the command that installs it."""
    code = (
        "import sys\n"
        "for name in ('datasketch', 'py3langid', 'pyarrow', 'matplotlib'): sys.modules[name] = None\n"
        "from service.cli import main\n"
        "sys.argv = ['graders', 'data', *sys.argv[1:]]\n"
        "main()\n"
    )

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", code, *arguments],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    checked = run("check", "bad.jsonl")
    assert checked.returncode == 1
    assert "near duplicates were not looked for" in checked.stdout
    assert "languages were not looked at" in checked.stdout
    assert "[data]" in checked.stdout
    for arguments, missing in (
        (["check", "good.jsonl", "--html", "other.html"], "plots need matplotlib"),
        (["split", "good.jsonl", "--valid", "2", "-o", "split"], "needs an extra"),
    ):
        done = run(*arguments)
        assert done.returncode == 2
        assert missing in done.stderr
        assert "[data]" in done.stderr

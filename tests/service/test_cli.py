"""The command `graders`, as a user types it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import EXAMPLES
from tests.service import commands
from tests.service.full_disk import small_disk

EXACT = {
    "type": "string_check",
    "input": "{{sample.output_text}}",
    "reference": "{{item.answer}}",
    "operation": "eq",
}


def graders(
    *arguments: object, cwd: Path | None = None, stdin: bytes | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run the command; its environment has the coverage variables only."""
    return commands.run(*arguments, env=environment(), cwd=cwd, stdin=stdin)


def command(*arguments: object) -> list[str]:
    return [str(Path(sys.executable).with_name("graders")), *map(str, arguments)]


def environment() -> dict[str, str]:
    measured = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
    settings = {
        "GRADERS_WORKER_ENVIRONMENT": json.dumps(measured),
        "GRADERS_PLUGIN_NEEDS": json.dumps({"tally": ["files"]}),
    }
    own = {
        name: value for name, value in os.environ.items() if name.startswith("GRADERS_")
    }  # no store of the user's
    return {"PATH": os.environ["PATH"], **own, **settings, **measured}


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def grader(tmp_path: Path) -> Path:
    return write(tmp_path / "grader.json", EXACT)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rows = [{"item": {"answer": "a"}, "sample": text} for text in ("a", "b", "a", "c")]
    return write(tmp_path / "data.jsonl", *rows)


@pytest.mark.full
def test_help_names_every_command_without_loading_what_they_need() -> None:
    done = graders("--help")
    assert done.returncode == 0
    for name in ("run", "validate", "types", "serve", "doctor"):
        assert re.search(rf"\b{name}\b", done.stdout)
    code = "import sys; sys.argv = ['graders', '--help']\nfrom service.cli import main\n"
    code += "try: main()\nexcept SystemExit: print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"openai", "fastapi", "numpy", "pydantic", "sacrebleu", "rapidfuzz", "jsonpath_ng"} & set(
        loaded
    )


def test_run_prints_a_summary_and_writes_the_results(grader: Path, data: Path, tmp_path: Path) -> None:
    done = graders("run", grader, data, "-o", tmp_path / "out.jsonl")
    assert (done.returncode, done.stderr) == (0, "")
    assert "mean reward  0.5000" in done.stdout
    records = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [record["reward"] for record in records] == [1.0, 0.0, 1.0, 0.0]


def test_run_reads_standard_input_and_prints_json(grader: Path, data: Path) -> None:
    done = graders("run", grader, "-", "--json", stdin=data.read_bytes())
    assert json.loads(done.stdout)["reward"]["mean"] == 0.5


@pytest.mark.full
def test_run_fails_when_too_much_is_ungraded(grader: Path, tmp_path: Path) -> None:
    data = write(tmp_path / "d.jsonl", {"item": {}, "sample": "a"}, {"item": {"answer": "a"}, "sample": "a"})
    assert graders("run", grader, data).returncode == 1
    assert "ungraded: 1 × invalid_variable_error, caused by the grader" in graders("run", grader, data).stdout
    assert (
        "for example: {{item.answer}} is not there: item has no fields" in graders("run", grader, data).stdout
    )
    assert graders("run", grader, data, "--max-ungraded", "1").returncode == 0
    assert graders("run", grader, data, "--max-ungraded", "50%").returncode == 0
    assert graders("run", grader, data, "--max-ungraded", "49%").returncode == 1


def test_the_countdown_example_runs_from_its_files() -> None:
    done = graders(
        "run", EXAMPLES / "countdown_multi.json", EXAMPLES / "data/countdown_answers.jsonl", "--json"
    )
    found = json.loads(done.stdout)
    assert (found["rows"], found["ungraded"], found["pass_rate"]["passed"]) == (38, 0, 19)
    assert found["sub_rewards"]["rounded"]["mean"] == pytest.approx(161 / 38)


def settled(tally: Path) -> int:
    """How many gradings are in a tally to which the workers of a killed run add no more."""
    count = -1
    while count != (count := len(tally.read_text().splitlines())):
        time.sleep(0.5)
    return count


@pytest.mark.full
def test_a_run_that_is_killed_goes_on_and_writes_what_an_undisturbed_one_writes(tmp_path: Path) -> None:
    rows = [{"item": {"n": n}, "sample": "x" * (n % 12)} for n in range(300)]
    data, tally = write(tmp_path / "data.jsonl", *rows), tmp_path / "tally"
    grader = write(tmp_path / "grader.json", {"type": "tally", "path": str(tally), "seconds": 0.003})
    undisturbed, out, journal = (tmp_path / name for name in ("one.jsonl", "two.jsonl", "two.jsonl.journal"))
    assert graders("run", grader, data, "-o", undisturbed).returncode == 0
    assert len(tally.read_text().splitlines()) == 300

    for least in (30, 120):
        process = subprocess.Popen(
            command("run", grader, data, "-o", out), env=environment(), stdout=subprocess.DEVNULL
        )
        while not journal.exists() or journal.read_bytes().count(b"\n") < least:
            assert process.poll() is None, "the run ended before it could be killed"
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not out.exists()
    kept, before = journal.read_bytes().count(b"\n"), settled(tally)
    assert graders("run", grader, data, "-o", out).returncode == 0

    assert out.read_bytes() == undisturbed.read_bytes()
    assert not journal.exists()
    # what stood in the journal was not graded again
    assert len(tally.read_text().splitlines()) - before == 300 - kept


def test_validate_is_content_with_a_good_grader(grader: Path, data: Path) -> None:
    done = graders("validate", grader, "--data", data)
    assert (done.returncode, done.stdout) == (0, f"{grader}: 0 errors, 0 warnings\n")


def test_validate_says_every_mistake_of_a_grader_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    path.write_text(
        '{"type": "multi",\n "graders": {\n  "a": {"type": "string_check",\n   "input": "{{x}}"}},\n "calculate_output": "a +"}'
    )
    done = graders("validate", path)
    assert (done.returncode, done.stderr) == (1, "")
    lines = done.stdout.splitlines()
    assert lines[0].startswith(
        f"error {path}:4: graders.a.input: {{{{x}}}} must begin with 'item.' or 'sample.'"
    )
    assert f"error {path}:3: graders.a.reference: this field is required" in lines
    assert any(line.startswith(f"error {path}:5: calculate_output: 'a +' is not a formula") for line in lines)


def test_validate_says_what_is_wrong_between_a_grader_and_its_data(tmp_path: Path) -> None:
    grader = tmp_path / "g.json"
    grader.write_text(json.dumps({**EXACT, "input": "{question}", "pass_threshold": 3}, indent=1))
    rows = [
        {"anwser": "a", "messages": [{"role": "user", "content": "?"}, {"role": "assistant", "content": "!"}]}
    ] * 3
    done = graders("validate", grader, "--data", write(tmp_path / "d.jsonl", *rows), "--json")
    assert done.returncode == 1
    found = {
        (each["level"], each["where"].removeprefix(f"{tmp_path}/"), each["message"])
        for each in json.loads(done.stdout)["findings"]
    }
    assert found == {
        ("warning", "g.json:3", "{question} in single braces is plain text, not a variable"),
        (
            "error",
            "g.json:1",
            "no template mentions the sample, so every sample of an item gets the same reward",
        ),
        ("error", "g.json:6", "3 is outside the rewards 0 to 1 of this grader: no sample can pass"),
        ("error", "g.json:4", "no row has {{item.answer}}"),
        ("error", "d.jsonl:1", "the last message is not the user's in 3 of 3 rows (lines 1, 2, 3)"),
    }


WRONG = {
    "type": "multi",
    "graders": {
        "a": {"type": "string_check", "input": "{{x}}"},
        "b": {**EXACT, "reference": "{{item.anwser}}", "name": "b"},
        "c": {"type": "python", "source": "def grade(sample, item):\n    return 1.0", "image_tag": "nowhere"},
        "d": {"type": "text_similarity", "input": "{question}{{sample.output_text}}", "reference": "{{item.answer}}",
              "evaluation_metric": "cosine", "embedding_model": "far"},
        "e": {"type": "strng_check", "input": "{{item.other}}"},
    },
    "calculate_output": "a + z",
}  # fmt: skip


def test_validate_finds_everything_in_one_go_when_the_grader_is_wrong(tmp_path: Path) -> None:
    write(tmp_path / "g.json", WRONG)
    (tmp_path / "rows.jsonl").write_text('{"answer": "a"}\n{\n')
    done = graders("validate", "g.json", "--data", "rows.jsonl", "--json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "")
    report = json.loads(done.stdout)
    found = [(each["level"], each["path"], each["message"].partition(";")[0]) for each in report["findings"]]
    for expected in (
        ("error", "graders.a.reference", "this field is required"),
        ("error", "graders.e.type", "unknown grader type 'strng_check'"),
        ("error", "", "not JSON: EOF while parsing an object at column 1"),
        ("error", "graders.b.reference", "no row has {{item.anwser}}"),
        ("error", "graders.e.input", "no row has {{item.other}}"),
        ("warning", "graders.d.input", "{question} in single braces is plain text, not a variable"),
        (
            "warning",
            "graders.d.embedding_model",
            "no server is known here for the embedding model 'far': every sample would be ungraded",
        ),
    ):
        assert expected in found
    assert sum(path == "graders.a.input" for _, path, _ in found) == 1
    assert any(
        path == "graders.c.image_tag" and "'nowhere' is not on this machine" in text
        for _, path, text in found
    )
    assert any(path == "calculate_output" and "'z'" in text for _, path, text in found)
    assert report["errors"] == sum(level == "error" for level, _, _ in found)


def test_validate_finds_each_image_that_is_not_there(tmp_path: Path) -> None:
    source = "def grade(sample, item):\n    return 1.0"
    parts = {name: {"type": "python", "source": source, "image_tag": name} for name in ("one", "two")}
    write(tmp_path / "g.json", {"type": "multi", "graders": parts, "calculate_output": "one + two"})
    done = graders("validate", "g.json", "--json", cwd=tmp_path)
    errors = [each["path"] for each in json.loads(done.stdout)["findings"] if each["level"] == "error"]
    assert sorted(errors) == ["graders.one.image_tag", "graders.two.image_tag"]
    assert done.returncode == 1


@pytest.mark.full
@pytest.mark.parametrize("content", ["", "\n \n", "\ufeff\n"])
def test_validate_says_which_file_has_no_rows(content: str, tmp_path: Path) -> None:
    write(tmp_path / "g.json", EXACT)
    (tmp_path / "none.jsonl").write_text(content)
    done = graders("validate", "g.json", "--data", "none.jsonl", "--json", cwd=tmp_path)
    (finding,) = json.loads(done.stdout)["findings"]
    assert (done.returncode, finding["where"], finding["message"]) == (1, "none.jsonl", "there are no rows")


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("arguments", "code", "where", "message"),
    [
        (["none.json"], 2, "none.json", "cannot read none.json"),
        ([], 2, "command", "Missing argument 'grader'"),
        (["good.json", "--none"], 2, "command", "No such option: --none"),
        (["good.json", "--data", "none.jsonl"], 2, "none.jsonl", "cannot read none.jsonl"),
        (["good.json", "--config", "none.toml"], 2, "settings", "there is no configuration file"),
        (["-", "--data", "-"], 2, "-", "the grader and the data cannot both come"),
        (["torn.json"], 1, "torn.json", "not JSON: EOF"),
        (["list.json"], 1, "list.json:1", 'a grader is a JSON object with a "type", got a list'),
        (["source.json"], 1, "source.json:1", "cannot read none.py"),
        (["twice.json"], 1, "twice.json:1", "expected the text of a source"),
    ],
)
def test_validate_prints_json_in_every_case(
    tmp_path: Path, arguments: list[str], code: int, where: str, message: str
) -> None:
    (tmp_path / "torn.json").write_text("{ ")
    write(tmp_path / "good.json", EXACT)
    write(tmp_path / "list.json", [])
    write(tmp_path / "source.json", {"type": "python", "source": {"file": "none.py"}})
    write(tmp_path / "twice.json", {"type": "python", "source": {"file": 3}})
    done = graders("validate", *arguments, "--json", cwd=tmp_path)
    report = json.loads(done.stdout)
    is_usage = where == "command"
    assert (done.returncode, bool(done.stderr), report["errors"]) == (code, is_usage, 1)
    (finding,) = report["findings"]
    assert finding["where"] == where
    assert finding["message"].startswith(message)


def test_a_key_that_is_there_twice_is_an_error_with_both_lines(tmp_path: Path) -> None:
    text = json.dumps(EXACT, indent=1).replace('"reference"', '"reference": "1",\n "reference"')
    (tmp_path / "g.json").write_text(text)
    message = "reference: the key is there 2 times, on lines 4 and 5; keep one"
    done = graders("validate", "g.json", cwd=tmp_path)
    assert (done.returncode, done.stdout.splitlines()[0]) == (1, f"error g.json:5: {message}")
    done = graders("run", "g.json", "g.json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, f"error: g.json:5: {message}\n")


def test_validate_shows_findings_beside_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    write(tmp_path / "g.json", {**EXACT, "pass_threshold": 3})
    done = graders("validate", "g.json", "--data", "none.jsonl", cwd=tmp_path)
    assert done.returncode == 2
    assert "pass_threshold: 3 is outside the rewards" in done.stdout
    assert done.stderr == "error: cannot read none.jsonl: No such file or directory\n"


def test_types_lists_every_type_with_its_origin() -> None:
    found = {each["name"]: each for each in json.loads(graders("types", "--json").stdout)}
    assert {"string_check", "numeric_check", "text_similarity", "pattern_match", "multi", "countdown"} <= set(
        found
    )
    assert (found["keyword"]["distribution"], found["keyword"]["version"]) == ("hostile-graders", "1.2.3")
    assert found["string_check"]["options"]["operation"]["enum"] == ["eq", "ne", "neq", "like", "ilike"]
    assert found["multi"]["range"] == ["-inf", "inf"]


def test_types_tells_everything_about_one() -> None:
    text = graders("types", "countdown").stdout
    assert "rewards from 0 to 5" in text
    assert "decimals: integer or null (optional, default None)" in text
    assert "Reward 0 to 5 by the published rules" in text


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "none.json", "none.jsonl"], "error: cannot read none.json: No such file or directory\n"),
        (["run", "-", "-"], "error: the grader and the data cannot both come from the standard input\n"),
        (
            ["run", "torn.json", "items.jsonl"],
            "error: torn.json: not JSON: EOF while parsing an object at line 1 column 2 (byte 1)\n",
        ),
        (["validate", "none.json"], "error: cannot read none.json: No such file or directory\n"),
        (
            ["validate", "good.json", "--data", "none.jsonl"],
            "error: cannot read none.jsonl: No such file or directory\n",
        ),
        (["validate", "-", "--data", "-"], "error: the grader and the data cannot both come from the"),
        (["run", "good.json", "items.jsonl"], "error: items.jsonl: no row has a 'sample'; stored samples"),
        (
            ["run", "good.json", "empty.jsonl", "-o", "no/such/file"],
            "error: cannot write no/such/file.journal",
        ),
        (
            ["run", "good.json", "empty.jsonl", "--max-ungraded", "few"],
            "error: --max-ungraded is a number of rows or a share",
        ),
        (["types", "strng"], "error: no grader type 'strng' is installed; there are "),
        (["serve", "--host", "0.0.0.0"], "error: refusing to serve on 0.0.0.0 without API keys"),
        (["serve", "--config", "none.toml"], "error: there is no configuration file none.toml"),
        (
            ["run", "list.json", "empty.jsonl"],
            'error: list.json:1: a grader is a JSON object with a "type", got a list\n',
        ),
    ],
)
def test_wrong_usage_is_one_line_and_exit_2(tmp_path: Path, arguments: list[str], message: str) -> None:
    (tmp_path / "torn.json").write_text("{ ")
    write(tmp_path / "good.json", EXACT)
    write(tmp_path / "list.json", [])
    write(tmp_path / "empty.jsonl")
    write(tmp_path / "items.jsonl", {"item": {"answer": "a"}}, {"item": {"answer": "a"}})
    done = graders(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(message)
    assert done.stderr.count("\n") == 1


BAD_ROWS = [
    "{",
    "null",
    '{"item": {"answer": NaN}, "sample": "a"}',
    '{"item": {"answer": "a"}}',
    '{"item": {"answer": "a"}, "sample": {"choices": []}}',
    '{"item": {"answer": "a", "z": %s}, "sample": "a"}' % ("[" * 300 + "]" * 300),
    '{"item": {"answer": "a", "z": %s}, "sample": "a"}' % ("9" * 5000),
]


def test_run_grades_the_rows_beside_those_that_cannot_be_read(tmp_path: Path) -> None:
    write(tmp_path / "g.json", EXACT)
    good = '{"item": {"answer": "\\ud800"}, "sample": "\\ud800"}'
    (tmp_path / "rows.jsonl").write_text("\n".join([good, *BAD_ROWS, good]))
    done = graders("run", "g.json", "rows.jsonl", "-o", "out.jsonl", cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    records = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [record["reward"] for record in records] == [1.0, *[None] * len(BAD_ROWS), 1.0]
    for record in records[1:-1]:
        assert record["failure"]["message"].startswith(f"line {record['line']}: ")
        assert record["failure"]["details"]["type"] == "unreadable_row"
    allowed = graders("run", "g.json", "rows.jsonl", "--max-ungraded", str(len(BAD_ROWS)), cwd=tmp_path)
    assert allowed.returncode == 0


def test_validate_names_each_row_that_cannot_be_read(tmp_path: Path) -> None:
    write(tmp_path / "g.json", EXACT)
    (tmp_path / "rows.jsonl").write_text("\n".join(['{"item": {"answer": "a"}}', "{", "3", *["null"] * 30]))
    done = graders("validate", "g.json", "--data", "rows.jsonl", "--json", cwd=tmp_path)
    found = json.loads(done.stdout)["findings"]
    assert done.returncode == 1
    assert [finding["where"] for finding in found[:2]] == ["rows.jsonl:2", "rows.jsonl:3"]
    assert found[0]["message"] == "not JSON: EOF while parsing an object at column 1"
    assert [finding["message"] for finding in found[20:21]] == ["12 more rows cannot be read"]


@pytest.mark.full
def test_half_a_surrogate_pair_is_shown_on_every_terminal(tmp_path: Path) -> None:
    write(tmp_path / "g.json", {**EXACT, "name": "n"})
    (tmp_path / "row.json").write_text('{"item": {"answer": "\\ud800"}, "sample": "\\ud800"}')
    for options in ([], ["--json"]):
        done = graders("explain", "g.json", "row.json", *options, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        assert "\ufffd" in done.stdout


def test_debug_shows_the_traceback() -> None:
    done = graders("--debug", "run", "none.json", "none.jsonl")
    assert done.returncode == 2
    assert "Traceback" in done.stderr


@pytest.mark.full
@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_serve_answers_until_it_is_told_to_stop(workers: int, tmp_path: Path) -> None:
    config = tmp_path / "graders.toml"
    config.write_text("body_limit = 1000\n")
    process = subprocess.Popen(
        command("serve", "--port", "0", "--workers", workers, "--config", config),
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    assert process.stderr is not None
    address = ""
    ready = 0
    for line in process.stderr:
        if found := re.search(r"running on http://([\d.:]+)", line):
            address = found[1]
        ready += "startup complete" in line
        if address and ready == workers:
            break
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import urllib.request as u; print(u.urlopen('http://{address}/readyz').read())",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert '"ready"' in done.stdout
    process.terminate()
    process.communicate(timeout=30)
    assert process.returncode in (0, -signal.SIGTERM)


def rows_of(path: Path, count: int, text: str = "a") -> Path:
    return write(path, *({"item": {"answer": "a"}, "sample": text} for _ in range(count)))


@pytest.mark.full
def test_results_can_be_printed_and_the_summary_goes_elsewhere(tmp_path: Path) -> None:
    write(tmp_path / "g.json", EXACT)
    rows_of(tmp_path / "rows.jsonl", 3)
    for name in ("-", "/dev/stdout"):
        done = graders("run", "g.json", "rows.jsonl", "-o", name, "--json", cwd=tmp_path)
        assert [json.loads(line)["row"] for line in done.stdout.splitlines()] == [0, 1, 2]
        assert json.loads(done.stderr)["graded"] == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["g.json", "rows.jsonl"]


@pytest.mark.full
def test_what_is_read_is_not_written_over(tmp_path: Path) -> None:
    write(tmp_path / "g.json", EXACT)
    rows = rows_of(tmp_path / "rows.jsonl", 1)
    before = rows.read_bytes()
    (tmp_path / "link").symlink_to("rows.jsonl")
    for name in ("rows.jsonl", "link", "g.json"):
        done = graders("run", "g.json", "rows.jsonl", "-o", name, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (2, f"error: {name} is what is read; choose another -o\n")
    assert rows.read_bytes() == before


def test_a_second_run_names_the_first_and_grades_nothing(tmp_path: Path) -> None:
    write(tmp_path / "g.json", EXACT)
    rows_of(tmp_path / "rows.jsonl", 1)
    os.mkfifo(tmp_path / "slow")  # the first run waits for its rows
    first = subprocess.Popen(
        command("run", "g.json", "slow", "-o", "out"), cwd=tmp_path, env=environment(), stderr=subprocess.PIPE
    )
    try:
        until = time.monotonic() + 60
        while not (tmp_path / "out.journal").exists():
            assert time.monotonic() < until
            time.sleep(0.05)
        done = graders("run", "g.json", "rows.jsonl", "-o", "out", cwd=tmp_path)
        assert done.returncode == 2
        assert done.stderr == (
            f"error: another run (process {first.pid}) is writing out; wait for it or choose another -o\n"
        )
    finally:
        first.kill()
        first.communicate()


@pytest.mark.full
def test_a_full_disk_ends_a_run_with_a_line_and_it_is_resumed(tmp_path: Path) -> None:
    write(tmp_path / "g.json", EXACT)
    rows_of(tmp_path / "rows.jsonl", 2_000)
    with small_disk(tmp_path / "disk", 1) as disk:
        (disk.path / "ballast").write_bytes(bytes(900_000))
        done = graders("run", "g.json", "rows.jsonl", "-o", "disk/out", cwd=tmp_path)
        assert done.returncode == 2
        assert re.fullmatch(
            r"error: cannot write disk/out.*No space left on device \(ENOSPC\); free some space; .* results are kept.*"
            r"run the same command again to (resume|write them)\n",
            done.stderr,
        )
        disk.empty()
        subprocess.run(["/bin/sh", "-c", f"mount -o remount,size=4m {disk.path}"], check=True)
        done = graders("run", "g.json", "rows.jsonl", "-o", "disk/out", cwd=tmp_path)
        assert done.returncode == 0
        assert len((disk.path / "out").read_text().splitlines()) == 2_000


@pytest.mark.skipif(os.getuid() != 0, reason="only root mounts")
def test_a_place_that_is_read_only_is_refused_before_the_first_grading(tmp_path: Path) -> None:
    write(tmp_path / "g.json", EXACT)
    rows_of(tmp_path / "rows.jsonl", 1)
    with small_disk(tmp_path / "disk") as disk:
        subprocess.run(["/bin/sh", "-c", f"mount -o remount,ro {disk.path}"], check=True)
        done = graders("run", "g.json", "rows.jsonl", "-o", "disk/out", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: cannot write disk/out.journal: Read-only file system\n"


@pytest.mark.full
def test_escapes_of_a_sample_and_of_file_names_are_shown_as_escapes(tmp_path: Path) -> None:
    source = "def grade(sample, item):\n    raise ValueError(sample['output_text'])\n"
    write(tmp_path / "g.json", {"type": "python", "source": source})
    rows_of(tmp_path / "rows.jsonl", 1, "\x1b[2J\u202e\x9b31m[/]")
    done = graders("run", "g.json", "rows.jsonl", "--max-ungraded", "1", cwd=tmp_path)
    assert r"\x1b[2J\u202e\x9b31m[/]" in done.stdout
    name = "\x1b]0;owned[red].json"
    done = graders("validate", name, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == r"error: cannot read \x1b]0;owned[red].json: No such file or directory" + "\n"
    write(tmp_path / name, EXACT)
    done = graders("validate", name, cwd=tmp_path)
    assert r"\x1b]0;owned[red].json: 0 errors" in done.stdout
    done = graders("run", name, "rows.jsonl", "\x1b[31mmore", cwd=tmp_path)
    assert done.returncode == 2
    assert r"\x1b[31mmore" in done.stderr
    assert "\x1b" not in done.stderr


@pytest.mark.full
def test_a_command_whose_output_goes_nowhere_says_so_in_a_line() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            command("types"), stdout=full, stderr=subprocess.PIPE, env=environment(), check=False
        )
    assert (done.returncode, done.stderr) == (2, b"error: cannot write: No space left on device\n")


@pytest.mark.full
@pytest.mark.parametrize("ignored", [False, True])
def test_an_interrupt_ends_a_run_in_a_line_and_it_is_resumed(tmp_path: Path, *, ignored: bool) -> None:
    source = "import time\ndef grade(sample, item):\n    time.sleep(0.2)\n    return 1.0\n"
    write(tmp_path / "g.json", {"type": "python", "source": source})
    write(tmp_path / "rows.jsonl", *({"item": {"n": n}, "sample": "a"} for n in range(1_000)))
    ours, theirs = os.openpty()

    # as a shell does for what it starts in the background
    trap = ["/bin/sh", "-c", 'trap "" INT; exec "$@"', "sh"] if ignored else []
    run = subprocess.Popen(
        [*trap, *command("run", "g.json", "rows.jsonl", "-o", "out")],
        cwd=tmp_path,
        env=environment(),
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        until = time.monotonic() + 60
        journal = tmp_path / "out.journal"
        while not journal.exists() or not journal.stat().st_size:
            assert time.monotonic() < until
            time.sleep(0.05)
        run.send_signal(signal.SIGINT)
        said, _ = run.communicate(timeout=60)
    finally:
        os.close(ours)
        os.close(theirs)
    assert run.returncode == 130
    found = re.fullmatch(
        r"interrupted, ([\d,]+) of 1,000 rows done: ([\d,]+) results are kept; run the same command again to resume\n",
        said,
    )
    assert found, said
    assert found[1] == found[2]
    assert journal.stat().st_size

"""Options that every newcomer tries: version, help, completion, a wrong setting, a limit, a whole text."""

import json
import re
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from graders import ConfigurationError
from service.cli import app

CHECK = {
    "type": "string_check",
    "input": "{{sample.output_text}}",
    "reference": "{{item.answer}}",
    "operation": "eq",
}
LONG = "word " * 30_000


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a grader and ten rows."""
    (tmp_path / "g.json").write_text(json.dumps(CHECK))
    rows = [{"item": {"answer": "a"}, "sample": LONG if n == 0 else "a"} for n in range(10)]
    (tmp_path / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def invoke(*arguments: str, env: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(app, arguments, env=env)


def test_the_version_is_printed() -> None:
    done = invoke("--version")
    assert (done.exit_code, done.stdout) == (0, f"rft-graders {version('rft-graders')}\n")


@pytest.mark.parametrize("command", [[], ["run"], ["keys", "create"], ["images", "build"]])
def test_help_has_a_short_name(command: list[str]) -> None:
    long, short = invoke(*command, "--help"), invoke(*command, "-h")
    assert (long.exit_code, long.stdout) == (0, short.stdout)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [("graders ty", {"types"}), ("graders keys r", {"revoke"}), ("graders run --li", {"--limit"})],
)
def test_a_shell_is_told_how_a_command_goes_on(typed: str, expected: set[str]) -> None:
    words = {"COMP_WORDS": typed, "COMP_CWORD": str(len(typed.split()) - 1)}
    done = CliRunner().invoke(
        app, [], prog_name="graders", env={"_GRADERS_COMPLETE": "complete_bash", **words}
    )
    assert set(done.stdout.split()) == expected


def test_a_limited_run_grades_so_many_rows_and_the_next_one_takes_them_over(folder: Path) -> None:
    first = json.loads(invoke("run", "g.json", "rows.jsonl", "-o", "out", "--limit", "4", "--json").stdout)
    assert (first["rows"], first["taken_over"]) == (4, 0)
    second = json.loads(invoke("run", "g.json", "rows.jsonl", "-o", "out", "--json").stdout)
    assert (second["rows"], second["taken_over"]) == (10, 4)
    assert (
        "10   10 of them taken over from an earlier run"
        in invoke("run", "g.json", "rows.jsonl", "-o", "out").stdout
    )
    assert invoke("run", "g.json", "rows.jsonl", "--limit", "0").exit_code == 2


@pytest.mark.full
def test_an_explanation_is_shortened_unless_it_is_to_be_full(folder: Path) -> None:
    short = invoke("explain", "g.json", "rows.jsonl:1")
    full = invoke("explain", "g.json", "rows.jsonl:1", "--full")
    assert "more characters" in short.stdout
    assert "more characters" not in full.stdout
    assert LONG.rstrip() in full.stdout
    assert len(json.loads(invoke("explain", "g.json", "rows.jsonl:1", "--json").stdout)["sample"]) < 21_000
    whole = json.loads(invoke("explain", "g.json", "rows.jsonl:1", "--json", "--full").stdout)
    assert whole["sample"] == LONG


def test_a_variable_that_is_no_setting_is_warned_of_and_a_wrong_setting_is_named(folder: Path) -> None:
    done = invoke("run", "g.json", "rows.jsonl", env={"GRADERS_WORKER": "1"})
    assert done.exit_code == 0
    assert re.fullmatch(
        r"warning: the environment variable GRADERS_WORKER is not a setting and has no effect; "
        r"did you mean GRADERS_WORKERS\?\n",
        done.stderr,
    )
    (folder / "own.toml").write_text("prot = 1\n")
    for arguments, env in (
        (["--config", "own.toml"], {}),
        ([], {"GRADERS_CONFIG_FILE": "own.toml"}),
    ):
        failed = invoke("run", "g.json", "rows.jsonl", *arguments, env=env)
        assert isinstance(failed.exception, ConfigurationError)
        assert str(failed.exception) == "own.toml: unknown setting 'prot'; did you mean 'port'?"

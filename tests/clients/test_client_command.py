"""`graders client …` writes the files that `python -m graders_client …` writes."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from graders_client.reward_files import FILES, reward_file
from typer.testing import CliRunner, Result

from graders import ConfigurationError
from service.cli import client
from tests.service.test_cli import command

ARGUMENTS = [
    ("--grader", "math"),
    ("--grader", "math", "--url", "https://host:1/prefix"),
    ("--grader", "math", "--on-failure", "-0.5"),
    ("--grader", "math", "--key-variable", "MY_KEY"),
]


def run(*arguments: object) -> Result:
    """Run a command of the group in this process."""
    return CliRunner().invoke(client.app, [str(each) for each in arguments])


def test_there_is_a_command_for_each_file() -> None:
    assert {
        command.callback.__name__ for command in client.app.registered_commands if command.callback
    } == set(FILES)


@pytest.mark.parametrize("trainer", FILES)
@pytest.mark.parametrize("arguments", ARGUMENTS, ids=str)
def test_it_writes_what_the_client_writes(trainer: str, arguments: tuple[str, ...], tmp_path: Path) -> None:
    written = tmp_path / "reward.py"
    printed = run(trainer, *arguments)
    assert (printed.exit_code, printed.stderr) == (0, "")
    assert run(trainer, *arguments, "-o", written).exit_code == 0
    assert written.read_text() == printed.stdout
    named = dict(zip(arguments[::2], arguments[1::2], strict=True))
    assert printed.stdout == reward_file(
        trainer,
        named.get("--url", "http://127.0.0.1:8000"),
        named["--grader"],
        on_failure=named.get("--on-failure"),
        key_variable=named.get("--key-variable", "GRADERS_API_KEY"),
    )
    assert runpy.run_path(str(written))["client"].grader == "math"


def test_the_module_writes_the_same() -> None:
    arguments = ("verl", "--grader", "math", "--on-failure", "0.5")
    ways = [[sys.executable, "-m", "graders_client"], command("client")]
    module, ours = (
        subprocess.run([*way, *arguments], capture_output=True, text=True, check=True).stdout for way in ways
    )
    assert module == ours != ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("verl", "--grader", ""), "grader: expected the name of a grader"),
        (("verl", "--grader", "m", "--url", "nowhere"), "url: expected"),
        (("verl", "--grader", "m", "--on-failure", "null"), "on_failure: expected one of"),
        (("openrlhf", "--grader", "m", "--on-failure", "raise"), "on_failure: expected one of"),
        (("slime", "--grader", "m", "--on-failure", "nan"), "on_failure: expected one of"),
        (("verl", "--grader", "m", "--key-variable", "A KEY"), "key_variable: expected the name"),
        (("verl", "--grader", "m", "-o", "/nowhere/reward.py"), "/nowhere/reward.py"),
        (("verl",), "--grader"),
        (("else", "--grader", "m"), "else"),
    ],
    ids=str,
)
def test_a_wrong_argument_is_named_in_a_line(arguments: tuple[str, ...], message: str) -> None:
    done = run(*arguments)
    assert done.exit_code != 0
    assert done.stdout == ""
    wrong = done.exception
    assert message in (str(wrong) if isinstance(wrong, ConfigurationError) else done.stderr)


@pytest.mark.parametrize("number", [True, float("nan"), 1e39])
def test_a_file_has_no_number_that_is_none(number: float) -> None:
    with pytest.raises(ValueError, match="on_failure: expected one of"):
        reward_file("verl", "http://host:1", "math", on_failure=number)


def test_where_the_client_is_not_installed_it_says_how_to_install_it() -> None:
    code = (
        "import sys\n"
        "class Without:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] == 'graders_client':\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Without())\n"
        "sys.argv = ['graders', 'client', 'verl', '--grader', 'math']\n"
        "from service.start import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "pip install ./clients/python" in done.stderr
    assert "python -m graders_client verl" in done.stderr

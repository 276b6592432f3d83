"""The command `graders images`, as a user types it."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.sandbox.wheels import wheel
from tests.service.test_cli import graders

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="images are tried in the sandbox of Linux")


class Machine:
    """A directory of images, a settings file that says so, and packages that need no index."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.images = directory, directory / "images"
        self.config = directory / "settings.toml"
        self.config.write_text(f'images_dir = "{self.images}"\n')
        self.tool = wheel(directory, "tool-tip", "1.2", {"tooltip.py": "ANSWER = 42\n"})
        self.spoilt = wheel(directory, "spoilt", "1.0", {"spoilt.py": "import libspoilt\n"})
        self.old = wheel(directory, "old-tool", "1.0", {"old.py": ""}, tag="py2-none-any")

    def run(self, *arguments: str, status: int = 0) -> tuple[str, str]:
        """What a command prints and what it says is wrong; it must end with the status."""
        done = graders("images", *arguments, "--config", self.config)
        assert done.returncode == status, done.stderr
        return done.stdout, done.stderr

    def json(self, *arguments: str, status: int = 0) -> Any:
        return json.loads(self.run(*arguments, "--json", status=status)[0])


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """A machine with one image, `small`; its `spoilt` does not import."""
    fresh = Machine(tmp_path_factory.mktemp("machine"))
    printed, _ = fresh.run("build", "small", "--package", fresh.tool, "--package", fresh.spoilt)
    assert printed.startswith("built small: Python 3.")
    assert f"2 packages, 0.0 MB in {fresh.images}/small; `graders images check small` tries them" in printed
    return fresh


@pytest.mark.full
def test_images_that_are_here_and_those_that_could_be_are_listed(machine: Machine) -> None:
    default, small, published = machine.json("list")
    assert (default["name"], default["state"], default["where"]) == ("default", "ok", sys.prefix)
    assert small["packages"] == {"spoilt": "1.0", "tool-tip": "1.2"}
    assert (small["state"], small["python"]) == ("ok", ".".join(map(str, sys.version_info[:3])))
    assert published == {"name": "2025-05-08", "state": "not built", "where": None}
    assert "graders images build" in machine.run("list")[0]


def test_what_is_unfinished_or_broken_is_listed_as_that(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    (machine.images / ".half.building").mkdir(parents=True)
    (machine.images / "empty").mkdir()
    states = {image["name"]: image["state"] for image in machine.json("list")}
    assert states == {"default": "ok", "empty": "broken", "half": "unfinished", "2025-05-08": "not built"}
    assert f"image 'empty': {machine.images}/empty is no virtual environment" in machine.run("list")[0]


@pytest.mark.full
def test_a_check_fails_when_something_does_not_import(machine: Machine) -> None:
    tool, spoilt = machine.json("check", "small", status=1)
    assert tool == {"name": "tool-tip", "wanted": "", "found": "1.2", "modules": ["tooltip"], "problem": None}
    assert spoilt["problem"] == (
        "ModuleNotFoundError: No module named 'libspoilt'; no image of this machine has it"
    )
    printed, _ = machine.run("check", "small", status=1)
    assert "spoilt: ModuleNotFoundError: No module named 'libspoilt'" in printed


@pytest.mark.full
def test_the_default_image_passes_its_check(machine: Machine) -> None:
    printed, errors = machine.run("check", "default")
    assert "numpy" in printed
    assert errors == ""


@pytest.mark.full
def test_a_build_that_fails_names_the_packages_and_exits_with_1(machine: Machine) -> None:
    why = "old_tool-1.0-py2-none-any.whl is not a supported wheel on this platform."
    printed, errors = machine.run("build", "mixed", "--package", machine.old, "--json", status=1)
    assert json.loads(printed)["missing"] == {machine.old: why}
    assert errors.splitlines() == [
        f"error: {machine.old}: {why}",
        "error: mixed: its only package does not install",
    ]
    assert not (machine.images / "mixed").exists()


@pytest.mark.slow
def test_a_build_may_leave_out_what_does_not_install(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    file = tmp_path / "requirements.txt"
    file.write_text(f"{machine.tool}\n{machine.old}\n")
    arguments = ("build", "mixed", "--requirements", str(file))
    assert machine.run(*arguments, status=1)[1].splitlines()[-1] == (
        "error: mixed: 1 of 2 packages do not install; --allow-missing builds it without them"
    )
    built = machine.json(*arguments, "--allow-missing")
    assert (built["packages"], list(built["missing"])) == ({"tool-tip": "1.2"}, [machine.old])
    assert "mixed lacks old-tool @ file://" in machine.run("list")[0]


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check", "none"], "image 'none' is not on this machine, which has default, small; make it with"),
        (["build", "none"], "say what is to be in none, with --requirements FILE or --package NAME==VERSION"),
        (["build", "none", "--package", "six 1"], "--package 'six 1': 'six 1' is no requirement such as"),
        (["build", "../none", "--package", "six"], "'../none' cannot be the name of an image"),
        (["build", "small", "--package", "six"], "image 'small' is there already; --replace builds it again"),
        (
            ["build", "none", "--package", "six", "--python", "no-python"],
            "--python no-python: there is no such",
        ),
    ],
)
def test_wrong_usage_is_a_line_and_exits_with_2(machine: Machine, arguments: list[str], message: str) -> None:
    printed, errors = machine.run(*arguments, status=2)
    assert printed == ""
    assert errors.startswith(f"error: {message}")
    assert len(errors.splitlines()) == 1


def test_validate_names_the_line_of_an_unknown_image(machine: Machine, tmp_path: Path) -> None:
    grader = tmp_path / "grader.json"
    grader.write_text(
        '{"type": "python",\n "source": "def grade(sample, item): return 1",\n "image_tag": "smell"}'
    )
    done = graders("validate", grader, "--config", machine.config)
    assert done.returncode == 1
    assert done.stdout.startswith(
        f"error {grader}:3: image_tag: image 'smell' is not on this machine, which has default, small; "
    )

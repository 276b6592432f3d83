"""A newcomer's way, in an environment that has the wheel and nothing of ours: from `graders new` to a reward over HTTP."""

import json
import os
import re
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.service.serving import serving

pytestmark = pytest.mark.slow

Run = Callable[..., "subprocess.CompletedProcess[str]"]
RIGHT = "GraderResult(1 - len(missing) / len(wanted), explanation=said)"
WRONG = "GraderResult(float(not missing), explanation=said)"


MADE = {"function": 12, "class": 10, "group": 6, "judge": 7, "python-source": 11}
"""Tests and cases, and orders between these, that `pytest` finds."""


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the programs of a fresh environment are, into which the wheel was installed."""
    home = tmp_path_factory.mktemp("newcomer")
    wheel_of: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "-w",
        home,
        ROOT,
    ]
    subprocess.run(wheel_of, check=True)
    (wheel,) = home.glob("rft_graders-*.whl")
    venv.create(home / "env", with_pip=True)
    found = home / "env" / "bin"
    constraints = ROOT / "constraints.txt"
    subprocess.run([found / "pip", "install", "--quiet", "-c", constraints, wheel], check=True)
    return found


@pytest.fixture
def run(programs: Path, tmp_path: Path) -> Run:
    """Runs a program of that environment in a project."""

    def run_it(*command: str, cwd: str = ".") -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [programs / command[0], *command[1:]],
            cwd=tmp_path / cwd,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    return run_it


@pytest.fixture
def outside_tmp() -> Iterator[Path]:
    """A directory that is not below /tmp, where workers have their scratch."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        yield Path(directory)


@pytest.mark.parametrize("template", ["function", "python-source"])
def test_a_project_installs_in_a_fresh_environment_by_its_own_readme(
    run: Run, template: str, outside_tmp: Path
) -> None:
    into = str(outside_tmp)
    assert run("graders", "new", "blue-dogs", "--template", template, "--into", into).returncode == 0
    project = outside_tmp / "blue-dogs"
    shell = re.search(r"```sh\n(.*?)```", (project / "README.md").read_text(), re.DOTALL)
    assert shell
    commands = re.sub(r"^ +", "", shell[1], flags=re.MULTILINE) + "graders test .\npytest -q\n"
    done = subprocess.run(
        ["/bin/bash", "-e"],
        input=commands,
        cwd=project,
        env={
            "PATH": os.environ["PATH"],
            "PIP_CONSTRAINT": str(ROOT / "constraints.txt"),
            "HOME": into,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert done.returncode == 0, (commands, done.stdout[-2000:], done.stderr[-2000:])


def test_from_an_empty_directory_to_a_reward_over_http(run: Run, programs: Path, tmp_path: Path) -> None:
    assert run("graders", "new", "red-cats").returncode == 0
    installed = run("pip", "install", "--quiet", "-e", ".[dev]", cwd="red-cats")
    assert installed.returncode == 0, installed.stderr

    source = tmp_path / "red-cats" / "red_cats" / "__init__.py"
    as_made = source.read_text()
    assert RIGHT in as_made
    source.write_text(as_made.replace(RIGHT, WRONG))
    failed = run("graders", "test", ".", cwd="red-cats")
    assert failed.returncode == 1, failed.stderr
    assert "half of it" in failed.stdout
    assert re.search(r"expected 0\.5", failed.stdout), failed.stdout

    source.write_text(as_made)
    passed = run("graders", "test", ".", cwd="red-cats")
    assert passed.returncode == 0, passed.stdout + passed.stderr

    assert run("pip", "install", "--quiet", ".", cwd="red-cats").returncode == 0
    (found,) = json.loads(run("graders", "types", "red_cats", "--json").stdout)
    assert (found["distribution"], found["version"]) == ("red-cats", "0.1.0")

    readme = (tmp_path / "red-cats" / "README.md").read_text()
    code = re.search(r"^   ```python\n(.*?)^   ```", readme, re.DOTALL | re.MULTILINE)
    assert code
    lines = [line.removeprefix("   ") for line in code[1].splitlines()]
    with serving({}, program=programs / "graders") as served:
        called = "\n".join(lines).replace("http://127.0.0.1:8000", served.url)
        answer = run("python", "-c", called, cwd="red-cats")
    assert answer.stdout == f"1.0\n{1 - 1 / 3}\n", answer.stderr


@pytest.mark.parametrize("template", MADE)
def test_every_template_passes_its_cases_and_its_tests_as_it_is_made(run: Run, template: str) -> None:
    name = f"new-{template}"
    assert run("graders", "new", name, "-t", template).returncode == 0
    if template != "python-source":
        installed = run("pip", "install", "--quiet", "-e", ".[dev]", cwd=name)
        assert installed.returncode == 0, installed.stderr
    cases = run("graders", "test", ".", cwd=name)
    assert cases.returncode == 0, cases.stdout + cases.stderr
    tests = run("python", "-m", "pytest", "-q", cwd=name)
    assert tests.returncode == 0, tests.stdout + tests.stderr
    assert re.search(rf"^{MADE[template]} passed", tests.stdout, re.MULTILINE), tests.stdout

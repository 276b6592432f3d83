"""`graders new`: what it makes is a grader that works, and a name that cannot be one is refused with the reason."""

import importlib.util
import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from graders import ConfigurationError, Registry, Sample
from graders.installation import install_command
from graders.testing import FakeContext, FakeJudge
from runtime.cases import load_cases
from runtime.data.datasets import read_rows
from runtime.data.grader_file import GraderFile
from service.cli.new import TEMPLATES, create
from tests.runtime.sandbox.isolation import ISOLATES
from tests.service.test_cli import graders

PACKAGES = [template for template in TEMPLATES if template != "python-source"]


def imported(directory: Path, reference: str) -> Any:
    """What an entry point names, without the project being installed."""
    module, _, name = reference.partition(":")
    spec = importlib.util.spec_from_file_location(module, directory / module / "__init__.py")
    assert spec
    assert spec.loader
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return getattr(loaded, name)


@pytest.mark.parametrize("template", PACKAGES)
async def test_a_package_publishes_a_grader_type_that_grades_its_rows(template: str, tmp_path: Path) -> None:
    made = create(f"My-{template}", template, tmp_path)
    directory = tmp_path / f"My-{template}"
    assert (made["directory"], made["package"]) == (str(directory), f"my_{template}")
    project = tomllib.loads((directory / "pyproject.toml").read_text())
    (published,) = project["project"]["entry-points"]["graders"].items()
    assert published[0] == f"my_{template}"

    decorated = imported(directory, published[1])
    grader = GraderFile(directory / "grader.json").load(Registry.installed().including(decorated).load)
    context = FakeContext(judge=FakeJudge(lambda **asked: {"reason": "", "points": 8}))
    rows = list(read_rows(directory / "rows.jsonl"))
    results = [await context.grade(grader, row.sample or Sample(), row.item) for row in rows]
    rewards = {"function": [1.0, 2 / 3], "class": [1.0, 0.0], "group": [1.0, 1.0], "judge": [0.8, 0.8]}
    assert [result.reward for result in results] == pytest.approx(rewards[template])


@pytest.mark.parametrize("template", TEMPLATES)
def test_its_files_are_listed_and_have_every_word_put_in(template: str, tmp_path: Path) -> None:
    made = create("red-cat", template, tmp_path)
    there = {
        path.relative_to(tmp_path / "red-cat").as_posix(): path
        for path in (tmp_path / "red-cat").rglob("*.*")
    }
    assert sorted(there) == made["files"]
    assert {"README.md", "grader.json", "rows.jsonl", "red_cat.cases.yaml", "tests/test_red_cat.py"} < set(
        there
    )
    for name, path in there.items():
        text = path.read_text()
        assert "%%" not in text, name
        assert "PACKAGE" not in text, name
    cases = load_cases(tmp_path / "red-cat" / "red_cat.cases.yaml", GraderFile)
    assert len(cases.cases) >= 2


@pytest.mark.full
@ISOLATES
def test_a_python_source_passes_its_tests_and_its_cases_as_it_is_made(tmp_path: Path) -> None:
    made = graders("new", "ends-right", "--template", "python-source", cwd=tmp_path)
    assert made.returncode == 0
    assert made.stdout.endswith("next:\n  cd ends-right\n  graders test .\n")
    project = tmp_path / "ends-right"
    done = graders("test", ".", cwd=project)
    assert (done.returncode, done.stderr) == (0, "")
    tests = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert "11 passed" in tests.stdout, tests.stdout


def test_it_prints_json_for_programs(tmp_path: Path) -> None:
    done = graders("new", "a-grader", "--into", tmp_path / "more", "--json")
    assert json.loads(done.stdout)["directory"] == str(tmp_path / "more" / "a-grader")
    assert (tmp_path / "more" / "a-grader" / "pyproject.toml").exists()
    again = graders("new", "a-grader", "--into", tmp_path / "more")
    assert again.returncode == 2
    assert again.stderr == (
        f"error: {tmp_path}/more/a-grader is there already; choose another name, or remove it\n"
    )


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "cannot be a name"),
        ("a/b", "cannot be a name: it has 1 to 64 of the characters A-Z a-z 0-9"),
        ("../up", "cannot be a name"),
        ("1a", "begins with a letter"),
        ("a-", "ends with a letter or digit"),
        ("größe", "cannot be a name"),
        ("a" * 65, "cannot be a name"),
        ("lambda", "means something else to Python"),
        ("Tests", "means something else to Python or to us"),
        ("numpy", "there is a Python module 'numpy' already"),
        ("graders", "there is a Python module 'graders' already"),
        ("string-check", "the grader type 'string_check' is there already, from rft-graders"),
    ],
)
def test_a_name_that_cannot_be_one_is_refused_and_nothing_is_made(
    name: str, reason: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        create(name, "function", tmp_path / "here")
    assert not (tmp_path / "here").exists()


def test_an_unknown_template_is_named_with_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigurationError,
        match="unknown template 'klass'; there are function, class, group, judge, python-source",
    ):
        create("a-grader", "klass", tmp_path)


def test_a_place_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match=r"cannot make .*file/a-grader: Not a directory"):
        create("a-grader", "function", tmp_path / "file")


@pytest.mark.parametrize("template", TEMPLATES)
def test_its_readme_installs_rft_graders_as_this_copy_was(template: str, tmp_path: Path) -> None:
    create("green-fish", template, tmp_path)
    readme = (tmp_path / "green-fish" / "README.md").read_text()
    assert f"   {install_command()}\n" in readme

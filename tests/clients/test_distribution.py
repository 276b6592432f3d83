"""What the distribution is: the standard library, Python 3.9, typed, and quick to import because little is imported."""

import ast
import subprocess
import sys
import zipfile
from pathlib import Path

import graders_client
import pytest
from graders_client.on_failure import TRAINERS

from tests.conftest import ROOT

HOME = ROOT / "clients" / "python"
SOURCES = sorted((HOME / "graders_client").rglob("*.py"))
TRAINER_PACKAGES = {"torch", "verifiers", "skyrl_gym", "openenv", "eval_protocol", "inspect_ai"}


def imported(tree: ast.Module, *, at_once: bool) -> set[str]:
    """Top-level names of the modules that a file imports: at once, or in its functions."""
    late = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        for inner in ast.walk(node)
    }
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import) and (node not in late) == at_once:
            found |= {alias.name.partition(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom) and (node not in late) == at_once:
            found.add((node.module or "").partition(".")[0])
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(HOME)))
def test_a_file_is_python_of_3_9_and_imports_the_standard_library_alone(path: Path) -> None:
    tree = ast.parse(path.read_text(), feature_version=(3, 9))
    assert imported(tree, at_once=True) - sys.stdlib_module_names <= {"graders_client"}
    assert imported(tree, at_once=False) - sys.stdlib_module_names <= {"graders_client"} | TRAINER_PACKAGES


def test_what_is_public_is_listed_and_sorted() -> None:
    assert graders_client.__all__ == sorted(graders_client.__all__)
    assert all(getattr(graders_client, name).__name__ == name for name in graders_client.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        graders_client.nothing  # noqa: B018


def test_every_adapter_is_imported_without_its_trainer_and_without_anything_else() -> None:
    code = (
        "import importlib, sys\nbefore = set(sys.modules)\n"
        f"for name in {sorted(TRAINERS)!r}: importlib.import_module('graders_client.trainers.' + name)\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(new - set(sys.stdlib_module_names) - {'graders_client'}))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=HOME)
    assert done.stdout.strip() == "[]"


def test_to_import_the_package_imports_nothing_that_takes_long() -> None:
    code = (
        "import sys\nimport graders_client\n"
        "print(sorted({'asyncio', 'http.client', 'ssl', 'email', 'graders_client.client'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys\nsys.path.append({str(HOME)!r})\n{code}"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "[]"


def test_there_are_no_dependencies() -> None:
    assert "dependencies = []" in (HOME / "pyproject.toml").read_text()


def test_threads_that_grade_do_not_import_asyncio() -> None:
    code = (
        f"import sys\nsys.path.append({str(HOME)!r})\nfrom graders_client import GraderClient\n"
        "client = GraderClient('http://127.0.0.1:1', 'math', deadline_s=0.1)\n"
        "print(client.grade_one('1', {}).reward, 'asyncio' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], check=True, capture_output=True, text=True
    )
    assert done.stdout.split() == ["None", "False"]


@pytest.mark.slow
def test_the_wheel_has_the_package_and_the_judge_of_verifiers(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(tmp_path), str(HOME)]
    subprocess.run(command, check=True)
    (wheel,) = tmp_path.glob("rft_graders_client-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == {
        "graders_client",
        "graders_judge.py",
    }
    assert "graders_client/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert wheel.stat().st_size < 100_000

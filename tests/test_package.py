"""What is built and published: the wheel holds three packages, and works where nothing else of ours is."""

import ast
import asyncio
import inspect
import json
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import venv
import zipfile
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import runtime
from tests.attacks.machine import has_namespaces, isolates
from tests.conftest import ROOT

LEVELS = (
    [3, pytest.param(2, marks=pytest.mark.slow)] if isolates() and has_namespaces() else [pytest.param(2)]
)

BUILT_IN = {
    "string_check",
    "numeric_check",
    "text_similarity",
    "pattern_match",
    "code_tests",
    "python",
    "multi",
    "score_model",
    "label_model",
    "rubric",
    "rank",
    "equivalence",
    "endpoint",
    "google_reward",
}


def test_the_built_in_types_are_published_like_any_plugin() -> None:
    ours = {
        point.name
        for point in entry_points(group="graders")
        if point.dist and point.dist.name == "rft-graders"
    }
    assert ours == BUILT_IN


def test_the_runtime_publishes_what_it_lists() -> None:
    assert all(
        getattr(runtime, name).__name__ == name for name in runtime.__all__
    )  # each is imported when it is asked for
    public = {
        name
        for name, value in vars(runtime).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }
    assert runtime.__all__ == sorted(runtime.__all__)
    assert set(runtime.__all__) == public


@pytest.mark.slow
def test_the_wheel_works_in_a_fresh_environment(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", tmp_path, ROOT], check=True
    )
    (wheel,) = tmp_path.glob("rft_graders-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    top = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert top == {"graders", "runtime", "service"}
    assert {"graders/py.typed", "runtime/py.typed", "service/py.typed"} <= set(names)
    assert {
        "graders/kinds/metrics/wordnet/synonyms.txt.xz",
        "graders/kinds/metrics/wordnet/LICENSE.WordNet",
    } <= set(names)

    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / "bin" / "python"
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "-c", ROOT / "constraints.txt", wheel], check=True
    )
    code = (
        "from runtime import SyncEvaluator\n"
        "grader = {'type': 'text_similarity', 'input': '{{sample.output_text}}', 'reference': 'a car',"
        " 'evaluation_metric': 'meteor'}\n"
        "with SyncEvaluator() as evaluator: print(evaluator.grade(grader, 'an auto').reward)\n"
    )
    done = subprocess.run(
        [python, "-I", "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "0.25"
    done = subprocess.run(
        [python.with_name("graders"), "types", "--json"], check=True, capture_output=True, text=True
    )
    assert '"numeric_check"' in done.stdout
    if isolates():
        done = subprocess.run(
            [python.with_name("graders"), "doctor", "--attack", "--json"],
            cwd=tmp_path,
            check=False,
            capture_output=True,
            text=True,
        )
        attacks = json.loads(done.stdout)["attacks"]
        assert (attacks["problems"], attacks["through"]) == ([], [])


@pytest.mark.full
@pytest.mark.skipif(not isolates(), reason="this system cannot isolate code of others")
@pytest.mark.parametrize("level", LEVELS)
def test_where_we_lie_among_other_packages_nothing_of_ours_can_be_read(level: int, tmp_path: Path) -> None:
    python = ordinary_install(tmp_path)
    code = (
        "import io, json\nfrom rich.console import Console\nfrom runtime.attacks import ALL\n"
        "from runtime.sandbox.layers import Level\nfrom service.cli.attack import carry_out\n"
        "reading = [attack for attack in ALL if attack.group == 'reading']\n"
        f"print(json.dumps(carry_out(Level({level}), Console(file=io.StringIO()), reading)))\n"
    )
    done = subprocess.run(
        [python, "-I", "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    found = json.loads(done.stdout)
    assert (found["problems"], found["through"]) == ([], [])
    assert sum(group["tried"] for group in found["groups"]) >= 35
    assert asyncio.run(_seen_in(python, level)) == []


def ordinary_install(directory: Path) -> Path:
    """The interpreter of an environment in which we are installed by copy, and all that we need is found besides."""
    venv.create(directory / "env", with_pip=False)
    (packages,) = directory.glob("env/lib/python3*/site-packages")
    for name in ("graders", "runtime", "service"):
        shutil.copytree(ROOT / name, packages / name, ignore=shutil.ignore_patterns("__pycache__"))
    information = packages / "rft_graders-0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: rft-graders\nVersion: 0\n")
    names = [str(path.relative_to(packages)) for path in packages.rglob("*") if path.is_file()]
    (information / "RECORD").write_text(
        "".join(f"{name},,\n" for name in [*names, f"{information.name}/RECORD"])
    )
    (packages / "needed.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return directory / "env" / "bin" / "python"


async def _seen_in(python: Path, level: int) -> list[str]:
    """What a source in the default image of an environment sees of us."""
    source = (
        "import os, sysconfig\n\ndef grade(sample, item):\n    found = []\n"
        "    for name in item['names']:\n"
        "        try:\n            __import__(name)\n            found.append('import ' + name)\n"
        "        except ModuleNotFoundError:\n            pass\n"
        "    top = sysconfig.get_path('purelib')\n"
        "    for folder in os.listdir(top):\n"
        "        for path, _, files in os.walk(os.path.join(top, folder)):\n"
        "            for file in files:\n"
        "                if folder.startswith((*item['names'], 'rft_graders')):\n"
        "                    try:\n                        open(os.path.join(path, file)).close()\n"
        "                    except OSError:\n                        continue\n"
        "                    found.append(file)\n"
        "    raise ValueError('found ' + repr(found))\n"
    )
    code = (
        "import asyncio, sys\nfrom runtime import Settings\nfrom runtime.sandbox.local_sandbox import LocalSandbox\n"
        "from runtime.sandbox.layers import Level\n\nasync def main():\n"
        f"    box = LocalSandbox(Settings(python_memory_mb=512), highest=Level({level}))\n"
        "    item = {'names': ['graders', 'runtime', 'service']}\n"
        "    print(*await box.grade(sys.argv[1], [('', item)]))\n    await box.aclose()\n\nasyncio.run(main())\n"
    )
    done = await asyncio.create_subprocess_exec(
        *(python, "-I", "-c", code, source), stdout=asyncio.subprocess.PIPE
    )
    answer, _ = await done.communicate()
    _, shown, found = answer.decode().partition("ValueError: found ")
    assert shown, answer
    names: list[str] = ast.literal_eval(found)
    return names


@pytest.mark.full
@pytest.mark.skipif(not isolates(), reason="this system cannot isolate code of others")
def test_a_plugin_that_is_installed_below_the_temporary_directory_is_graded() -> None:
    """The scratch of a worker is found at `/tmp` otherwise."""
    with tempfile.TemporaryDirectory(dir="/tmp") as home:
        python = ordinary_install(Path(home))
        (packages,) = Path(home).glob("env/lib/python3*/site-packages")
        (packages / "halves.py").write_text(
            "import tempfile\nfrom graders import grader\n\n@grader('halves')\ndef halves(sample, item):\n"
            "    with tempfile.TemporaryFile() as file:\n        return file.write(b'12345') / 10\n"
        )
        information = packages / "halves-0.dist-info"
        information.mkdir()
        (information / "METADATA").write_text("Metadata-Version: 2.1\nName: halves\nVersion: 0\n")
        (information / "entry_points.txt").write_text("[graders]\nhalves = halves:halves\n")
        code = (
            "from runtime import SyncEvaluator\nwith SyncEvaluator() as evaluator:\n"
            "    print([evaluator.grade({'type': 'halves'}, sample, {}) for sample in 'ab'])\n"
        )
        done = subprocess.run(
            [python, "-I", "-c", code], cwd=home, capture_output=True, text=True, check=False
        )
    assert done.stdout.count("reward=0.5") == 2, done.stdout + done.stderr

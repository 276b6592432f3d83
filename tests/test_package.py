"""What is built and published: the wheel holds three packages, and works where nothing else of ours is."""

import inspect
import subprocess
import sys
import venv
import zipfile
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import runtime
from tests.conftest import ROOT

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
}


def test_the_built_in_types_are_published_like_any_plugin() -> None:
    ours = {
        point.name
        for point in entry_points(group="graders")
        if point.dist and point.dist.name == "rft-graders"
    }
    assert ours == BUILT_IN


def test_the_runtime_publishes_what_it_lists() -> None:
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
    assert {"graders/metrics/wordnet/synonyms.txt.xz", "graders/metrics/wordnet/LICENSE.WordNet"} <= set(
        names
    )

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

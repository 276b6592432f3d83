"""Trainers' own code calls our adapters against a real service: each in a process of its own, with its own packages.

`make test-trainers` makes the environments and runs these; where one is not there, its test is skipped. What each program does is
in its first line.
"""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import put
from tests.conftest import ROOT

PROGRAMS = Path(__file__).parent / "programs"
ENVIRONMENTS = ROOT / ".cache" / "trainers"
PINS = ROOT / "tools" / "trainers"
PATIENCE_S = 900.0
"""Seconds of a program; some packages take a minute to be imported on a busy machine."""


@dataclass(frozen=True)
class Package:
    """A trainer that is run.

    Attributes:
        name: Of its environment, and of the file with its pins.
        title: With its version, for the documentation.
        program: The file in `programs`.
        caller: Whose code calls our adapter, for the documentation.
        found: What the program prints: a right, a wrong and an ungraded sample, as the trainer has them then.
    """

    name: str
    title: str
    program: str
    caller: str
    found: Any


RUN = (
    Package(
        "verl",
        "verl 0.9.1",
        "on_verl.py",
        "`NaiveRewardManager.run_single`, with the file that is written for it, async and sync",
        [[[1.0, 0.0, 1.0, "stand-in"], [1.0, 1.0, 1.0, 0.0], True]] * 2,
    ),
    Package(
        "verifiers03",
        "verifiers 0.3.1",
        "on_verifiers03.py",
        "`Rubric.score_group`",
        [[1.0, False], [0.0, False], [0.0, True]],
    ),
    Package(
        "verifiers04",
        "verifiers 0.4.0",
        "on_verifiers04.py",
        "`Task.score`, which loads the judge `graders_judge`",
        [{"graders_judge": 1.0}, {"graders_judge": 0.0}, ["TaskError", {"graders_judge": None}]],
    ),
    Package(
        "skyrl-gym",
        "SkyRL-gym 0.4.0",
        "on_skyrl_gym.py",
        "`skyrl_gym.make` and `Env.step`",
        [[1.0, True, True], [0.0, True, True], [0.5, True, False]],
    ),
    Package(
        "eval-protocol",
        "eval-protocol 0.3.33",
        "on_eval_protocol.py",
        "a function under `@reward_function`",
        [[1.0, True], [0.0, True], [0.0, False]],
    ),
    Package(
        "openenv",
        "OpenEnv 0.10.0",
        "on_openenv.py",
        "`Rubric.__call__`, sync and async",
        [1.0, 1.0, 1.0, 0.0, 0.0, 0.0, "raised"],
    ),
)
NOT_RUN = {
    "TRL 1.16.0": "its mini trainings are not written; its call is replayed",
    "Inspect 0.3": "its evaluation downloads an encoding of tiktoken, and the machine has no network; its call is replayed",
    "ART 0.5, AReaL 1.0, tinker-cookbook 0.5, ms-swift 4.6": "not tried to the end; their calls are replayed",
    "OpenRLHF 0.11": "its package imports deepspeed and flash-attn; its call is replayed",
    "slime, prime-rl, rllm": "they are not on the package index; their calls are replayed",
    "NeMo-Gym 0.7": "it needs Python 3.13; its calls are replayed",
    "google-tunix 0.1": "not tried; its call is replayed",
}


@pytest.fixture(scope="module")
def graders(service: str) -> str:
    """The service, with a grader for the items of each trainer."""
    for name, field in {"number": "answer", "truth": "ground_truth", "target": "target"}.items():
        reference = "{{item." + field + "}}"
        put(
            service,
            name,
            {"type": "numeric_check", "input": "{{sample.output_text}}", "reference": reference},
        )
    return service


@pytest.mark.trainers
@pytest.mark.timeout(PATIENCE_S + 60)
@pytest.mark.parametrize("package", RUN, ids=lambda package: package.name)
def test_its_own_code_gets_the_rewards_and_no_other(package: Package, graders: str, tmp_path: Path) -> None:
    python = ENVIRONMENTS / package.name / "bin" / "python"
    if not python.exists():
        pytest.skip(f"there is no {python.parent.parent}: `make test-trainers` makes it")
    done = subprocess.run(
        [python, PROGRAMS / package.program, graders],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        timeout=PATIENCE_S,
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(tmp_path),
            "PYTHONPATH": str(ROOT / "clients" / "python"),
            "HF_HUB_OFFLINE": "1",
        },
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    assert json.loads(done.stdout.splitlines()[-1]) == package.found


def test_every_program_is_run_and_has_its_pins() -> None:
    assert {path.name for path in PROGRAMS.glob("*.py")} == {package.program for package in RUN}
    assert {path.stem for path in PINS.glob("*.txt")} == {package.name for package in RUN}


def test_the_documentation_says_which_ran_and_which_could_not() -> None:
    page = (ROOT / "docs" / "trainers.md").read_text()
    table = page.partition("<!-- packages -->")[2].partition("\n\n")[0]
    assert table.strip().splitlines()[2:] == [
        *(f"| {package.title} | {package.caller} |" for package in RUN),
        *(f"| {name} | not run: {why} |" for name, why in NOT_RUN.items()),
    ]

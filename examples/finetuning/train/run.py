"""Train a tiny transformer with rewards from `graders serve`: warm-up, best-of-n, DPO, GRPO. `make example-rl` runs it.

    python -m examples.finetuning.train.run --seed 1

It starts a service of its own on a free port of the loopback address, trains in the environment `.cache/trl`, prints a table and
draws a picture. It exits with 1 unless each stage is better than the one before on held-out questions and GRPO's reward rises.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx2

from examples.evals_countdown import service
from examples.finetuning.train import report, task

ROOT = Path(__file__).parents[3]
TRL = ROOT / ".cache/trl/bin/python"
OUTPUT = ROOT / ".cache/example-rl"
NAME = "sorted-digits"
PATIENCE_S = 120.0
"""For an answer of the service on a busy machine."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    if not TRL.is_file():
        print(f"{TRL} is not there: `make .cache/trl` makes it, or says why it cannot", file=sys.stderr)
        return 2
    folder = OUTPUT / str(options.seed)
    shutil.rmtree(folder, ignore_errors=True)  # of an earlier run
    folder.mkdir(parents=True)
    with service(None, None) as url:
        body = {"grader": json.loads(task.GRADER.read_text())}
        httpx2.put(f"{url}/v1/graders/{NAME}", json=body, timeout=PATIENCE_S).raise_for_status()
        code = train(url, folder, options.seed)
        if code:
            return code
        figures = json.loads((folder / "figures.json").read_text())
        means = counted_means(url, len(figures["curve"]))
    return conclude(figures, means, folder)


def train(url: str, folder: Path, seed: int) -> int:
    """Run `train_trl.py` where TRL is; gives its exit code."""
    graders = Path(sys.executable).with_name("graders")
    command: list[str | Path] = [
        TRL,
        "-m",
        "examples.finetuning.train.train_trl",
        "--url",
        url,
        "--grader",
        NAME,
    ]
    command += ["--graders", graders, "--folder", folder, "--seed", str(seed)]
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT / "clients/python"),
        "PYTHONWARNINGS": "ignore::FutureWarning",  # of transformers, about names that TRL uses
    }
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


def counted_means(url: str, steps: int) -> list[float | None]:
    """The mean reward of each step of GRPO in the statistics of the service."""
    with httpx2.Client(base_url=f"{url}/v1/graders/{NAME}", timeout=PATIENCE_S) as client:
        return [
            client.get("/stats", params={"step": step}).json()["metrics"]["train_reward_mean"]
            for step in range(steps)
        ]


def conclude(figures: Mapping[str, Any], means: Sequence[float | None], folder: Path) -> int:
    """Print the table, draw the picture, and give the exit code.

    Args:
        figures: What was measured, as `train_trl.py` writes it.
        means: The mean reward of each step of GRPO in the statistics of the service.
        folder: Where the picture goes.
    """
    stages, curve = report.stages_of(figures["stages"]), figures["curve"]
    first, last = report.fifths(curve)
    differing = report.differing_steps(curve, means)
    print(f"\nseed {figures['seed']}: mean rewards of {report.questions_of(figures['stages'])}\n")
    print(report.table(stages))
    print(f"\nGRPO: {first:.3f} in the first fifth of {len(curve)} steps, {last:.3f} in the last")
    print(
        f"/v1/graders/{NAME}/stats has the mean that TRL logged for "
        f"{len(curve) - differing} of {len(curve)} steps"
    )
    report.picture(stages, curve, folder)
    print(f"{folder}/rewards.png and rewards.svg")
    problems = report.shortcomings(stages, curve)
    if differing:
        problems.append(f"{differing} of {len(curve)} steps differ in the statistics of the service")
    for problem in problems:
        print(f"not learned: {problem}", file=sys.stderr)
    return 1 if problems else 0


def end(*_: object) -> None:
    """Exit in a way that ends the service and the training, too."""
    sys.exit(128 + signal.SIGTERM)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, end)
    raise SystemExit(main())

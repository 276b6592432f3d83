"""The loop in NumPy learns from a real service, and leaves out what is ungraded."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import numpy as np
import pytest
from graders_client import GraderClient

from examples.finetuning.train import train_numpy
from runtime import Settings
from tests.conftest import EXAMPLES
from tests.service.conftest import served

SCRIPT = EXAMPLES / "finetuning/train/train_numpy.py"
STEPS = 30


@pytest.fixture(scope="module")
def url(quick: Settings) -> Iterator[str]:
    with served(quick) as address:
        train_numpy.store_grader(address)
        yield address


@pytest.mark.parametrize("seed", [0, 1])
def test_it_learns_from_a_service(url: str, seed: int) -> None:
    with GraderClient(url, train_numpy.NAME) as client:
        curve = train_numpy.train(client, STEPS, seed)
    assert len(curve) == STEPS
    assert np.mean(curve[-STEPS // 5 :]) > np.mean(curve[: STEPS // 5]) + 0.25


def test_the_command_prints_its_curve_and_the_service_counts_its_steps(url: str) -> None:
    done = subprocess.run(
        [sys.executable, SCRIPT, url, "--steps", "2"], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert [line.split()[1] for line in done.stdout.splitlines()] == ["0", "1"]
    stored = httpx2.get(f"{url}/v1/graders/{train_numpy.NAME}/stats?step=1").json()
    assert stored["splits"]["train"]["gradings"] >= 16 * train_numpy.GROUP


def test_an_ungraded_answer_moves_nothing() -> None:
    rewards = np.array([[1.0, np.nan, 0.0, 0.5], [np.nan, np.nan, np.nan, np.nan]])
    assert train_numpy.advantages_of(rewards).tolist() == [[0.5, 0.0, -0.5, 0.0], [0.0, 0.0, 0.0, 0.0]]


def test_it_is_short_enough_to_read() -> None:
    assert len(Path(SCRIPT).read_text().splitlines()) <= 100

"""What all tests share: settings for quick failures, and evaluators that end with their test."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings

from runtime import Evaluator, Settings, SyncEvaluator

# a busy machine makes one example slow, which is no fault of the code; and what CI says of a commit stays what it said:
# new examples are looked for on the machines of those who write the code
hypothesis_settings.register_profile("here", deadline=None, derandomize="CI" in os.environ)
hypothesis_settings.load_profile("here")

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"


@pytest.fixture(scope="session")
def quick() -> Settings:
    """Settings whose limits a test can wait for; workers report their coverage."""
    measured = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
    return Settings(
        grading_timeout_s=4.0,
        plugin_workers=2,
        worker_memory_mb=1024,
        worker_environment=measured,
        plugin_needs={"tally": frozenset({"files"}), "fragile": frozenset({"files"})},
    )


@pytest.fixture
async def evaluator(quick: Settings) -> AsyncIterator[Evaluator]:
    """A fresh evaluator."""
    async with Evaluator(settings=quick) as fresh:
        yield fresh


@pytest.fixture
def sync_evaluator(quick: Settings) -> Iterator[SyncEvaluator]:
    """A fresh evaluator without async."""
    with SyncEvaluator(settings=quick) as fresh:
        yield fresh

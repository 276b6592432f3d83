"""What all tests share: settings for quick failures, and evaluators that end with their test."""

import gc
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import coverage
import pytest
from hypothesis import settings as hypothesis_settings

from runtime import Evaluator, Settings, SyncEvaluator
from tests import postgresql as postgresql_server
from tests import small_model as small_model_server
from tests.order import mark_but_a_few, place

# a busy machine makes one example slow, which is no fault of the code; and what CI says of a commit stays what it said:
# new examples are looked for on the machines of those who write the code
USUAL_EXAMPLES = 40
EXAMPLES_A_PROPERTY = int(os.environ.get("GRADERS_TEST_EXAMPLES", USUAL_EXAMPLES))
hypothesis_settings.register_profile(
    "here", deadline=None, derandomize="CI" in os.environ, max_examples=EXAMPLES_A_PROPERTY
)
hypothesis_settings.load_profile("here")

LONGER_WHEN_SLOW = 6
"""How many times the time limit of other tests a test marked `slow` has."""

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"


@pytest.hookimpl(optionalhook=True)  # where pytest-xdist is not installed, nobody asks
def pytest_xdist_auto_num_workers() -> int:
    """Processes for `-n auto`: more than processors, for many tests wait for processes that they have started."""
    return -(-3 * len(os.sched_getaffinity(0)) // 2)


@pytest.hookimpl(tryfirst=True)  # before pytest chooses by marks
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the longest modules first, and give slow tests, and properties that are to try more examples, a longer time limit."""
    mark_but_a_few(items)
    items.sort(key=lambda item: place(item.nodeid.partition("::")[0]))
    usual = float(config.getini("timeout")) * max(1.0, EXAMPLES_A_PROPERTY / USUAL_EXAMPLES)
    for item in items:
        if item.get_closest_marker("timeout") is None:
            slow = item.get_closest_marker("slow") is not None
            item.add_marker(pytest.mark.timeout(usual * LONGER_WHEN_SLOW if slow else usual))


def pytest_collection_finish() -> None:
    """Let the garbage collector pass over what all the test modules have imported: every service that starts calls it."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def own_verdicts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Verdicts, spending and files of the tests' own: none of the user's is read, nor written."""
    home = tmp_path_factory.mktemp("judges")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADERS_JUDGE_CACHE", str(home / "verdicts.sqlite"))
        patch.setenv("GRADERS_JUDGE_STORE", str(home / "judges.sqlite"))
        patch.setenv("GRADERS_DATABASE", str(home / "service.sqlite"))
        patch.setenv("GRADERS_FILES_DIR", str(home / "files"))
        for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
            patch.delenv(name, raising=False)
        # to read the machine's certificates takes each HTTP client 30 ms; nothing here speaks TLS with strangers but pip
        if "SSL_CERT_FILE" in os.environ:
            patch.setenv("PIP_CERT", os.environ.get("PIP_CERT", os.environ["SSL_CERT_FILE"]))
            patch.delenv("SSL_CERT_FILE")
        (home / "certificates").mkdir()
        patch.setenv("SSL_CERT_DIR", str(home / "certificates"))
        yield


@pytest.fixture(scope="session")
def quick(own_verdicts: None) -> Settings:
    """Settings whose limits a test can wait for; workers report their coverage."""
    measured = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
    return Settings(
        grading_timeout_s=4.0,
        plugin_workers=2,
        worker_memory_mb=1024,
        worker_environment=measured,
        plugin_needs={"tally": frozenset({"files"}), "fragile": frozenset({"files"})},
    )


@pytest.fixture(scope="module")
async def evaluator(quick: Settings) -> AsyncIterator[Evaluator]:
    """An evaluator that the tests of a module share, with the workers that it has started."""
    async with Evaluator(settings=quick) as shared:
        yield shared


@pytest.fixture
async def fresh_evaluator(quick: Settings) -> AsyncIterator[Evaluator]:
    """An evaluator of a test's own, without workers: for what counts or kills them."""
    async with Evaluator(settings=quick) as fresh:
        yield fresh


@pytest.fixture(scope="module")
def sync_evaluator(quick: Settings) -> Iterator[SyncEvaluator]:
    """An evaluator without async that the tests of a module share."""
    with SyncEvaluator(settings=quick) as shared:
        yield shared


@pytest.fixture(scope="session")
def databases() -> Iterator[Iterator[str]]:
    """Fresh databases of a PostgreSQL that runs as long as the tests."""
    with postgresql_server.cluster() as url:
        yield postgresql_server.databases(url)


@pytest.fixture(scope="session")
def small_model() -> Iterator[small_model_server.SmallModel]:
    """A real model behind a real server, which starts with the first test that asks for it."""
    with small_model_server.small_model() as running:
        yield running


@pytest.fixture
def postgresql(databases: Iterator[str]) -> str:
    """The URL of a fresh database."""
    return next(databases)


def pytest_sessionfinish() -> None:
    """Write down what is covered so far: pytest-xdist kills a worker that takes more than ten seconds to end."""
    measuring = coverage.Coverage.current()
    if measuring is not None:
        measuring.save()

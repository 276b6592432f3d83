"""A pytest plugin that collects case files as tests, one a case, and gives fixtures for tests of graders.

It is never loaded by itself: say `pytest -p graders.pytest_plugin`, or in the `conftest.py` of the root directory::

    pytest_plugins = ["graders.pytest_plugin"]

Then `*.cases.yaml`, `*.cases.yml` and `*.cases.jsonl` are collected like test files, and tests may use `evaluator`, `grade`
and `fake_judge`. Judges are asked only with `--graders-live`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from graders.bound_grader import Grader
from graders.contract import GraderResult, Item
from graders.errors import ConfigurationError, GraderError
from graders.testing import FakeJudge
from runtime.cases import PATTERNS, Case, FileRun, RewardOrder, load_cases, outcome_lines
from runtime.cases.sync import SyncCaseEvaluator
from runtime.data.grader_file import GraderFile
from runtime.explain.render import lines

__all__ = ["AppendedJudge", "Grade", "evaluator", "fake_judge", "grade"]

Grade: TypeAlias = Callable[..., GraderResult]
"""`grade(grader, sample, item)`: see the fixture."""

_EVALUATOR = pytest.StashKey[SyncCaseEvaluator]()


class AppendedJudge(FakeJudge):
    """A `FakeJudge` whose answers a test appends before it grades.

    Attributes:
        answers: Structured outputs, verdicts or exceptions, in the order in which they are asked for.
    """

    def __init__(self) -> None:
        self.answers: list[Any] = []
        super().__init__(self.answers)


@pytest.fixture
def evaluator(request: pytest.FixtureRequest) -> SyncCaseEvaluator:
    """An evaluator without `async`, which all tests share; it asks no judge, unless the test uses `fake_judge`."""
    return _evaluator_of(request.config)


@pytest.fixture
def fake_judge(request: pytest.FixtureRequest) -> Iterator[AppendedJudge]:
    """The judge that `evaluator` and `grade` ask during this test."""
    judge = AppendedJudge()
    with _evaluator_of(request.config).asking(judge):
        yield judge


@pytest.fixture
def grade(request: pytest.FixtureRequest) -> Grade:
    """A function that grades one sample: `grade(grader, sample, item)`.

    The grader is a `Grader`, its JSON, or the path of a grader file from the directory of the test.
    """
    running = _evaluator_of(request.config)

    def grade_one(
        grader: Grader | Mapping[str, Any] | str | Path, sample: object, item: Item | None = None
    ) -> GraderResult:
        if isinstance(grader, (str, Path)):
            return running.grade(GraderFile(request.path.parent / grader).load(running.prepare), sample, item)
        return running.grade(grader, sample, item)

    return grade_one


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--graders-live`."""
    group = parser.getgroup("graders")
    group.addoption(
        "--graders-live",
        action="store_true",
        help="ask real judges, embedding servers and endpoints where a case scripts no answers",
    )


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect case files."""
    if any(file_path.match(pattern) for pattern in PATTERNS):
        collector: pytest.Collector = CaseFileCollector.from_parent(parent, path=file_path)
        return collector
    return None


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop what was started."""
    running = config.stash.get(_EVALUATOR, None)
    if running is not None:
        running.close()


class CaseFileCollector(pytest.File):
    """A case file."""

    def collect(self) -> Iterable[pytest.Item]:
        """A test for each case, and for each order between cases."""
        try:
            file = load_cases(self.path, GraderFile)
            run = _evaluator_of(self.config).file_run(file)
        except ConfigurationError as error:
            raise self.CollectError(str(error)) from None
        for case in file.cases:
            yield CaseItem.from_parent(self, name=case.name, run=run, tested=case)
        for order in file.orders:
            yield CaseItem.from_parent(self, name=f"order: {order.text}", run=run, tested=order)


class CaseItem(pytest.Item):
    """A case, or an order between cases, as a test."""

    def __init__(self, *, run: FileRun, tested: Case | RewardOrder, **rest: Any) -> None:
        super().__init__(**rest)
        self._run, self._tested = run, tested

    def runtest(self) -> None:
        """Grade, and compare."""
        outcome = _evaluator_of(self.config).outcome(self._run, self._tested)
        if outcome.status != "passed":
            raise CaseFailed("\n".join(outcome_lines(outcome, str(self.path), lines)))

    def repr_failure(
        self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None
    ) -> Any:  # what pytest declares it to be is not public
        """What is wrong, without a traceback: there is no code of the author's to show."""
        if isinstance(excinfo.value, (CaseFailed, GraderError)):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """The file, the line from 0, and the name."""
        return self.path, self._tested.line - 1, self.name


class CaseFailed(AssertionError):
    """A case is not as expected; the message says all about it."""


def _evaluator_of(config: pytest.Config) -> SyncCaseEvaluator:
    """The evaluator of a session, which starts with the first test that needs it."""
    if _EVALUATOR not in config.stash:
        config.stash[_EVALUATOR] = SyncCaseEvaluator(live=config.getoption("--graders-live"))
    return config.stash[_EVALUATOR]

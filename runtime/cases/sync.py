"""Cases without `async`: what the pytest plugin runs them with."""

from collections.abc import Iterator
from contextlib import contextmanager

from graders import Judge, Registry
from runtime.cases.judges import CaseEvaluator
from runtime.cases.model import Case, CaseFile, RewardOrder
from runtime.cases.run import CaseOutcome, FileRun
from runtime.settings.settings import Settings
from runtime.sync import SyncEvaluator


class SyncCaseEvaluator(SyncEvaluator):
    """A `CaseEvaluator` on an event loop in a thread of its own."""

    def __init__(
        self, registry: Registry | None = None, settings: Settings | None = None, *, live: bool = False
    ) -> None:
        """Start its thread.

        Args:
            registry: Grader types; defaults to the installed ones.
            settings: Defaults to the environment's.
            live: Whether real judges, embedding servers and endpoints may be asked.
        """
        self._cases = CaseEvaluator(registry, settings, live=live)
        super().__init__(evaluator=self._cases)

    def file_run(self, file: CaseFile) -> FileRun:
        """A run of the cases of one file.

        Raises:
            ConfigurationError: If the file of recorded answers is not valid.
        """
        return FileRun(self._cases, file, asking="live" if self._cases.live else "recorded")

    def outcome(self, run: FileRun, tested: Case | RewardOrder) -> CaseOutcome:
        """What becomes of a case, or of an order.

        Raises:
            ConfigurationError: When a grader of the file is wrong.
            PluginError: When a plugin cannot be used.
        """
        return self._wait(run.case(tested) if isinstance(tested, Case) else run.order(tested))

    @contextmanager
    def asking(self, judge: Judge) -> Iterator[None]:
        """Give every grading that is no case's this judge while this lasts."""
        self._cases.fallback = judge
        try:
            yield
        finally:
            self._cases.fallback = None

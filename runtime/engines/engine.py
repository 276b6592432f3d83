"""The `Engine`: what an evaluator hands the rows of a batch or of a stream to.

`LocalEngine` grades them in this process, with the evaluator's own sandbox, workers and judges. `RayEngine` sends them in
chunks to actors, each of which has an evaluator of its own. Single samples and groups are graded by the evaluator itself.
"""

from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from graders import Grader, GraderResult, Item
from runtime.evaluation.batch_result import BatchResult
from runtime.evaluation.batches import Rows
from runtime.evaluation.context import GradingContext, Runner
from runtime.judge.statistics import ModelStatistics
from runtime.settings.settings import Settings


@dataclass(frozen=True, slots=True)
class EngineUsage:
    """What was done outside the evaluator's process, since the engine began.

    Attributes:
        judges: What each model that grades did, by the name that graders use.
        sandbox_kills: Sandbox processes that ended before their work was done, by cause.
    """

    judges: Mapping[str, ModelStatistics] = field(default_factory=dict)
    sandbox_kills: Mapping[str, int] = field(default_factory=Counter)


class Engine(Protocol):
    """Grades many rows; belongs to the evaluator that it is given to, and is closed with it.

    Attributes:
        run: The name under which all processes of one run share the budget `run`; None where one process is all of it.
    """

    run: str | None

    def open(self, settings: Settings) -> None:
        """Hear the evaluator's settings, before anything is graded; start nothing yet."""
        ...

    async def warm(self) -> None:
        """Start what takes long to start, before the first batch comes.

        Raises:
            ConfigurationError: When the engine cannot be used.
        """
        ...

    async def prepare(self, grader: Grader) -> None:
        """Get ready for a grader, before its rows and their deadline begin.

        Raises:
            ConfigurationError: When the engine cannot be used; nothing was graded.
            PluginError: When a machine lacks what the grader needs; nothing was graded.
        """
        ...

    async def grade_rows(
        self,
        runner: Runner,
        grader: Grader,
        rows: Sequence[tuple[object, Item | None]],
        grading_context: GradingContext,
    ) -> BatchResult:
        """Grade the rows of a batch; results in their order.

        Args:
            runner: The evaluator.
            grader: What grades; prepared.
            rows: Pairs of a sample, in any form that `Sample.load` takes, and its item; see `Rows`.
            grading_context: The gradings' context and deadline.
        """
        ...

    def stream_rows(
        self, runner: Runner, grader: Grader, rows: Rows, grading_context: GradingContext
    ) -> AsyncGenerator[tuple[int, GraderResult], None]:
        """Grade rows as they come: each row's position and its result as soon as it is there; see `grade_rows`."""
        ...

    @property
    def usage(self) -> EngineUsage:
        """What was done outside this process."""
        ...

    async def aclose(self) -> None:
        """End what it has started."""
        ...

"""`NodeGrader`: what an actor runs, an evaluator that grades the chunks it is sent."""

import asyncio
import os
import pickle
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

from graders import Grader, GraderError
from runtime.engines.engine import EngineUsage
from runtime.engines.local import LocalEngine
from runtime.engines.messages import Answer, Hello, Opening, OpenTracing, Prepared, Task
from runtime.evaluation.batch_result import BatchResult
from runtime.evaluation.context import GradingContext
from runtime.evaluator import Evaluator
from runtime.telemetry.tracing import Trace, ending

NAME = "rft-graders"


class NodeGrader:
    """Grades chunks with an evaluator of its own; belongs to one event loop.

    Chunks and their answers are bytes, made and read here, so that nothing that carries them looks inside.
    """

    def __init__(self) -> None:
        self._evaluator: Evaluator | None = None
        self._tracing: OpenTracing | None = None
        self._answers = 0

    async def open(self, opening: Opening) -> Hello:
        """Get ready to load graders."""
        self._tracing = None if opening.tracing is None else opening.tracing()
        tracer = None if self._tracing is None else self._tracing.tracer
        self._evaluator = Evaluator(
            opening.registry(), opening.settings, tracer=tracer, engine=LocalEngine(run=opening.run)
        )
        return Hello(socket.gethostname(), self.node_id(), os.getpid(), version(NAME))

    def node_id(self) -> str:
        """The machine that it runs on."""
        return socket.gethostname()

    async def prepare(self, config: bytes) -> Prepared:
        """Load a grader, and see that every plugin and image in it is on this machine."""
        try:
            grader = await self._running.prepare(pickle.loads(config))  # noqa: S301
        except GraderError as error:
            return Prepared(None, str(error))
        return Prepared(grader.info)

    async def grade(self, task: Task, rows: bytes) -> bytes:
        """Grade a chunk.

        Args:
            task: What is to be done.
            rows: `Chunk.packed`.

        Returns:
            `Answer.packed`.
        """
        evaluator, left = self._running, task.deadline_s
        deadline = None if left is None else asyncio.get_running_loop().time() + left
        grader = await evaluator.prepare(pickle.loads(task.config))  # noqa: S301  # the engine has made both
        read = pickle.loads(rows)  # noqa: S301
        with _traced(evaluator, task.traceparent, len(read)) as trace:
            context = GradingContext(
                evaluator, deadline, trace_id=task.trace_id, client=task.client, trace=trace
            )
            graded = await evaluator.engine.grade_rows(evaluator, grader, read, context)
        return self._answer(grader, graded).packed()

    async def aclose(self) -> None:
        """End the sandbox, the workers and the connections, and send the last spans."""
        if self._evaluator is not None:
            await self._evaluator.aclose()
        if self._tracing is not None:
            await self._tracing.aclose()

    @property
    def _running(self) -> Evaluator:
        if self._evaluator is None:
            raise RuntimeError("the actor is not open")
        return self._evaluator

    def _answer(self, grader: Grader, graded: BatchResult) -> Answer:
        known = {
            offset: result for offset in range(len(graded)) if (result := graded.known(offset)) is not None
        }
        usage = EngineUsage(self._running.judge_statistics, self._running.sandbox_kills)
        self._answers += 1
        return Answer(graded.rewards, known, graded.seconds, usage, self._answers)


@contextmanager
def _traced(evaluator: Evaluator, traceparent: str, rows: int) -> Iterator[Trace | None]:
    """The span of a chunk, a part of the batch's, which another process has begun."""
    if evaluator.tracer is None:
        yield None
        return
    said = {"graders.rows": rows}
    span = evaluator.tracer.begin("grade chunk", "server", said, traceparent=traceparent)
    with ending(span):
        yield Trace(evaluator.tracer, span)

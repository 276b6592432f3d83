"""The parts of a running service, which routes use."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from runtime import Evaluator, Settings
from runtime.data.json_reader import JsonReader
from service.auth.admission import Admission
from service.commands import Commands
from service.evals.engine import Engine
from service.http.idempotency import Repeats
from service.named_graders import GraderResolver
from service.store import Evals, Files
from service.store.health import StorageHealth
from service.telemetry.grader_statistics import Statistics
from service.telemetry.metrics import Metrics


class Documents:
    """Texts that take long to make and stay the same as long as the process lives."""

    def __init__(self) -> None:
        self._made: dict[str, bytes] = {}

    async def get(self, name: str, make: Callable[[], bytes]) -> bytes:
        """A text.

        Args:
            name: Its name.
            make: Makes it in a thread, the first time it is wanted.
        """
        if name not in self._made:
            self._made[name] = await asyncio.to_thread(make)
        return self._made[name]


@dataclass(frozen=True, slots=True)
class State:
    """The parts of a running service; made once, when it starts.

    Attributes:
        settings: Its settings.
        warnings: What an operator should change, though requests are accepted.
        metrics: Counts gradings and requests of this process.
        queues: Admits gradings.
        evaluator: Grades.
        json_reader: Reads the bodies of requests.
        storage: Whether the database and the files can be written.
        files: The stored files.
        evals: The stored evals and runs.
        eval_engine: Grades the runs of evals.
        named: The named graders.
        statistics: Counts the gradings by named graders.
        repeats: Answers repeated requests.
        documents: What is made once and then only served.
        commands: Runs commands in processes of their own.
    """

    settings: Settings
    warnings: Sequence[str]
    metrics: Metrics
    queues: Admission
    evaluator: Evaluator
    json_reader: JsonReader
    storage: StorageHealth
    files: Files
    evals: Evals
    eval_engine: Engine
    named: GraderResolver
    statistics: Statistics
    repeats: Repeats
    documents: Documents = field(default_factory=Documents)
    commands: Commands = field(default_factory=Commands)


def state_of(request: Request) -> State:
    """The parts of the service that answers a request."""
    state: State = request.app.running
    return state


async def _state(request: Request) -> State:
    # FastAPI calls a dependency that is no coroutine function in a thread
    return state_of(request)


Running = Annotated[State, Depends(_state)]
"""The dependency of routes on the running service."""

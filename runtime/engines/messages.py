"""What travels between an engine and its actors.

Both ends are processes of the operator's with the same version of rft-graders, so these are pickled; what a sample or a
grader's source can reach is a process further away, which only ever answers with plain data.
"""

import pickle
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from graders import GraderInfo, GraderResult, Registry
from runtime.engines.engine import EngineUsage
from runtime.settings.settings import Settings
from runtime.telemetry.tracing import Tracer


class OpenTracing(Protocol):
    """Where an actor's spans go.

    Attributes:
        tracer: Takes them; None when nobody traces.
    """

    @property
    def tracer(self) -> Tracer | None:
        """Takes spans; None when nobody traces."""
        ...

    def aclose(self) -> Awaitable[None]:
        """Send what has not been sent."""
        ...


@dataclass(frozen=True, slots=True)
class Opening:
    """What an actor needs before it grades.

    Attributes:
        settings: Of its evaluator.
        registry: Gives the grader types of its machine.
        tracing: Opens where its spans go; None for nowhere.
        run: The name of the run, whose budget all actors share.
    """

    settings: Settings
    registry: Callable[[], Registry]
    tracing: Callable[[], OpenTracing] | None
    run: str


@dataclass(frozen=True, slots=True)
class Hello:
    """What an actor says of itself.

    Attributes:
        node: The machine, as messages name it.
        node_id: The machine, as Ray knows it.
        pid: Its process.
        version: Of rft-graders.
    """

    node: str
    node_id: str
    pid: int
    version: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """Whether an actor can grade with a grader.

    Attributes:
        info: What graded there will say of it; None where it cannot be used.
        problem: Why it cannot be used; empty where it can.
    """

    info: GraderInfo | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be done with a chunk.

    Attributes:
        config: The JSON of the grader, pickled.
        deadline_s: Seconds that are left; None for any number. Clocks of two machines differ, so it is no time of day.
        trace_id: The caller's own name for the batch.
        client: Who pays for judges.
        traceparent: Which span the actor's spans belong to; empty where nobody traces.
    """

    config: bytes
    deadline_s: float | None
    trace_id: str | None
    client: str
    traceparent: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The results of a chunk.

    Attributes:
        rewards: float64, one for each row; NaN where the row is ungraded.
        known: The results that say more than their reward, by offset; all those that are ungraded.
        seconds: Mean seconds of the other gradings.
        usage: What the actor has done until now.
        number: How many chunks it has graded until now.
    """

    rewards: NDArray[np.float64]
    known: Mapping[int, GraderResult]
    seconds: float
    usage: EngineUsage
    number: int

    def packed(self) -> bytes:
        """As it is sent."""
        return pickle.dumps(self, pickle.HIGHEST_PROTOCOL)

    @classmethod
    def unpack(cls, answer: bytes, rows: int) -> "Answer":
        """An answer about so many rows.

        Raises:
            ValueError: When it is not one.
        """
        read = pickle.loads(answer)  # noqa: S301  # an actor of ours has made it
        if not isinstance(read, cls) or len(read.rewards) != rows:
            raise ValueError(f"the actor answered what is not the results of {rows:,} rows")
        if not read.known.keys() >= set(np.flatnonzero(np.isnan(read.rewards)).tolist()):
            raise ValueError("the actor left a row without a reward and without the reason")
        return read

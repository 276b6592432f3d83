"""Processes that do many gradings of one program: by the batch, or for as long as they behave."""

import asyncio
import json
import logging
import math
import random
import secrets
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from contextvars import Context
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from graders import FailureType, GradingError
from runtime.data.json_weight import weigh
from runtime.sandbox.processes.clock import OutOfTime
from runtime.sandbox.processes.outcomes import ended, failure, out_of_time, reward_or_error
from runtime.sandbox.processes.session import Session, SessionEnded
from runtime.sandbox.programs import Program

logger = logging.getLogger(__name__)

Answer: TypeAlias = float | GradingError
Give: TypeAlias = Callable[[int, Answer], None]
"""Takes the answer of a row by its position, as soon as it is there."""
JobKey: TypeAlias = tuple[str, float, int | None]

BATCH = 64
"""Gradings that a process gets at once; one that works for a single batch gets more when more are waiting."""
LARGEST_BATCH = 256
"""Gradings that a process which works for one batch gets at most: starting it takes as long as some 50 of them."""
ONE_ANSWER = 192 << 10
"""Bytes of one row's answer: an exception's message and traceback, each character escaped."""
MAX_ANSWERS = 1 << 20
"""Bytes of one frame of answers; it is read where other gradings wait meanwhile."""
ANSWER_VALUES = 100
"""JSON values of one row's answer: a number, or an error with what belongs to it."""
IDLE_SECONDS = 60.0
WORKER_GRADINGS = 1_000
"""After so many a worker is replaced."""
REPEATED = 0.01
"""Share of a worker's gradings that are done again in a fresh process, to find state that it keeps."""
REPEATED_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class SandboxJob:
    """What is to be run, and how long one grading may take.

    Attributes:
        program: The compiled source.
        timeout_s: Seconds of one grading.
        memory_mb: Address space of its process; None for the default.
    """

    program: Program
    timeout_s: float
    memory_mb: int | None

    @property
    def key(self) -> JobKey:
        """Equal for jobs that do the same; it keeps no program alive."""
        return self.program.digest, self.timeout_s, self.memory_mb

    def begin(self) -> tuple[bytes, bytes, bytes]:
        """The first frames of a process that is to do it."""
        return b"grade", self.program.code, self.program.source


@dataclass(frozen=True, slots=True)
class TimeSlice:
    """How long a grading may keep others waiting.

    Attributes:
        seconds: After which it may be preempted.
        is_over: Whether it is, once they have passed; asked again after as many more.
    """

    seconds: float
    is_over: Callable[[], bool]

    def look(self) -> None:
        """See whether it is over.

        Raises:
            Preempted: When it is.
        """
        if self.is_over():
            raise Preempted


class Preempted(Exception):
    """A grading was stopped because others wait; it is to be begun again."""


def ignored(_: int, __: Answer) -> None:
    """Take an answer that nobody waits for."""


async def ask(
    session: Session,
    job: SandboxJob,
    rows: Sequence[bytes],
    *,
    begin: bool = False,
    turn: TimeSlice | None = None,
    give: Give = ignored,
) -> tuple[list[Answer], GradingError | None]:
    """Have a process do some gradings.

    Args:
        session: The process.
        job: What it does.
        rows: Sample and item of each, encoded.
        begin: Whether it has still to be told the job.
        turn: When it may be preempted; None for never.
        give: Takes each answer as soon as it is there.

    Returns:
        The answers that came, in order, and what ended the process before all had come.

    Raises:
        Preempted: When its turn is over; the process is killed.
    """
    number = secrets.randbits(62)
    answers: list[Answer] = []
    request = b'{"number":%d,"rows":[%b]}' % (number, b",".join(rows))
    session.send(*(job.begin() if begin else ()), request)
    receive = partial(session.receive, min(MAX_ANSWERS, ONE_ANSWER * len(rows)))
    pause, look = (None, None) if turn is None else (turn.seconds, turn.look)
    try:
        while len(answers) < len(rows):
            body = await session.within(job.timeout_s, receive, pause=pause, look=look)
            told = answers_of(body, number, len(rows) - len(answers))
            if told is None:
                session.kill()
                return answers, failure(
                    FailureType.PROTOCOL, "it answered what it was not asked", session.streams
                )
            for answer in told:
                answers.append(reward_or_error(answer, session.streams))
                give(len(answers) - 1, answers[-1])
    except OutOfTime as end:
        return answers, out_of_time(job.timeout_s, end, session.streams)
    except SessionEnded as end:
        return answers, ended(session, end)
    return answers, None


def answers_of(body: bytes, number: int, most: int) -> list[object] | None:
    """The answers in a frame; None when it is not what was asked for, which a frame of too many values cannot be.

    Args:
        body: The frame's body, which a stranger may have made.
        number: The number of the question.
        most: How many answers there may be.
    """
    if len(body) > ANSWER_VALUES and weigh(body).values > ANSWER_VALUES * (most + 1):
        return None
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict) or told.get("number") != number:
        return None
    answers = told.get("answers")
    return answers if isinstance(answers, list) and len(answers) <= most else None


class GroupRequest:
    """Some gradings that were asked for together."""

    def __init__(self, rows: Sequence[bytes], give: Give) -> None:
        self.rows, self._give = rows, give
        self.answers: list[Answer | None] = [None] * len(rows)
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._missing = len(rows)

    def answer(self, position: int, answer: Answer) -> None:
        """Note one answer; the last one finishes the order."""
        self.answers[position] = answer
        if not self.done.done():
            self._give(position, answer)
        self._missing -= 1
        if not self._missing and not self.done.done():
            self.done.set_result(None)


class WorkerGroup:
    """Runs one job's gradings in processes that do many each.

    Attributes:
        impure: Whether a grading had another result when it was done again: the program keeps state.
    """

    def __init__(
        self,
        job: SandboxJob,
        *,
        lasting: bool,
        size: int,
        start: Callable[[SandboxJob], Awaitable[Session]],
        room: Callable[[], AbstractAsyncContextManager[bool]],
        apart: Callable[[SandboxJob, Sequence[bytes]], Awaitable[list[Answer]]],
    ) -> None:
        """Start nothing yet.

        Args:
            job: What to run.
            lasting: Whether a process goes on after its batch.
            size: Processes at once.
            start: Gives a fresh process.
            room: Waits for a processor.
            apart: Grades each row in a process of its own.
        """
        self._job, self._lasting, self._size = job, lasting, size
        self._start, self._room, self._apart = start, room, apart
        self._waiting: deque[tuple[GroupRequest, int]] = deque()
        self._wake = asyncio.Event()
        self._members: set[asyncio.Task[None]] = set()
        self._idle = 0
        self._repeating: list[tuple[bytes, Answer]] = []
        self._repeats: set[asyncio.Task[None]] = set()
        self.impure = False

    @property
    def size(self) -> int:
        """Bytes of the program that it keeps."""
        return self._job.program.size

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits and nobody works."""
        return not self._waiting and self._idle == len(self._members)

    async def grade(self, rows: Sequence[bytes], give: Give = ignored) -> list[Answer]:
        """Grade rows; answers in their order, and each given as soon as it is there."""
        order = GroupRequest(rows, give)
        self._waiting.extend((order, position) for position in range(len(rows)))
        self._wake.set()
        self._hire()
        try:
            await order.done
        except asyncio.CancelledError:
            self._waiting = deque(waiting for waiting in self._waiting if waiting[0] is not order)
            raise
        return [answer for answer in order.answers if answer is not None]

    async def aclose(self) -> None:
        """Stop every process; what waits is cancelled."""
        for task in (*self._members, *self._repeats):
            task.cancel()
        await asyncio.gather(*self._members, *self._repeats, return_exceptions=True)
        for order, _ in self._waiting:
            order.done.cancel()

    def _hire(self) -> None:
        if len(self._waiting) > self._idle * BATCH and len(self._members) < self._size:
            # a context of its own: a member must not think that it has its first customer's room
            task = asyncio.create_task(self._work(), context=Context())
            self._members.add(task)
            task.add_done_callback(self._members.discard)

    async def _work(self) -> None:
        """One member: takes batches, until there has been nothing to do for long."""
        session: Session | None = None
        done = 0
        try:
            while await self._something_to_do():
                async with self._room():
                    taken = [self._waiting.popleft() for _ in range(min(self._share(), len(self._waiting)))]
                    self._hire()
                    try:
                        if session is None:
                            session, done = await self._begin(), 0
                    except GradingError as error:
                        await self._without_process(taken, error)
                        continue
                    clean = await self._batch(session, taken)
                    done += len(taken)
                if not (clean and self._lasting and done < WORKER_GRADINGS):
                    session.release()
                    session = None
        finally:
            if session is not None:
                session.release()

    def _share(self) -> int:
        """Rows that a process gets: a fair share of what waits, unless it lasts; a hundredth of its rows is repeated, one a batch."""
        if self._lasting:
            return BATCH
        return max(BATCH, min(LARGEST_BATCH, math.ceil(len(self._waiting) / self._size)))

    async def _begin(self) -> Session:
        session = await self._start(self._job)
        session.send(*self._job.begin())
        return session

    async def _batch(self, session: Session, taken: list[tuple[GroupRequest, int]]) -> bool:
        """Have a process do a batch; False when it must not be used again."""
        rows = [order.rows[position] for order, position in taken]

        def give(number: int, answer: Answer) -> None:
            order, position = taken[number]
            order.answer(position, answer)

        answers, end = await ask(session, self._job, rows, give=give)
        failed = end is not None or any(isinstance(answer, GradingError) for answer in answers)
        if end is not None:
            # which row is to blame, and whether a later one suffered from an earlier one, only a process each can tell
            rest = await self._apart(self._job, rows[len(answers) :])
            for (order, position), answer in zip(taken[len(answers) :], rest, strict=True):
                order.answer(position, answer)
        elif self._lasting and random.random() < REPEATED * len(rows):  # noqa: S311  # a sample, no secret
            chosen = random.randrange(len(rows))  # noqa: S311
            self._repeat_later(rows[chosen], answers[chosen])
        return not failed

    async def _without_process(self, taken: list[tuple[GroupRequest, int]], error: GradingError) -> None:
        """Answer what no process could be started for: what may be worth another try gets one for each row."""
        answers: list[Answer] = [error] * len(taken)
        if error.failure.retryable:
            answers = await self._apart(self._job, [order.rows[position] for order, position in taken])
        for (order, position), answer in zip(taken, answers, strict=True):
            order.answer(position, answer)

    async def _something_to_do(self) -> bool:
        self._idle += 1
        try:
            async with asyncio.timeout(IDLE_SECONDS):
                while not self._waiting:
                    self._wake.clear()
                    await self._wake.wait()
        except TimeoutError:
            return False
        finally:
            self._idle -= 1
        return True

    def _repeat_later(self, row: bytes, answer: Answer) -> None:
        self._repeating.append((row, answer))
        if len(self._repeating) >= REPEATED_AT_ONCE and not self._repeats:
            task = asyncio.create_task(self._repeat(self._repeating), context=Context())
            self._repeating = []
            self._repeats.add(task)
            task.add_done_callback(self._repeats.discard)

    async def _repeat(self, done: list[tuple[bytes, Answer]]) -> None:
        """Do gradings again in a fresh process, the last first: another result means that the program keeps state."""
        done.reverse()
        async with self._room():
            try:
                session = await self._begin()
            except GradingError:
                return
            try:
                answers, _ = await ask(session, self._job, [row for row, _ in done])
            finally:
                session.release()
        for (_, before), again in zip(done, answers, strict=False):
            if type(before) is not type(again) or (isinstance(before, float) and before != again):
                self.impure = True
                logger.warning(
                    "a python grader keeps state between gradings: a row that had %s has %s in a fresh process; "
                    "each grading has a process of its own from now on",
                    _shown(before),
                    _shown(again),
                )
                return


def _shown(answer: object) -> object:
    """An answer as a log may have it: a failure may quote its sample."""
    return answer if isinstance(answer, float) else "a failure"

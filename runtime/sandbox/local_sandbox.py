"""`LocalSandbox`: the place where foreign Python runs on this machine."""

import asyncio
import hashlib
import json
import logging
import math
import re
from collections import Counter, OrderedDict
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias

from pydantic_core import to_json

from graders import ConfigurationError, FailureKind, FailureType, GradingError, Sandbox
from graders.context import Given, Isolation
from graders.samples.plain_data import MAX_DIGITS, json_problem, too_many_digits
from runtime.concurrency.bounded_cache import ENTRY_BYTES, BoundedCache
from runtime.data.rows import unreadable
from runtime.processes.shortage import infrastructure_failure, is_shortage
from runtime.sandbox.host import Host
from runtime.sandbox.images.images import Image, Images
from runtime.sandbox.layers import FOREIGN, Level
from runtime.sandbox.processes.process import SandboxProcess
from runtime.sandbox.processes.scheduler import RuntimeEstimate
from runtime.sandbox.processes.session import Session
from runtime.sandbox.processes.worker_group import (
    Answer,
    Give,
    JobKey,
    Preempted,
    SandboxJob,
    TimeSlice,
    WorkerGroup,
    ask,
    ignored,
)
from runtime.sandbox.processes.zygote import ZygoteSpec
from runtime.sandbox.processes.zygote_pool import ZygotePool
from runtime.sandbox.programs import Programs
from runtime.settings.settings import Settings

logger = logging.getLogger(__name__)

ShapeKey: TypeAlias = tuple[str, int | None, str, int | None]

ATTEMPTS = 2
"""A grading that the machine, or somebody outside, has stopped is done again once; then it is ungraded."""
FORK = "fork"
"""The layer of one process for each grading."""
KEPT_CREWS = 32
KEPT_PACES = 1024
"""Kinds of gradings whose usual time is remembered: some 200 bytes each."""
_MANY_DIGITS = re.compile(rb"\d{%d}" % (MAX_DIGITS + 1))
"""What an integer that Python does not read has; a text can have it too."""


class LocalSandbox:
    """Runs foreign Python in locked processes of this machine; belongs to one event loop.

    Attributes:
        images: The sets of packages that code can import.
        host: What this machine can isolate.
        kills: Processes that ended before their work was done, by cause, since the sandbox is there.
    """

    def __init__(
        self, settings: Settings, *, without: frozenset[str] = frozenset(), highest: Level = Level.FULL
    ) -> None:
        """Start nothing yet.

        Args:
            settings: Limits, images, the least level.
            without: Layers to leave out: for tests and for the doctor, which show what a layer is good for. Without
                `fork`, gradings of any source share processes where they are asked to.
            highest: The level that is tried first.
        """
        self._settings = settings
        self.kills: Counter[str] = Counter()
        self._least = max(FOREIGN, Level(settings.sandbox_level))
        self._pool = ZygotePool(
            processes=settings.sandbox_processes, output_bytes=settings.sandbox_output_mb << 20
        )
        self.images = Images(settings)
        self._survey = asyncio.Lock()
        self.host = Host(self._pool, without=without - {FORK}, highest=highest)
        self._shares_any = FORK in without
        self._programs = Programs(self._start_compiling, settings.cache_bytes("programs"))
        self._shapes: BoundedCache[ShapeKey, ZygoteSpec] = BoundedCache(settings.cache_bytes("shapes"))
        # two cores for as long as one grading may take, as published; a lasting process that has used it up is replaced
        self._cpu_seconds = math.ceil(2 * settings.python_timeout_s)
        self._worker_groups: OrderedDict[tuple[JobKey, Isolation], WorkerGroup] = OrderedDict()
        self._worker_group_bytes = settings.cache_bytes("worker_groups")
        self._limiters: BoundedCache[JobKey, RuntimeEstimate] = BoundedCache(KEPT_PACES * ENTRY_BYTES)

    async def aclose(self) -> None:
        """End every process."""
        await self._programs.aclose()
        await asyncio.gather(*(group.aclose() for group in self._worker_groups.values()))
        self._worker_groups.clear()
        await self._pool.aclose()

    async def warm(self) -> None:
        """Find out what this machine isolates, and start a first zygote, where there can be one."""
        try:
            session = await self._session(self.images.find(None), None)
        except GradingError as error:
            logger.warning("code of others will not be run: %s", error)
            return
        session.release()

    async def check(self, source: str | None = None, *, image: str | None = None) -> None:
        """See that an image is here and compile the source of a Python grader; see `graders.Sandbox`."""
        self.images.find(image)
        if source is None:
            return
        program = await self._programs.get(source, image)
        if program.problem is not None:
            raise ConfigurationError(program.problem)

    async def grade(
        self,
        source: str,
        rows: Sequence[tuple[Any, Any]],
        *,
        image: str | None = None,
        isolation: Isolation | None = None,
        timeout_s: float | None = None,
        memory_mb: int | None = None,
        given: Given | None = None,
        client: str = "",
    ) -> list[Answer]:
        """Call the `grade(sample, item)` of a source for each row; see `graders.Sandbox`.

        The `client` is who asks: a digest of an API key, empty where there are no keys. Each is served in turn.
        """
        try:
            self.images.find(image)
            program = await self._programs.get(source, image)
        except ConfigurationError as error:
            return [GradingError(f"python: {error}")] * len(rows)
        except GradingError as error:
            return [error] * len(rows)
        if program.problem is not None:
            refused = GradingError(f"python: {program.problem}", kind=FailureKind.PYTHON_GRADER_RUNTIME)
            return [refused] * len(rows)
        limit = self._settings.python_timeout_s
        job = SandboxJob(program, min(timeout_s or limit, limit), memory_mb)
        encoded = [_encoded(row) for row in rows]
        # equal rows are graded once
        places: dict[bytes, list[int]] = {}
        for place, row in enumerate(encoded):
            if isinstance(row, bytes):
                places.setdefault(row, []).append(place)
        at = [*places.values()]

        def give(number: int, answer: Answer) -> None:
            # a missing module is given at the end, with the images that have it
            if given is not None and not _lacks_a_module(answer):
                for place in at[number]:
                    given(place, answer)

        answers = dict(zip(places, await self._run(job, [*places], isolation, client, give), strict=True))
        return [await self._explained(answers[row] if isinstance(row, bytes) else row) for row in encoded]

    @asynccontextmanager
    async def process(
        self, role: str, *, image: str | None = None, memory_mb: int | None = None, client: str = ""
    ) -> AsyncGenerator[SandboxProcess]:
        """A fresh locked process; see `graders.Sandbox`."""
        found = self.images.find(image)
        async with self._pool.room(client):
            session = await self._session(found, memory_mb)
            try:
                session.send(role.encode())
                yield SandboxProcess(session)
            finally:
                session.release()

    def seen_by(self, client: str) -> Sandbox:
        """The same for one client, who is a digest of an API key: each is served in turn."""
        return ClientsSandbox(self, client) if client else self

    async def _run(
        self, job: SandboxJob, rows: Sequence[bytes], isolation: Isolation | None, client: str, give: Give
    ) -> list[Answer]:
        isolation = isolation or self._settings.python_isolation or "grading"
        # what a sample has executed in a process must not reach the next one, whatever the grader asks for
        is_shared = job.program.unlisted is None or self._shares_any
        if isolation == "grading" or not is_shared:
            return await self._apart(job, rows, give, client)
        key = job.key, isolation
        group = self._worker_groups.get(key)
        if group is None:
            group = self._worker_groups[key] = WorkerGroup(
                job,
                lasting=isolation == "worker",
                size=self._settings.sandbox_processes,
                start=self._start,
                room=self._pool.room,
                apart=self._apart,
            )
            await self._let_worker_groups_go()
        self._worker_groups.move_to_end(key)
        return await (self._apart(job, rows, give, client) if group.impure else group.grade(rows, give))

    async def _let_worker_groups_go(self) -> None:
        """End the worker groups that were not asked for longest, when they are too many or keep too much; those at work stay."""
        held = sum(group.size for group in self._worker_groups.values())
        newest = next(reversed(self._worker_groups))
        for key in [key for key, group in self._worker_groups.items() if group.is_idle and key != newest]:
            if len(self._worker_groups) <= KEPT_CREWS and held <= self._worker_group_bytes:
                break
            group = self._worker_groups.pop(key)
            held -= group.size
            await group.aclose()

    async def _apart(
        self, job: SandboxJob, rows: Sequence[bytes], give: Give = ignored, client: str = ""
    ) -> list[Answer]:
        """Grade each row in a process of its own."""
        if len(rows) == 1:
            return [await self._alone(job, rows[0], client)]
        answers: dict[int, Answer] = {}
        remaining = iter(enumerate(rows))

        async def work() -> None:
            for position, row in remaining:
                answers[position] = await self._alone(job, row, client)
                give(position, answers[position])

        # twice as many as work at once: while one waits for its answer, the next one is being prepared
        await asyncio.gather(*(work() for _ in range(min(len(rows), 2 * self._settings.sandbox_processes))))
        return [answers[position] for position in range(len(rows))]

    async def _alone(self, job: SandboxJob, row: bytes, client: str) -> Answer:
        pace = self._limiters.get(job.key)
        if pace is None:
            pace = RuntimeEstimate()
            self._limiters.put(job.key, pace, 0)
        preempted = 0
        while True:  # the last turn is as long as a grading may take
            async with self._pool.room(client, preempted=preempted) as is_own:
                # in the room of a batch nobody else could take its place
                turn = (
                    TimeSlice(pace.patience(preempted), partial(self._pool.is_wanted, preempted))
                    if is_own
                    else None
                )
                with suppress(Preempted):
                    return await self._once(job, row, turn, None if preempted else pace)
            preempted += 1

    async def _once(
        self, job: SandboxJob, row: bytes, turn: TimeSlice | None, pace: RuntimeEstimate | None
    ) -> Answer:
        """Grade a row in a process of its own.

        Raises:
            Preempted: When its turn is over.
        """
        loop = asyncio.get_running_loop()
        for attempt in range(1, ATTEMPTS + 1):
            try:
                session = await self._start(job)
            except GradingError as error:
                return error
            began = loop.time()
            try:
                answers, end = await ask(session, job, [row], begin=True, turn=turn)
            finally:
                if pace is not None:
                    pace.note(loop.time() - began)
                session.release()
            answer = end or answers[0]
            if attempt == ATTEMPTS or isinstance(answer, float) or not answer.failure.retryable:
                return answer
        raise AssertionError("the last attempt returns")

    async def _explained(self, answer: Answer) -> Answer:
        """A missing module's failure says which image has it."""
        if isinstance(answer, float) or not _lacks_a_module(answer):
            return answer
        failure = answer.failure
        module = failure.message.partition("No module named '")[2].partition("'")[0].partition(".")[0]
        having = await asyncio.to_thread(self.images.with_module, module)
        where = (
            f"image_tag {' or '.join(map(repr, having))} has it"
            if having
            else "no image of this machine has it"
        )
        return GradingError.of(replace(failure, message=f"{failure.message}; {where}"))

    async def _surveyed(self, image: Image) -> Image:
        """An image whose packages are known; they are looked at in a thread, once.

        Raises:
            GradingError: When the machine is short of what that takes.
        """
        if not image.is_surveyed:
            async with self._survey:
                try:
                    # a thread of its own: the event loop's are not ended where no thread can be started
                    with ThreadPoolExecutor(1) as thread:
                        await asyncio.get_running_loop().run_in_executor(thread, image.survey)
                except (OSError, RuntimeError, MemoryError) as error:
                    if not is_shortage(error):
                        raise
                    why = f"the packages of an image cannot be looked at: {error}"
                    raise infrastructure_failure(why, FailureType.SANDBOX_UNAVAILABLE) from error
        return image

    async def _start(self, job: SandboxJob) -> Session:
        image = await self._surveyed(self.images.find(job.program.image))
        return await self._session(
            image, job.memory_mb, modules=image.loadable(job.program.imports), cpu_seconds=self._cpu_seconds
        )

    async def _start_compiling(self, image: str | None) -> Session:
        return await self._session(self.images.find(image), None)

    async def _session(
        self,
        image: Image,
        memory_mb: int | None,
        modules: tuple[str, ...] = (),
        *,
        cpu_seconds: int | None = None,
    ) -> Session:
        await self._surveyed(image)
        key = image.name, memory_mb, _digest_of(modules), cpu_seconds
        shape = self._shapes.get(key)
        if shape is None:
            settings = self._settings
            shape = ZygoteSpec(
                str(image.python),
                modules=modules,
                visible=image.visible,
                hidden=image.hidden,
                absent=image.absent,
                memory_mb=min(memory_mb or settings.python_memory_mb, settings.python_memory_mb),
                disk_mb=settings.python_disk_mb,
                cpu_seconds=cpu_seconds,
            )
            # strangers say what memory and modules they want
            self._shapes.put(key, shape, sum(100 + len(name) for name in modules))
        session = await self.host.session(shape, least=self._least)
        session.streams.kills = self.kills
        return session


class ClientsSandbox:
    """A sandbox as one client uses it."""

    def __init__(self, sandbox: LocalSandbox, client: str) -> None:
        self.check = sandbox.check
        self.grade = partial(sandbox.grade, client=client)
        self.process = partial(sandbox.process, client=client)


def _lacks_a_module(answer: Answer) -> bool:
    return not isinstance(answer, float) and answer.failure.details.get("type") == "ModuleNotFoundError"


def _digest_of(names: tuple[str, ...]) -> str:
    return hashlib.blake2b("\0".join(names).encode(errors="surrogatepass"), digest_size=16).hexdigest()


def _encoded(row: tuple[Any, Any]) -> bytes | GradingError:
    try:
        encoded = to_json(row)
    except (ValueError, RecursionError):
        try:
            encoded = json.dumps(row).encode()  # a lone surrogate, which JSON can carry and UTF-8 cannot
        except (TypeError, ValueError, RecursionError) as error:
            return _unsendable(json_problem(_named(row)) or str(error))
    if len(encoded) > MAX_DIGITS and _MANY_DIGITS.search(encoded):
        problem = json_problem(_named(row), wrong=too_many_digits)
        return encoded if problem is None else _unsendable(problem)
    return encoded


def _named(row: tuple[Any, Any]) -> dict[str, Any]:
    return dict(zip(("sample", "item"), row, strict=True))


def _unsendable(problem: str) -> GradingError:
    where, _, message = problem.rpartition(": ")
    return unreadable(where, f"it cannot be sent to the sandbox: {message}")

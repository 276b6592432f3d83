"""A worker process that has locked itself. It imports its plugin, and forks a child for each session of gradings.

It sees no sample: a plugin that executes one would let the sample change how the next ones are graded. A session comes as a
socket of its own, over which its child gets the gradings of one client's grader and answers them. A process that cannot be
forked serves one session itself, and ends.
"""

import asyncio
import atexit
import gc
import os
import socket
import sys
import traceback
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from graders import FailureKind, Grader, GraderResult, GradingError, Registry, Sample
from graders.registry import Entry
from runtime.data.json_weight import INLINE_BYTES, weigh
from runtime.evaluation.execute import execute
from runtime.workers.frames import (
    HEADER,
    MAX_ANSWER,
    MAX_RESULT,
    MAX_VALUES,
    RESULT_VALUES,
    FrameError,
    Message,
    encode,
    frame,
    frame_length,
    results_to_plain,
    unpack,
)
from runtime.workers.lock_hint import lock_hint
from runtime.workers.plugin_sharing import why_not_shared
from runtime.workers.printed import Printed, keep_what_is_printed
from runtime.workers.rpc import RemoteContext

if TYPE_CHECKING:
    from runtime.sandbox.inside.worker import Locked

DESCRIPTORS = 256

ENVELOPE = 1_024
"""Bytes of a message around its results, and what is beside them, at most."""


class WorkerChannel:
    """The socket of a session, or the one over which sessions come."""

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=descriptor)
        self._reader = self._socket.makefile("rb")
        self._early: deque[Message] = deque()

    def send(self, message: Message) -> None:
        """Send one message.

        Raises:
            FrameError: When it is too long or not plain data.
        """
        self.send_body(encode(message))

    def send_body(self, body: bytes) -> None:
        """Send one message that is encoded."""
        self._socket.sendall(frame(body))

    def receive(self) -> Message | None:
        """The next message; None when the evaluator is gone."""
        return self._early.popleft() if self._early else self._read()

    def call(self, message: Message) -> Message:
        """Ask the evaluator, and wait for its reply; gradings that were sent before it are kept for later.

        Raises:
            FrameError: When what is asked is too long, or not plain data.
        """
        self.send(message)
        while (reply := self._read()) is not None:
            if "reply" in reply:
                return dict(reply["reply"])
            self._early.append(reply)
        sys.exit(0)  # the evaluator is gone

    def receive_session(self) -> int | None:
        """The socket of the next session, as a descriptor; None when the evaluator is gone."""
        received, descriptors, *_ = socket.recv_fds(self._socket, 1, 1)
        return descriptors[0] if received and descriptors else None

    def close(self) -> None:
        """Close the socket in this process."""
        self._reader.close()
        self._socket.close()

    def _read(self) -> Message | None:
        header = self._reader.read(HEADER.size)
        if len(header) < HEADER.size:
            return None
        return unpack(self._reader.read(frame_length(header)))


def main(locked: "Locked") -> None:
    """Prepare, and serve sessions until the evaluator closes the socket.

    Args:
        locked: This process, locked.
    """
    channel = WorkerChannel(locked.descriptor)
    setup = channel.receive()
    if setup is None:
        return
    before = _descriptors()
    printed = keep_what_is_printed()
    registry = Registry(Entry(*entry) for entry in setup["entries"])
    try:
        grader_type = registry[setup["config"]["type"]].type
        unlisted = why_not_shared(grader_type.reference.partition(":")[0]) if setup["examine"] else None
        # a class may take long to prepare; a function is bound to its options by the process that grades, unless that
        # is one for each grading
        prepares = setup["prepare"] or unlisted is not None
        grader = registry.load(setup["config"]) if prepares else None
    except BaseException as error:  # noqa: BLE001  # the self-test: whatever the plugin does at import is reported
        channel.send({"failed": _described(error, setup)})
        return
    gc.collect()
    unforkable = _why_not_forked(locked, before)
    channel.send({"ready": True, "unlisted": unlisted, "unforkable": unforkable, "prepared": prepares})
    gc.freeze()
    sessions = _Sessions(locked, registry, grader, setup, printed)
    if unforkable is None:
        sessions.fork_each(channel)
    else:
        sessions.serve_one(channel)


def _why_not_forked(locked: "Locked", before: set[int]) -> str | None:
    """Why sessions cannot be forks of this process; None when they can.

    A thread would be missing in a fork, and the offsets of open files and what comes over sockets would be shared by forks.
    """
    if sys.platform != "linux":
        return "on this system no process is forked"
    if not locked.is_single_threaded():
        return "its plugin starts a thread when it is prepared"
    if _descriptors() - before:
        return "its plugin keeps a file or socket open when it is prepared"
    return "its plugin leaves files in its scratch when it is prepared" if _is_used(locked) else None


def _is_used(locked: "Locked") -> bool:
    """Whether there is anything in the scratch directory of this process, which the next session would find."""
    return locked.has_scratch and any(Path(locked.scratch).iterdir())


def _descriptors() -> set[int]:
    """The descriptors that are open."""
    found = set()
    for descriptor in range(DESCRIPTORS):
        with suppress(OSError):
            os.fstat(descriptor)
            found.add(descriptor)
    return found


def _described(error: BaseException, setup: Message) -> str:
    name = str(setup["config"]["type"])
    return f"{type(error).__name__}: {error}{lock_hint(error, name, frozenset(setup['needs']))}"


def _hint_for(grader: Grader, error: BaseException) -> str:
    return "" if grader.built_in else lock_hint(error, grader.type.name, grader.type.needs)


class _Sessions:
    """What sessions are served with: the types, and the grader that is prepared, where there is one."""

    def __init__(
        self, locked: "Locked", registry: Registry, grader: Grader | None, setup: Message, printed: Printed
    ) -> None:
        self._locked, self._registry, self._grader = locked, registry, grader
        self._setup, self._printed = setup, printed

    def fork_each(self, channel: WorkerChannel) -> None:
        """Fork a child for each session, one after the other: the last one's has ended before the next one's begins."""
        while (session := channel.receive_session()) is not None:
            try:
                child = os.fork()
            except OSError as error:
                os.close(session)
                channel.send({"refused": str(error)})
                continue
            if child == 0:
                self._be_child(channel, session)
            os.close(session)
            _, status = os.waitpid(child, 0)
            channel.send({"ended": os.waitstatus_to_exitcode(status), "used": _is_used(self._locked)})

    def serve_one(self, channel: WorkerChannel) -> None:
        """Serve one session in this process."""
        session = channel.receive_session()
        if session is not None:
            self._locked.seal(forked=False)
            self._serve(WorkerChannel(session))

    def _be_child(self, channel: WorkerChannel, session: int) -> NoReturn:
        status = 1
        try:
            channel.close()
            self._locked.seal(forked=True)
            atexit._clear()  # noqa: SLF001  # those of the worker, which runs them itself
            self._serve(WorkerChannel(session))
            atexit._run_exitfuncs()  # noqa: SLF001  # `os._exit` runs none, and is the only end of a fork
            sys.stdout.flush()
            status = 0
        except BaseException:  # noqa: BLE001  # whatever happened: this process must not become a second worker
            with suppress(BaseException):
                traceback.print_exc()
        finally:
            os._exit(status)

    def _serve(self, channel: WorkerChannel) -> None:
        """Answer gradings until the evaluator closes the session."""
        first = channel.receive()
        if first is None:
            return
        grader = self._grader
        try:
            if grader is None:
                grader = self._registry.load(first["config"])
        except BaseException as error:  # noqa: BLE001  # as in `main`
            channel.send({"failed": _described(error, self._setup)})
            return
        channel.send({"ready": True})
        serving = serve(channel, grader, self._printed)
        if grader.is_async:
            asyncio.run(serving)
        else:
            _run_to_end(serving)


def _run_to_end(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine that waits for nothing; an event loop would take as long to make as many a grading."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    raise RuntimeError("a grading function without a context has waited")


async def serve(channel: WorkerChannel, grader: Grader, printed: Printed) -> None:
    """Answer gradings, one after the other.

    Args:
        channel: Brings them, and takes the answers.
        grader: What grades.
        printed: Has what is printed meanwhile.
    """
    while (message := channel.receive()) is not None:
        number = message["number"]
        samples, item, trace_id, is_watched = message["row"]
        context = RemoteContext(_numbered(channel.call, number), trace_id)
        printed.take()
        loaded = [Sample.load(sample) for sample in samples]
        results = await execute(grader, loaded, item, context, hint=_hint_for)
        answer(channel, number, grader, results, printed.take() if is_watched else "")


def _numbered(call: Callable[[Message], Message], number: int) -> Callable[[Message], Message]:
    return lambda message: call({**message, "number": number})


def answer(
    channel: WorkerChannel, number: int, grader: Grader, results: list[GraderResult], printed: str = ""
) -> None:
    """Send the results of one grading; a result that is not plain data is the grader's failure.

    Args:
        channel: Takes them.
        number: Of the grading.
        grader: What graded.
        results: One for each sample.
        printed: The text that was printed meanwhile, for explanations of the grading; omitted if it does not
            fit.
    """
    head = {"done": number, "seconds": results[0].execution_time, **({"printed": printed} if printed else {})}
    if all(result.is_bare for result in results):  # most are, and a bare number travels ten times as fast
        channel.send({**head, "rewards": [result.reward for result in results]})
        return
    try:
        body = encode({**head, "results": results_to_plain(results)})
        is_short = len(body) <= INLINE_BYTES
    except FrameError:
        is_short = False
    if not is_short:
        sendable = [_sendable(grader, result, len(results)) for result in results]
        head.pop("printed", None)
        body = encode({**head, "results": results_to_plain(sendable)})
    channel.send_body(body)


def _sendable(grader: Grader, result: GraderResult, count: int) -> GraderResult:
    """One of so many results, or the grader's failure where it is not plain data, or more than a message has room for."""
    try:
        body = encode(results_to_plain([result]))
        why = _too_much(body, count)
    except FrameError as error:
        why = str(error)
    if why is None:
        return result
    message = f"{grader.info.type}: the result is {why}"
    return grader.failed(GradingError(message, kind=FailureKind.PYTHON_GRADER_RUNTIME))


def _too_much(body: bytes, count: int) -> str | None:
    """What is too much of one of so many results; None for nothing."""
    limit = min(MAX_RESULT, MAX_ANSWER // count) - ENVELOPE
    if len(body) > limit:
        return f"{len(body):,} bytes long, more than the {limit:,} that a message has for it"
    values, most = weigh(body).values, max(RESULT_VALUES, MAX_VALUES // count)
    return (
        f"of {values:,} JSON values, more than the {most:,} that a message has for it"
        if values > most
        else None
    )

"""A worker process that has locked itself: it grades one sample after the other.

It imports its plugin, says whether that worked, and then answers gradings until its socket closes.
"""

import asyncio
import gc
import socket
import sys
from collections import deque

from graders import FailureKind, Grader, GraderResult, GradingError, Registry, Sample
from graders.registry import Entry
from runtime.execute import execute
from runtime.json_weight import INLINE_BYTES, weigh
from runtime.workers.calls import RemoteContext
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

ENVELOPE = 1_024
"""Bytes of a message around its results, and what is beside them, at most."""


class Channel:
    """The socket to the evaluator."""

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

    def _read(self) -> Message | None:
        header = self._reader.read(HEADER.size)
        if len(header) < HEADER.size:
            return None
        return unpack(self._reader.read(frame_length(header)))


def main(descriptor: int) -> None:
    """Serve gradings until the evaluator closes the socket.

    Args:
        descriptor: The socket.
    """
    channel = Channel(descriptor)
    setup = channel.receive()
    if setup is None:
        return
    registry = Registry(Entry(*entry) for entry in setup["entries"])
    try:
        registry.load(setup["config"])
    except BaseException as error:  # noqa: BLE001  # the self-test: whatever the plugin does at import is reported
        channel.send({"failed": f"{type(error).__name__}: {error}{_hint(error)}"})
        return
    channel.send({"ready": True})
    gc.collect()
    gc.freeze()
    asyncio.run(serve(channel, registry))


def _hint(error: BaseException | None) -> str:
    """What a plugin's author may not know, where a file or the network was not to be had."""
    while error is not None:
        if isinstance(error, OSError):
            return (
                '; a worker reaches files and the network where its type says needs={"files"} or {"network"}'
            )
        error = error.__cause__
    return ""


async def serve(channel: Channel, registry: Registry) -> None:
    """Answer gradings, one after the other."""
    graders: dict[int, Grader] = {}
    while (message := channel.receive()) is not None:
        if "forget" in message:
            graders.clear()
            continue
        if "load" in message:
            graders[message["load"]] = registry.load(message["config"])
            continue
        grader = graders[message["grader"]]
        samples, item, trace_id = message["row"]
        context = RemoteContext(channel.call, trace_id)
        results = await execute(grader, [Sample.load(sample) for sample in samples], item, context)
        answer(channel, message["number"], grader, results)


def answer(channel: Channel, number: int, grader: Grader, results: list[GraderResult]) -> None:
    """Send the results of one grading; a result that is not plain data is the grader's failure."""
    seconds = results[0].execution_time
    if all(is_bare(result) for result in results):  # most are, and a bare number travels ten times as fast
        channel.send({"done": number, "rewards": [result.reward for result in results], "seconds": seconds})
        return
    try:
        body = encode({"done": number, "results": results_to_plain(results), "seconds": seconds})
        is_short = len(body) <= INLINE_BYTES
    except FrameError:
        is_short = False
    if not is_short:
        sendable = [_sendable(grader, result, len(results)) for result in results]
        body = encode({"done": number, "results": results_to_plain(sendable), "seconds": seconds})
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


def is_bare(result: GraderResult) -> bool:
    """Whether a result says nothing but its reward."""
    if result.failure is not None or result.explanation is not None:
        return False
    return not (result.sub_rewards or result.metrics or result.metadata or result.usage or result.parts)

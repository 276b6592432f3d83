"""A session: a process that grades the samples of one client with one grader, seen from the evaluator.

It may execute what it grades, so it is taken for the process of a stranger who has seen every sample that it was sent: its
messages count for what it was asked and for nothing else, and what it has seen is bounded.
"""

import secrets
from collections.abc import Awaitable, Callable

from graders import Grader
from runtime.processes.frame_stream import FrameStream, FrameTooLong, StreamEnded
from runtime.workers.frames import MAX_ANSWER, FrameError, Message, encode, unpack_weighed

NUMBER_BITS = 53
"""Of a number that cannot be guessed: what a JSON number holds exactly everywhere."""


class WorkerDied(Exception):  # it says what happened
    """The worker's process ended; the message says how.

    Attributes:
        from_outside: Whether it was killed by SIGKILL, which a locked plugin cannot send: somebody, or the kernel when memory
            ran out, sent it.
    """

    def __init__(self, how: str, *, from_outside: bool = False) -> None:
        super().__init__(how)
        self.from_outside = from_outside


class WorkerSession:
    """A process that grades for one client with one grader.

    Attributes:
        client: Whose samples it has seen.
        grader: What it grades with.
        rows: How many gradings it was sent.
    """

    def __init__(
        self,
        client: str,
        grader: Grader,
        stream: FrameStream,
        death: Callable[[], Awaitable[WorkerDied]],
    ) -> None:
        """Take over a stream to a process that has just begun.

        Args:
            client: Whose samples it will see.
            grader: What it will grade with.
            stream: The stream to it.
            death: Says how it ended.
        """
        self.client, self.grader, self.rows = client, grader, 0
        self._stream, self._death = stream, death
        self._reader = Reader(stream)

    def grade(self, row: bytes) -> int:
        """Send one grading.

        Args:
            row: Stored samples and item, encoded.

        Returns:
            The number that its answer and what it asks for will bear; it cannot be guessed.
        """
        self.rows += 1
        number = secrets.randbits(NUMBER_BITS)
        self._stream.send(b'{"number":%d,"row":%b}' % (number, row))
        return number

    def send(self, message: Message) -> None:
        """Send one message; what the socket does not take now goes while the process is listened to.

        A process that waits for us to read its answers would make us wait for ever. To one that is dead nothing is sent:
        `receive` says so.

        Raises:
            FrameError: When it is not plain data, or too long.
        """
        self._stream.send(encode(message))

    @property
    def received_bytes(self) -> int:
        """Length of the last message."""
        return self._reader.received_bytes

    async def receive(self, *, samples: int = 1) -> Message:
        """The next message; a wait that is given up loses nothing.

        Args:
            samples: How many samples it grades at the moment.

        Raises:
            FrameError: When it is no message; the process cannot be trusted any more.
            WorkerDied: When the process has ended.
        """
        try:
            return await self._reader.next(samples=samples)
        except StreamEnded:
            raise await self._death() from None

    def close(self) -> None:
        """Close the stream; the process ends when it sees that."""
        self._stream.close()


class Reader:
    """Reads the messages that a worker sends, which may be a stranger's.

    Attributes:
        received_bytes: Length of the last message.
    """

    def __init__(self, stream: FrameStream) -> None:
        self._stream = stream
        self._body: bytes | None = None
        self.received_bytes = 0

    async def next(self, *, samples: int = 1) -> Message:
        """The next message; a wait that is given up loses nothing.

        Args:
            samples: How many samples are graded at the moment.

        Raises:
            FrameError: When it is no message, or has more bytes or values than one can need.
            StreamEnded: When the stream has ended.
        """
        if self._body is None:
            try:
                self._body = await self._stream.receive(MAX_ANSWER)
            except FrameTooLong as error:
                why = f"{error.length} bytes are more than the {MAX_ANSWER} that an answer may have"
                raise FrameError(why) from None
        self.received_bytes = len(self._body)
        message = await unpack_weighed(self._body, samples=samples)
        self._body = None
        return message

"""Sources of Python graders, compiled once in the sandbox and kept."""

import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from graders import GradingError
from graders.errors import CodeFailure
from runtime.concurrency.bounded_cache import BoundedCache
from runtime.concurrency.single_flight import SingleFlight
from runtime.sandbox.processes.clock import OutOfTime
from runtime.sandbox.processes.outcomes import ended, out_of_time
from runtime.sandbox.processes.session import Session, SessionEnded

COMPILE_SECONDS = 30.0
MAX_ANSWER = 256 << 10
MAX_CODE = 16 << 20


@dataclass(frozen=True, slots=True)
class Program:
    """A source that compiles.

    Attributes:
        digest: Of the source and its image; equal for equal programs.
        image: The image that it runs in; None for the default.
        source: Its text.
        code: Its code, marshalled: only ever read by sandboxed processes.
        imports: Modules that it imports somewhere.
        unlisted: The first thing in its text that is not known to be harmless, with its line: its gradings share no process.
        problem: What is wrong with it; it has no code then.
    """

    digest: str
    image: str | None
    source: bytes
    code: bytes = b""
    imports: tuple[str, ...] = ()
    unlisted: str | None = None
    problem: str | None = None

    @property
    def size(self) -> int:
        """Bytes that it holds."""
        texts = (*self.imports, self.unlisted or "", self.problem or "")
        return len(self.source) + len(self.code) + sum(100 + 4 * len(text) for text in texts)


class Programs:
    """Compiles sources, and keeps those that were used last.

    Args:
        start: Where to compile: gives a fresh process of an image.
        max_bytes: Memory of the programs that are kept.
    """

    def __init__(self, start: Callable[[str | None], Awaitable[Session]], max_bytes: int) -> None:
        self._start = start
        self._kept: BoundedCache[str, Program] = BoundedCache(max_bytes)
        self._compiling: SingleFlight[str] = SingleFlight()

    @property
    def held(self) -> int:
        """Bytes of the programs that are kept."""
        return self._kept.held

    async def get(self, source: str, image: str | None) -> Program:
        """The compiled source; what is wrong with it is in `problem`. Who asks while it is being compiled waits for that.

        Raises:
            GradingError: When it cannot be compiled here at all.
        """
        text = source.encode(errors="surrogatepass")
        digest = hashlib.blake2b(repr(image).encode() + text, digest_size=16).hexdigest()
        program = self._kept.get(digest)
        if program is not None:
            return program
        return await self._compiling.do(digest, partial(self._make, digest, text, image))

    async def aclose(self) -> None:
        """Give up what is being compiled."""
        await self._compiling.aclose()

    async def _make(self, digest: str, text: bytes, image: str | None) -> Program:
        try:
            program = await self._compile(digest, text, image)
        except GradingError:
            try:
                program = await self._compile(digest, text, image)
            except CodeFailure as error:
                # a source can crash the compiler; it is not kept, for memory may also have been short
                return Program(digest, image, text, problem=f"it cannot be compiled: {error}")
        self._kept.put(digest, program, program.size)
        return program

    async def _compile(self, digest: str, text: bytes, image: str | None) -> Program:
        session = await self._start(image)
        try:
            session.send(b"compiling", text)
            told = json.loads(await session.within(COMPILE_SECONDS, partial(session.receive, MAX_ANSWER)))
            if "problem" in told:
                return Program(digest, image, text, problem=str(told["problem"]))
            imports = tuple(name for name in told["imports"] if isinstance(name, str))
            code = await session.within(COMPILE_SECONDS, partial(session.receive, MAX_CODE))
            unlisted = None if told["unlisted"] is None else str(told["unlisted"])
            return Program(digest, image, text, code, imports, unlisted=unlisted)
        except OutOfTime as end:
            raise out_of_time(COMPILE_SECONDS, end, session.streams) from None
        except SessionEnded as end:
            raise ended(session, end) from None
        finally:
            session.release()

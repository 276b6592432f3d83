"""Sources of Python graders, compiled once in the sandbox and kept."""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from graders import GradingError
from graders.errors import CodeFailure
from runtime.sandbox.clock import OutOfTime
from runtime.sandbox.session import Session, SessionEnded
from runtime.sandbox.verdicts import ended, out_of_time

COMPILE_SECONDS = 30.0
KEPT = 256
MAX_ANSWER = 1 << 20
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
        executes: Whether it may execute text, such as a sample, as code.
        problem: What is wrong with it; it has no code then.
    """

    digest: str
    image: str | None
    source: bytes
    code: bytes = b""
    imports: tuple[str, ...] = ()
    executes: bool = False
    problem: str | None = None


class Programs:
    """Compiles sources, and keeps those that were used last."""

    def __init__(self, start: Callable[[str | None], Awaitable[Session]]) -> None:
        """Take where to compile: a function that gives a fresh process of an image."""
        self._start = start
        self._kept: OrderedDict[str, Program] = OrderedDict()

    async def get(self, source: str, image: str | None) -> Program:
        """The compiled source; what is wrong with it is in `problem`.

        Raises:
            GradingError: When it cannot be compiled here at all.
        """
        text = source.encode(errors="surrogatepass")
        digest = hashlib.blake2b(repr(image).encode() + text, digest_size=16).hexdigest()
        if digest not in self._kept:
            try:
                program = await self._compile(digest, text, image)
            except GradingError:
                try:
                    program = await self._compile(digest, text, image)
                except CodeFailure as error:
                    # a source can crash the compiler; it is not kept, for memory may also have been short
                    return Program(digest, image, text, problem=f"it cannot be compiled: {error}")
            self._kept[digest] = program
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(digest)
        return self._kept[digest]

    async def _compile(self, digest: str, text: bytes, image: str | None) -> Program:
        session = await self._start(image)
        try:
            session.send(b"compiling", text)
            told = json.loads(await session.within(COMPILE_SECONDS, partial(session.receive, MAX_ANSWER)))
            if "problem" in told:
                return Program(digest, image, text, problem=str(told["problem"]))
            imports = tuple(name for name in told["imports"] if isinstance(name, str))
            code = await session.within(COMPILE_SECONDS, partial(session.receive, MAX_CODE))
            return Program(digest, image, text, code, imports, executes=bool(told["executes"]))
        except OutOfTime as end:
            raise out_of_time(COMPILE_SECONDS, end, session.streams) from None
        except SessionEnded as end:
            raise ended(session, end) from None
        finally:
            session.release()

"""What a grader may call while it grades: judges, embedders, HTTP services, the sandbox, other graders.

`graders` starts nothing and reads nothing by itself. A grading function that needs a sandbox, a judge, embeddings or the
network is an `async def` with a third parameter `context`; `runtime` implements these protocols and
`graders.testing` fakes them. Every method raises `GradingError` when it cannot answer.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, TypeVar

from graders.contract import GraderResult
from graders.errors import GradingError

if TYPE_CHECKING:
    from graders.bound_grader import Grader
    from graders.samples.sample import Sample

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a judge answered.

    Attributes:
        output: The judge's structured answer, valid against the schema that was asked for.
        model: The model that really answered.
        usage: Tokens: `prompt_tokens`, `completion_tokens`, `total_tokens`, `cached_tokens`; empty for an answer that was
            remembered, which costs none.
        retries: How many times it was asked again before it answered.
        cached: Whether the answer was remembered from an earlier question.
    """

    output: Any
    model: str
    usage: Mapping[str, int] = field(default_factory=dict)
    retries: int = 0
    cached: bool = False


@dataclass(frozen=True, slots=True)
class HttpReply:
    """What an HTTP endpoint answered: its status and its body as JSON."""

    status: int
    body: Any


class Judge(Protocol):
    """A model that grades."""

    async def ask(
        self,
        *,
        model: str,
        messages: Sequence[Mapping[str, Any]],
        schema: Mapping[str, Any],
        sampling: Mapping[str, Any],
        name: str = "verdict",
    ) -> Verdict:
        """Ask for one answer in the shape of a JSON schema.

        Args:
            model: The name of the model, which the operator's settings map to a server.
            messages: `{"role": …, "content": …}` each; the content is a text, or a list of blocks as they are published:
                `input_text`, `output_text`, `input_image`, `input_audio`.
            schema: A JSON schema of an object; the answer is checked against it.
            sampling: `temperature`, `top_p`, `seed`, `max_completion_tokens`, `reasoning_effort`; those that are missing
                are the server's own.
            name: What the server is told the schema is called.

        Raises:
            GradingError: When there is no valid answer; of kind `model_grader_…_error`, and always ungraded.
        """
        ...


class Embedder(Protocol):
    """A model that turns texts into vectors."""

    async def embed(self, texts: Sequence[str], *, model: str | None = None) -> Sequence[Sequence[float]]:
        """One vector for each text, in order, all of one length.

        Args:
            texts: At least one.
            model: The name of the model, which the operator's settings map to a server; None for the default one.

        Raises:
            GradingError: When a text cannot be embedded. Its details have the `type` `too_large` when a text is longer
                than the model takes; the caller finds out whose text that is. Otherwise it is ungraded.
        """
        ...


READ_BYTES = 32 << 10
"""What is read of a sandbox process's answer where other gradings wait meanwhile; reading this takes a few milliseconds,
whatever the bytes are."""


@dataclass(frozen=True, slots=True)
class Unread:
    """Bytes from a process of the sandbox that were not read, because reading them may take long.

    They can be passed on to another process of the sandbox, which has a time limit, as the `body` of a message.

    Attributes:
        data: The bytes.
    """

    data: bytes

    def __repr__(self) -> str:
        return f"<{len(self.data):,} bytes, unread>"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process of the sandbox ended by itself.

    Attributes:
        status: Its exit status, 0 to 255.
        stdout: All that it wrote to its standard output; `Unread` when that is more than `READ_BYTES`.
        stderr: The end of what it wrote to its standard error.
    """

    status: int
    stdout: str | Unread = ""
    stderr: str = ""


Isolation: TypeAlias = Literal["grading", "batch", "worker"]
"""What a process does before it is thrown away: one grading; one batch of one grader; many gradings, of an operator's own
grader."""


class Process(Protocol):
    """A locked process of the sandbox, which one grading has for itself.

    Messages are plain data. One that is a dict may have a `body`, an `Unread`, which travels beside it as it is.
    """

    @property
    def seconds(self) -> float:
        """How long, in all, it was waited for: `ask` and `finish` until they answered or failed.

        A grader has no clock of its own; this one does not run while the process waits to be asked.
        """
        ...

    async def ask(self, message: object, *, timeout_s: float) -> Any:
        """Send plain data and wait for the answer, which is plain data that a stranger may have made.

        Raises:
            CodeFailure: When the process ended, or did not answer in time. It is of no use then.
            GradingError: When the message is not plain data, or the sandbox itself failed.
        """
        ...

    async def finish(self, message: object, *, timeout_s: float) -> Ended:
        """Send plain data and wait until the process ends by itself.

        Raises:
            CodeFailure: When it was ended: by the timeout, by a limit, or by a signal.
            GradingError: When the message is not plain data, or the sandbox itself failed.
        """
        ...


Given: TypeAlias = Callable[[int, float | GradingError], None]
"""Receives the answer of one row: its position among the rows of the call, and a number or an error."""


class Sandbox(Protocol):
    """A place where foreign Python may run."""

    async def check(self, source: str | None = None, *, image: str | None = None) -> None:
        """See that an image is there and compile the source of a Python grader; nothing of it is run.

        Raises:
            UnknownImage: When the image is not there.
            ConfigurationError: When the source does not compile, or defines no `grade(sample, item)`.
            GradingError: When there is no safe place to compile it.
        """
        ...

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
    ) -> list[float | GradingError]:
        """Call the function `grade(sample, item)` that a source defines for each row.

        Args:
            source: The text of a module.
            rows: Sample and item of each, plain data.
            image: The set of packages that it can import; None for the default.
            isolation: What a process does before it is thrown away; None for what the operator has set.
            timeout_s: Seconds of one row; None, and more than the operator allows, is what the operator has set.
            memory_mb: Address space of one process; the same.
            given: Called with the position of each row and its answer, as soon as that is available, so that
                a caller that stops waiting keeps the finished rows.

        Returns:
            A finite number for each row, or the error that prevented it.
        """
        ...

    def process(
        self, role: str, *, image: str | None = None, memory_mb: int | None = None
    ) -> AbstractAsyncContextManager[Process]:
        """A fresh locked process, for as long as the context lasts.

        Args:
            role: What it does with what it is asked: `subject` runs a model's code, `judge` an author's tests.
            image: The set of packages that it can import; None for the default.
            memory_mb: What it may use; None for the default.
        """
        ...


class HttpClient(Protocol):
    """The network, as far as the operator allows it."""

    async def post(
        self,
        url: str,
        *,
        body: Any,
        headers: Mapping[str, str],
        timeout_s: float,
        retries: int = 0,
        rate_limit: float | None = None,
    ) -> HttpReply:
        """POST a JSON body and read the JSON that comes back.

        Args:
            url: Where to.
            body: Plain data, which is sent as JSON.
            headers: Sent with it.
            timeout_s: Seconds for all of it, retries included.
            retries: How many times more it is tried when no answer came, or one of status 408, 409, 429 or 5xx.
            rate_limit: Requests in a second, over all gradings that ask the same URL.

        Raises:
            GradingError: When the operator does not allow the address, or there was no answer that is JSON; always
                ungraded.
        """
        ...


class Context(Protocol):
    """What one grading may ask for."""

    @property
    def judge(self) -> Judge:
        """The model that grades."""
        ...

    @property
    def embedder(self) -> Embedder:
        """The model that embeds."""
        ...

    @property
    def sandbox(self) -> Sandbox:
        """The place for foreign code."""
        ...

    @property
    def http(self) -> HttpClient:
        """The network."""
        ...

    @property
    def trace_id(self) -> str | None:
        """The caller's own name for this grading."""
        ...

    async def aside(self, work: Callable[[], T]) -> T:
        """Do work on a long text in a thread: it would keep the event loop, and so everybody else, waiting."""
        ...

    async def grade(self, grader: "Grader", sample: "Sample", item: Mapping[str, Any]) -> GraderResult:
        """Run a grader inside this grader; its failure is in the result, never raised."""
        ...

    async def grade_all(
        self, graders: Mapping[str, "Grader"], sample: "Sample", item: Mapping[str, Any]
    ) -> dict[str, GraderResult]:
        """Run several graders inside this grader, side by side."""
        ...

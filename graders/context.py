"""What a grader may ask of the world.

`graders` starts nothing and reads nothing by itself. A grading function that needs a sandbox, a judge, embeddings or the
network is an `async def` with a third parameter `context`; `runtime` implements these protocols and
`graders.testing` fakes them. Every method raises `GradingError` when it cannot answer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from graders.contract import GraderResult

if TYPE_CHECKING:
    from graders.bound import Grader
    from graders.sample import Sample


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a judge answered.

    Attributes:
        output: The judge's structured answer, valid against the schema that was asked for.
        model: The model that really answered.
        usage: Tokens: `prompt_tokens`, `completion_tokens`, `total_tokens`, `cached_tokens`.
    """

    output: Any
    model: str
    usage: Mapping[str, int] = field(default_factory=dict)


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
    ) -> Verdict:
        """Ask for one answer in the shape of a JSON schema."""
        ...


class Embedder(Protocol):
    """A model that turns texts into vectors."""

    async def embed(self, texts: Sequence[str], *, model: str | None = None) -> Sequence[Sequence[float]]:
        """One vector for each text, in order, all of one length."""
        ...


class Sandbox(Protocol):
    """A place where foreign Python may run."""

    async def call(
        self, source: str, function: str, arguments: Sequence[Any], *, image: str | None = None
    ) -> Any:
        """Call a function that the source defines with plain data; gives plain data back."""
        ...


class HttpClient(Protocol):
    """The network, as far as the operator allows it."""

    async def post(self, url: str, *, body: Any, headers: Mapping[str, str], timeout_s: float) -> HttpReply:
        """POST a JSON body."""
        ...


class Context(Protocol):
    """The world, as one grading sees it."""

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

    async def grade(self, grader: "Grader", sample: "Sample", item: Mapping[str, Any]) -> GraderResult:
        """Run a grader inside this grader; its failure is in the result, never raised."""
        ...

    async def grade_all(
        self, graders: Mapping[str, "Grader"], sample: "Sample", item: Mapping[str, Any]
    ) -> dict[str, GraderResult]:
        """Run several graders inside this grader, side by side."""
        ...

"""Services that let an observer see each call, its answer and its failure; what they do is what they always did."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Generic, Literal, Protocol, TypeAlias, TypeVar

from graders import Embedder, GradingError, HttpClient, HttpReply, Judge, Sandbox, Verdict
from graders.context import Ended, Given, Isolation, Process

Service: TypeAlias = Literal["judge", "embedder", "sandbox", "http"]
Action: TypeAlias = Literal["ask", "embed", "post", "grade", "process", "exchange"]
"""`exchange` is one message to a process of the sandbox and its reply; `process` lasts as long as the process."""
Answered: TypeAlias = Callable[[Any], object]
"""Called with the answer, when there is one."""

S = TypeVar("S")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ServiceCall:
    """A call of a service.

    Attributes:
        service: Which service.
        action: What it is to do.
        arguments: The arguments by name.
        role: Of an `exchange`, what the process does.
    """

    service: Service
    action: Action
    arguments: Mapping[str, Any]
    role: str = ""


class Observer(Protocol):
    """Sees what is asked of services."""

    def observing(self, call: ServiceCall) -> AbstractContextManager[Answered]:
        """A context that lasts as long as the call, and gets its exception; gives what to call with the answer."""
        ...


class _Observed(Generic[S]):
    """A service and its observer."""

    def __init__(self, service: S, observer: Observer) -> None:
        self._service, self._observer = service, observer

    async def _watch(self, call: ServiceCall, work: Callable[..., Awaitable[T]]) -> T:
        with self._observer.observing(call) as answered:
            answer = await work(**call.arguments)
            answered(answer)
            return answer


class ObservedJudge(_Observed[Judge]):
    """Judges."""

    async def ask(
        self,
        *,
        model: str,
        messages: Sequence[Mapping[str, Any]],
        schema: Mapping[str, Any],
        sampling: Mapping[str, Any],
        name: str = "verdict",
    ) -> Verdict:
        """See `graders.Judge.ask`."""
        asked = {"model": model, "messages": messages, "schema": schema, "sampling": sampling, "name": name}
        return await self._watch(ServiceCall("judge", "ask", asked), self._service.ask)


class ObservedEmbedder(_Observed[Embedder]):
    """Models that embed."""

    async def embed(self, texts: Sequence[str], *, model: str | None = None) -> Sequence[Sequence[float]]:
        """See `graders.Embedder.embed`."""
        call = ServiceCall("embedder", "embed", {"texts": texts, "model": model})
        return await self._watch(call, self._service.embed)


class ObservedHttp(_Observed[HttpClient]):
    """The network."""

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
        """See `graders.HttpClient.post`."""
        limits = {"timeout_s": timeout_s, "retries": retries, "rate_limit": rate_limit}
        call = ServiceCall("http", "post", {"url": url, "body": body, "headers": headers, **limits})
        return await self._watch(call, self._service.post)


class ObservedSandbox(_Observed[Sandbox]):
    """The sandbox, and the processes in it."""

    async def check(self, source: str | None = None, *, image: str | None = None) -> None:
        """See `graders.Sandbox.check`; it belongs to no grading, and no observer sees it."""
        await self._service.check(source, image=image)

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
        """See `graders.Sandbox.grade`."""
        asked = {"source": source, "rows": rows, "image": image, "isolation": isolation, "given": given}
        limits = {"timeout_s": timeout_s, "memory_mb": memory_mb}
        return await self._watch(ServiceCall("sandbox", "grade", asked | limits), self._service.grade)

    def process(
        self, role: str, *, image: str | None = None, memory_mb: int | None = None
    ) -> AbstractAsyncContextManager[Process]:
        """See `graders.Sandbox.process`."""
        return self._process({"role": role, "image": image, "memory_mb": memory_mb})

    @asynccontextmanager
    async def _process(self, asked: Mapping[str, Any]) -> AsyncGenerator[Process]:
        with self._observer.observing(ServiceCall("sandbox", "process", asked)):
            async with self._service.process(**asked) as process:
                yield ObservedProcess(process, self._observer, asked["role"])


class ObservedProcess(_Observed[Process]):
    """A process of the sandbox."""

    def __init__(self, process: Process, observer: Observer, role: str) -> None:
        super().__init__(process, observer)
        self._role = role

    @property
    def seconds(self) -> float:
        """See `graders.Process.seconds`."""
        return self._service.seconds

    async def ask(self, message: object, *, timeout_s: float) -> Any:
        """See `graders.Process.ask`."""
        return await self._watch(self._call(message, timeout_s), self._service.ask)

    async def finish(self, message: object, *, timeout_s: float) -> Ended:
        """See `graders.Process.finish`."""
        return await self._watch(self._call(message, timeout_s), self._service.finish)

    def _call(self, message: object, timeout_s: float) -> ServiceCall:
        return ServiceCall("sandbox", "exchange", {"message": message, "timeout_s": timeout_s}, self._role)

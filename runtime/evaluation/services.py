"""What graders ask for while they grade: the sandbox, judges, embeddings, the network, schemas; made when first used."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from graders import Embedder, HttpClient, Judge, Sandbox
from runtime.sandbox.local_sandbox import LocalSandbox
from runtime.settings.settings import Settings
from runtime.telemetry.tracing import Tracer

if TYPE_CHECKING:
    from runtime.embeddings import Embeddings
    from runtime.judge.client import Judges
    from runtime.judge.statistics import ModelStatistics
    from runtime.net.http_client import GuardedHttp
    from runtime.schemas.json_schema import SchemaChecker


class GradingServices:
    """What the graders of one evaluator share; belongs to one event loop.

    Attributes:
        settings: Its settings.
        sandbox: Where foreign Python runs.
        tracer: Takes a span of each call; None traces nothing.
    """

    def __init__(self, settings: Settings, tracer: Tracer | None = None, *, run: str | None = None) -> None:
        """Start nothing yet.

        Args:
            settings: Their settings.
            tracer: Takes a span of each call; None traces nothing.
            run: The name under which several processes share the budget `run`; None where this is the only one.
        """
        self.settings, self.tracer, self._run = settings, tracer, run
        self.sandbox = LocalSandbox(settings)
        self._judges: Judges | None = None
        self._embedder: Embeddings | None = None
        self._http: GuardedHttp | None = None
        self._schemas: SchemaChecker | None = None

    async def aclose(self) -> None:
        """Stop the sandbox and close connections."""
        await self.sandbox.aclose()
        for service in (self._embedder, self._http, self._judges, self._schemas):
            if service is not None:
                await service.aclose()

    @property
    def judges(self) -> "Judges":
        """The models that grade."""
        if self._judges is None:
            from runtime.judge.client import Judges  # noqa: PLC0415  # its client takes long to import, and many need none

            self._judges = Judges(self.settings, tracer=self.tracer, run=self._run)
        return self._judges

    @property
    def judge_statistics(self) -> "Mapping[str, ModelStatistics]":
        """What each model that grades did, by the name that graders use; nothing where none was asked."""
        return {} if self._judges is None else self._judges.statistics

    def judge(self, *, vote: int, client: str) -> Judge:
        """The models that grade, as one vote and one client see them."""
        return self.judges.seen_by(vote=vote, client=client)

    def sandbox_of(self, client: str) -> Sandbox:
        """Where foreign code runs, as one client uses it."""
        return self.sandbox.seen_by(client)

    @property
    def schemas(self) -> "SchemaChecker":
        """What checks values against JSON schemas of strangers."""
        if self._schemas is None:
            from runtime.schemas.json_schema import SchemaChecker  # noqa: PLC0415  # the same

            self._schemas = SchemaChecker()
        return self._schemas

    @property
    def embedder(self) -> Embedder:
        """The models that embed."""
        if self._embedder is None:
            from runtime.embeddings import Embeddings  # noqa: PLC0415  # the same

            self._embedder = Embeddings(self.judges.embedder_of, default=self.settings.embedding_model)
        return self._embedder

    @property
    def http(self) -> HttpClient:
        """The network, as far as graders may use it."""
        if self._http is None:
            from runtime.net.http_client import GuardedHttp  # noqa: PLC0415  # the same

            self._http = GuardedHttp(
                self.settings.endpoint_hosts, tracer=self.tracer, traced=self.settings.trace_hosts
            )
        return self._http

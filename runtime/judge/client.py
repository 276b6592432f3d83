"""The `Judges`: every model that grades, by the names that graders use."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import httpx2
from openai import AsyncOpenAI, DefaultAsyncHttpxClient, OpenAIError

from graders import Embedder, FailureType, GradingError, Judge, Verdict
from graders.usage import summed
from runtime.embeddings.server import ServerEmbedder
from runtime.judge import failures
from runtime.judge.aiohttp_transport import AiohttpTransport
from runtime.judge.answers import AnswerShape, NotAnAnswer, Shapes, read_answer
from runtime.judge.bounds import ANSWER_TOKENS
from runtime.judge.budget_account import NOTHING
from runtime.judge.budgets import BudgetReserved, Budgets, Payment
from runtime.judge.cache import VerdictCache
from runtime.judge.failures import NoVerdict
from runtime.judge.flights import Flights
from runtime.judge.model import ModelServer
from runtime.judge.rate_limit import Rate
from runtime.judge.shared_limits import shared_limits_at
from runtime.judge.statistics import ModelStatistics
from runtime.judge.wire import Completion, Question, encoded
from runtime.schemas.json_schema import CheckFailed, SchemaError
from runtime.settings.judges import Api, JudgeModel, find_judge
from runtime.settings.settings import Settings
from runtime.telemetry.tracing import Tracer

NO_KEY = "none"
"""What is sent to a server of one's own that needs no key: never the key of another."""


@dataclass(frozen=True, slots=True)
class _TimedVerdict:
    """A verdict with what it took."""

    output: Any
    model: str
    usage: Mapping[str, int]
    retries: int


class Judges:
    """Models that grade, over any server that speaks one of the two APIs; belongs to one event loop."""

    def __init__(
        self,
        settings: Settings,
        *,
        transport: httpx2.AsyncBaseTransport | None = None,
        tracer: Tracer | None = None,
        run: str | None = None,
    ) -> None:
        """Open nothing yet.

        Args:
            settings: Which models are where, and what may be spent.
            transport: Sends the requests; None for the network.
            tracer: Takes a span of each request; None traces nothing.
            run: The name of a run of several processes, which share its budget; None where this process is all of it.

        Raises:
            ConfigurationError: If the store that the limits share is not valid.
        """
        self._settings, self._transport, self._tracer = settings, transport, tracer
        self._servers: dict[str, ModelServer] = {}
        self._embedders: dict[str, Embedder] = {}
        self._shared_limits = shared_limits_at(settings.judge_store)
        self._budgets = Budgets(settings.judge_budgets, self._shared_limits, run=run)
        self._cache = VerdictCache(
            settings.judge_cache,
            max_bytes=settings.judge_cache_mb << 20,
            max_age_s=settings.judge_cache_days * 86_400,
        )
        self._shapes = Shapes(settings.cache_bytes("schemas"))
        self._flights: Flights[_TimedVerdict] = Flights(_for_another)

    def seen_by(self, *, vote: int = 0, client: str = "") -> Judge:
        """The judges as one grading sees them.

        Args:
            vote: Which of several gradings of one sample this is.
            client: Who pays: a digest of an API key; empty where there are no keys.
        """
        return _View(self, vote, client)

    def embedder_of(self, model: str) -> Embedder | None:
        """The model of a name that embeds; None where no server is known for it."""
        if model not in self._embedders:
            configuration = find_judge(self._settings.judges, model) or JudgeModel()
            try:
                client = self.client(model, configuration)
            except NoVerdict:
                return None
            client = client.with_options(
                max_retries=configuration.retries, timeout=configuration.attempt_timeout_s
            )
            self._embedders[model] = ServerEmbedder(client, configuration.model or model)
        return self._embedders[model]

    @property
    def statistics(self) -> Mapping[str, ModelStatistics]:
        """What each model did, by the name that graders use."""
        return {name: server.statistics for name, server in self._servers.items()}

    async def aclose(self) -> None:
        """Close every connection, once all that was asked is paid."""
        await self._budgets.aclose()
        self._cache.close()
        await self._shapes.aclose()
        await self._shared_limits.aclose()
        if self._transport is not None:
            await self._transport.aclose()

    async def ask(
        self,
        model: str,
        messages: Sequence[Mapping[str, Any]],
        schema: Mapping[str, Any],
        sampling: Mapping[str, Any],
        name: str,
        *,
        vote: int,
        client: str,
    ) -> Verdict:
        """See `graders.Judge.ask`."""
        server = self._servers.get(model) or self._serve(model)
        statistics = server.statistics
        statistics.judgements += 1
        try:
            shape = await self._shape(schema, client)
            sampling = _sampling(server, sampling, vote)
            question = Question(server.name, messages, shape, name, sampling, server.configuration.api)
            key = _key(server, question, shape, vote)
            return await self._remembered_or_asked(server, question, shape, key, client)
        except GradingError as error:
            statistics.failures[str(error.failure.details.get("type", "other"))] += 1
            raise

    async def _remembered_or_asked(
        self, server: ModelServer, question: Question, shape: AnswerShape, key: bytes, client: str
    ) -> Verdict:
        """A verdict from earlier, one that is being asked for, or a new one.

        While a client waits for its budget, nobody waits for that client: it asks when there is room.
        """
        while True:
            known = self._cache.get(key)
            if known is not None:
                server.statistics.cached += 1
                return Verdict(*known, cached=True)
            try:
                answer, is_mine = await self._flights.join(
                    key, lambda: self._answer(server, question, shape, key, client)
                )
            except BudgetReserved as full:
                await full.spending_account.room()
                continue
            if is_mine:
                return Verdict(answer.output, answer.model, answer.usage, answer.retries)
            server.statistics.joined += 1
            return Verdict(answer.output, answer.model)  # the client that asked first has paid

    async def complete(
        self,
        model: str,
        messages: Sequence[Mapping[str, Any]],
        sampling: Mapping[str, Any],
        *,
        api: Api,
        extra: Mapping[str, Any],
        client: str,
    ) -> Completion:
        """Ask a model for whatever it says, which is no verdict: nothing is remembered, and nothing read but the completion.

        The servers, their limits, their retries and the budgets are those of the judges.

        Args:
            model: By the name that graders use.
            messages: The prompt.
            sampling: How to sample.
            api: By which API.
            extra: Fields of the body besides, in the API's own form.
            client: Who pays, as in `seen_by`.

        Raises:
            NoVerdict: When there is no completion.
        """
        server = self._servers.get(model) or self._serve(model)
        sampling = _sampling(server, sampling, vote=0)
        question = Question(server.name, messages, None, "", sampling, api, extra)
        completion, _ = await self._paid(server, question, client)
        failure = completion.failure
        is_ours = bool(self._budgets) and not question.has_limit
        if is_ours and failure is not None and failure.failure.details["type"] == FailureType.LENGTH:
            raise failure  # it would have written more: what there is of it is nothing to grade
        return completion

    async def _answer(
        self, server: ModelServer, question: Question, shape: AnswerShape, key: bytes, client: str
    ) -> _TimedVerdict:
        """Ask, and ask again if the answer is not a verdict, up to the permitted number of retries."""
        retries = parse_retries = 0
        usages: list[Mapping[str, Mapping[str, int]]] = []
        while True:
            try:
                # only who has not asked yet can leave the question to those who wait for it
                is_first = not (retries or parse_retries)
                completion, sent_again = await self._paid(server, question, client, in_turn=not is_first)
                retries += sent_again
                if completion.usage:
                    usages.append({completion.model: completion.usage})
                output = await self._output(server.name, completion, shape, client)
            except GradingError as failure:
                is_misread = isinstance(failure, NoVerdict) and failure.is_misread
                if not is_misread or parse_retries == server.configuration.parse_retries:
                    failure.usage = summed(usages)
                    raise
                parse_retries += 1
                continue
            self._cache.put(key, output, completion.model)
            usage = summed(usages).get(completion.model, {})
            return _TimedVerdict(output, completion.model, usage, retries + parse_retries)

    async def _shape(self, schema: Mapping[str, Any], client: str) -> AnswerShape:
        """The shape that is requested of an answer.

        Raises:
            GradingError: If the schema cannot be used, or the check of it failed.
        """
        try:
            return await self._shapes.of(schema, client=client)
        except SchemaError as error:
            message = f"the schema that a judge's answer is to have cannot be used: {error}"
            raise GradingError(message, details={"type": FailureType.INVALID_SCHEMA}) from None
        except CheckFailed as failed:
            raise failures.not_checked(failed) from None

    async def _output(self, judge: str, completion: Completion, shape: AnswerShape, client: str) -> Any:
        """The verdict in an answer.

        Raises:
            NoVerdict: If there is no verdict.
            GradingError: If it cannot be checked, because of the schema or the machine.
        """
        if completion.failure is not None:
            raise completion.failure
        try:
            output = await read_answer(completion.text)
            await self._shapes.check(shape, output, client=client)
        except NotAnAnswer as error:
            raise failures.unparseable(judge, str(error), completion.text) from None
        except CheckFailed as failed:
            raise failures.not_checked(failed) from None
        return output

    async def _paid(
        self, server: ModelServer, question: Question, client: str, *, in_turn: bool = True
    ) -> tuple[Completion, int]:
        """Send a question when there is something to pay its answer from.

        Args:
            server: Where.
            question: What.
            client: Who pays.
            in_turn: Whether to wait for others who have set aside what is left.

        Raises:
            BudgetReserved: When others have, and it is not to wait.
            NoVerdict: When there is nothing to pay it from, or no answer.
        """
        payment = Payment((), NOTHING)
        if self._budgets:
            if not question.has_limit:
                limited = {**question.sampling, "max_completion_tokens": ANSWER_TOKENS}
                question = replace(question, sampling=limited)
            payment = Payment(self._budgets.of(client), server.most(question))
            await (payment.reserve_in_turn() if in_turn else payment.reserve())
        try:
            completion, retries = await server.complete(question, payment)
            cost = server.cost(completion)
            if cost is not None:
                server.statistics.paid(completion.usage, cost.money)
            return completion, retries
        finally:
            await payment.settle()

    def _serve(self, model: str) -> ModelServer:
        """The server of a model that was not asked for before.

        Raises:
            NoVerdict: When none is known.
        """
        configuration = find_judge(self._settings.judges, model) or JudgeModel()
        client = self.client(model, configuration)
        process_slots = max(1, configuration.concurrency // self._settings.workers)
        where = f"{client.base_url} {configuration.model or model}"
        rates = (
            (f"requests {where}", configuration.requests_per_minute),
            (f"tokens {where}", configuration.tokens_per_minute),
        )
        requests, tokens = (
            Rate(self._shared_limits, rate, per_minute) if per_minute else None for rate, per_minute in rates
        )
        server = ModelServer(
            configuration.model or model,
            configuration,
            client,
            self._connections(),
            process_slots=process_slots,
            requests=requests,
            tokens=tokens,
            tracer=self._tracer,
            traced=self._settings.trace_hosts,
        )
        self._servers[model] = server
        return server

    def client(self, model: str, configuration: JudgeModel) -> AsyncOpenAI:
        """The official client of a model's server.

        Raises:
            NoVerdict: When nothing says where that is, or by what right it is asked.
        """
        key = configuration.api_key.get_secret_value() if configuration.api_key else None
        if key is None and configuration.base_url is not None:
            key = NO_KEY
        try:
            return AsyncOpenAI(
                api_key=key,
                base_url=configuration.base_url,
                http_client=DefaultAsyncHttpxClient(transport=self._connections()),
            )
        except OpenAIError:
            known = ", ".join(self._settings.judges)
            raise failures.unconfigured(model, f"; it names {known}" if known else "") from None

    def _connections(self) -> httpx2.AsyncBaseTransport:
        if self._transport is None:
            self._transport = AiohttpTransport()
        return self._transport


class _View:
    """The judges, for one vote and one client."""

    def __init__(self, judges: Judges, vote: int, client: str) -> None:
        self._judges, self._vote, self._client = judges, vote, client

    async def ask(
        self,
        *,
        model: str,
        messages: Sequence[Mapping[str, Any]],
        schema: Mapping[str, Any],
        sampling: Mapping[str, Any],
        name: str = "verdict",
    ) -> Verdict:
        return await self._judges.ask(
            model, messages, schema, sampling, name, vote=self._vote, client=self._client
        )


def _sampling(server: ModelServer, sampling: Mapping[str, Any], vote: int) -> Mapping[str, Any]:
    """How to sample: each vote with a seed of its own, and with the operator's limit where the grader has none."""
    limit = server.configuration.max_completion_tokens
    if limit is not None and "max_completion_tokens" not in sampling:
        sampling = {**sampling, "max_completion_tokens": limit}
    if vote and "seed" in sampling:
        sampling = {**sampling, "seed": sampling["seed"] + vote}
    return sampling


def _key(server: ModelServer, question: Question, shape: AnswerShape, vote: int) -> bytes:
    """A digest of everything that decides an answer.

    Raises:
        GradingError: When the messages are not plain data.
    """
    try:
        asked = encoded([question.messages, question.sampling, question.name, vote])
    except (TypeError, ValueError, RecursionError) as error:
        raise GradingError(f"what a judge is asked is plain data: {error}") from None
    digest = hashlib.blake2b(asked, digest_size=24)
    digest.update(f"{server.identity}\n{shape.text}".encode())
    return digest.digest()


def _for_another(error: Exception) -> Exception | None:
    """The failure of a question, for one who waited for the same answer."""
    if isinstance(error, BudgetReserved):
        return None
    if isinstance(error, NoVerdict):
        return error.for_another()
    return GradingError.of(error.failure) if isinstance(error, GradingError) else error

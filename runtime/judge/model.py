"""One model on its server: requests that are sent, limited, sent again, and read."""

import asyncio
import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import httpx2
from openai import AsyncOpenAI

from runtime.data.json_weight import TooManyValues, read_weighed
from runtime.judge import failures
from runtime.judge.aiohttp_transport import ERROR_BYTES
from runtime.judge.bounds import most_tokens
from runtime.judge.budget_account import NOTHING, Price
from runtime.judge.budgets import Payment
from runtime.judge.dialects import REFUSALS, Dialect
from runtime.judge.failures import NoVerdict
from runtime.judge.rate_limit import Rate
from runtime.judge.statistics import ModelStatistics
from runtime.judge.wire import WIRES, Completion, Manner, Question, encoded
from runtime.net.address_guard import Hosts
from runtime.net.retries import may_pass, pause_after, retry_after
from runtime.settings.judges import JudgeModel
from runtime.telemetry.outcomes import cause_of
from runtime.telemetry.tracing import Tracer, spanning, text

CHARACTERS_PER_TOKEN = 4.0
USUAL_ANSWER_TOKENS = 300.0
"""Of an answer, before there was any."""
MAX_WORDS = 10_000
"""Characters of what a server says of an error."""
MAX_VALUES = 100_000
"""JSON values of an answer: a verdict's (`runtime.net.strict_json`), and what servers say beside it, such as probabilities."""
UNCERTAIN = frozenset({408, 504, 524, 598, 599})
"""Statuses by which somebody between says that the server took too long: it may have answered, and it costs as much."""


@dataclass(frozen=True, slots=True)
class _Failed:
    """A request that was not answered.

    Attributes:
        why: The failure, if it is the last.
        deadline: When the judgement must be done, on the event loop's clock.
        pause: Seconds that the server asks to wait; None when it does not say.
        may_pass: Whether the same request may be answered a moment later.
    """

    why: NoVerdict
    deadline: float
    pause: float | None = None
    may_pass: bool = True


class _StatusError(Exception):
    """A server answered with an error.

    Attributes:
        status: Its status.
        words: What it says.
        code: What it calls the error; empty where it does not.
        headers: Of the answer.
    """

    def __init__(self, response: httpx2.Response) -> None:
        self.status, self.headers = response.status_code, response.headers
        content = response.content[:ERROR_BYTES]
        try:
            body: Any = json.loads(content)
        except (ValueError, RecursionError):
            body = content.decode(errors="replace")
        found: Any = body.get("error", body) if isinstance(body, dict) else body
        said: Any = found.get("message") or found.get("detail") or found if isinstance(found, dict) else found
        self.words = (said if isinstance(said, str) else json.dumps(said))[:MAX_WORDS]
        self.code = str(found.get("code") or "")[:MAX_WORDS] if isinstance(found, dict) else ""

    @property
    def is_too_long(self) -> bool:
        """Whether the prompt does not fit into the model's context, or what carries it is longer than the server takes."""
        is_about = self.status in (400, 422) and failures.is_too_long(self.words, self.code)
        return is_about or self.status == 413

    @property
    def may_pass(self) -> bool:
        """Whether the same request may be answered a moment later; a quota that is used up does not come back so soon."""
        return may_pass(self.status) and self.code != "insufficient_quota"

    @property
    def pause(self) -> float | None:
        """Seconds that the server asks to wait; None when it does not say, or says what nobody understands."""
        milliseconds = retry_after(self.headers.get("retry-after-ms", ""))
        if milliseconds is not None:
            return milliseconds / 1_000
        return retry_after(self.headers.get("retry-after", ""))


class ModelServer:
    """A model, where it is.

    The official client says where that is and by what right it is asked; requests are sent past it, since what it does for
    each takes longer than all the rest of a judgement.

    Attributes:
        name: What the server calls the model.
        identity: Everything about it that decides an answer.
        configuration: What the operator says of it.
        statistics: What it did.
    """

    def __init__(
        self,
        name: str,
        configuration: JudgeModel,
        client: AsyncOpenAI,
        transport: httpx2.AsyncBaseTransport,
        *,
        process_slots: int,
        requests: Rate | None,
        tokens: Rate | None,
        tracer: Tracer | None = None,
        traced: Collection[str] = (),
    ) -> None:
        """A model that was not asked yet.

        Args:
            name: What the server calls the model.
            configuration: What the operator says of it.
            client: The official client.
            transport: What requests are sent with.
            process_slots: Requests of this process that may be in flight.
            requests: How many requests a minute, of all processes.
            tokens: How many tokens a minute, of all processes.
            tracer: Takes a span of each request; None traces nothing.
            traced: Hosts, or `host:port`, that are told of it in a header.
        """
        self.name, self.configuration = name, configuration
        self.identity = f"{client.base_url} {configuration.api} {name}"
        self.statistics = ModelStatistics()
        self._transport = transport
        base = str(client.base_url).rstrip("/")
        self._urls = {api: httpx2.URL(f"{base}{wire.path}") for api, wire in WIRES.items()}
        headers = {**client.default_headers, **client.auth_headers}
        self._headers = {name: value for name, value in headers.items() if isinstance(value, str)}
        self._process_slots = asyncio.Semaphore(process_slots)
        self._requests, self._tokens = requests, tokens
        structure = configuration.structure
        self._first_dialect = Dialect("schema" if structure == "auto" else structure)
        self._understood: dict[Manner, Dialect] = {}
        self._answer_tokens, self._most_answered = USUAL_ANSWER_TOKENS, 0
        self._tracer = tracer
        where = client.base_url
        host, port = where.host, where.port or (443 if where.scheme == "https" else 80)
        self._is_told = tracer is not None and Hosts(traced).have(host, port)
        self._said: dict[str, str | int] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",  # whose API it speaks
            "gen_ai.request.model": text(name),
            "server.address": text(host),
            "server.port": port,
        }

    def estimate(self, question: Question) -> tuple[int, int]:
        """Tokens that a question and its answer are likely to take."""
        characters = sum(_characters(message.get("content")) for message in question.messages)
        return int(characters / CHARACTERS_PER_TOKEN) + 1, int(self._answer_tokens) + 1

    def most(self, question: Question) -> Price:
        """The most that a question and its answer can cost.

        A server that was seen to go beyond the limits that it was told is expected to do it again.
        """
        prompt, answer = most_tokens(question)
        answer = max(answer, self._most_answered)
        cost = self.configuration.cost
        return Price(prompt + answer, max(cost(prompt, answer), cost(prompt, answer, prompt)))

    def cost(self, completion: Completion) -> Price | None:
        """What an answer has cost; None where the server does not count."""
        usage = completion.usage
        if not usage:
            return None
        names = ("prompt_tokens", "completion_tokens", "cached_tokens")
        return Price(usage["total_tokens"], self.configuration.cost(*(usage[name] for name in names)))

    async def complete(self, question: Question, payment: Payment) -> tuple[Completion, int]:
        """Send a question until there is an answer; returns the answer and the number of retries.

        Args:
            question: The question.
            payment: The amount reserved for it; reserved again for each request after one of unknown cost.

        Raises:
            NoVerdict: If there is no answer: the server refuses, all retries fail, or the deadline passes.
        """
        loop, retries = asyncio.get_running_loop(), 0
        outcome = await self._turn(question, payment, deadline=None)
        while isinstance(outcome, _Failed):
            failed = outcome
            retries += 1
            pause = pause_after(retries) if failed.pause is None else failed.pause
            if not failed.may_pass or retries > self.configuration.retries:
                raise failed.why
            if loop.time() + pause >= failed.deadline:
                raise failed.why
            self.statistics.retries += 1
            await asyncio.sleep(pause)
            try:
                async with asyncio.timeout_at(failed.deadline):
                    if payment.is_due:
                        await payment.settle()
                        await payment.reserve_in_turn()
                    outcome = await self._turn(question, payment, deadline=failed.deadline)
            except TimeoutError:
                raise failed.why from None
        return outcome, retries

    async def _turn(
        self, question: Question, payment: Payment, *, deadline: float | None
    ) -> "Completion | _Failed":
        """Send a question once, when it is its turn; the waits before the first are not the server's."""
        manner = question.manner
        dialect = self._understood.get(manner, self._first_dialect)
        # it is ready when there is a slot, which then is not kept waiting
        request = self._request(question, dialect)
        async with self._process_slots:
            if self._requests is not None:
                await self._requests.wait(1)
            estimated = 0
            if self._tokens is not None:
                estimated = sum(self.estimate(question))
                await self._tokens.wait(estimated)
            now = asyncio.get_running_loop().time()
            deadline = deadline or now + self.configuration.deadline_s
            seconds = min(self.configuration.attempt_timeout_s, deadline - now)
            self.statistics.requests += 1
            payment.sent()
            try:
                async with asyncio.timeout(seconds):
                    completion = await self._send_traced(question, manner, dialect, request)
            except TimeoutError:
                return _Failed(failures.no_answer(self.name, f"none within {seconds:.3g} s"), deadline)
            except httpx2.HTTPError as error:
                if isinstance(
                    error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.UnsupportedProtocol
                ):
                    payment.cost(NOTHING)
                return _Failed(failures.no_answer(self.name, _reason(error)), deadline)
            except _StatusError as error:
                if error.status not in UNCERTAIN:
                    payment.cost(NOTHING)
                return _Failed(self._failure(error), deadline, error.pause, may_pass=error.may_pass)
        cost = self.cost(completion)
        if cost is not None:
            payment.cost(cost)
        await self._count(completion, estimated)
        return completion

    async def _send_traced(
        self, question: Question, manner: Manner, dialect: Dialect, request: httpx2.Request
    ) -> Completion:
        """Send a question as `_send` does, with a span of its own where somebody traces."""
        if self._tracer is None:
            return await self._send(question, manner, dialect, request)
        with spanning(self._tracer, f"chat {text(self.name)}", "client", self._said) as span:
            try:
                completion = await self._send(question, manner, dialect, request)
            except _StatusError as error:
                span.set({"http.response.status_code": error.status})
                span.fail(str(error.status))
                raise
            usage = completion.usage
            span.set(
                {
                    "gen_ai.response.model": text(completion.model),
                    "gen_ai.usage.input_tokens": usage.get("prompt_tokens", 0),
                    "gen_ai.usage.output_tokens": usage.get("completion_tokens", 0),
                }
            )
            if completion.failure is not None:
                span.fail(cause_of(completion.failure.failure))
            return completion

    async def _count(self, completion: Completion, estimated: int) -> None:
        answered = completion.usage.get("completion_tokens", 0)
        if answered:
            self._answer_tokens += (answered - self._answer_tokens) / 10
            self._most_answered = max(self._most_answered, answered)
        if self._tokens is not None and completion.usage:
            await self._tokens.correct(estimated, completion.usage["total_tokens"])

    async def _send(
        self, question: Question, manner: Manner, dialect: Dialect, request: httpx2.Request
    ) -> Completion:
        """Send a question once, in the server's dialect; in others too, as long as none is known to be understood.

        Raises:
            NoVerdict: When the answer is no completion.
            httpx2.HTTPError: When no answer came.
            _StatusError: When the server answered with an error.
        """
        first: _StatusError | None = None
        while True:
            try:
                completion = await self._post(request, question)
            except _StatusError as error:
                first = first or error
                following, understood = None, self._understood.get(manner)
                if error.status in REFUSALS and dialect != understood:
                    following = understood or self._following(question, dialect, error)
                if following is None:
                    raise first from None
                dialect, request = following, self._request(question, following)
                continue
            self._understood.setdefault(manner, dialect)
            return completion

    def _following(self, question: Question, dialect: Dialect, error: _StatusError) -> Dialect | None:
        if error.is_too_long:
            return None
        bounded = question.shape is not None and question.shape.unbounded is not None
        following = dialect.after(error.words, bounded=bounded)
        is_free = self.configuration.structure == "auto" and question.shape is not None
        return following if following and (is_free or following.structure == dialect.structure) else None

    def _request(self, question: Question, dialect: Dialect) -> httpx2.Request:
        content = encoded(WIRES[question.api].body(question, dialect))
        return httpx2.Request("POST", self._urls[question.api], headers=self._headers, content=content)

    async def _post(self, request: httpx2.Request, question: Question) -> Completion:
        if self._tracer is not None and self._is_told:
            request.headers["traceparent"] = self._tracer.traceparent()
        response = await self._transport.handle_async_request(request)
        try:
            await response.aread()
        finally:
            await response.aclose()
        if response.status_code >= 400:
            raise _StatusError(response)
        try:
            body = await read_weighed(response.content, MAX_VALUES)
        except TooManyValues as error:
            raise failures.no_completion(self.name, str(error)) from None
        except ValueError:
            raise failures.no_completion(self.name, "the body is not JSON") from None
        return WIRES[question.api].read(body, self.name)

    def _failure(self, error: _StatusError) -> NoVerdict:
        if error.is_too_long:
            return failures.too_long(self.name, error.status, error.words)
        # 400 and 422 are about this very question; all others about the server, the key or the model
        return failures.server_error(
            self.name, error.status, error.words, retryable=error.status not in (400, 422)
        )


def _reason(error: httpx2.HTTPError) -> str:
    """Why there was no answer, as the network says it."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _characters(content: Any) -> int:
    if isinstance(content, str):
        return len(content)
    blocks = content if isinstance(content, list) else ()
    return sum(len(text) for block in blocks if isinstance(text := block.get("text"), str))

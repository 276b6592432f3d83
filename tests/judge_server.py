"""A scripted judge on a real socket: answers as an OpenAI-compatible server does, and fails in every way that one can.

::

    with JudgeServer([status(429, {"retry-after": "0"}), verdict(0.5)]) as server:
        …  # ask at server.url
    assert len(server.requests) == 2

It speaks HTTP/1.1 itself, since no framework resets a connection, drips an answer or cuts one short. Its event loop has a
thread of its own, and its answers wait there without a thread each: a hundred at a time are cheap.
"""

import asyncio
import itertools
import json
import socket
import struct
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeAlias

MODEL = "judge-1"
"""Which model says that it answered, unless a reply says otherwise."""

USAGE = (100, 20)
"""Tokens of prompt and answer, unless a reply says otherwise."""

_PHRASES = {200: "OK", 404: "Not Found", 429: "Too Many Requests", 500: "Internal Server Error"}
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, for no time: closing sends RST, not FIN


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked.

    Attributes:
        path: Of the URL, `/v1/chat/completions` or `/v1/responses`.
        headers: By lower-case name.
        body: Its JSON.
        arrived: When it had been read, on the monotonic clock.
        in_flight: Requests that were not answered yet, this one included.
        connection: The number of the connection that it came by, from 0.
    """

    path: str
    headers: Mapping[str, str]
    body: Any
    arrived: float
    in_flight: int
    connection: int


class Connection(asyncio.Protocol):
    """One connection, by which requests come one after the other."""

    def __init__(self, server: "JudgeServer", number: int) -> None:
        self._server, self._number = server, number
        self._received = bytearray()
        self._answering: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport

    def send(self, data: bytes) -> None:
        """Send some bytes."""
        self._transport.write(data)

    def end(self) -> None:
        """Close it in order, once all has been sent."""
        self._transport.close()

    def reset(self) -> None:
        """Break it off: the other side sees a reset."""
        self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._server.connections.add(self)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._answering is None:
            self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.connections.discard(self)
        if self._answering is not None:
            self._answering.cancel()

    def _next(self) -> None:
        """Answer the next request, if all of it is here."""
        head, separator, rest = self._received.partition(b"\r\n\r\n")
        if not separator:
            return
        first, *lines = head.decode("latin-1").split("\r\n")
        fields = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in fields}
        length = int(headers.get("content-length", "0"))
        if len(rest) < length:
            return
        self._received = rest[length:]
        answering = self._server.answer(
            self, self._number, first.split(" ")[1], headers, bytes(rest[:length])
        )
        self._answering = asyncio.get_running_loop().create_task(answering)
        self._answering.add_done_callback(self._answered)

    def _answered(self, _: asyncio.Task[None]) -> None:
        self._answering = None
        if not self._transport.is_closing():
            self._next()


Reply: TypeAlias = Callable[[Request, Connection], Awaitable[None]]
"""Answers one request, or fails to."""

Script: TypeAlias = Callable[[Request, int], Reply] | Sequence[Reply]
"""The reply to a request and its number, from 0; or the replies in order, of which the last repeats."""


@dataclass(frozen=True, slots=True)
class Raw:
    """A reply whose bytes are known beforehand: the only kind that can be dripped or cut short.

    Attributes:
        message: The whole HTTP message that answers a request.
    """

    message: Callable[[Request], bytes]

    async def __call__(self, request: Request, connection: Connection) -> None:
        """Send it."""
        connection.send(self.message(request))


def chat(
    content: str | None,
    *,
    finish_reason: str = "stop",
    refusal: str | None = None,
    usage: tuple[int, int] | None = USAGE,
    cached: int = 0,
    model: str = MODEL,
    tool: str | None = None,
) -> Raw:
    """A chat completion.

    Args:
        content: What the model wrote.
        finish_reason: Why it stopped: `stop`, `length`, `content_filter`, `tool_calls`.
        refusal: What it says instead.
        usage: Tokens of prompt and answer; None for a server that counts none.
        cached: Tokens of the prompt that cost less.
        model: Which model answered.
        tool: The name of a tool that it calls with the content for arguments, instead of writing it.
    """
    message: dict[str, Any] = {"role": "assistant", "content": content, "refusal": refusal}
    if tool is not None:
        function = {"name": tool, "arguments": content}
        message |= {
            "content": None,
            "tool_calls": [{"id": "call_1", "type": "function", "function": function}],
        }
    choice = {"index": 0, "message": message, "finish_reason": finish_reason, "logprobs": None}
    body: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": model,
        "choices": [choice],
    }
    if usage is not None:
        body["usage"] = {
            "prompt_tokens": usage[0],
            "completion_tokens": usage[1],
            "total_tokens": sum(usage),
            "prompt_tokens_details": {"cached_tokens": cached},
        }
    return status(200, {}, body)


def responses_api(
    text: str | None,
    *,
    incomplete: str | None = None,
    refusal: str | None = None,
    reasoning: bool = True,
    usage: tuple[int, int] | None = USAGE,
    cached: int = 0,
    model: str = MODEL,
) -> Raw:
    """A response of the Responses API.

    Args:
        text: What the model wrote; None for no message at all.
        incomplete: Why it was ended early: `max_output_tokens` or `content_filter`.
        refusal: What it says instead of the text.
        reasoning: Whether an item with its thoughts comes first.
        usage: Tokens of prompt and answer; None for a server that counts none.
        cached: Tokens of the prompt that cost less.
        model: Which model answered.
    """
    state = "completed" if incomplete is None else "incomplete"
    output: list[dict[str, Any]] = [{"id": "rs_1", "type": "reasoning", "summary": []}] if reasoning else []
    if refusal is not None or text is not None:
        part: dict[str, Any] = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
        if refusal is not None:
            part = {"type": "refusal", "refusal": refusal}
        output.append(
            {"id": "msg_1", "type": "message", "role": "assistant", "status": state, "content": [part]}
        )
    body: dict[str, Any] = {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_700_000_000,
        "status": state,
        "error": None,
        "incomplete_details": incomplete and {"reason": incomplete},
        "instructions": None,
        "metadata": {},
        "model": model,
        "output": output,
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": None,
    }
    if usage is not None:
        body["usage"] = {
            "input_tokens": usage[0],
            "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": 0},
            "output_tokens": usage[1],
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": sum(usage),
        }
    return status(200, {}, body)


def answer(output: object, *, model: str = MODEL, usage: tuple[int, int] | None = USAGE) -> Raw:
    """A structured output, by whichever API was asked; status 404 where neither was."""
    text = json.dumps(output)
    replies = {
        "/v1/chat/completions": chat(text, model=model, usage=usage),
        "/v1/responses": responses_api(text, model=model, usage=usage),
    }
    other = status(404)
    return Raw(lambda request: replies.get(request.path, other).message(request))


def verdict(
    number: float,
    steps: Sequence[tuple[str, str]] = (),
    *,
    model: str = MODEL,
    usage: tuple[int, int] | None = USAGE,
) -> Raw:
    """A number and the steps to it, description and conclusion each, by whichever API was asked."""
    said = [{"description": description, "conclusion": conclusion} for description, conclusion in steps]
    return answer({"steps": said, "result": number}, model=model, usage=usage)


def status(code: int, headers: Mapping[str, str] | None = None, body: object = None) -> Raw:
    """Any status; the body is sent as it is when it is bytes or a text, else as JSON.

    Without a body it is the error that an OpenAI server would send.
    """
    if body is None:
        body = {
            "error": {"message": f"scripted {code}", "type": "scripted_error", "param": None, "code": None}
        }
    if isinstance(body, str | bytes):
        content = body.encode() if isinstance(body, str) else body
        fields = {"content-type": "text/plain"}
    else:
        content = json.dumps(body).encode()
        fields = {"content-type": "application/json"}
    fields |= {"content-length": str(len(content)), **(headers or {})}
    lines = [f"HTTP/1.1 {code} {_PHRASES.get(code, 'Other')}", *(f"{k}: {v}" for k, v in fields.items())]
    message = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + content
    return Raw(lambda _: message)


def delayed(reply: Reply, seconds: float) -> Reply:
    """The same reply, later."""

    async def send(request: Request, connection: Connection) -> None:
        await asyncio.sleep(seconds)
        await reply(request, connection)

    return send


def slow(reply: Raw, seconds: float) -> Reply:
    """The same reply, of which the body comes later than the headers."""

    async def send(request: Request, connection: Connection) -> None:
        head, separator, body = reply.message(request).partition(b"\r\n\r\n")
        connection.send(head + separator)
        await asyncio.sleep(seconds)
        connection.send(body)

    return send


def drip(reply: Raw, seconds_per_byte: float) -> Reply:
    """The same bytes, one after the other: no pause is long, and all of them together are."""

    async def send(request: Request, connection: Connection) -> None:
        for byte in reply.message(request):
            connection.send(bytes([byte]))
            await asyncio.sleep(seconds_per_byte)

    return send


def truncated(reply: Raw) -> Reply:
    """The same bytes but for half of the body, and then the end of the connection."""

    async def send(request: Request, connection: Connection) -> None:
        head, separator, body = reply.message(request).partition(b"\r\n\r\n")
        connection.send(head + separator + body[: len(body) // 2])
        connection.end()

    return send


def reset() -> Reply:
    """No answer: the connection is broken off."""

    async def send(_: Request, connection: Connection) -> None:
        connection.reset()

    return send


def hang() -> Reply:
    """No answer, until the other side or the server goes away."""

    async def send(_: Request, __: Connection) -> None:
        await asyncio.Event().wait()

    return send


class JudgeServer:
    """A judge that answers by a script, for as long as the context lasts.

    Attributes:
        requests: Those that came, in order.
        in_flight: How many of them are not answered yet.
        most_in_flight: How many that were, at most.
        connections: Those that are open.
    """

    def __init__(self, script: Script) -> None:
        self._script = script
        self.requests: list[Request] = []
        self.in_flight = self.most_in_flight = 0
        self.connections: set[Connection] = set()
        self._numbers = itertools.count()
        self._failure: Exception | None = None

    @property
    def url(self) -> str:
        """Where its API is; nobody listens there once the context has ended."""
        return f"http://127.0.0.1:{self._port}/v1"

    def __enter__(self) -> Self:
        listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self._port: int = listener.getsockname()[1]
        self._loop, self._ended = asyncio.new_event_loop(), asyncio.Event()
        self._thread = threading.Thread(target=self._run, args=(listener,), name="judge-server")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop; a script that failed fails the test, unless that has failed by itself.

        Raises:
            Exception: What the script raised.
        """
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()
        if error is None and self._failure is not None:
            raise self._failure

    async def answer(
        self, connection: Connection, number: int, path: str, headers: Mapping[str, str], body: bytes
    ) -> None:
        """Answer a request by the script."""
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            parsed = json.loads(body) if body else None
            request = Request(path, headers, parsed, time.monotonic(), self.in_flight, number)
            self.requests.append(request)
            await self._reply(request, len(self.requests) - 1)(request, connection)
        except Exception as error:  # noqa: BLE001  # whatever it is, the test that wrote the script must see it
            self._failure = self._failure or error
            connection.reset()
        finally:
            self.in_flight -= 1

    def _reply(self, request: Request, number: int) -> Reply:
        if callable(self._script):
            return self._script(request, number)
        return self._script[min(number, len(self._script) - 1)]

    def _run(self, listener: socket.socket) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve(listener))

    async def _serve(self, listener: socket.socket) -> None:
        accepting = await self._loop.create_server(
            lambda: Connection(self, next(self._numbers)), sock=listener
        )
        await self._ended.wait()
        accepting.close()
        while (
            self.connections or len(asyncio.all_tasks()) > 1
        ):  # a connection that was just accepted is a task
            for connection in tuple(self.connections):
                connection.reset()
            await asyncio.sleep(0)

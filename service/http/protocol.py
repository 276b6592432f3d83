"""HTTP/1.1 as uvicorn speaks it, with limits on what stands before a request's body.

All of this holds before any key is looked at, and costs time in proportion to the bytes that arrive, however they are split:

* The head of a request has at most `HEAD_BYTES` bytes and `HEADERS` headers, trailers of a chunked body included, and its URL at
  most `URL_BYTES`; it arrives within `head_timeout_s`, in one piece or byte by byte.
* A connection waits for its next request for `idle_timeout_s`, at most 20 s for the rest of a body that nobody reads any more.
* There are only so many connections, of one address and in all (`service.http.connections`).

What is refused is answered in the published shape where an answer is possible, in its turn after earlier requests of the same
connection, and the connection is closed then. What the client still sends is read for a while and thrown away: closing at once
would reset the connection, and the client might never see the answer.
"""

import asyncio
from typing import Any

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from service.errors import ApiError
from service.http.connections import ClosingRank, Connections
from service.http.parts import HttpPart, Phase, as_bytes, has_body, with_authority

HEAD_BYTES = 65_536
SMALL_HEAD = 4_096
"""Bytes of an unfinished head that are kept however many others there are."""
HEADERS = 100
URL_BYTES = 8_192
FRAMING_BYTES = 8_192
"""Bytes of chunk sizes, their extensions and trailers between two parts of a body."""
PIPELINED = 64
"""Requests that may wait on one connection for the answers to earlier ones."""
LINGER_S = 2.0
"""Seconds for which a client that is refused may go on sending."""
LINGER_BYTES = 4 * 1024 * 1024
"""Bytes that it may send meanwhile; then nothing is read any more."""
LINGER_BODY_BYTES = 64 * 1024 * 1024
"""The same of the rest of a body."""
STATE = "connections"
"""The key of the lifespan's state under which the application gives its `Connections`."""


class _Transport:
    """What an answer is written to: closing it leaves a client that still sends the time to read its answer."""

    __slots__ = ("close", "is_closing", "write")

    def __init__(self, protocol: "HttpProtocol") -> None:
        self.write, self.is_closing = protocol.transport.write, protocol.transport.is_closing
        self.close = protocol.close_gently


class HttpProtocol(HttpToolsProtocol):
    """One connection of a client."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """A connection that is not made yet.

        Args:
            config: uvicorn's.
            server_state: uvicorn's.
            app_state: The state of the application's lifespan, which has the `Connections` under `STATE`.
        """
        super().__init__(config, server_state, app_state, _loop)
        self._connections: Connections = app_state[STATE]
        self._part, self._phase = HttpPart.START, Phase.NONE
        self._number = 0  # of the message that is read, from 1
        self._counted = 0  # bytes of its URL, its headers and its trailers
        self._fields = 0
        self._read = 0  # bytes of the head that were read, as far as is known
        self._kept = 0
        self._held = bytearray()  # the beginning of a line of the head
        self._framing = 0
        self._got_body = False
        self._why: ApiError | None = None  # what is read was not parsed further
        self._refusal: ApiError | None = None  # is sent when what runs is answered
        self._deaf = False  # nothing more is parsed
        self._begun = False  # there is a `cycle`
        self._ending = False
        self._discarded = 0
        self._unsent = 0

    # the connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count the connection, or refuse it."""
        super().connection_made(transport)
        self._gentle = _Transport(self)
        refusal = self._connections.enter(self, self.client[0] if self.client else "")
        if refusal is None:
            self._follow()
            return
        self._write(refusal)
        if self._connections.linger(self):
            self._linger()
        else:  # they must not take the descriptors that connections leave alone
            self._ending = True
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        self._connections.leave(self)
        self._ending = True
        self._held.clear()
        self._hold(0)
        del self._gentle  # it refers to this object

    def give_way(self) -> bool:
        """Close, unless something is still on its way to the client; says whether it does."""
        if self.transport.get_write_buffer_size():
            return False
        self._ending = True
        self._unset_keepalive_if_required()
        self.transport.close()
        return True

    def close_gently(self) -> None:
        """Close once what was written is sent, and what the client is sending has been read for a while."""
        if self._ending:
            return
        if self._part is HttpPart.START and not self._deaf:  # what follows an upgrade may still be on its way
            self._ending = True
            self.transport.close()
        else:
            self._linger()

    def shutdown(self) -> None:
        """Close after the current request is answered; immediately if there is no request."""
        if self._ending:
            return
        if self._phase is Phase.DISCARD:
            self._linger()
        else:
            super().shutdown()

    # what arrives

    def data_received(self, data: bytes) -> None:
        """Read some bytes of requests."""
        if self._ending or self._deaf:
            self._discard(len(data))
            return
        try:
            self._take(data)
        except httptools.HttpParserUpgrade:
            # no other protocol is spoken: the request is answered as it is, and nothing can be read after it
            self._deaf, self.cycle.keep_alive = True, False
            if self.cycle.response_complete:
                self.close_gently()
        except httptools.HttpParserError as error:
            self._fail(self._reason(error))
        self._hold(self._read + len(self._held) if self._part is HttpPart.HEAD else 0)
        self._follow()

    def _hold(self, count: int) -> None:
        """Say how many bytes of an unfinished head are kept."""
        if count == self._kept or (self._ending and count):
            return
        fits = self._connections.keep(count - self._kept)
        self._kept = count
        if not fits and count > SMALL_HEAD:
            message = "there are too many requests whose headers are not complete; ask again"
            self._fail(ApiError(503, message, code="too_many_headers_held"))

    def _reason(self, error: httptools.HttpParserError) -> ApiError:
        invalid = ApiError(400, f"the request is not valid HTTP: {error}", code="invalid_http")
        return self._why or invalid

    def _take(self, data: bytes) -> None:
        """Read bytes; those of a head that does not come in one piece line by line, so that each is read once."""
        while self._part is HttpPart.HEAD and data:
            end = data.rfind(b"\n") + 1
            self._held += data[:end] if end else data
            if not end:
                break
            lines, data = bytes(self._held), data[end:]
            self._held.clear()
            self._feed(lines)
        else:
            if data:
                self._feed(data)
        if self._part is HttpPart.HEAD and self._read + len(self._held) > HEAD_BYTES:
            self._too_large()

    def _feed(self, data: bytes) -> None:
        number, self._got_body = self._number + (self._part is HttpPart.START), False
        self.parser.feed_data(data)
        if self._part is HttpPart.HEAD:
            # where a further head began among these bytes is not known, but all of it that is complete is counted
            self._read = self._read + len(data) if number == self._number else self._counted
        elif self._part is HttpPart.BODY:
            same = number == self._number and not self._got_body
            self._framing = self._framing + len(data) if same else 0
            if self._framing > FRAMING_BYTES:
                self._raise(400, "there are too many bytes between the parts of the body", "invalid_http")

    def _discard(self, count: int) -> None:
        self._discarded += count
        most = LINGER_BODY_BYTES if self._part is HttpPart.BODY else LINGER_BYTES
        if self._discarded > most and not self.transport.is_closing():
            self.transport.pause_reading()

    def _raise(self, status: int, message: str, code: str) -> None:
        """Refuse the request that is read; the parser turns the error into its own."""
        self._why = ApiError(status, message, code=code)
        raise httptools.HttpParserError(message)

    def _too_large(self) -> None:
        self._raise(431, f"the headers are longer than {HEAD_BYTES:,} bytes", "headers_too_large")

    def _count_field(self, name: bytes, value: bytes) -> None:
        self._fields += 1
        self._counted += len(name) + len(value) + 4
        if self._fields > HEADERS:
            self._raise(431, f"there are more than {HEADERS} headers", "too_many_headers")
        if self._counted > HEAD_BYTES:
            self._too_large()

    # what the parser finds

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._part = HttpPart.HEAD
        self._number += 1
        self._counted = self._fields = self._read = self._framing = 0

    def on_url(self, url: bytes) -> None:
        """Some of the URL."""
        self._counted += len(url)
        if self._counted > URL_BYTES:
            self._raise(414, f"the URL is longer than {URL_BYTES:,} bytes", "url_too_long")
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer, which is left out: nothing reads it."""
        self._count_field(name, value)
        if self._part is HttpPart.HEAD:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is complete: its request begins, or waits until earlier ones are answered."""
        if len(self.pipeline) >= PIPELINED:
            self._raise(429, f"more than {PIPELINED} requests wait on this connection", "too_many_pipelined")
        if self.parser.should_upgrade() and has_body(self.headers):
            # the parser takes what follows for the other protocol
            message = "a request with a body cannot change to another protocol: leave out the header upgrade"
            self._raise(400, message, "invalid_http")
        self.headers[:] = with_authority(self.url, self.headers)
        if sum(name == b"host" for name, _ in self.headers) > 1:
            self._raise(400, "there are two headers host", "repeated_header")
        super().on_headers_complete()
        self._part, self._begun = HttpPart.BODY, True
        self.cycle.transport = self._gentle  # type: ignore[assignment]  # of a transport an answer uses these three

    def on_body(self, body: bytes) -> None:
        """Some of the body."""
        self._got_body = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request has been read."""
        super().on_message_complete()
        self._part = HttpPart.START

    def _should_upgrade(self) -> bool:
        return False

    # what is answered

    def on_response_complete(self) -> None:
        """A request is answered: the next one begins, or is waited for."""
        self.server_state.total_requests += 1
        if self._ending or self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        elif self._refusal is not None:
            self._refuse(self._refusal)
        self._follow()

    def _fail(self, refusal: ApiError) -> None:
        """Refuse what is read, once the requests before it are answered."""
        self._deaf, of_body = True, self._part is HttpPart.BODY
        if not self._is_answering():
            if of_body:
                self._linger()  # it is answered already
            else:
                self._refuse(refusal)
        elif not of_body or self.pipeline:
            self._refusal = refusal
            if of_body:
                self.pipeline.popleft()  # the latest one; it has not begun
        else:
            cycle = self.cycle
            # the application is told that the client has left, and says nothing any more
            cycle.disconnected = True
            cycle.message_event.set()
            if cycle.response_started:
                self._linger()
            else:
                self._refuse(refusal)

    def _refuse(self, error: ApiError) -> None:
        """Answer for the application, and close the connection."""
        self._write(error)
        self._linger()

    def _write(self, error: ApiError) -> None:
        if self.transport.is_closing():
            return
        self.transport.write(as_bytes(error, self.server_state.default_headers))
        self._connections.refused(error)

    def _linger(self) -> None:
        """Say that nothing more comes, and read on for a while."""
        self._ending = True
        self._phase = Phase.NONE
        self._connections.wait(self, ClosingRank.NEW)
        self._held.clear()
        self._hold(0)
        self._unset_keepalive_if_required()
        if self.transport.is_closing():
            return
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.resume_reading()
        self.timeout_keep_alive_task = self.loop.call_later(LINGER_S, self.transport.abort)

    # how long it waits

    def _follow(self) -> None:
        """Bound the time that the connection may now wait, where what it waits for has changed."""
        if self._ending or self.transport.is_closing():
            return
        phase = self._what_is_waited_for()
        if phase is Phase.BODY:  # each part of it that arrives begins the wait anew
            self._connections.wait(self, ClosingRank.BODY)
        if phase is self._phase:
            return
        self._phase = phase
        self._unset_keepalive_if_required()
        if phase is Phase.WORK:
            self._connections.work(self)
        if phase in {Phase.BODY, Phase.WORK}:
            return  # the application bounds how long they take
        self._connections.wait(self, ClosingRank.KEPT if self._begun else ClosingRank.NEW)
        self._unsent = 0
        self._wait()

    def _what_is_waited_for(self) -> Phase:
        if self._is_answering():
            # what is asked for while earlier requests are answered waits for these
            body = self._part is HttpPart.BODY and not self.pipeline and not self.cycle.response_started
            return Phase.BODY if body else Phase.WORK
        if self._part is HttpPart.BODY:
            return Phase.DISCARD
        return Phase.HEAD if self._part is HttpPart.HEAD or not self._begun else Phase.IDLE

    def _is_answering(self) -> bool:
        """Whether a request that was read is not answered yet."""
        return self._begun and not self.cycle.response_complete

    def _wait(self) -> None:
        seconds = self._connections.timeout_s(self._phase)
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def timeout_keep_alive_handler(self) -> None:
        """The connection has waited for as long as it may."""
        self.timeout_keep_alive_task = None
        if self._ending or self.transport.is_closing():
            return
        unsent = self.transport.get_write_buffer_size()
        if unsent and unsent != self._unsent:  # a slow client still reads its answer
            self._unsent = unsent
            self._wait()
        elif self._part is HttpPart.HEAD and not unsent:
            seconds = self._connections.head_timeout_s
            message = f"the headers did not arrive within {seconds:g} s"
            self._refuse(ApiError(408, message, code="headers_too_slow"))
        else:
            self._ending = True
            self.transport.abort()

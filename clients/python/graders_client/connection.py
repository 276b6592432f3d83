"""One kept-alive connection, on which every wait ends at the deadline of the request."""

from __future__ import annotations

import contextlib
import http.client
import io
import os
import select
import socket
import ssl
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graders_client.address import Address

ANSWER_BYTES = 256 * 1024 * 1024
"""Bytes of the longest answer, before and after it is decompressed."""
CONNECT_S = 10.0
"""Seconds that one attempt to connect may take."""
PIECE = 65_536


class NotSent(Exception):
    """There is no connection, so that the service has seen nothing of the request."""


class Lost(Exception):
    """The connection ended before the answer did; the service may have carried the request out.

    Attributes:
        stale: It had been used before, and nothing of an answer had come: the service had closed it meanwhile.
    """

    def __init__(self, message: str, *, stale: bool = False) -> None:
        super().__init__(message)
        self.stale = stale


class TimeUp(Exception):
    """The deadline came first."""


@dataclass(frozen=True)
class Answer:
    """What a service answered.

    Attributes:
        status: HTTP status.
        headers: By lower-case name.
        body: Decompressed.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


class Connection:
    """A connection to a service; one thread uses it.

    Args:
        address: Where the service is.
        tls: What TLS is spoken with; None takes the default.
    """

    def __init__(self, address: Address, tls: ssl.SSLContext | None = None) -> None:
        self._address = address
        self._tls = (tls or ssl.create_default_context()) if address.secure else None
        self._http: http.client.HTTPConnection | None = None
        self._socket: _TimedSocket | None = None
        self._used = False

    def post(self, path: str, body: bytes, headers: Mapping[str, str], deadline: float) -> Answer:
        """Send a request and wait for its answer.

        Args:
            path: Its path.
            body: Its body.
            headers: Its headers.
            deadline: When to give up, by `time.monotonic`.

        Raises:
            NotSent: When no connection can be made.
            Lost: When the connection ends too early.
            TimeUp: At the deadline.
        """
        used = self._used and self._is_open()
        if not used:
            self.close()
            self._connect(deadline)
        timed, connection = self._socket, self._http
        if timed is None or connection is None:  # pragma: no cover  # `_connect` has set both
            raise NotSent("no connection")
        timed.deadline, timed.received = deadline, False
        answered = False
        try:
            # a service that refuses a long body answers, and closes, before it has read it
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.request("POST", path, body, dict(headers))
            answer = _read(connection.getresponse())
            answered = True
        except socket.timeout:  # another class before Python 3.10
            raise TimeUp("no answer in time") from None
        except (OSError, http.client.HTTPException, zlib.error) as error:
            raise Lost(_described(error), stale=used and not timed.received) from None
        finally:
            if not answered:
                self.close()
        self._used = True
        if connection.sock is None:  # the service has said that it closes
            self.close()
        return answer

    def close(self) -> None:
        """Close it; the next request connects anew."""
        if self._http is not None:
            self._http.close()
        self._http = self._socket = None
        self._used = False

    def abandon(self) -> None:
        """Close this process's copy of it, after a fork, without a word to the service and without any lock."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                os.close(self._socket.detach())
        self._http = self._socket = None

    def _connect(self, deadline: float) -> None:
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            raise TimeUp("the time was up before there was a connection")
        timeout = min(remaining, CONNECT_S)
        host, port = self._address.host, self._address.port
        connection = (
            http.client.HTTPConnection(host, port, timeout=timeout)
            if self._tls is None
            else http.client.HTTPSConnection(host, port, timeout=timeout, context=self._tls)
        )
        try:
            connection.connect()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise NotSent(f"no connection to {host}:{port}: {_described(error)}") from None
        _keep_alive(connection.sock)
        self._socket = _TimedSocket(connection.sock)
        connection.sock = self._socket  # it has what http.client uses of a socket
        self._http = connection

    def _is_open(self) -> bool:
        """Whether nothing has come since the last answer: what comes now can only be the end of the connection."""
        if self._socket is None or self._http is None or self._http.sock is None:
            return False
        poll = select.poll()
        poll.register(self._socket.fileno(), select.POLLIN)
        return not poll.poll(0)


def _keep_alive(connected: socket.socket) -> None:
    """Have the system find out within half a minute that the other machine is gone: it sends nothing then."""
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, name):  # not every system has them
            connected.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


class _TimedSocket:
    """What `http.client` uses of a socket; each wait for it ends at one deadline.

    Attributes:
        deadline: By `time.monotonic`.
        received: Whether a byte has come since this was last set.
    """

    def __init__(self, wrapped: Any) -> None:
        self._wrapped = wrapped
        self.deadline = 0.0
        self.received = False

    def sendall(self, data: Any) -> None:
        with memoryview(data).cast("B") as view:
            sent = 0
            while sent < len(view):
                self.set_timeout()
                sent += self._wrapped.send(view[sent : sent + PIECE])

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_TimedReader(self, self._wrapped.makefile(mode, buffering=0)))

    def set_timeout(self) -> None:
        remaining = self.deadline - time.monotonic()
        if remaining <= 0:
            raise socket.timeout("the deadline has passed")
        self._wrapped.settimeout(remaining)

    def close(self) -> None:
        self._wrapped.close()

    def fileno(self) -> int:
        number: int = self._wrapped.fileno()
        return number

    def detach(self) -> int:
        number: int = self._wrapped.detach()
        return number


class _TimedReader(io.RawIOBase):
    """Reads from a socket until its deadline."""

    def __init__(self, timed: _TimedSocket, raw: Any) -> None:
        super().__init__()
        self._timed, self._raw = timed, raw

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._timed.set_timeout()
        count: int | None = self._raw.readinto(buffer)
        if count:
            self._timed.received = True
        return count

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


def _read(response: http.client.HTTPResponse) -> Answer:
    """All of an answer, decompressed.

    Raises:
        http.client.HTTPException: When it is cut off, too long, or compressed in an unknown way.
    """
    with response:
        pieces, size = [], 0
        while piece := response.read(PIECE):
            size += len(piece)
            if size > ANSWER_BYTES:
                raise http.client.HTTPException(f"the answer has more than {ANSWER_BYTES:,} bytes")
            pieces.append(piece)
        if response.length:
            raise http.client.HTTPException(f"the answer broke off, {response.length:,} bytes before its end")
        body = b"".join(pieces)
        headers = {name.lower(): value for name, value in response.getheaders()}
        encoding = headers.get("content-encoding", "identity").lower()
        if encoding in ("gzip", "x-gzip"):
            body = _unzipped(body)
        elif encoding != "identity":
            raise http.client.HTTPException(
                f"the answer is compressed as {encoding!r}, which was not asked for"
            )
        return Answer(response.status, headers, body)


def _unzipped(data: bytes) -> bytes:
    stream = zlib.decompressobj(wbits=31)
    body = stream.decompress(data, ANSWER_BYTES)
    if not stream.eof:
        raise http.client.HTTPException("the compressed answer broke off, or is too long")
    return body


def _described(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__

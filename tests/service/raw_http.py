"""Requests as bytes, and the answers to them, over a socket."""

import json
import select
import socket
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import takewhile
from typing import Any
from urllib.parse import urlsplit

PATIENCE_S = 30.0


@dataclass(frozen=True)
class Answer:
    """One response.

    Attributes:
        status: Its HTTP status.
        headers: By names in lower case.
        body: Its body.
    """

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> dict[str, Any]:
        """The error that it holds in the published shape."""
        found: dict[str, Any] = json.loads(self.body)["error"]
        assert set(found) == {"message", "type", "param", "code"}
        return found


def connect(url: str) -> socket.socket:
    """A new connection to a service."""
    address = urlsplit(url)
    connection = socket.create_connection((address.hostname, address.port), PATIENCE_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def exchange(url: str, *parts: bytes, until_answered: bool = False) -> list[Answer]:
    """The answers to what is sent on a connection of its own, until the service closes it.

    Args:
        url: The service.
        parts: What is sent.
        until_answered: Send no more once something comes back.
    """
    with closing(connect(url)) as connection:
        return send(connection, _until_answered(connection, parts) if until_answered else parts)


def _until_answered(connection: socket.socket, parts: Iterable[bytes]) -> Iterator[bytes]:
    return takewhile(lambda _: not select.select([connection], [], [], 0)[0], parts)


def send(connection: socket.socket, parts: Iterable[bytes]) -> list[Answer]:
    """The answers to what is sent on a connection, until the service closes it."""
    for part in parts:
        connection.sendall(part)
    return answers(rest(connection))


def rest(connection: socket.socket) -> bytes:
    """Everything that comes until the service closes the connection."""
    received = b""
    while chunk := connection.recv(65_536):
        received += chunk
    return received


def answers(received: bytes) -> list[Answer]:
    """The responses among some bytes, each of which has a `content-length`."""
    found = []
    while received:
        head, _, received = received.partition(b"\r\n\r\n")
        status, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        assert len(headers) == len(lines), lines
        length = int(headers.get("content-length", "0"))
        if not status.startswith("HTTP/1.1 100 "):
            found.append(Answer(int(status.split()[1]), headers, received[:length]))
            received = received[length:]
    return found

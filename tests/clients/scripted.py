"""A service that answers as a test scripts it: it grades right unless it is told to misbehave."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self


@dataclass
class Seen:
    """A request that came.

    Attributes:
        headers: By lower-case name.
        body: Its JSON.
        connection: Of which connection, counted from 0.
        path: With its query.
    """

    headers: dict[str, str]
    body: dict[str, Any]
    connection: int
    path: str


Action = Callable[[socket.socket, Seen], bool]
"""Answers a request; whether the connection stays open."""


def graded(row: Mapping[str, Any]) -> dict[str, Any]:
    """What a row gets: 1 for the right answer, null for an item without one."""
    item = row.get("item") or {}
    if "answer" not in item:
        failure = {
            "kind": "invalid_variable_error",
            "caused_by": "grader",
            "message": "no answer in the item",
            "details": {},
            "retryable": False,
        }
        return {"reward": None, "failure": failure, "sub_rewards": {}, "metrics": {}}
    return {
        "reward": float(row["sample"] == item["answer"]),
        "failure": None,
        "sub_rewards": {},
        "metrics": {},
    }


def batch(body: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to a batch."""
    results = [{"index": index, "id": None, **graded(row)} for index, row in enumerate(body["rows"])]
    return {"object": "batch.grades", "results": results, "counts": {}}


def http(status: int, body: bytes, **headers: str) -> bytes:
    """An answer as it is sent."""
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def right(seen: Seen) -> bytes:
    """The right answer as it is sent."""
    return http(200, json.dumps(batch(seen.body)).encode(), Content_Type="application/json")


def answers(connection: socket.socket, seen: Seen) -> bool:
    """Answer as a service does."""
    connection.sendall(right(seen))
    return True


def closes_after(connection: socket.socket, seen: Seen) -> bool:
    """Answer, and close the connection without a word."""
    connection.sendall(right(seen))
    return False


def drops(connection: socket.socket, seen: Seen) -> bool:
    """Close the connection before anything of an answer."""
    return False


def half(connection: socket.socket, seen: Seen) -> bool:
    """Answer half, and close."""
    whole = right(seen)
    connection.sendall(whole[: len(whole) // 2])
    return False


def stalls(connection: socket.socket, seen: Seen) -> bool:
    """Answer half, and then nothing for long, until the client leaves."""
    whole = right(seen)
    connection.sendall(whole[: len(whole) // 2])
    return silent(connection, seen)


def chunked(connection: socket.socket, seen: Seen) -> bool:
    """Answer in chunks."""
    body = json.dumps(batch(seen.body)).encode()
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for start in range(0, len(body), 100):
        piece = body[start : start + 100]
        connection.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
    connection.sendall(b"0\r\n\r\n")
    return True


def broken_chunk(connection: socket.socket, seen: Seen) -> bool:
    """Begin an answer in chunks, and close inside one."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n{")
    return False


def until_closed(connection: socket.socket, seen: Seen) -> bool:
    """Answer without a length, so that the end of the connection is the end of the answer."""
    connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + json.dumps(batch(seen.body)).encode())
    return False


def cut_without_length(connection: socket.socket, seen: Seen) -> bool:
    """The same, cut off: nothing but the text itself shows it."""
    body = json.dumps(batch(seen.body)).encode()
    connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + body[: len(body) // 2])
    return False


def garbage(connection: socket.socket, seen: Seen) -> bool:
    """Answer what is no HTTP."""
    connection.sendall(b"SSH-2.0-OpenSSH_9.7\r\n\r\n")
    return False


def says_more(connection: socket.socket, seen: Seen) -> bool:
    """Answer, and send more bytes, which must not be taken for the next answer."""
    wrong = json.dumps({"results": [{"index": n, "reward": 0.125} for n in range(10)]}).encode()
    connection.sendall(right(seen) + http(200, wrong))
    return True


def drips(connection: socket.socket, seen: Seen) -> bool:
    """Answer a byte at a time, for ever."""
    for byte in right(seen) * 1000:
        connection.sendall(bytes([byte]))
        time.sleep(0.02)
    return False


def silent(connection: socket.socket, seen: Seen) -> bool:
    """Answer nothing for long, until the client leaves."""
    connection.settimeout(60)
    connection.recv(1)
    return False


def says(status: int, message: str = "", code: str | None = None, **headers: str) -> Action:
    """Answer with a status and an error."""

    def action(connection: socket.socket, seen: Seen) -> bool:
        error = {"error": {"message": message, "type": "x", "param": None, "code": code}}
        connection.sendall(http(status, json.dumps(error).encode(), **headers))
        return True

    return action


def sends(body: bytes) -> Action:
    """Answer 200 with some bytes."""

    def action(connection: socket.socket, seen: Seen) -> bool:
        connection.sendall(http(200, body, Content_Type="application/json"))
        return True

    return action


@dataclass
class Scripted:
    """A service on a free port.

    Attributes:
        script: What it does with one request after the other; then `usually`.
        usually: What it does when the script is over.
        seen: The requests that came.
    """

    script: Iterable[Action] = ()
    usually: Action = answers
    seen: list[Seen] = field(default_factory=list)
    port: int = 0

    def __enter__(self) -> Self:
        self._script = iter(self.script)
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
        self.port = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def connections(self) -> int:
        """How many there have been."""
        return len(self._open)

    @property
    def rows(self) -> list[Any]:
        """All rows that came, of all requests."""
        return [row for seen in self.seen for row in seen.body["rows"]]

    def stop(self) -> None:
        """End it, and all connections with it."""
        self._listener.close()
        # a connection of its own: closing alone does not wake who accepts
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for connection in self._open:
            connection.close()

    def _accept(self) -> None:
        self._listener.settimeout(0.05)
        while True:
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            connection.settimeout(None)
            with self._lock:
                number = len(self._open)
                self._open.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection, number))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError), connection.makefile("rb") as stream:
            while (seen := _read(stream, number)) is not None:
                with self._lock:
                    self.seen.append(seen)
                    action = next(self._script, self.usually)
                if not action(connection, seen):
                    break
            connection.shutdown(socket.SHUT_RDWR)


def _read(stream: Any, number: int) -> Seen | None:
    first = stream.readline()
    if not first:
        return None
    headers = {}
    while (line := stream.readline().strip()) != b"":
        name, _, value = line.decode().partition(":")
        headers[name.lower()] = value.strip()
    body = stream.read(int(headers.get("content-length", 0)))
    if headers.get("content-encoding") == "gzip":
        body = gzip.decompress(body)
    return Seen(headers, json.loads(body), number, first.split()[1].decode())

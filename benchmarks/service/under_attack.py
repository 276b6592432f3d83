"""How long `/healthz` takes, and how much memory the service has, while it is attacked.

Each attack runs in a process of its own for some seconds, while a client of another connection asks `/healthz` a hundred times a
second. The service has no keys: nothing of this needs one. Attacks with the same settings that follow each other meet the same
process. To add an attack write a function that takes the address of the service
and runs until it is ended, and enter it into `ATTACKS`.
"""

import contextlib
import itertools
import multiprocessing
import socket
import statistics
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from urllib.parse import urlsplit

from pydantic_core import to_json
from rich.table import Table

from benchmarks.service.serving import PATIENCE_S, Client, Server, serving
from runtime.attacks.costly import CODE, PYTHON, TEXTS, Costly

SECONDS = 4.0
"""Of each attack."""
BETWEEN_S = 0.01
START = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n"
MEBIBYTE = b"a" * (1 << 20)
_SHORT = (("python_timeout_s", 4.0),)


@dataclass(frozen=True)
class Attack:
    """Something that a client does.

    Attributes:
        name: What is shown.
        run: Attacks the service at an address until its process is ended.
        settings: Of the service.
        seconds: For which it is measured.
    """

    name: str
    run: Callable[[str], None]
    settings: tuple[tuple[str, object], ...] = ()
    seconds: float = SECONDS


def _connect(url: str) -> socket.socket:
    address = urlsplit(url)
    connection = socket.create_connection((address.hostname, address.port), PATIENCE_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _forever(url: str, send: Callable[[socket.socket], None], connections: int = 1) -> None:
    """Have connections send one after the other, and replace those that the service closes."""
    held = [_connect(url) for _ in range(connections)]
    for connection in held:
        connection.sendall(START)
        connection.settimeout(1)
    while True:
        for place, connection in enumerate(held):
            try:
                send(connection)
            except OSError:
                connection.close()
                held[place] = _connect(url)
                held[place].settimeout(1)
                with contextlib.suppress(OSError):
                    held[place].sendall(START)


def endless_header(url: str, connections: int) -> None:
    """One header without an end on each connection, as fast as it is read."""
    _forever(url, lambda connection: connection.sendall(b"x: " + MEBIBYTE), connections)


def many_headers(url: str) -> None:
    """20,000 short headers, again and again."""
    headers = b"".join(b"x%d: a\r\n" % number for number in range(20_000))
    _forever(url, lambda connection: connection.sendall(headers))


def a_byte_a_packet(url: str, connections: int) -> None:
    """A header that arrives in packets of one byte."""
    _forever(url, lambda connection: connection.sendall(b"a"), connections)


def slowloris(url: str, connections: int) -> None:
    """Heads of requests that are never complete, a header a second on each connection."""

    def send(connection: socket.socket) -> None:
        connection.sendall(b"x: a\r\n")
        time.sleep(1 / connections)

    _forever(url, send, connections)


def idle(url: str, connections: int) -> None:
    """Connections on which nothing is sent; one that is closed is opened again."""

    def wait(connection: socket.socket) -> None:
        connection.setblocking(False)  # noqa: FBT003  # the library's
        with contextlib.suppress(BlockingIOError):
            if connection.recv(1) == b"":
                raise ConnectionError
        time.sleep(1 / connections)

    _forever(url, wait, connections)


def one_byte_chunks(url: str) -> None:
    """A body in chunks of one byte each, of as many bytes as a body may have."""
    head = b"POST /v1/grade HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"
    while True:
        with contextlib.suppress(OSError), contextlib.closing(_connect(url)) as connection:
            connection.sendall(head)
            for _ in range(100):
                connection.sendall(b"1\r\na\r\n" * 10_000)


def costly_samples(url: str, samples: Sequence[Costly]) -> None:
    """The costliest samples known, one after the other on each of four connections, again and again."""

    def grade(first: int) -> None:
        for number in itertools.count(first):
            each = samples[number % len(samples)]
            body = to_json({"grader": each.grader, "sample": each.sample, "item": each.item})
            request = urllib.request.Request(f"{url}/v1/grade", body, {"content-type": "application/json"})  # noqa: S310
            with contextlib.suppress(OSError), urllib.request.urlopen(request, timeout=PATIENCE_S) as reply:  # noqa: S310
                reply.read()

    for place in range(1, 4):
        threading.Thread(target=grade, args=(place * len(samples) // 4,), daemon=True).start()
    grade(0)


ATTACKS = (
    *(Attack(f"endless header, {count} connections", partial(endless_header, connections=count)) for count in (1, 10, 50)),
    Attack("20,000 headers, again and again", many_headers),
    Attack("a header a byte a packet, 10 connections", partial(a_byte_a_packet, connections=10)),
    Attack("slowloris, 500 connections", partial(slowloris, connections=500)),
    Attack("1,000 idle connections", partial(idle, connections=1_000)),
    Attack("a body in chunks of one byte", one_byte_chunks),
    Attack("code_tests: costly answers, 4 at once", partial(costly_samples, samples=CODE), seconds=40.0),
    Attack("python: costly sources, 4 at once", partial(costly_samples, samples=PYTHON), _SHORT, seconds=20.0),
    Attack("built-in types: costly texts, 4 at once", partial(costly_samples, samples=TEXTS), _SHORT, seconds=20.0),
    Attack(
        "1,000 idle connections where 300 may be",
        partial(idle, connections=1_000),
        (("connections", 300), ("connections_per_address", 300)),
    ),
)  # fmt: skip


@contextlib.contextmanager
def _attacked(attack: Attack, url: str) -> Iterator[None]:
    process = multiprocessing.get_context("spawn").Process(target=attack.run, args=(url,), daemon=True)
    process.start()
    try:
        time.sleep(1.5)  # until it is under way
        yield
    finally:
        process.kill()
        process.join()


def _ask(server: Server, seconds: float) -> tuple[list[float], float]:
    """Milliseconds of requests to `/healthz`, and the greatest resident memory meanwhile, in MiB."""
    client, taken, resident = Client(server), list[float](), 0.0
    until = time.perf_counter() + seconds
    while (began := time.perf_counter()) < until:
        client.get("/healthz")
        taken.append((time.perf_counter() - began) * 1e3)
        resident = max(resident, server.resident_mib())
        time.sleep(BETWEEN_S)
    client.close()
    return taken, resident


def measure() -> Table:
    """A table."""
    table = Table(
        "attack",
        title="/healthz while the service is attacked, without a key",
        caption=f"for {SECONDS:g} s each, costly samples for longer; the attacker runs on the server's own processors; memory: the most meanwhile, and 1 s later",
    )
    for column in ("p50 ms", "p99 ms", "worst ms", "MiB before", "meanwhile", "after"):
        table.add_column(column, justify="right")
    for settings, attacks in groupby(
        (Attack("none", _nothing), *ATTACKS), key=lambda attack: attack.settings
    ):
        with serving(**dict(settings)) as server:
            _ask(server, 0.5)
            for attack in attacks:
                table.add_row(attack.name, *_measured(server, attack))
    return table


def _measured(server: Server, attack: Attack) -> list[str]:
    """The columns of an attack."""
    before = server.resident_mib()
    with _attacked(attack, server.url):
        taken, resident = _ask(server, attack.seconds)
    time.sleep(1)
    percentiles = (
        statistics.median(taken),
        statistics.quantiles(taken, n=100, method="inclusive")[98],
        max(taken),
    )
    memory = before, resident, server.resident_mib()
    return [*(f"{each:.1f}" for each in percentiles), *(f"{each:.0f}" for each in memory)]


def _nothing(url: str) -> None:
    """No attack."""
    del url
    time.sleep(PATIENCE_S)

"""What somebody with one API key notices of somebody who floods with another."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

from pydantic_core import to_json
from rich.table import Table

from benchmarks.service import wrk
from benchmarks.service.serving import BATCH, CHECK, RUN, Client, Server, serving

LIMITS = ("--concurrency", "4", "--requests-per-minute", "6000")
ALONE_S = 2
FLOODED_S = 4
PYTHON = {"type": "python", "source": "def grade(sample, item):\n    return item['n'] % 2\n"}
Percentiles = tuple[float, float]
_numbers = count()


def _check() -> bytes:
    answer = f"answer {next(_numbers)}"
    return to_json({"grader": CHECK, "model_sample": answer, "item": {"answer": answer}})


def _python() -> bytes:
    return to_json({"grader": PYTHON, "model_sample": "", "item": {"n": next(_numbers)}})


def _batch() -> bytes:
    rows = [{"sample": "", "item": {"n": next(_numbers)}} for _ in range(1_000)]
    return to_json({"grader": PYTHON, "rows": rows})


@dataclass(frozen=True)
class Flood:
    """What a key floods with, and what the other one asks meanwhile.

    Attributes:
        quiet: Makes a body that the quiet key sends.
        sends: What the flood consists of.
        path, body: Where it goes; makes one of its bodies.
        connections: How many there are of them.
        warm_s: Seconds before anything is measured.
    """

    quiet: Callable[[], bytes]
    sends: str
    path: str
    body: Callable[[], bytes]
    connections: int
    warm_s: int


FLOODS = {
    # what a key may send at once is spent after four seconds; then nearly all is refused
    "string checks": [Flood(_check, "run", RUN, _check, 64, 4)],
    # as many batches as it may send at once, and so many that nearly all are refused besides
    "python gradings": [
        Flood(_python, "batches of 1,000", BATCH, _batch, 4, 1),
        Flood(_python, "batches of 1,000", BATCH, _batch, 64, 1),
    ],
}


def _percentiles(client: Client, body: Callable[[], bytes], seconds: float) -> Percentiles:
    """Median and 99th percentile of the milliseconds of requests, one after the other."""
    taken = []
    until = time.perf_counter() + seconds
    while (began := time.perf_counter()) < until:
        client.post(RUN, body())
        taken.append((time.perf_counter() - began) * 1e3)
    return statistics.median(taken), statistics.quantiles(taken, n=100)[98]


def _flooded(client: Client, server: Server, key: str, flood: Flood) -> tuple[Percentiles, wrk.Load]:
    """What the client sees while there is a flood, and what came of the flood."""
    flooding = wrk.load(
        server,
        flood.path,
        [flood.body() for _ in range(16)],
        connections=flood.connections,
        seconds=flood.warm_s + FLOODED_S + 1,
        key=key,
    )
    _percentiles(client, flood.quiet, flood.warm_s)
    flooded = _percentiles(client, flood.quiet, FLOODED_S)
    return flooded, wrk.ended(flooding)


def measure() -> Table | str:
    """A table, or the reason why nothing was measured."""
    if not wrk.installed():
        return f"two keys: {wrk.MISSING}"
    table = Table(
        "a quiet key, one at a time by run",
        title=f"Two API keys: one floods by {wrk.version()}, within {' '.join(LIMITS)}",
        caption="answered: how many of the flood's answers are no 429, batches that are under way at the end left out; "
        "wrk runs on the server's own processors",
    )
    for column in ("answered", "p50 ms", "alone = 1", "p99 ms", "alone = 1"):
        table.add_column(column, justify="right")
    with serving() as server:
        client, key = Client(server, server.make_key("quiet")), server.make_key("flooding", *LIMITS)
        for what, floods in FLOODS.items():
            _percentiles(client, floods[0].quiet, 0.5)
            alone = _percentiles(client, floods[0].quiet, ALONE_S)
            table.add_row(f"{what}, alone", "", f"{alone[0]:.2f}", "", f"{alone[1]:.2f}", "")
            for flood in floods:
                flooded, load = _flooded(client, server, key, flood)
                table.add_row(
                    f"… {flood.connections} connections with {flood.sends}",
                    f"{load.answers - load.refused:,} of {load.answers:,}",
                    f"{flooded[0]:.2f}",
                    f"{flooded[0] / alone[0]:.1f}",
                    f"{flooded[1]:.2f}",
                    f"{flooded[1] / alone[1]:.1f}",
                )
        client.close()
    return table

"""What somebody with one API key notices of somebody who floods with another."""

import statistics
import time
from collections.abc import Callable
from itertools import count

from pydantic_core import to_json
from rich.table import Table

from benchmarks.service import wrk
from benchmarks.service.serving import BATCH, CHECK, RUN, Client, Server, serving

LIMITS = ("--concurrency", "4", "--requests-per-minute", "6000")
CONNECTIONS = 64
ALONE_S = 2
WARM_S = 4
FLOODED_S = 5
FLOOD_S = WARM_S + FLOODED_S + 1
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


def _percentiles(client: Client, body: Callable[[], bytes], seconds: float) -> Percentiles:
    """Median and 99th percentile of the milliseconds of requests, one after the other."""
    taken = []
    until = time.perf_counter() + seconds
    while (began := time.perf_counter()) < until:
        client.post(RUN, body())
        taken.append((time.perf_counter() - began) * 1e3)
    return statistics.median(taken), statistics.quantiles(taken, n=100)[98]


def _alone_and_flooded(
    server: Server, keys: tuple[str, str], quiet: Callable[[], bytes], path: str, flood: list[bytes]
) -> tuple[Percentiles, Percentiles, wrk.Load]:
    """What the first key sees without a flood by the second, and with one; and what came of the flood."""
    client = Client(server, keys[0])
    _percentiles(client, quiet, 0.5)
    alone = _percentiles(client, quiet, ALONE_S)
    flooding = wrk.load(server, path, flood, connections=CONNECTIONS, seconds=FLOOD_S, key=keys[1])
    # what a key may send at once has to be spent first
    _percentiles(client, quiet, WARM_S)
    flooded = _percentiles(client, quiet, FLOODED_S)
    load = wrk.ended(flooding)
    client.close()
    return alone, flooded, load


def measure() -> Table | str:
    """A table, or why there is none."""
    if not wrk.installed():
        return f"two keys: {wrk.MISSING}"
    table = Table(
        "a quiet key, one at a time by run",
        title=f"Two API keys: one floods by {CONNECTIONS} connections of {wrk.version()}, within {' '.join(LIMITS)}",
        caption=f"let through: requests of the flood that were not refused, in {FLOOD_S} s; it runs on the server's processors",
    )
    for column in ("let through", "p50 ms", "alone = 1", "p99 ms", "alone = 1"):
        table.add_column(column, justify="right")
    floods = (
        ("string checks", "run", _check, RUN, [_check() for _ in range(128)]),
        ("python gradings", "batches of 1,000", _python, BATCH, [_batch() for _ in range(16)]),
    )
    with serving() as server:
        keys = server.make_key("quiet"), server.make_key("flooding", *LIMITS)
        for what, by, quiet, path, flood in floods:
            alone, flooded, load = _alone_and_flooded(server, keys, quiet, path, flood)
            table.add_row(f"{what}, alone", "", f"{alone[0]:.2f}", "", f"{alone[1]:.2f}", "")
            table.add_row(
                f"{what}, flooded by {by}",
                f"{load.answers - load.refused:,} of {load.answers:,}",
                f"{flooded[0]:.2f}",
                f"{flooded[0] / alone[0]:.1f}",
                f"{flooded[1]:.2f}",
                f"{flooded[1] / alone[1]:.1f}",
            )
    return table

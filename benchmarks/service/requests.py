"""Requests a second, beside a bare Starlette echo of the same bodies under the same server."""

from statistics import median

import uvicorn
from pydantic_core import to_json
from rich.table import Table

from benchmarks.service import wrk
from benchmarks.service.serving import CHECK, RUN, Server, echoing, serving

CONNECTIONS = (1, 32, 256)
ROUNDS = 4
SECONDS = 1
BODIES = [
    to_json(
        {"grader": CHECK, "model_sample": f"the answer is {number}", "item": {"answer": "the answer is 7"}}
    )
    for number in range(128)
]


def _round(server: Server, connections: int) -> wrk.Load:
    load = wrk.ended(wrk.load(server, RUN, BODIES, connections=connections, seconds=SECONDS))
    if load.refused or load.lost:
        raise RuntimeError(f"nothing was measured: {load}")
    return load


def measure() -> Table | str:
    """A table, or the reason why nothing was measured."""
    if not wrk.installed():
        return f"requests a second: {wrk.MISSING}"
    table = Table(
        "connections",
        title=f"POST …/graders/run with a string check; {wrk.version()}, uvicorn {uvicorn.__version__}",
        caption=f"medians of {ROUNDS} rounds of {SECONDS} s, in turns; the echo sends the body back and logs nothing, graders serve "
        "logs a line for each request",
    )
    for column in ("", "requests a second", "p50 ms", "p99 ms", "echo = 1"):
        table.add_column(column, justify="right" if column else "left")
    with serving() as ours, echoing() as echo:
        for server in (ours, echo):
            _round(server, 32)
        for connections in CONNECTIONS:
            found: dict[str, list[wrk.Load]] = {"graders serve": [], "Starlette echo": []}
            for _ in range(ROUNDS):
                for name, server in zip(found, (ours, echo), strict=True):
                    found[name].append(_round(server, connections))
            rates = {
                name: median(load.answers / load.seconds for load in loads) for name, loads in found.items()
            }
            for name, loads in found.items():
                table.add_row(
                    str(connections),
                    name,
                    f"{rates[name]:,.0f}",
                    f"{median(load.median_ms for load in loads):.2f}",
                    f"{median(load.p99_ms for load in loads):.2f}",
                    f"{rates[name] / rates['Starlette echo']:.2f}",
                )
    return table

"""A simulation of one driver and up to 64 nodes, which names what is used up first: `python -m benchmarks.scaling`.

Every chunk goes through four places, in turn: the driver packs and sends it; an actor grades it; the store of the judges'
limits and the judges' servers take part in each of its rows where it is judged; the driver reads the answer. Each place serves
so many at once, the rest wait. The costs are those that `benchmarks.engines` measured; options change them. What is printed
is a calculation, not a measurement of 64 nodes.
"""

import argparse
import heapq
from collections.abc import Iterator
from dataclasses import dataclass, replace

from rich.console import Console
from rich.table import Table

from runtime.engines.chunks import CHUNKINGS
from runtime.evaluation.cost_class import Cost

NODES = (1, 2, 4, 8, 16, 32, 64)


@dataclass(frozen=True)
class Work:
    """Rows of one kind.

    Attributes:
        name: What a table calls it.
        cost: Its class, which decides about chunks.
        busy_s: Seconds of a core for a row.
        waiting_s: Seconds for which a row waits for a judge.
        statements: Of the store, for a row.
    """

    name: str
    cost: Cost
    busy_s: float
    waiting_s: float = 0.0
    statements: float = 0.0


@dataclass(frozen=True)
class Places:
    """What there is.

    Attributes:
        nodes: How many.
        cores: Of a node, with an actor on each.
        chunk_s: Seconds of the driver for a chunk, there and back.
        row_s: Seconds of the driver for a row, there and back.
        store_s: Seconds of the store for a statement, one after the other.
        judge_rate: Requests that the judges' servers answer in a second.
        in_flight: Requests to judges that an actor may have at once.
    """

    nodes: int
    cores: int
    chunk_s: float
    row_s: float
    store_s: float
    judge_rate: float
    in_flight: int


@dataclass
class Server:
    """One place that works on chunks: so many at once, in the order in which they come.

    Attributes:
        name: What a table calls it.
        free: When each of its slots is free.
        busy: Seconds of work until now.
    """

    name: str
    free: list[float]
    busy: float = 0.0

    def work(self, since: float, seconds: float) -> float:
        """When a chunk is done that came at some time."""
        begun = max(since, heapq.heappop(self.free))
        heapq.heappush(self.free, begun + seconds)
        self.busy += seconds
        return begun + seconds

    def utilisation(self, until: float) -> float:
        """Share of the time that its slots were busy."""
        return self.busy / (len(self.free) * until)


@dataclass(frozen=True)
class Simulated:
    """What came of it.

    Attributes:
        rate: Rows a second.
        bottleneck: The place that was busiest.
        utilisation: How busy it was, 0 to 1.
    """

    rate: float
    bottleneck: str
    utilisation: float


def simulate(work: Work, places: Places, chunks: int = 4_000) -> Simulated:
    """Let chunks go through all places, as many at once as an engine has under way."""
    chunking = CHUNKINGS[work.cost]
    rows, actors = chunking.rows, places.nodes * places.cores
    driver, store, judges = (
        Server("the driver", [0.0]),
        Server("the judges' store", [0.0]),
        Server("the judges", [0.0]),
    )
    cores = Server("the nodes' cores", [0.0] * actors)
    slots = Server("judge requests in flight", [0.0] * (actors * chunking.at_once if work.waiting_s else 1))
    waits = rows * work.waiting_s / min(rows, places.in_flight / chunking.at_once) if work.waiting_s else 0.0

    def graded(since: float) -> float:
        until = cores.work(since, rows * work.busy_s)
        if not work.waiting_s:
            return until
        asked = slots.work(until, waits)
        return max(
            asked,
            store.work(until, rows * work.statements * places.store_s),
            judges.work(until, rows / places.judge_rate),
        )

    # half of the driver's work is before a chunk is graded, half of it after; events are handled in the order of their time
    half = (places.chunk_s + rows * places.row_s) / 2
    events: list[tuple[float, int, str]] = [
        (0.0, n, "send") for n in range(min(chunks, actors * chunking.at_once))
    ]
    heapq.heapify(events)
    sent, end = len(events), 0.0
    while events:
        now, number, what = heapq.heappop(events)
        if what == "send":
            heapq.heappush(events, (driver.work(now, half), number, "grade"))
        elif what == "grade":
            heapq.heappush(events, (graded(now), number, "read"))
        else:
            end = driver.work(now, half)
            if sent < chunks:
                heapq.heappush(events, (end, sent, "send"))
                sent += 1
    busiest = max((driver, cores, store, judges, slots), key=lambda server: server.utilisation(end))
    return Simulated(chunks * rows / end, busiest.name, min(1.0, busiest.utilisation(end)))


def works() -> Iterator[Work]:
    """Kinds of rows, with what they cost on the machine of the measurements."""
    yield Work("string_check, 4 µs", "inline", 4e-6)
    yield Work("numeric_check, 470 µs", "inline", 470e-6)
    yield Work("python, 3 ms", "sandbox", 3e-3)
    yield Work("code_tests, 30 ms", "sandbox", 30e-3)
    yield Work("judge, 1 s", "judge", 1e-3, waiting_s=1.0)
    yield Work("judge, 1 s, with a limit or a budget", "judge", 1e-3, waiting_s=1.0, statements=3)


def main() -> None:
    """Simulate, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--cores", type=int, default=8, help="of a node")
    parser.add_argument("--chunk-ms", type=float, default=1.5, help="of the driver, for a chunk")
    parser.add_argument("--row-us", type=float, default=8.0, help="of the driver, for a row")
    parser.add_argument(
        "--statements", type=float, default=2_000, help="that the judges' store answers in a second"
    )
    parser.add_argument(
        "--judge-rate", type=float, default=5_000, help="requests that the judges answer in a second"
    )
    parser.add_argument("--in-flight", type=int, default=256, help="judge requests of an actor")
    given = parser.parse_args()
    places = Places(
        nodes=1,
        cores=given.cores,
        chunk_s=given.chunk_ms / 1e3,
        row_s=given.row_us / 1e6,
        store_s=1 / given.statements,
        judge_rate=given.judge_rate,
        in_flight=given.in_flight,
    )
    table = Table(title=f"rows a second by nodes of {given.cores} cores, simulated")
    for column in ("", *map(str, NODES), "first used up"):
        table.add_column(column, justify="right" if column.isdigit() else "left")
    for work in works():
        found = [simulate(work, replace(places, nodes=nodes)) for nodes in NODES]
        first = next(
            (
                f"{each.bottleneck}, from {nodes}"
                for nodes, each in zip(NODES, found, strict=True)
                if is_limit(each)
            ),
            "nothing yet",
        )
        table.add_row(work.name, *(f"{each.rate:,.0f}" for each in found), first)
    Console(width=160).print(table)


def is_limit(simulated: Simulated) -> bool:
    """Whether what is used up does not grow with the nodes."""
    grows = simulated.bottleneck in ("the nodes' cores", "judge requests in flight")
    return not grows and simulated.utilisation > 0.9


if __name__ == "__main__":
    main()

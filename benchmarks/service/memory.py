"""What a million gradings leave in the server's memory."""

from pydantic_core import from_json, to_json
from rich.table import Table

from benchmarks.service.serving import BATCH, CHECK, Client, Server, serving

ROWS = 1_024
BATCHES = 978


def _grade(client: Client, batches: range) -> None:
    for batch in batches:
        first = batch * ROWS
        rows = [
            {"sample": f"answer {number}", "item": {"answer": f"answer {number + number % 2}"}}
            for number in range(first, first + ROWS)
        ]
        answer = from_json(client.post(BATCH, to_json({"grader": CHECK, "rows": rows})))
        if sum(result["reward"] for result in answer["results"]) != ROWS / 2:
            raise RuntimeError("the service gave other rewards than it should")


def _sizes(server: Server) -> list[float]:
    client = Client(server)
    sizes = [server.resident_mib()]
    for half in (range(BATCHES // 2), range(BATCHES // 2, BATCHES)):
        _grade(client, half)
        sizes.append(server.resident_mib())
    client.close()
    return sizes


def measure() -> Table:
    """A table."""
    with serving() as server:
        before, middle, after = _sizes(server)
    table = Table(
        "gradings",
        title=f"Resident memory of the server, by grade/batch of {ROWS:,} string checks, no two rows equal",
    )
    table.add_column("MiB", justify="right")
    table.add_column("growth since the line above", justify="right")
    table.add_row("0, just started", f"{before:.1f}", "")
    table.add_row(f"{BATCHES // 2 * ROWS:,}", f"{middle:.1f}", f"{(middle / before - 1) * 100:+.1f} %")
    table.add_row(f"{BATCHES * ROWS:,}", f"{after:.1f}", f"{(after / middle - 1) * 100:+.1f} %")
    return table

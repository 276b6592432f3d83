"""What thousands of distinct graders of the largest size leave in the server's memory."""

import os

from pydantic_core import from_json, to_json
from rich.table import Table

from benchmarks.service.serving import Client, Server, serving

GRADE = "/v1/grade"
GRADERS = int(os.environ.get("GRADERS_OF_THE_LARGEST_SIZE", "200"))
"""How many; each is compiled, which takes a second: with 5,000 it takes more than an hour."""
CONSTANTS = 3_700
"""Of 4 KB each: 15 MiB of code, out of a source of 90 kB."""
STEPS = 4


def _source(number: int) -> str:
    constants = ",\n".join(f"b'{number:04d}{constant:04d}'*512" for constant in range(CONSTANTS))
    return f"def grade(sample, item):\n    return 0.5\nkept = [\n{constants}]\n"


def _grade(client: Client, numbers: range) -> None:
    for number in numbers:
        isolation = ("grading", "batch")[number % 2]
        grader = {"type": "python", "source": _source(number), "isolation": isolation}
        answer = from_json(client.post(GRADE, to_json({"grader": grader, "sample": "", "item": {}})))
        if answer["reward"] != 0.5:
            raise RuntimeError(f"the service gave {answer['reward']}")


def _sizes(server: Server) -> list[float]:
    client = Client(server)
    sizes = [server.resident_mib()]
    for step in range(STEPS):
        _grade(client, range(step * GRADERS // STEPS, (step + 1) * GRADERS // STEPS))
        sizes.append(server.resident_mib())
    client.close()
    return sizes


def measure() -> Table:
    """A table."""
    with serving() as server:
        sizes = _sizes(server)
    table = Table(
        "distinct graders",
        title="Resident memory of the server, by `python` graders whose code is 15 MiB each; cache_mb = 256",
    )
    table.add_column("MiB", justify="right")
    for step, size in enumerate(sizes):
        table.add_row(f"{step * GRADERS // STEPS:,}", f"{size:.1f}")
    return table

"""How long a few gradings that hang keep the others of their batch waiting."""

import random
import time
from statistics import median

from pydantic_core import from_json, to_json
from rich.table import Table

from benchmarks.service.serving import BATCH, Client, Server, serving

ROWS = 1_000
HANGING = 10
ROUNDS = 3
TIMEOUT_S = 20
SOURCE = """
import time

def grade(sample, item):
    while item["does"] == "spin":
        pass
    while item["does"] == "sleep":
        time.sleep(3600)
    return item["n"] % 2
"""
PLACES = random.Random(7).sample(range(ROWS), HANGING)


def _rows(start: int) -> list[dict[str, object]]:
    """Rows that no two rounds have in common, the same places hanging."""
    does = dict.fromkeys(PLACES[::2], "spin") | dict.fromkeys(PLACES[1::2], "sleep")
    return [
        {"sample": "", "item": {"n": start + place, "does": does.get(place, "answer")}, "id": place}
        for place in range(ROWS)
    ]


def _seconds(server: Server, rows: list[dict[str, object]]) -> float:
    """Seconds until every row that does not hang has its reward; who hangs is then left alone."""
    client = Client(server)
    missing = set(range(ROWS)).difference(PLACES)
    body = to_json({"grader": {"type": "python", "source": SOURCE}, "rows": rows})
    began = time.perf_counter()
    for line in client.lines(BATCH, body):
        result = from_json(line)
        if result.get("id") in missing:
            if result["reward"] != result["id"] % 2:
                raise RuntimeError(f"a row that does not hang was graded wrong: {line[:500]!r}")
            missing.remove(result["id"])
        if not missing:
            break
    taken = time.perf_counter() - began
    client.close()
    if missing:
        raise RuntimeError(f"{len(missing)} rows have no result: nothing was measured")
    return taken


def measure() -> Table:
    """A table."""
    alone: list[float] = []
    beside: list[float] = []
    with serving(python_timeout_s=TIMEOUT_S) as server:
        for turn in range(ROUNDS + 1):
            rows = _rows(turn * ROWS)
            others = [row for place, row in enumerate(rows) if place not in PLACES]
            taken = _seconds(server, others), _seconds(server, rows)
            # the first round starts what later ones find
            if turn:
                alone.append(taken[0])
                beside.append(taken[1])
    table = Table(
        f"until {ROWS - HANGING} have arrived",
        title=f"{ROWS:,} sandboxed python gradings as NDJSON, {HANGING} of which hang, time limit {TIMEOUT_S} s",
        caption=f"medians of {ROUNDS} rounds in turns; half of those that hang spin, half sleep",
    )
    for column in ("s", "range", "alone = 1"):
        table.add_column(column, justify="right")
    for name, taken_s in (("alone", alone), ("with those that hang", beside)):
        table.add_row(
            name,
            f"{median(taken_s):.2f}",
            f"{min(taken_s):.2f}–{max(taken_s):.2f}",
            f"{median(taken_s) / median(alone):.2f}",
        )
    return table

"""Which run gives way when other clients wait and no more runs may be graded at once."""

from collections import Counter
from collections.abc import Collection, Iterable
from typing import NamedTuple

TURN_S = 5.0
"""Seconds for which the only run of a client here begins rows before another client's turn."""


class Running(NamedTuple):
    """A run that is graded here.

    Attributes:
        id: Its id; ids sort by when runs were made.
        client: Whose it is.
        since: When the first row was begun since the run was claimed, in seconds of the same clock as `now`; None: none
            was. What was begun is finished and written, so that every turn gets a run further.
    """

    id: str
    client: str
    since: float | None


def to_give_way(running: Iterable[Running], waiting: Collection[str], now: float) -> str | None:
    """The id of the run that stops, so that a run of a waiting client is graded; None where all goes on.

    The client with the most runs here gives up its newest one, where it has at least two more than a client that waits.
    Where nobody has more than one run, the one that was graded longest gives way after `TURN_S`, to a client with none.

    Args:
        running: What is graded here; as many runs as may be.
        waiting: The clients whose runs could be claimed.
        now: Seconds.
    """
    runs = list(running)
    held = Counter(run.client for run in runs)
    if not runs or not waiting:
        return None
    most, fewest = max(held.values()), min(held[client] for client in waiting)
    candidates = [run for run in runs if held[run.client] == most]
    if most - fewest >= 2:
        return max(candidates).id
    turns_over = [(run.since, run.id) for run in candidates if run.since is not None]
    if most == 1 and fewest == 0 and turns_over and now - min(turns_over)[0] >= TURN_S:
        return min(turns_over)[1]
    return None

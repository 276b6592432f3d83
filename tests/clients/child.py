"""What child processes of tests run: a started one imports this alone."""

from __future__ import annotations

from graders_client import GraderClient


def grade_in_child(client: GraderClient, first: int) -> list[float | None]:
    """The rewards of three right answers."""
    with client:
        return [client.grade_one(str(n), {"answer": str(n)}).reward for n in range(first, first + 3)]

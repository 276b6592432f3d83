"""What a check of a grader finds."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from graders.paths import Step

Path = tuple[str | int, ...]
ROWS_NAMED = 5


class RowReference(NamedTuple):
    """A variable of a row that a grader reads.

    Attributes:
        path: The field of the grader that names it.
        text: As it is written: `item.answer`.
        steps: The keys and indices behind `item`.
    """

    path: Path
    text: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, or looks wrong.

    Attributes:
        level: `error` when gradings will fail or mean nothing, `warning` when it may be intended.
        path: The field of the grader; empty for a finding about rows only.
        message: What is wrong.
        hint: How to mend it.
        rows: Lines of the data file that show it.
    """

    level: Literal["error", "warning"]
    path: Path
    message: str
    hint: str
    rows: tuple[int, ...] = ()


def lines_named(rows: tuple[int, ...]) -> str:
    """The first rows by their lines, and how many more there are."""
    named = ", ".join(map(str, rows[:ROWS_NAMED]))
    more = f" and {len(rows) - ROWS_NAMED} more" if len(rows) > ROWS_NAMED else ""
    return f"line{'s' if len(rows) > 1 else ''} {named}{more}"

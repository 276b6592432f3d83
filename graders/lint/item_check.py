"""Findings about rows that a grader cannot grade with, whatever the sample: a reference that is not a number, wrong tests."""

from collections.abc import Iterable, Iterator

from graders.bound_grader import Grader
from graders.contract import Item
from graders.lint.findings import Finding, Path, lines_named

MOST_NAMED = 20
"""Different problems of one field that are named one by one."""
_HINT = "such a row would be ungraded: mend or remove it"


def wrong_whatever_the_data(path: Path, grader: Grader) -> Iterator[Finding]:
    """What a grader cannot grade with in any row, since no row is read for it."""
    of_rows = _reading_rows(grader)
    for problem in grader.check_item({}):
        if problem.path not in of_rows:
            yield Finding("error", (*path, *problem.path), problem.message, "every sample would be ungraded")


def _reading_rows(grader: Grader) -> frozenset[Path]:
    """The fields of a grader whose text comes from the row."""
    return frozenset(where for where, template in grader.templates() if template.references)


class ItemCheck:
    """What graders cannot grade with in rows; `add` every row, then ask for the `findings`."""

    def __init__(self, graders: Iterable[tuple[Path, Grader]]) -> None:
        self._graders = [(path, grader, _reading_rows(grader)) for path, grader in graders]
        self._found: dict[Path, dict[str, list[int]]] = {}

    def add(self, line: int, item: Item) -> frozenset[Path]:
        """Look at one row, which stands at this line of its file; gives the fields of graders that are wrong with it."""
        wrong = [
            ((*path, *problem.path), problem.message)
            for path, grader, reading in self._graders
            for problem in grader.check_item(item)
            if problem.path in reading
        ]
        for path, message in wrong:
            self._found.setdefault(path, {}).setdefault(message, []).append(line)
        return frozenset(path for path, _ in wrong)

    def findings(self) -> Iterator[Finding]:
        """A finding for each different problem, with the lines of the rows that have it."""
        for path, messages in self._found.items():
            for message, lines in list(messages.items())[:MOST_NAMED]:
                more = f" ({lines_named(tuple(lines))})" if len(lines) > 1 else ""
                yield Finding("error", path, f"{message}{more}", _HINT, tuple(lines))
            rest = [line for lines in list(messages.values())[MOST_NAMED:] for line in lines]
            if rest:
                message = f"{len(rest):,} more rows are wrong here ({lines_named(tuple(rest))})"
                yield Finding("error", path, message, _HINT, tuple(rest))

"""How far a run is: a bar on a terminal, and a line now and then where the output is piped."""

import threading
import time
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

REPORT_EVERY_S = 30.0
"""Seconds between two lines where there is no terminal."""


class Progress:
    """Counts rows and shows how many there are.

    Lines come from a thread of its own, so that they come also while a slow judge has every row wait.

    Args:
        total: How many rows there will be; None where nobody knows.
        console: Where to show it.
        every_s: Seconds between two lines.
        verb: What is done, for the bar.
        noun: What is counted.
        lost: What is said of those without a result.

    Attributes:
        taken_over: Rows that an earlier run has graded.
    """

    def __init__(
        self,
        total: int | None,
        console: Console,
        *,
        every_s: float = REPORT_EVERY_S,
        verb: str = "grading",
        noun: str = "rows",
        lost: str = "ungraded",
    ) -> None:
        self._noun, self._lost = noun, lost
        self._total, self._console, self._every_s = total, console, every_s
        self._done = self._ungraded = self.taken_over = 0
        self._ended = threading.Event()
        self._began = time.monotonic()
        self._reporter: threading.Thread | None = None
        self._bar = Bar(*_columns(), console=console, transient=True, disable=not console.is_terminal)
        self._task = self._bar.add_task(verb, total=total)

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        self._bar.start()
        if not self._console.is_terminal:
            self._reporter = threading.Thread(target=self._report, name="progress", daemon=True)
            self._reporter.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._reporter is not None:
            self._reporter.join()
        self._bar.stop()

    def add(self, *, is_graded: bool) -> None:
        """A row is done.

        Args:
            is_graded: Whether it has a reward.
        """
        self._done += 1
        self._ungraded += not is_graded
        self._bar.advance(self._task)

    def take_over(self) -> None:
        """A row was graded by an earlier run."""
        self.taken_over += 1
        self._bar.advance(self._task)

    @property
    def so_far(self) -> str:
        """How many rows are done, in words."""
        of_total = "" if self._total is None else f" of {self._total:,}"
        words = f"{self._done + self.taken_over:,}{of_total} {self._noun} done"
        more = [f"{self._ungraded:,} {self._lost}"] if self._ungraded else []
        if self.taken_over:
            more.append(f"{self.taken_over:,} taken over from an earlier run")
        return f"{words} ({', '.join(more)})" if more else words

    def _report(self) -> None:
        while not self._ended.wait(self._every_s):
            seconds = time.monotonic() - self._began
            self._console.print(f"{self.so_far} after {_duration(seconds)}{self._left(seconds)}")

    def _left(self, seconds: float) -> str:
        """How long the rest will take should it go on like this; empty where nothing can be said."""
        if self._total is None or not self._done:
            return ""
        left = self._total - self._done - self.taken_over
        return f", about {_duration(left * seconds / self._done)} left"


def _columns() -> tuple[Any, ...]:
    return TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"

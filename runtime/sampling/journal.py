"""The file of samples of one command, which survives `kill -9`: each draw is appended to `SAMPLES.journal` as it comes.

When every draw is done, the rows are written in order to a temporary file that takes the place of `SAMPLES`. A command that
is started again takes over the answers of the journal, and of an earlier file, that the same recipe gave to the same rows;
what failed is drawn again. In memory there is only where each draw stands in the journal.
"""

import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, NamedTuple, Self

from graders import ConfigurationError
from runtime.data.datasets import bounded_lines
from runtime.data.output_files import already_there, append_whole, cannot_write, regular_place, writing
from runtime.data.printable import printable_json
from runtime.data.rows import stored_failure
from runtime.processes.locked_file import holder, open_locked

SYNC_SECONDS = 0.25


class Draw(NamedTuple):
    """Which of the draws of which row.

    Attributes:
        position: Of the row, from 0.
        key: Digest of the row.
        number: Of the draw, from 0.
    """

    position: int
    key: str
    number: int


class SampleJournal:
    """The draws of one command; opened and locked when it is made, like a file.

    Raises:
        ConfigurationError: When it cannot be written, another command is writing it, or what is there is of another recipe.
    """

    def __init__(
        self, path: Path, recipe: str, *, count: int, limit: int | None = None, force: bool = False
    ) -> None:
        """Open it, and take over what earlier commands left.

        Args:
            path: The file of samples.
            recipe: Digest of what decides an answer beside the row.
            count: Draws a row.
            limit: Only so many rows are drawn.
            force: Write over a file of another recipe, or one with more draws.
        """
        place = regular_place(path)
        if place is None:
            raise ConfigurationError(f"{path}: samples go to a regular file, so that they can be resumed")
        self.path, self._recipe, self._count, self._limit = place, recipe, count, limit
        self._journal = place.with_name(place.name + ".journal")
        self._places: dict[Draw, int] = {}
        self._failed: set[Draw] = set()
        self._synced = time.monotonic()
        try:
            self._file = open_locked(self._journal)
        except BlockingIOError:
            raise ConfigurationError(
                f"another command{holder(self._journal)} is writing {path}; wait for it or choose another -o"
            ) from None
        except OSError as error:
            raise cannot_write(self._journal, error) from None
        try:
            self._end = 0
            self._take_over(force=force)
        except OSError as error:
            self._file.close()
            raise cannot_write(self._journal, error) from None
        except BaseException:
            self._close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def has(self, draw: Draw) -> bool:
        """Whether an earlier command left an answer for a draw."""
        return draw in self._places

    @property
    def kept(self) -> str:
        """What is kept should the command end now, and how to go on, in words."""
        answers = len(self._places) - len(self._failed)
        return f"{answers:,} answers are kept in {self._journal}; run the same command again to resume"

    def add(self, draw: Draw, sample: Mapping[str, Any]) -> None:
        """Write down a draw: a stored sample, or the error in its place.

        Raises:
            ConfigurationError: When the disk does not take it; what was written before stays.
        """
        line = _line({**draw._asdict(), "recipe": self._recipe, "sample": sample})
        try:
            self._end = append_whole(self._file, line, self._end)
            if time.monotonic() - self._synced > SYNC_SECONDS:
                os.fsync(self._file.fileno())
                self._synced = time.monotonic()
        except OSError as error:
            raise ConfigurationError(f"{cannot_write(self._journal, error)}; {self.kept}") from None
        self._places[draw] = self._end - len(line)
        if "error" in sample and stored_failure(sample) is not None:
            self._failed.add(draw)

    def finish(self, rows: Iterator[tuple[list[Draw], dict[str, Any]]]) -> None:
        """Write every row with its samples, at once and whole, and remove the journal.

        Args:
            rows: The draws of each row, and its other fields.

        Raises:
            ConfigurationError: When the disk does not take it; the journal keeps the draws.
        """
        with self._journal.open("rb") as journal, writing(self.path) as file:
            for draws, row in rows:
                file.write(_line({**row, "samples": [self._sample(journal, draw) for draw in draws]}))
        self._journal.unlink(missing_ok=True)

    def _sample(self, journal: BinaryIO, draw: Draw) -> Any:
        place = self._places.get(draw)
        if place is None:
            raise ConfigurationError(f"the data changed while it was sampled; {self.kept}")
        journal.seek(place)
        return json.loads(journal.readline())["sample"]

    def _take_over(self, *, force: bool) -> None:
        """Find the draws that earlier commands left; a torn last line is cut off."""
        self._read_journal(force=force)
        if self.path.exists() and not force:
            for draw, sample in self._finished():
                if draw not in self._places and stored_failure(sample) is None:
                    self.add(draw, sample)

    def _read_journal(self, *, force: bool) -> None:
        self._file.seek(0)
        whole, others = 0, False
        with open(self._file.fileno(), "rb", closefd=False) as lines:  # it is open already
            for line in lines:
                if not line.endswith(b"\n"):
                    break
                record = _record(line)
                if record is not None and record.get("recipe") == self._recipe:
                    draw, sample = Draw(record["position"], record["key"], record["number"]), record["sample"]
                    if stored_failure(sample) is None:
                        self._places[draw] = whole
                else:
                    others = True
                whole += len(line)
        if others and not self._places and not force:
            raise ConfigurationError(
                f"{self._journal} has answers to other questions (another model, template, temperature or seed); "
                "--force discards them, or choose another -o"
            )
        if others and not self._places:
            whole = 0
        self._file.truncate(whole)
        self._end = whole

    def _finished(self) -> Iterator[tuple[Draw, Any]]:
        """The draws of a finished file.

        Raises:
            ConfigurationError: When it is not of this recipe.
        """
        with self.path.open("rb") as file:
            for line in bounded_lines(file):
                row = _json(line)
                source = row.get("source") if isinstance(row, dict) else None
                if not isinstance(source, dict) or source.get("recipe") != self._recipe:
                    raise already_there(self.path)
                samples, position = row.get("samples") or (), source.get("row", 0)
                if len(samples) > self._count or (self._limit is not None and position >= self._limit):
                    raise ConfigurationError(
                        f"{self.path} has more samples than this command would write; --force writes over it, "
                        "or choose another -o"
                    )
                for number, sample in enumerate(samples):
                    yield Draw(position, str(source.get("key")), number), sample

    def _close(self) -> None:
        if not self._end:
            self._journal.unlink(missing_ok=True)
        self._file.close()


def _record(line: bytes) -> dict[str, Any] | None:
    """A line of the journal; None for what is not one."""
    record = _json(line)
    kinds = (("position", int), ("key", str), ("number", int), ("sample", dict))
    is_draw = isinstance(record, dict) and all(isinstance(record.get(name), kind) for name, kind in kinds)
    return record if is_draw else None


def _json(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _line(record: Mapping[str, Any]) -> bytes:
    return printable_json(record, separators=(",", ":")).encode() + b"\n"

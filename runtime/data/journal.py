"""The results file of a run, which survives `kill -9`.

While a run goes on, each finished row is appended to `RESULTS.journal`, in the order in which they finish; what was
written is there after a kill, and `fsync`, a few times a second, makes it outlive a power failure too. When every row is
done the results are written in order to a temporary file that takes the place of `RESULTS`. A run that is started again
takes from the journal, and from an earlier results file, every row that the same grader gave to the same row, unless what
stands there cannot be a result of it. Results that go to a device or a pipe are written as they come, in the order of the
rows, and cannot be taken up again.
Results bear no times, so that a resumed run writes the file that an undisturbed one writes. The first of them names the data
file in `data`; with `with_rows`, each has the fields of its row as well.
"""

import json
import os
import time
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from graders import ConfigurationError, GraderInfo, GraderResult
from runtime.data.datasets import Row, limited, numbered, read_rows
from runtime.data.output_files import append_whole, cannot_write, open_through, regular_place, writing
from runtime.data.record_check import is_believable
from runtime.data.result_lines import (
    BESIDE_RESULT,
    DataFile,
    Place,
    Record,
    line_of_record,
    place_of,
    record_of,
)
from runtime.processes.locked_file import holder, open_locked

SYNC_SECONDS = 0.25


class Results(Protocol):
    """Where the results of a run go."""

    @property
    def kept(self) -> str:
        """How many results are kept should the run end now, and how to go on, in words."""
        ...

    def __enter__(self) -> Self:
        """Begin."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End, finished or not."""
        ...

    def earlier(
        self, rows: Iterable[Row], limit: int | None = None
    ) -> Iterator[tuple[int, Row, Record | None]]:
        """Each row with its position and, where there is one, the record that an earlier run left for it.

        Args:
            rows: All rows of the dataset.
            limit: Only so many of them are given, from the first on; records of the others stay in the results.
        """
        ...

    def add(self, position: int, row: Row, result: GraderResult) -> Record:
        """Write down a result; gives its record.

        Raises:
            ConfigurationError: When it cannot be written.
        """
        ...

    def finish(self) -> None:
        """Every row is graded.

        Raises:
            ConfigurationError: When the results cannot be written.
        """
        ...


def results_at(
    path: Path, grader: GraderInfo, *, fresh: bool = False, data: DataFile | None = None
) -> Results:
    """A place for the results of a run: a file with a journal, or what is no regular file, as it is.

    Args:
        path: The results file; `-` is the standard output.
        grader: Only its results are taken up again.
        fresh: Take up none.
        data: What the results are of; None for rows of no file, which the results do not name.

    Raises:
        ConfigurationError: When it cannot be written, or another run is writing it.
    """
    place = regular_place(path)
    if place is None:
        return ResultStream(path, data)
    if data is not None and data.with_rows and data.digest is None:
        raise ConfigurationError(
            f"--with-rows reads the data a second time, which {data.path} does not allow: name a file"
        )
    return Journal(place, grader.signature, fresh=fresh, reward_range=grader.range, data=data)


class ResultStream:
    """Results that are written to what is no regular file, in the order of the rows, each as soon as it is its turn.

    Args:
        path: The device or pipe.
        data: What the results are of.

    Raises:
        ConfigurationError: When it cannot be opened, here, or written, in `add`.
    """

    def __init__(self, path: Path, data: DataFile | None = None) -> None:
        self.path, self._data = path, data
        self._waiting: dict[Place, bytes] = {}
        self._order: deque[Place] = deque()
        self._is_first = True
        try:
            self._file = open_through(path)
        except OSError as error:
            raise cannot_write(path, error) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._file.close()
        except OSError as failed:
            if kind is None:
                raise cannot_write(self.path, failed) from None

    @property
    def kept(self) -> str:
        """Nothing that another run could take over."""
        return f"what was written to {self.path} cannot be taken over; with -o FILE a run can be resumed"

    def earlier(
        self, rows: Iterable[Row], limit: int | None = None
    ) -> Iterator[tuple[int, Row, Record | None]]:
        """Each row with its position: there is nothing earlier."""
        for position, row in limited(rows, limit):
            self._order.append(place_of(position, row))
            yield position, row, None

    def add(self, position: int, row: Row, result: GraderResult) -> Record:
        """Write a result as soon as all before it are written; gives its record.

        Raises:
            ConfigurationError: When it cannot be written.
        """
        record = record_of(position, row, result)
        line = (
            line_of_record(record) if self._data is None else self._data.with_row(line_of_record(record), row)
        )
        self._waiting[place_of(position, row)] = line
        try:
            while self._order and self._order[0] in self._waiting:
                line = self._waiting.pop(self._order.popleft())
                self._file.write(self._data.named(line) if self._data and self._is_first else line)
                self._is_first = False
            self._file.flush()
        except OSError as error:
            raise cannot_write(self.path, error) from None
        return record

    def finish(self) -> None:
        """All is written already."""


class Journal:
    """The results of one run of one grader; opened and locked when it is made, like a file.

    Attributes:
        path: The results file.
        signature: The grader's signature; only its results are taken up again.

    Raises:
        ConfigurationError: When it cannot be written, or another run is writing it; also in `add` and `finish`.
    """

    def __init__(
        self,
        path: Path,
        signature: str,
        *,
        fresh: bool = False,
        reward_range: tuple[float, float] = (0.0, 1.0),
        data: DataFile | None = None,
    ) -> None:
        self.path, self.signature, self._data = path, signature, data
        self._journal = path.with_name(path.name + ".journal")
        self._records: dict[Place, bytes] = {}
        self._synced = time.monotonic()
        self._range = reward_range
        self._again = "run the same command again" + (" without --fresh" if fresh else "")
        try:
            self._file = open_locked(self._journal)
        except BlockingIOError:
            raise ConfigurationError(
                f"another run{holder(self._journal)} is writing {path}; wait for it or choose another -o"
            ) from None
        except OSError as error:
            raise cannot_write(self._journal, error) from None
        try:
            if fresh:
                self._file.truncate(0)
            self._whole = self._drop_torn_line()
            self._known = {} if fresh else self._believable()
        except OSError as error:
            self._file.close()
            raise cannot_write(self._journal, error) from None
        except ConfigurationError:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._sync()
        except OSError as failed:
            if kind is None:
                raise cannot_write(self._journal, failed) from None
        finally:
            if not self._whole:
                self._journal.unlink(missing_ok=True)
            self._file.close()

    @property
    def kept(self) -> str:
        """How many results are kept should the run end now, and how to go on, in words."""
        # those of rows that were not reached yet stand where they stood
        return f"{len(self._records) + len(self._known):,} results are kept; {self._again} to resume"

    def earlier(
        self, rows: Iterable[Row], limit: int | None = None
    ) -> Iterator[tuple[int, Row, Record | None]]:
        """Each row with its position and, where there is one, the record that an earlier run left for it.

        A finished results file gives its rows too, except those that were ungraded and may succeed now. What is not as a
        run of this grader writes it, in types, range or signature, counts as not there.
        """
        known = self._known
        for position, row in numbered(rows):
            place = place_of(position, row)
            earlier = known.pop((*place, row.key), None)
            if earlier is not None:
                self._records[place] = line_of_record(earlier)
            if limit is None or position < limit:
                yield position, row, earlier
            if limit is not None and row.is_last and position + 1 >= limit and not known:
                break
        known.clear()  # of rows that are not there any more

    def _believable(self) -> dict[tuple[object, object, object], Record]:
        """The records of earlier runs, by position and key of their rows."""
        known: dict[tuple[object, object, object], Record] = {}
        for source, finished in ((self.path, True), (self._journal, False)):
            for record in _records(source):
                if is_believable(record, self.signature, self._range) and not (
                    finished and _worth_another_try(record)
                ):
                    known[record["row"], record.get("draw", 0), record["key"]] = record
        return known

    def add(self, position: int, row: Row, result: GraderResult) -> Record:
        """Write down a result; gives its record.

        Raises:
            ConfigurationError: When the disk does not take it; what was written before stays.
        """
        record = record_of(position, row, result)
        line = line_of_record(record)
        try:
            self._whole = append_whole(self._file, line, self._whole)
            if time.monotonic() - self._synced > SYNC_SECONDS:
                self._sync()
        except OSError as error:
            raise ConfigurationError(f"{cannot_write(self._journal, error)}; {self.kept}") from None
        self._records[place_of(position, row)] = line
        return record

    def finish(self) -> None:
        """Write the results in the order of the rows, at once and whole, and remove the journal.

        Raises:
            ConfigurationError: When the disk does not take them; the journal keeps them.
        """
        try:
            with writing(self.path) as file:
                file.writelines(self._lines())
        except ConfigurationError as error:
            kept = f"all results are kept in {self._journal}; {self._again} to write them"
            raise ConfigurationError(f"{error}; {kept}") from None
        self._whole = 0

    def _lines(self) -> Iterator[bytes]:
        """The results in the order of the rows, as they stand in the results file."""
        places = sorted(self._records)
        if self._data is None:
            yield from map(self._records.__getitem__, places)
            return
        lines = (
            self._with_rows(self._data) if self._data.with_rows else map(self._records.__getitem__, places)
        )
        for number, line in enumerate(lines):
            yield line if number else self._data.named(line)

    def _with_rows(self, data: DataFile) -> Iterator[bytes]:
        """The results with the fields of their rows, which are read again rather than held in memory."""
        for position, row in numbered(read_rows(data.path)):
            line = self._records.get(place_of(position, row))
            if line is not None:
                yield data.with_row(line, row)

    def _sync(self) -> None:
        os.fsync(self._file.fileno())
        self._synced = time.monotonic()

    def _drop_torn_line(self) -> int:
        """Cut off a last line that a kill left unfinished; gives the bytes that are left."""
        self._file.seek(0)
        whole = 0
        with open(self._file.fileno(), "rb", closefd=False) as lines:  # it is open already
            for line in lines:
                if not line.endswith(b"\n"):
                    break
                whole += len(line)
        self._file.truncate(whole)
        return whole


def _records(path: Path) -> Iterator[Record]:
    """The objects in a results file or journal; other lines are skipped, and their rows are graded again."""
    try:
        with path.open("rb") as file:
            for line in file:
                try:
                    record = json.loads(line)
                except (ValueError, RecursionError):
                    continue
                if isinstance(record, dict):
                    yield {name: part for name, part in record.items() if name not in BESIDE_RESULT}
    except FileNotFoundError:
        return
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror or error}") from None


def _worth_another_try(record: Record) -> bool:
    return record["reward"] is None and bool((record.get("failure") or {}).get("retryable"))

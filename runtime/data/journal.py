"""The results file of a run, which survives `kill -9`.

While a run goes on, each finished row is appended to `RESULTS.journal`, in the order in which they finish; what was
written is there after a kill, and `fsync`, a few times a second, makes it outlive a power failure too. When every row is
done the results are written in order to a temporary file that takes the place of `RESULTS`. A run that is started again
takes from the journal, and from an earlier results file, every row that the same grader gave to the same row, unless what
stands there cannot be a result of it. Results that go to a device or a pipe are written as they come, in the order of the
rows, and cannot be taken up again.
Results bear no times, so that a resumed run writes the file that an undisturbed one writes.
"""

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from graders import ConfigurationError, GraderInfo, GraderResult
from graders.result_data import RECORD, result_data
from runtime.data.datasets import Row
from runtime.data.output_files import cannot_write, open_through, regular_place, writing
from runtime.data.printable import printable_json
from runtime.data.record_check import is_believable
from runtime.processes.locked_file import holder, open_locked

SYNC_SECONDS = 0.25

Record = dict[str, Any]


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


def results_at(path: Path, grader: GraderInfo, *, fresh: bool = False) -> Results:
    """A place for the results of a run: a file with a journal, or what is no regular file, as it is.

    Args:
        path: The results file; `-` is the standard output.
        grader: Only its results are taken up again.
        fresh: Take up none.

    Raises:
        ConfigurationError: When it cannot be written, or another run is writing it.
    """
    place = regular_place(path)
    if place is None:
        return ResultStream(path)
    return Journal(place, grader.signature, fresh=fresh, reward_range=grader.range)


class ResultStream:
    """Results that are written to what is no regular file, in the order of the rows, each as soon as it is its turn.

    Args:
        path: The device or pipe.

    Raises:
        ConfigurationError: When it cannot be opened, here, or written, in `add`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._waiting: dict[int, bytes] = {}
        self._next = 0
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
        for position, row in enumerate(islice(rows, limit)):
            yield position, row, None

    def add(self, position: int, row: Row, result: GraderResult) -> Record:
        """Write a result as soon as all before it are written; gives its record.

        Raises:
            ConfigurationError: When it cannot be written.
        """
        record = record_of(position, row, result)
        self._waiting[position] = _line(record)
        try:
            while (line := self._waiting.pop(self._next, None)) is not None:
                self._file.write(line)
                self._next += 1
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
    ) -> None:
        self.path, self.signature = path, signature
        self._journal = path.with_name(path.name + ".journal")
        self._records: dict[int, bytes] = {}
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
        for position, row in enumerate(rows):
            earlier = known.pop((position, row.key), None)
            if earlier is not None:
                self._records[position] = _line(earlier)
            if limit is None or position < limit:
                yield position, row, earlier
            if limit is not None and position + 1 >= limit and not known:
                break
        known.clear()  # of rows that are not there any more

    def _believable(self) -> dict[tuple[object, object], Record]:
        """The records of earlier runs, by position and key of their rows."""
        known: dict[tuple[object, object], Record] = {}
        for source, finished in ((self.path, True), (self._journal, False)):
            for record in _records(source):
                if is_believable(record, self.signature, self._range) and not (
                    finished and _worth_another_try(record)
                ):
                    known[record["row"], record["key"]] = record
        return known

    def add(self, position: int, row: Row, result: GraderResult) -> Record:
        """Write down a result; gives its record.

        Raises:
            ConfigurationError: When the disk does not take it; what was written before stays.
        """
        record = record_of(position, row, result)
        line = _line(record)
        try:
            self._append(line)
            if time.monotonic() - self._synced > SYNC_SECONDS:
                self._sync()
        except OSError as error:
            raise ConfigurationError(f"{cannot_write(self._journal, error)}; {self.kept}") from None
        self._records[position] = line
        return record

    def finish(self) -> None:
        """Write the results in the order of the rows, at once and whole, and remove the journal.

        Raises:
            ConfigurationError: When the disk does not take them; the journal keeps them.
        """
        try:
            with writing(self.path) as file:
                file.writelines(self._records[position] for position in sorted(self._records))
        except ConfigurationError as error:
            kept = f"all results are kept in {self._journal}; {self._again} to write them"
            raise ConfigurationError(f"{error}; {kept}") from None
        self._whole = 0

    def _append(self, line: bytes) -> None:
        """Write a line, or nothing of it."""
        left = memoryview(line)
        try:
            while left:
                left = left[self._file.write(left) :]
        except OSError:
            self._file.truncate(self._whole)
            raise
        self._whole += len(line)

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


def record_of(position: int, row: Row, result: GraderResult) -> Record:
    """One line of a results file: everything about a result but its times."""
    return {
        "row": position,
        "line": row.line,
        "key": row.key,
        **result_data(result, RECORD, _json_type),
        "signature": result.grader.signature if result.grader else None,
    }


def _json_type(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else value


def _line(record: Record) -> bytes:
    return printable_json(record, separators=(",", ":")).encode() + b"\n"


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
                    yield record
    except FileNotFoundError:
        return
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror or error}") from None


def _worth_another_try(record: Record) -> bool:
    return record["reward"] is None and bool((record.get("failure") or {}).get("retryable"))

"""The results file of a run, which survives `kill -9`.

While a run goes on, each finished row is appended to `RESULTS.journal`, in the order in which they finish; what was
written is there after a kill, and `fsync`, a few times a second, makes it outlive a power failure too. When every row is
done the results are written in order to a temporary file that takes the place of `RESULTS`. A run that is started again
takes from the journal, and from an earlier results file, every row that the same grader gave to the same row.
Results bear no times, so that a resumed run writes the file that an undisturbed one writes.
"""

import fcntl
import json
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from graders import ConfigurationError, GraderResult
from graders.pattern import encodable
from runtime.datasets import Row

SYNC_SECONDS = 0.25

Record = dict[str, Any]


class Journal:
    """The results of one run of one grader; opened and locked when it is made, like a file.

    Attributes:
        path: The results file.
        signature: The grader's signature; only its results are taken up again.

    Raises:
        ConfigurationError: When it cannot be written, or another run is writing it.
    """

    def __init__(self, path: Path, signature: str, *, fresh: bool = False) -> None:
        self.path, self.signature = path, signature
        self._journal = path.with_name(path.name + ".journal")
        self._records: dict[int, bytes] = {}
        self._synced = time.monotonic()
        self._fresh = fresh
        try:
            self._file = self._journal.open("ab+")
        except OSError as error:
            raise ConfigurationError(f"cannot write {self._journal}: {error.strerror}") from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise ConfigurationError(
                f"another run is writing {self.path}; wait for it or choose another -o"
            ) from None
        if fresh:
            self._file.truncate(0)
        self._drop_torn_line()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sync()
        self._file.close()

    def earlier(self, rows: Iterable[Row]) -> Iterator[tuple[int, Row, Record | None]]:
        """Each row with its position and, where there is one, the record that an earlier run left for it.

        A finished results file gives its rows too, except those that were ungraded and may succeed now.
        """
        known: dict[tuple[object, object], Record] = {}
        if not self._fresh:
            for source, finished in ((self.path, True), (self._journal, False)):
                for record in _records(source):
                    if record.get("signature") == self.signature and not (
                        finished and _worth_another_try(record)
                    ):
                        known[record["row"], record["key"]] = record
        for position, row in enumerate(rows):
            earlier = known.get((position, row.key))
            if earlier is not None:
                self._records[position] = _line(earlier)
            yield position, row, earlier

    def add(self, position: int, row: Row, result: GraderResult) -> Record:
        """Write down a result; gives its record."""
        record = record_of(position, row, result)
        line = _line(record)
        self._records[position] = line
        self._file.write(line)
        self._file.flush()
        if time.monotonic() - self._synced > SYNC_SECONDS:
            self._sync()
        return record

    def finish(self) -> None:
        """Write the results in the order of the rows, at once and whole, and remove the journal."""
        temporary = self.path.with_name(self.path.name + ".tmp")
        with temporary.open("wb") as file:
            file.writelines(self._records[position] for position in sorted(self._records))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.path)
        self._journal.unlink(missing_ok=True)

    def _sync(self) -> None:
        os.fsync(self._file.fileno())
        self._synced = time.monotonic()

    def _drop_torn_line(self) -> None:
        """Cut off a last line that a kill left unfinished."""
        self._file.seek(0)
        whole = 0
        for line in self._file:
            if not line.endswith(b"\n"):
                break
            whole += len(line)
        self._file.truncate(whole)
        self._file.seek(0, os.SEEK_END)


def record_of(position: int, row: Row, result: GraderResult) -> Record:
    """One line of a results file: everything about a result but its times."""
    failure = result.failure
    return {
        "row": position,
        "line": row.line,
        "key": row.key,
        "reward": result.reward,
        "passed": result.passed,
        "sub_rewards": dict(result.sub_rewards),
        "failure": None
        if failure is None
        else {
            "kind": failure.kind.value,
            "caused_by": failure.caused_by,
            "message": failure.message,
            "details": dict(failure.details),
            "retryable": failure.retryable,
        },
        "substituted": result.substituted,
        "explanation": result.explanation,
        "metrics": dict(result.metrics),
        "metadata": dict(result.metadata),
        "usage": {model: dict(tokens) for model, tokens in result.usage.items()},
        "signature": result.grader.signature if result.grader else None,
    }


def _line(record: Record) -> bytes:
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
    return encodable(text).encode() + b"\n"


def _records(path: Path) -> Iterator[Record]:
    """The records of a results file or journal; what is none is passed over, and graded again."""
    try:
        with path.open("rb") as file:
            for line in file:
                try:
                    record = json.loads(line)
                except ValueError:
                    continue
                if isinstance(record, dict) and {"row", "key", "reward", "signature"} <= record.keys():
                    yield record
    except FileNotFoundError:
        return


def _worth_another_try(record: Record) -> bool:
    return record["reward"] is None and bool((record.get("failure") or {}).get("retryable"))

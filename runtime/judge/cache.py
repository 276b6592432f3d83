"""Verdicts that were given before, in one SQLite file that every process of a machine may share.

A key is a digest of everything that decides an answer: server, model, API, messages, sampling, schema and the number of
the vote. What is kept is the verdict and the name of the model that gave it, never the prompt. What failed is not kept.
"""

import json
import logging
import math
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from runtime.judge.sqlite_file import name_of, open_own

logger = logging.getLogger(__name__)

TRIM_TO = 0.9
"""Share of the size limit that is left when the oldest are removed."""
TRIM_EVERY = 1_000
"""Verdicts written between two looks at the size."""
BUSY_S = 0.1
"""Seconds to wait for another process that writes; the grading waits as well."""
PAUSE_S = 60.0
"""Seconds for which a file is left alone after it could not be used."""
BUSY_PAUSE_S = 1.0
"""The same after another process kept it for too long."""

_TABLE = """
CREATE TABLE IF NOT EXISTS verdicts (
    key BLOB PRIMARY KEY, output TEXT NOT NULL, model TEXT NOT NULL, written REAL NOT NULL
) WITHOUT ROWID
"""


class VerdictCache:
    """Verdicts by the digest of what was asked; a file that cannot be used is a cache that knows nothing for a while."""

    def __init__(
        self,
        path: Path,
        *,
        max_bytes: int,
        max_age_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Open nothing yet.

        Args:
            path: The file.
            max_bytes: Size of it, beyond which the oldest verdicts are removed; looked at now and then. 0 for no file.
            max_age_s: Seconds after which a verdict is not used any more.
            clock: Gives seconds, by which a file is left alone.
        """
        self._path, self._max_bytes, self._max_age_s = path, max_bytes, max_age_s
        self._connection: sqlite3.Connection | None = None
        self._since_trim = TRIM_EVERY
        self._closed = max_bytes == 0
        self._clock = clock
        self._paused_until = self._line_at = -math.inf

    def get(self, key: bytes) -> tuple[Any, str] | None:
        """The output and the model of a verdict; None when it is not there, or too old."""
        if self._is_left_alone():
            return None
        try:
            row = (
                self._open()
                .execute(
                    "SELECT output, model FROM verdicts WHERE key = ? AND written > ?",
                    (key, time.time() - self._max_age_s),
                )
                .fetchone()
            )
            return None if row is None else (json.loads(row[0]), row[1])
        except (sqlite3.Error, OSError, ValueError) as error:
            self._give_up(error)
            return None

    def put(self, key: bytes, output: object, model: str) -> None:
        """Remember a verdict, at once: a process that is killed a moment later need not pay for it again."""
        if self._is_left_alone():
            return
        text = json.dumps(output, separators=(",", ":"))
        self._since_trim += 1
        try:
            connection = self._open()
            connection.execute(
                "INSERT OR REPLACE INTO verdicts VALUES (?, ?, ?, ?)", (key, text, model, time.time())
            )
            if self._since_trim >= TRIM_EVERY:
                self._since_trim = 0
                self._trim(connection)
        except (sqlite3.Error, OSError) as error:
            self._give_up(error)

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._closed = True

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = open_own(self._path, busy_s=BUSY_S)
            self._connection.execute(_TABLE)
            self._connection.execute("CREATE INDEX IF NOT EXISTS by_age ON verdicts (written)")
        return self._connection

    def _trim(self, connection: sqlite3.Connection) -> None:
        """Remove what is too old, and the oldest of what is too much."""
        connection.execute("DELETE FROM verdicts WHERE written <= ?", (time.time() - self._max_age_s,))
        pages, free, size = (
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        used = (pages - free) * size
        if used <= self._max_bytes:
            return
        too_many = 1 - TRIM_TO * self._max_bytes / used
        connection.execute(
            """
            DELETE FROM verdicts WHERE key IN (
                SELECT key FROM verdicts ORDER BY written LIMIT cast(? * (SELECT count(*) FROM verdicts) AS INTEGER)
            )
            """,
            (too_many,),
        )

    def _is_left_alone(self) -> bool:
        return self._closed or self._clock() < self._paused_until

    def _give_up(self, error: Exception) -> None:
        """Go on without for a while: a full disk, a locked or a broken file must not stop a training run."""
        now, name = self._clock(), name_of(error)
        is_busy = name.startswith("SQLITE_BUSY")
        self._paused_until = now + (BUSY_PAUSE_S if is_busy else PAUSE_S)
        if now - self._line_at >= PAUSE_S:
            self._line_at = now
            logger.warning(
                "the cache of verdicts %s cannot be used and is left alone for a while: %s (%s)",
                self._path,
                error,
                name,
            )
        if self._connection is not None and not is_busy:
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

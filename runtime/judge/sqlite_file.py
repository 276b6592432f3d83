"""A SQLite file that several processes write, and only its user reads."""

import errno
import sqlite3
import time
from pathlib import Path

_AGAIN_S = 0.01


def open_own(path: Path, *, busy_s: float) -> sqlite3.Connection:
    """Connect to it, and make it where it is not there.

    Args:
        path: The file.
        busy_s: Seconds to wait for another process that writes.

    Raises:
        OSError, sqlite3.Error: When it cannot be made, or is no database.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)  # what a judge said of somebody's samples, and what that cost, is nobody else's
    connection = sqlite3.connect(path, timeout=busy_s, isolation_level=None, check_same_thread=False)
    try:
        _write_ahead(connection, busy_s)
        connection.execute("PRAGMA synchronous = NORMAL")
    except BaseException:
        connection.close()
        raise
    return connection


def _write_ahead(connection: sqlite3.Connection, busy_s: float) -> None:
    """Have a write-ahead log; while another process makes it, SQLite refuses at once instead of waiting."""
    deadline = time.monotonic() + busy_s
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(_AGAIN_S)
        else:
            return


def name_of(error: Exception) -> str:
    """What the system or SQLite calls an error, such as `ENOSPC` or `SQLITE_FULL`; the error's type where they do not."""
    if isinstance(error, OSError) and error.errno is not None:
        return errno.errorcode.get(error.errno, str(error.errno))
    name: str | None = getattr(error, "sqlite_errorname", None) or getattr(error, "sqlstate", None)
    return name or type(error).__name__

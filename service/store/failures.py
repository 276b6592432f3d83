"""Failures of what the service stores to: what they are called, and how the requests that meet them are answered."""

import errno
import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from sqlalchemy import exc

from service.errors import Refusal

Part = Literal["database", "files"]
"""What is stored to: the database, or the directory of uploaded files."""

AGAIN_S = 2
"""Seconds after which a request that met a failure may be sent again."""
_FULL = frozenset({"ENOSPC", "EDQUOT", "EFBIG"})
OF_THE_DISK = _FULL | {"EROFS", "EIO"}
"""Reasons that hold for whatever is written to a disk."""
_FULL_STATES = frozenset({"53100"})
"""PostgreSQL's `disk_full`."""
_BUSY = ("SQLITE_BUSY", "SQLITE_LOCKED", "POOL_TIMEOUT", "55P03")
_BROKEN = ("SQLITE_CORRUPT", "SQLITE_NOTADB")
_NEEDS_ERRNO = ("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_READONLY")
_OF_VALUES = (exc.IntegrityError, exc.DataError, exc.NotSupportedError)
"""Errors about what a statement is given, which say nothing of the database."""
_OF_STATEMENTS = ("SQLITE_ERROR", "42")
"""A statement that the database does not understand: somebody has changed its tables, or it is a mistake of ours."""
_PROBE_BYTES = 1 << 16


class StorageFailed(Refusal):
    """Something could not be stored or read: 507 where there is no space, otherwise 503.

    Attributes:
        part: What failed.
        errno: The system's name of the reason, such as `ENOSPC`; None if it is not known.
        database_code: SQLite's name, such as `SQLITE_FULL`, or PostgreSQL's SQLSTATE; `POOL_TIMEOUT` if all
            connections are in use; None if the database gave no code.
        names: Both, as messages show them; empty if neither is known.
        is_permanent: Whether it stays until an operator repairs the database and starts the service again.
        is_unclear: Whether it may be a mistake of ours, so that the log needs to say where it happened.
    """

    def __init__(self, part: Part, errno_name: str | None, database_code: str | None) -> None:
        self.part, self.errno, self.database_code = part, errno_name, database_code
        full = errno_name in _FULL or database_code in _FULL_STATES
        self.is_permanent = _begins(database_code, _BROKEN)
        self.is_unclear = _begins(database_code, _OF_STATEMENTS)
        self.names = ", ".join(name for name in (errno_name, database_code) if name)
        what = "the database" if part == "database" else "the directory of uploaded files"
        message = f"{what} {_reason(errno_name, database_code, full=full)}" + (
            f" ({self.names})" if self.names else ""
        )
        status, code = (507, "storage_full") if full else (503, "storage_unavailable")
        super().__init__(status, message, code=code, after_s=AGAIN_S)

    @property
    def kind(self) -> tuple[str, ...]:
        """What makes it the same failure as another."""
        return self.part, self.errno or "", self.database_code or ""


def is_storage_failure(error: BaseException) -> bool:
    """Whether an error of SQLAlchemy or SQLite says that the database failed, not that a value is wrong."""
    if isinstance(error, exc.DBAPIError):
        return not isinstance(error, _OF_VALUES)
    return isinstance(error, exc.TimeoutError | sqlite3.OperationalError)


def database_failure(error: BaseException, path: Path | None) -> StorageFailed:
    """A failure of the database; may take a moment, since it tries to write where SQLite does not say why it cannot.

    Args:
        error: What `is_storage_failure` says is one.
        path: SQLite's file; None for PostgreSQL.
    """
    if isinstance(error, exc.TimeoutError):
        return StorageFailed("database", None, "POOL_TIMEOUT")
    cause = error.orig if isinstance(error, exc.DBAPIError) and error.orig is not None else error
    code = getattr(cause, "sqlite_errorname", None) or getattr(cause, "sqlstate", None)
    if path is None or not _begins(code, _NEEDS_ERRNO):
        return StorageFailed("database", None, code)
    found = why_not_written(path.parent, path)
    if found is None and code == "SQLITE_FULL":
        found = "ENOSPC"  # SQLite gives this code for no other reason
    return StorageFailed("database", found, code)


def files_failure(error: OSError) -> StorageFailed:
    """A failure of the directory of uploaded files."""
    return StorageFailed("files", _name(error), None)


def why_not_written(directory: Path, beside: Path | None = None) -> str | None:
    """Try to write in a directory; returns the name of the error, None if writing succeeds.

    Args:
        directory: The directory.
        beside: SQLite's file, which need not exist: a file must be able to be as long as it and its log.
    """
    try:
        with _nameless(directory) as descriptor:
            os.write(descriptor, bytes(_PROBE_BYTES))
            if beside is not None:
                # where files may not be longer than so much, only this finds out
                longest = max(_size(beside), _size(beside.with_name(f"{beside.name}-wal")))
                os.pwrite(descriptor, b"\0", longest)
            os.fsync(descriptor)
    except OSError as error:
        return _name(error)
    return None


@contextmanager
def _nameless(directory: Path) -> Iterator[int]:
    """A new file that has no name any more, so that nothing is left of it."""
    path = directory / f"{secrets.token_hex(12)}.part"
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        path.unlink()
        yield descriptor
    finally:
        os.close(descriptor)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _name(error: OSError) -> str | None:
    return None if error.errno is None else errno.errorcode.get(error.errno, str(error.errno))


def _begins(code: str | None, words: tuple[str, ...]) -> bool:
    # extended codes have more behind: SQLITE_IOERR_WRITE
    return code is not None and code.startswith(words)


def _reason(errno_name: str | None, code: str | None, *, full: bool) -> str:
    if full:
        return "is full: nothing can be written until there is space"
    if _begins(code, _BUSY):
        return "is busy: others keep it for longer than `database_wait_s`"
    if _begins(code, _BROKEN):
        return "is damaged: restore a backup"
    if errno_name is not None and (number := getattr(errno, errno_name, None)) is not None:
        return f"cannot be used: {os.strerror(number)}"
    return "cannot be used" if code else "cannot be reached"

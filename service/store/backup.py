"""A copy of the database while the service runs, by SQLite's own means: with all that is still in its write-ahead log."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from graders import ConfigurationError
from runtime.data.output_files import same_file, writing_by_name

BUSY_S = 10.0
"""Seconds to wait for a process that keeps the whole database."""
_COUNTED = (
    "files",
    "evals",
    "eval_runs",
    "eval_output_items",
    "graders",
    "grader_versions",
    "api_keys",
    "kept_answers",
)


def back_up(database: Path, target: Path, *, force: bool) -> dict[str, Any]:
    """Copy a SQLite database, look whether the copy is whole, and put it in its place.

    Args:
        database: The file of the service.
        target: Where the copy is to be; `-` is the standard output.
        force: Write over a file that is there.

    Returns:
        The `file`, its `bytes`, the `version` of its tables and the number of rows of each table in `rows`.

    Raises:
        ConfigurationError: When there is no database, the copy cannot be written, is there already, or is not whole.
    """
    if not database.is_file():
        raise ConfigurationError(f"there is no database {database}; is `database` set as the service has it?")
    for used in (database, *(database.with_name(f"{database.name}{end}") for end in ("-wal", "-shm"))):
        if same_file(target, used):
            raise ConfigurationError(f"{target} is the database itself; choose another name for the copy")
    with writing_by_name(target, replace=force) as temporary:
        # it holds the digests of keys and the secrets of graders
        temporary.chmod(0o600)
        try:
            _copy(database, temporary)
            described = _looked_at(temporary)
        except sqlite3.Error as error:
            name = getattr(error, "sqlite_errorname", None)
            what = f"write {target}" if name == "SQLITE_FULL" else f"copy {database}"
            raise ConfigurationError(f"cannot {what}: {error} ({name})") from None
    return {"file": str(target), **described}


def _copy(database: Path, temporary: Path) -> None:
    with (
        closing(
            sqlite3.connect(f"{database.absolute().as_uri()}?mode=rw", uri=True, timeout=BUSY_S)
        ) as source,
        closing(sqlite3.connect(temporary)) as copy,
    ):
        # all at once: a copy in steps begins again whenever another process writes
        source.backup(copy)
        # one file, without a log beside it
        copy.execute("PRAGMA journal_mode = DELETE")


def _looked_at(copy: Path) -> dict[str, Any]:
    """What a copy holds.

    Raises:
        ConfigurationError: When it is damaged, or none of ours.
    """
    with closing(sqlite3.connect(f"{copy.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        found = [row[0] for row in connection.execute("PRAGMA integrity_check(3)")]
        if found != ["ok"]:
            raise ConfigurationError(f"the database is damaged, and so would be its copy: {'; '.join(found)}")
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if "alembic_version" not in tables:
            raise ConfigurationError("this is no database of the service: it has none of its tables")
        (version,) = connection.execute("SELECT version_num FROM alembic_version").fetchone() or ("none",)
        rows = {
            name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0]  # noqa: S608  # names of ours
            for name in _COUNTED
            if name in tables
        }
    return {"bytes": copy.stat().st_size, "version": version, "rows": rows}

"""Bring a database up to date at the start of the service, which several processes may do at once."""

import fcntl
import re
import sqlite3
import threading
from contextlib import closing
from functools import cache
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from graders import ConfigurationError

_STEPS = Path(__file__).with_name("migrations")
ADVISORY_LOCK = 0x7266745F67726164
"""The advisory lock of PostgreSQL that the process which migrates holds: `rft_grad` as a number."""
_IN_THIS_PROCESS = threading.Lock()
"""Alembic keeps the migration that it is at in variables of its modules."""
_VERSION = "SELECT version_num FROM alembic_version"


@cache
def newest() -> str:
    """The number of the last migration, from the names of the files: `0005`."""
    names = (path.name for path in (_STEPS / "versions").glob("v*_*.py"))
    return max(match[1] for name in names if (match := re.match(r"v(\d+)_", name)))


def sqlite(engine: Engine, path: Path) -> None:
    """Migrate a SQLite file, and create it if it does not exist.

    A lock file beside it admits one process at a time. A file that is up to date is only read, which no
    writer blocks.
    """
    if _is_current_file(path):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f"{path.name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        path.touch(
            mode=0o600
        )  # samples and the digests of keys; what SQLite writes beside it gets the same mode
        # while another changes it too, SQLite refuses this at once instead of waiting
        with closing(sqlite3.connect(path)) as plain:
            # counts only before the first table is made; otherwise a file never becomes shorter
            plain.execute("PRAGMA auto_vacuum = INCREMENTAL")
            plain.execute("PRAGMA journal_mode = WAL")
        with engine.begin() as connection:
            _upgrade(connection)


def postgresql(engine: Engine) -> None:
    """Bring a PostgreSQL database up to date, in one transaction; one that is up to date is only read."""
    with engine.connect() as connection:
        if _is_current(connection):
            return
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": ADVISORY_LOCK})
        _upgrade(connection)


def _is_current_file(path: Path) -> bool:
    if not path.is_file():
        return False
    with closing(sqlite3.connect(path)) as plain:
        try:
            ((mode,), (version,)) = (
                plain.execute("PRAGMA journal_mode").fetchone(),
                plain.execute(_VERSION).fetchone(),
            )
        except (sqlite3.Error, TypeError):  # no database, one without tables, one without a row
            return False
    return bool(mode == "wal" and version == newest())


def _is_current(connection: Connection) -> bool:
    return inspect(connection).has_table("alembic_version") and (
        connection.scalar(text(_VERSION)) == newest()
    )


def _upgrade(connection: Connection) -> None:
    # takes as long to import as the rest of the store, and most starts need none of it
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_STEPS).replace("%", "%%"))
    with _IN_THIS_PROCESS:
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise ConfigurationError(f"database: it is of another version of rft-graders: {error}") from None

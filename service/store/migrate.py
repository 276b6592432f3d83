"""Bring a database up to date at the start of the service, which several processes may do at once."""

import fcntl
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, text

from graders import ConfigurationError

_STEPS = Path(__file__).with_name("migrations")
_LOCK = 0x7266745F67726164
"""The advisory lock of PostgreSQL that the process which migrates holds: `rft_grad` as a number."""
_IN_THIS_PROCESS = threading.Lock()
"""Alembic keeps the migration that it is at in variables of its modules."""


def sqlite(engine: Engine, path: Path) -> None:
    """Bring a SQLite file up to date, and make it where there is none; a lock file beside it lets one process in at a time."""
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
    """Bring a PostgreSQL database up to date, in one transaction."""
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        _upgrade(connection)


def _upgrade(connection: Connection) -> None:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_STEPS).replace("%", "%%"))
    with _IN_THIS_PROCESS:
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise ConfigurationError(f"database: it is of another version of rft-graders: {error}") from None

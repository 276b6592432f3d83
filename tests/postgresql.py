"""A real PostgreSQL for tests, with a socket of its own and no network; skipped where the machine has none."""

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

_OPTIONS = "-c listen_addresses='' -c fsync=off -c max_connections=40 -k {home}"


@contextmanager
def cluster() -> Iterator[str]:
    """Start a server; gives the URL of its socket, without a database.

    PostgreSQL refuses to run as root, so that there it runs as the user `postgres`.
    """
    binaries = _binaries()
    if binaries is None:
        pytest.skip("this machine has no PostgreSQL")
    user = "postgres" if os.getuid() == 0 else None
    home = Path(tempfile.mkdtemp(prefix="graders-pg-"))
    if user is not None:
        account = pwd.getpwnam(user)
        os.chown(home, account.pw_uid, account.pw_gid)

    def run(name: str, *arguments: str) -> None:
        command = [str(binaries / name), "-D", str(home / "data"), *arguments]
        subprocess.run(command, check=True, user=user, cwd="/", stdout=subprocess.DEVNULL, timeout=60)

    run("initdb", "--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C")
    run("pg_ctl", "start", "-w", "-o", _OPTIONS.format(home=home), "-l", str(home / "log"))
    try:
        yield f"postgresql://postgres@/{{}}?host={home}"
    finally:
        run("pg_ctl", "stop", "-m", "immediate")
        shutil.rmtree(home)


def databases(url: str) -> Iterator[str]:
    """The URLs of fresh databases, as many as are asked for."""
    for number in itertools.count():
        name = f"test_{number}"
        with psycopg.connect(url.format("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        yield url.format(name)


def _binaries() -> Path | None:
    found = shutil.which("pg_ctl")
    return None if found is None else Path(found).resolve().parent

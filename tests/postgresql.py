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
    if _binaries() is None:
        pytest.skip("this machine has no PostgreSQL")
    home = Path(tempfile.mkdtemp(prefix="graders-pg-"))
    if os.getuid() == 0:
        account = pwd.getpwnam("postgres")
        os.chown(home, account.pw_uid, account.pw_gid)
    _run(home, "initdb", "--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C")
    url = f"postgresql://postgres@/{{}}?host={home}"
    start(url)
    try:
        yield url
    finally:
        stop(url)
        shutil.rmtree(home)


def start(url: str) -> None:
    """Start the server of a URL."""
    home = Path(url.partition("host=")[2])
    _run(home, "pg_ctl", "start", "-w", "-o", _OPTIONS.format(home=home), "-l", str(home / "log"))


def stop(url: str) -> None:
    """Stop it as a loss of power would."""
    _run(Path(url.partition("host=")[2]), "pg_ctl", "stop", "-m", "immediate")


def _run(home: Path, name: str, *arguments: str) -> None:
    binaries = _binaries()
    assert binaries is not None
    command = [str(binaries / name), "-D", str(home / "data"), *arguments]
    user = "postgres" if os.getuid() == 0 else None
    subprocess.run(command, check=True, user=user, cwd="/", stdout=subprocess.DEVNULL, timeout=60)


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

"""Graders that reach for what lies outside their locked worker: the sample says for what."""

import atexit
import os
import socket
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from graders import GraderResult, Item, Sample, grader


def _connect(port: str) -> str:
    with socket.create_connection(("127.0.0.1", int(port)), timeout=5) as connection:
        return connection.recv(64).decode()


def _connect_unix(path: str) -> str:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        return connection.recv(64).decode()


def _send_datagram(port: str) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        return str(sender.sendto(b"sesame", ("127.0.0.1", int(port))))


def _fork(_: str) -> str:
    child = os.fork()
    if child == 0:
        os._exit(0)
    return str(os.waitpid(child, 0)[1])


def _kill(process: str) -> str:
    os.kill(int(process), 9)
    return "killed"


def _become_root(_: str) -> str:
    os.setuid(0)
    return "became root"


def _at_exit(path: str) -> str:
    atexit.register(Path(path).write_text, "sesame")
    return "registered"


def _keep_in_database(path: str) -> str:
    with closing(sqlite3.connect(path)) as database:
        database.execute("create table kept (word text)")
        database.execute("insert into kept values ('sesame')")
        database.commit()
        (found,) = database.execute("select word from kept").fetchone()
        return str(found)


def _exit_once(path: str) -> str:
    if not os.path.exists(path):  # noqa: PTH110
        open(path, "w").close()  # noqa: PTH123
        os._exit(9)
    return "again"


REACHES: dict[str, Callable[[str], str]] = {
    "read": lambda path: Path(path).read_text(),
    "write": lambda path: str(Path(path).write_text("sesame")),
    "list": lambda path: " ".join(sorted(os.listdir(path))),  # noqa: PTH208
    "rename": lambda path: str(Path(path).rename(path + "~")),
    "environment": lambda name: str(os.environ.get(name)),
    "environment_of": lambda pid: Path(f"/proc/{pid}/environ").read_bytes().decode(),
    "connect": _connect,
    "connect_unix": _connect_unix,
    "send_datagram": _send_datagram,
    "resolve": lambda name: str(socket.getaddrinfo(name, 80, type=socket.SOCK_STREAM)[0][4][0]),
    "fork": _fork,
    "run": lambda command: subprocess.run([command], check=True, capture_output=True).stdout.decode(),
    "become": lambda command: os.execv(command, [command]),  # noqa: S606
    "kill": _kill,
    "processes": lambda _: " ".join(filter(str.isdigit, os.listdir("/proc"))),  # noqa: PTH208
    "user": lambda _: f"{os.getuid()} {os.geteuid()}",
    "become_root": _become_root,
    "exit_once": _exit_once,
    "at_exit": _at_exit,
    "keep_in_database": _keep_in_database,
}


def _reach(sample: Sample) -> GraderResult:
    act, _, argument = sample.output_text.partition(" ")
    return GraderResult(1.0, explanation=REACHES[act](argument))


@grader("reach", isolation="worker")
def reach(sample: Sample, item: Item) -> GraderResult:
    """Reach for what the sample says, and tell what was there."""
    return _reach(sample)


@grader("reach_files", isolation="worker", needs={"files"})
def reach_files(sample: Sample, item: Item) -> GraderResult:
    """Reach for what the sample says, and tell what was there; files it may."""
    return _reach(sample)


@grader("reach_network", isolation="worker", needs={"network"})
def reach_network(sample: Sample, item: Item) -> GraderResult:
    """Reach for what the sample says, and tell what was there; the network it may."""
    return _reach(sample)


@grader("reach_all", isolation="worker", needs={"files", "network"})
class ReachAll:
    """Reach for what the sample says, and tell what was there; files and the network it may."""

    def __call__(self, sample: Sample, item: Item) -> GraderResult:
        return _reach(sample)

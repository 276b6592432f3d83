"""What a real child may reach under a ruleset; each attempt succeeds in a child without it."""

import fcntl
import os
import signal
import socket
import termios
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from runtime.sandbox.inside.layers import kernel, landlock
from tests.runtime.sandbox.forked import in_child

pytestmark = pytest.mark.skipif(landlock.detect() is not None, reason=str(landlock.detect()))
VERSION = landlock.abi()


def since(version: int) -> pytest.MarkDecorator:
    """For what only this version of Landlock and later ones restrict."""
    return pytest.mark.skipif(version > VERSION, reason=f"this kernel has version {VERSION} of Landlock")


@dataclass
class Place:
    """Directories that a test makes a ruleset for, and a server and a socket that listen."""

    shown: Path
    scratch: Path
    hidden: Path
    port: int
    abstract: str

    def ruleset(self) -> int:
        return landlock.build([str(self.shown), "/usr", "/lib"], [str(self.scratch), "/dev/null"])

    def restricted(self, attempt: Callable[["Place"], object]) -> Any:
        """What comes of it in a child under the ruleset."""

        def locked() -> object:
            kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
            landlock.apply(self.ruleset())
            return attempt(self)

        return in_child(locked)

    def free(self, attempt: Callable[["Place"], object]) -> Any:
        """What comes of it in a child without."""
        return in_child(lambda: attempt(self))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A fresh place."""
    for name in ("shown", "scratch", "hidden"):
        (tmp_path / name / "below").mkdir(parents=True)
        (tmp_path / name / "file").write_text(name)
        (tmp_path / name / "below" / "file").write_text("below")
    abstract = f"\0graders-{os.getpid()}-{threading.get_ident()}"
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(abstract)
        unix.listen()
        port = server.getsockname()[1]
        yield Place(tmp_path / "shown", tmp_path / "scratch", tmp_path / "hidden", port, abstract)


def make_move_and_remove(place: Place) -> str:
    (place.scratch / "new").mkdir()
    (place.scratch / "made").write_text("first, longer")
    (place.scratch / "made").write_text("second")
    (place.scratch / "made").rename(place.scratch / "renamed")
    text = (place.scratch / "renamed").read_text()
    (place.scratch / "renamed").unlink()
    (place.scratch / "new").rmdir()
    return text


def move_between_directories(place: Place) -> str:
    (place.scratch / "file").rename(place.scratch / "below" / "moved")
    return (place.scratch / "below" / "moved").read_text()


ALLOWED: dict[str, tuple[Callable[[Place], object], object]] = {
    "reads what is shown": (lambda place: (place.shown / "file").read_text(), "shown"),
    "reads below what is shown": (lambda place: (place.shown / "below" / "file").read_text(), "below"),
    "lists what is shown": (
        lambda place: sorted(path.name for path in place.shown.iterdir()),
        ["below", "file"],
    ),
    "reads its scratch": (lambda place: (place.scratch / "file").read_text(), "scratch"),
    "makes, empties, renames and removes in its scratch": (make_move_and_remove, "second"),
    "writes to a device that is named": (lambda _: Path("/dev/null").write_text("x"), 1),
}


@pytest.mark.few(3)
@pytest.mark.parametrize("what", ALLOWED)
def test_a_child(what: str, place: Place) -> None:
    attempt, expected = ALLOWED[what]
    assert place.restricted(attempt) == expected


@since(2)
def test_a_child_moves_files_between_directories_of_its_scratch(place: Place) -> None:
    assert place.restricted(move_between_directories) == "scratch"


def connect(place: Place) -> None:
    socket.create_connection(("127.0.0.1", place.port)).close()


def listen(_: Place) -> None:
    socket.create_server(("127.0.0.1", 0)).close()


def bind(_: Place) -> None:
    with socket.socket() as unbound:
        unbound.bind(("127.0.0.1", 0))


def connect_abstract(place: Place) -> None:
    with socket.socket(socket.AF_UNIX) as unix:
        unix.connect(place.abstract)


def bind_a_path(directory: Path) -> None:
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(directory / "s"))


def execute(_: Place) -> None:
    os.execv("/usr/bin/env", ["env", "true"])  # noqa: S606  # the attempt itself


def empty_by_reading(place: Place) -> None:
    os.close(os.open(place.shown / "file", os.O_RDONLY | os.O_TRUNC))


def through_a_link(place: Place) -> str:
    return (place.scratch / "link").read_text()


def read_root(place: Place) -> str:
    return Path(f"/proc/self/root{place.hidden}/file").read_text()


REFUSED: dict[str, Callable[[Place], object]] = {
    "reads another file": lambda place: (place.hidden / "file").read_text(),
    "reads it through /proc": read_root,
    "lists another directory": lambda place: len(list(place.hidden.iterdir())),
    "lists the root": lambda _: len(list(Path("/").iterdir())),
    "reads its own command line": lambda _: Path("/proc/self/cmdline").read_bytes().hex(),
    "writes a file elsewhere": lambda place: (place.hidden / "new").write_text("x"),
    "writes what it may read": lambda place: (place.shown / "file").write_text("x"),
    "makes a file where it may read": lambda place: (place.shown / "new").write_text("x"),
    "makes a directory where it may read": lambda place: (place.shown / "new").mkdir(),
    "removes what it may read": lambda place: (place.shown / "file").unlink(),
    "makes a symbolic link": lambda place: (place.scratch / "link").symlink_to(place.hidden / "file"),
    "makes a named pipe": lambda place: os.mkfifo(place.scratch / "pipe"),
    "makes a socket with a path": lambda place: bind_a_path(place.scratch),
    "executes a program": execute,
}


@pytest.mark.few(3)
@pytest.mark.parametrize("what", REFUSED)
def test_a_child_never(what: str, place: Place) -> None:
    assert place.restricted(REFUSED[what]) == "EACCES"
    assert place.free(REFUSED[what]) != "EACCES"


def test_a_link_in_the_scratch_leads_nowhere_hidden(place: Place) -> None:
    (place.scratch / "link").symlink_to(place.hidden / "file")
    assert place.free(through_a_link) == "hidden"
    assert place.restricted(through_a_link) == "EACCES"


def test_a_hidden_file_is_not_moved_or_linked_into_the_scratch(place: Place) -> None:
    target = place.scratch / "stolen"
    assert place.restricted(lambda here: (here.hidden / "file").rename(target)) in ("EACCES", "EXDEV")
    assert place.restricted(lambda here: target.hardlink_to(here.hidden / "file")) in ("EACCES", "EXDEV")
    assert not target.exists()


@since(3)
def test_a_file_that_may_be_read_is_not_emptied(place: Place) -> None:
    assert place.restricted(empty_by_reading) == "EACCES"
    assert (place.shown / "file").read_text() == "shown"
    assert place.free(empty_by_reading) is None
    assert (place.shown / "file").read_text() == ""


@since(4)
@pytest.mark.parametrize("attempt", [connect, listen, bind])
def test_there_is_no_tcp(attempt: Callable[[Place], object], place: Place) -> None:
    assert place.restricted(attempt) == "EACCES"
    assert place.free(attempt) is None


@since(5)
def test_a_device_that_may_be_opened_takes_no_ioctl(place: Place) -> None:
    def ask(_: Place) -> None:
        with Path("/dev/null").open("rb", buffering=0) as device:
            fcntl.ioctl(device, termios.TCGETS, bytes(64))

    assert place.restricted(ask) == "EACCES"
    assert place.free(ask) == "ENOTTY"


@since(6)
def test_an_abstract_socket_outside_is_out_of_reach(place: Place) -> None:
    assert place.restricted(connect_abstract) == "EPERM"
    assert place.free(connect_abstract) is None


@since(6)
def test_a_process_outside_gets_no_signal_and_the_child_itself_does(place: Place) -> None:
    parent = os.getpid()
    assert place.restricted(lambda _: os.kill(parent, 0)) == "EPERM"
    assert place.free(lambda _: os.kill(parent, 0)) is None
    assert place.restricted(lambda _: os.kill(os.getpid(), signal.SIGTERM)) == "SIGTERM"


def test_a_second_ruleset_takes_away_and_gives_nothing_back(place: Place) -> None:
    def both() -> list[str]:
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
        everything = landlock.build(["/"], [str(place.hidden)])
        scratch_only = landlock.build([str(place.scratch)], [])
        for ruleset in (place.ruleset(), everything, scratch_only):
            landlock.apply(ruleset)
        return [readable(place.scratch), readable(place.shown), readable(place.hidden)]

    assert in_child(both) == ["scratch", "refused", "refused"]


def readable(directory: Path) -> str:
    try:
        return (directory / "file").read_text()
    except PermissionError:
        return "refused"


def test_one_ruleset_serves_many_children(place: Place) -> None:
    ruleset = place.ruleset()

    def locked() -> list[str]:
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
        landlock.apply(ruleset)
        return [readable(place.shown), readable(place.hidden)]

    assert [in_child(locked) for _ in range(3)] == [["shown", "refused"]] * 3
    os.close(ruleset)


def test_a_thread_is_restricted_like_the_one_that_started_it(place: Place) -> None:
    def in_a_thread(place: Place) -> list[str]:
        found: list[str] = []
        thread = threading.Thread(target=lambda: found.append(readable(place.hidden)))
        thread.start()
        thread.join()
        return found

    assert place.restricted(in_a_thread) == ["refused"]


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_path_that_does_not_exist_is_told_and_leaves_no_descriptor_open(tmp_path: Path) -> None:
    before = open_descriptors()
    with pytest.raises(FileNotFoundError, match="nowhere"):
        landlock.build([str(tmp_path), str(tmp_path / "nowhere")], [])
    assert open_descriptors() == before


def test_a_descriptor_that_is_no_ruleset_is_refused() -> None:
    with pytest.raises(OSError, match="landlock_restrict_self"):
        landlock.apply(-1)


def test_each_version_closes_what_the_one_before_left_open() -> None:
    open_at = [len(landlock.missing_rights(version)) for version in range(8)]
    assert open_at == [5, 4, 4, 3, 2, 1, 0, 0]
    assert landlock.missing_rights(3)[0] == "TCP connections and servers"

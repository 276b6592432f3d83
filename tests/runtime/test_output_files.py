"""Files that a user names: whole or not at all, and nothing but a regular file is replaced."""

import os
import socket
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graders import ConfigurationError
from runtime.data.output_files import is_standard_output, regular_place, write_file, writing, writing_by_name
from tests.service.full_disk import small_disk

CONTENT = b"new\n"


@pytest.fixture
def reading(tmp_path: Path) -> Iterator[list[bytes]]:
    """What a reader gets from the named pipe `pipe`."""
    os.mkfifo(tmp_path / "pipe")
    found: list[bytes] = []
    thread = threading.Thread(target=lambda: found.append((tmp_path / "pipe").read_bytes()))
    thread.start()
    yield found
    thread.join()


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_new_file_has_the_usual_mode_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_file(tmp_path / "file", CONTENT)
    finally:
        os.umask(before)
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640
    assert names(tmp_path) == {"file"}


def test_a_file_that_is_replaced_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old, and longer")
    (tmp_path / "file").chmod(0o604)
    write_file(tmp_path / "file", CONTENT)
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o604


def test_after_an_error_the_old_file_is_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    broken = ExitStack()
    broken.enter_context(writing(tmp_path / "file")).write(CONTENT)
    broken.__exit__(KeyError, KeyError(), None)
    assert (tmp_path / "file").read_text() == "old"
    assert names(tmp_path) == {"file"}


@pytest.mark.parametrize("relative", [False, True])
def test_links_are_written_through(tmp_path: Path, *, relative: bool) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "target").write_text("old")
    (tmp_path / "one").symlink_to("in/target" if relative else tmp_path / "in" / "target")
    (tmp_path / "two").symlink_to("one")
    write_file(tmp_path / "two", CONTENT)
    assert (tmp_path / "two").is_symlink()
    assert (tmp_path / "one").is_symlink()
    assert (tmp_path / "in" / "target").read_bytes() == CONTENT


def test_a_dangling_link_makes_what_it_names(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("target")
    write_file(tmp_path / "link", CONTENT)
    assert (tmp_path / "link").readlink() == Path("target")
    assert (tmp_path / "target").read_bytes() == CONTENT


def test_a_file_with_several_names_keeps_them(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old, and longer")
    (tmp_path / "other").hardlink_to(tmp_path / "file")
    write_file(tmp_path / "file", CONTENT)
    assert (tmp_path / "other").read_bytes() == CONTENT
    assert (tmp_path / "other").samefile(tmp_path / "file")


def test_names_that_are_made_up_lead_through_no_link_and_into_no_pipe(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("target")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe"):
        with pytest.raises(ConfigurationError, match="no regular file"):
            write_file(tmp_path / name, CONTENT, follow=False)
    assert names(tmp_path) == {"link", "pipe"}


def test_a_pipe_is_written_through(tmp_path: Path, reading: list[bytes]) -> None:
    write_file(tmp_path / "pipe", CONTENT)
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_what_a_pipe_got_is_what_was_written(tmp_path: Path, reading: list[bytes]) -> None:
    (tmp_path / "link").symlink_to("pipe")
    with writing_by_name(tmp_path / "link") as temporary:
        temporary.write_bytes(CONTENT)
    until = time.monotonic() + 60
    while not reading:
        assert time.monotonic() < until
        time.sleep(0.01)
    assert reading == [CONTENT]


def test_a_socket_is_written_through(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        server.listen()
        write_file(tmp_path / "socket", CONTENT)
        with server.accept()[0] as connection:
            assert connection.recv(100) == CONTENT
    assert (tmp_path / "socket").is_socket()


@pytest.mark.skipif(os.getuid() != 0, reason="only root makes devices")
def test_a_device_is_written_through(tmp_path: Path) -> None:
    os.mknod(tmp_path / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    (tmp_path / "link").symlink_to("null")
    for name in ("null", "link"):
        write_file(tmp_path / name, CONTENT)
        assert regular_place(tmp_path / name) is None
    found = (tmp_path / "null").stat()
    assert stat.S_ISCHR(found.st_mode)
    assert names(tmp_path) == {"null", "link"}


@pytest.mark.parametrize("how", ["/dev/fd/{}", "/proc/self/fd/{}", "/proc/thread-self/fd/{}", "link"])
def test_a_descriptor_is_written_where_it_stands(tmp_path: Path, how: str) -> None:
    with (tmp_path / "file").open("wb") as file:
        file.write(b"before\n")
        file.flush()
        name = Path(how.format(file.fileno()))
        if how == "link":
            name = tmp_path / "link"
            name.symlink_to(f"/dev/fd/{file.fileno()}")
        write_file(name, CONTENT)
        assert os.fstat(file.fileno()).st_ino == (tmp_path / "file").stat().st_ino
    assert (tmp_path / "file").read_bytes() == b"before\nnew\n"


def test_a_descriptor_that_is_read_only_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (tmp_path / "file").open("rb") as file, pytest.raises(ConfigurationError, match="reading only"):
        write_file(Path(f"/dev/fd/{file.fileno()}"), CONTENT)


def test_what_is_printed_is_recognised(tmp_path: Path) -> None:
    assert is_standard_output(Path("-"))
    assert is_standard_output(Path("/dev/fd/1"))
    assert not is_standard_output(tmp_path / "file")


@pytest.mark.parametrize("name", ["folder", "link to folder", "loop", "missing/file", "file/file", "x" * 300])
def test_what_cannot_be_written_is_named_with_the_reason(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link to folder").symlink_to("folder")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").touch()
    before = names(tmp_path)
    with pytest.raises(ConfigurationError, match=r"cannot write .*: \w+"):
        write_file(tmp_path / name, CONTENT)
    assert names(tmp_path) == before


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        (disk.path / "file").write_text("old")
        disk.fill()
        with pytest.raises(ConfigurationError, match=r"No space left on device \(ENOSPC\)"):
            write_file(disk.path / "file", b"x" * 100_000)
        assert (disk.path / "file").read_text() == "old"
        assert names(disk.path) == {"file", "ballast"}


def test_nothing_is_replaced_where_that_is_not_wanted(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    with pytest.raises(ConfigurationError, match="is there already; --force"):
        write_file(tmp_path / "file", CONTENT, replace=False)
    late = ExitStack()
    late.enter_context(writing(tmp_path / "late", replace=False)).write(CONTENT)
    (tmp_path / "late").write_text("old")
    with pytest.raises(ConfigurationError, match="is there already; --force"):
        late.close()
    assert (tmp_path / "file").read_text() == (tmp_path / "late").read_text() == "old"
    assert names(tmp_path) == {"file", "late"}


@given(
    content=st.binary(max_size=3_000),
    old=st.none() | st.binary(max_size=3_000),
    way=st.sampled_from(["itself", "link", "hard link", "chain"]),
)
def test_whatever_leads_to_a_regular_file_what_is_read_is_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, old: bytes | None, way: str
) -> None:
    folder = tmp_path_factory.mktemp("out")
    file = folder / "file"
    if old is not None:
        file.write_bytes(old)
    name = file
    if way == "hard link" and old is not None:
        name = folder / "name"
        name.hardlink_to(file)
    elif way in {"link", "chain"}:
        name = folder / "name"
        name.symlink_to("between" if way == "chain" else "file")
        (folder / "between").symlink_to("file")
    before = names(folder) | {"file"}
    write_file(name, content)
    assert file.read_bytes() == content
    assert name.read_bytes() == content
    assert names(folder) == before

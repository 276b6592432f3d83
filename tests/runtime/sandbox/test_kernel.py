"""Raw system calls: the numbers against the kernel's own headers, the calls against the running kernel."""

import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.sandbox.inside.layers import kernel
from tests.runtime.sandbox.forked import in_child

HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}
INSIDE = Path(kernel.__file__).parents[1]

pytestmark = pytest.mark.skipif(kernel.machine() is None, reason="Linux on x86_64 or aarch64 only")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def numbers_of(header: Path) -> dict[str, int]:
    """Every number that a header of Linux gives, for a 64-bit machine."""
    text = header.read_text()
    numbers = {name: int(number) for name, number in re.findall(r"#define __NR_(\w+)\s+(\d+)", text)}
    wide = {name: int(number) for name, number in re.findall(r"#define __NR3264_(\w+)\s+(\d+)", text)}
    for name, source in re.findall(r"#define __NR_(\w+)\s+__NR3264_(\w+)", text):
        if source in wide:
            numbers.setdefault(name, wide[source])
    return numbers


@pytest.mark.parametrize("machine", HEADERS)
def test_the_numbers_are_those_of_the_kernels_headers(machine: str) -> None:
    if not HEADERS[machine].exists():
        pytest.skip(f"no {HEADERS[machine]}: install linux-libc-dev")
    told = numbers_of(HEADERS[machine])
    names = {name for numbers in kernel.NUMBERS.values() for name in numbers}
    assert kernel.NUMBERS[machine] == {name: told[name] for name in names if name in told}


def test_a_result_comes_back() -> None:
    assert kernel.syscall("getpid") == os.getpid()


def test_an_integer_is_passed_as_64_bits() -> None:
    descriptor = os.memfd_create("sparse")
    assert kernel.syscall("lseek", descriptor, 2**40 + 7, os.SEEK_SET) == 2**40 + 7
    os.close(descriptor)


def test_a_failure_is_an_oserror_that_names_the_call() -> None:
    with pytest.raises(OSError, match=r"\[Errno 22\] close_range: Invalid argument"):
        kernel.close_range(5, 4)


def test_a_call_that_the_machine_lacks_fails_like_one_that_the_kernel_lacks() -> None:
    with pytest.raises(OSError, match="no_such_call: no such system call on this machine") as caught:
        kernel.syscall("no_such_call")
    assert caught.value.errno == errno.ENOSYS


def test_a_path_is_not_cut_at_a_null_byte() -> None:
    with pytest.raises(ValueError, match="embedded null byte"):
        kernel.umount2("/tmp\0/elsewhere")


def test_prctl_sets_what_it_gets() -> None:
    def hide() -> list[int]:
        kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
        return [kernel.prctl(kernel.PR_GET_DUMPABLE), kernel.prctl(kernel.PR_GET_NO_NEW_PRIVS)]

    assert in_child(hide) == [0, 0]


def test_close_range_closes_both_ends_and_nothing_else() -> None:
    def close() -> list[bool]:
        for descriptor in range(200, 205):
            os.dup2(1, descriptor)
        kernel.close_range(201, 203)
        return [is_open(descriptor) for descriptor in range(200, 205)]

    assert in_child(close) == [True, False, False, False, True]


def is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def test_a_sealed_file_in_memory_takes_what_fits_and_keeps_its_size() -> None:
    descriptor = kernel.sealed_memfd("output", 10, writable=True)
    try:
        assert os.write(descriptor, b"0123456789") == 10
        with pytest.raises(PermissionError):
            os.write(descriptor, b"x")
        with pytest.raises(PermissionError):
            os.ftruncate(descriptor, 5)
        assert os.pread(descriptor, 20, 0) == b"0123456789"
    finally:
        os.close(descriptor)


def test_a_sealed_file_that_is_not_writable_never_changes() -> None:
    descriptor = kernel.sealed_memfd("input", 3)
    try:
        with pytest.raises(PermissionError):
            os.write(descriptor, b"x")
        assert os.pread(descriptor, 20, 0) == b"\0\0\0"
    finally:
        os.close(descriptor)


@as_root
def test_dropped_capabilities_are_gone_from_every_set() -> None:
    def drop() -> list[str]:
        kernel.drop_capabilities()
        status = Path("/proc/self/status").read_text()
        return re.findall(r"Cap\w+:\s+(\w+)", status)

    assert in_child(drop) == ["0" * 16] * 5


@as_root
def test_an_identity_is_changed_in_all_three_ids_and_groups() -> None:
    def change() -> list[object]:
        kernel.set_identity(65534, 65533)
        return [os.getresuid(), os.getresgid(), os.getgroups()]

    assert in_child(change) == [[65534] * 3, [65533] * 3, []]


def isolated(flags: int) -> None:
    kernel.unshare(flags)
    kernel.mount(None, "/", None, kernel.MS_REC | kernel.MS_PRIVATE)


def skip_where_refused(outcome: object) -> None:
    if outcome == "EPERM":
        pytest.skip("root may not make namespaces here")


@as_root
def test_a_mount_made_read_only_refuses_a_write_and_the_one_below_too(tmp_path: Path) -> None:
    def write() -> list[str]:
        isolated(kernel.CLONE_NEWNS)
        kernel.mount("outer", str(tmp_path), "tmpfs", kernel.MS_NOSUID, "size=64k")
        (tmp_path / "inner").mkdir()
        kernel.mount("inner", str(tmp_path / "inner"), "tmpfs", 0, "size=64k")
        (tmp_path / "inner" / "file").write_text("before")
        kernel.set_read_only(str(tmp_path), recursive=True)
        return [refusal(tmp_path / "file"), refusal(tmp_path / "inner" / "file")]

    outcome = in_child(write)
    skip_where_refused(outcome)
    assert outcome == ["EROFS", "EROFS"]
    assert list(tmp_path.iterdir()) == []


def refusal(path: Path) -> str:
    try:
        path.write_text("after")
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return "written"


@as_root
def test_the_old_root_is_gone_after_a_pivot(tmp_path: Path) -> None:
    def pivot() -> list[str]:
        isolated(kernel.CLONE_NEWNS)
        kernel.mount("root", str(tmp_path), "tmpfs", 0, "size=64k")
        (tmp_path / "old").mkdir()
        kernel.pivot_root(str(tmp_path), str(tmp_path / "old"))
        os.chdir("/")
        kernel.umount2("/old", kernel.MNT_DETACH)
        return [str(path) for where in ("/", "/old") for path in Path(where).iterdir()]

    outcome = in_child(pivot)
    skip_where_refused(outcome)
    assert outcome == ["/old"]


@as_root
def test_a_host_name_of_its_own_is_seen_nowhere_else() -> None:
    before = os.uname().nodename

    def rename() -> str:
        isolated(kernel.CLONE_NEWNS | kernel.CLONE_NEWUTS)
        kernel.sethostname("sandbox")
        return os.uname().nodename

    outcome = in_child(rename)
    skip_where_refused(outcome)
    assert outcome == "sandbox"
    assert os.uname().nodename == before


@pytest.mark.parametrize("layer", ["kernel", "seccomp", "landlock"])
def test_a_layer_imports_nothing_that_makes_every_fork_slower(layer: str) -> None:
    slow = ["threading", "subprocess", "multiprocessing", "random", "logging", "concurrent.futures"]
    script = (
        f"import sys; sys.path.insert(0, {str(INSIDE.parent)!r}); before = set(sys.modules); import inside.layers.{layer};"
        f" print(sorted(set({slow}) & (set(sys.modules) - before)))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout == "[]\n"

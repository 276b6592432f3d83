"""Control groups are made where the service may divide its own, and nowhere else; a directory stands for the kernel's tree."""

import os
from pathlib import Path

import pytest

from runtime.sandbox.processes.cgroups import Cgroups


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree whose group `/service` hands its controllers down."""
    group = tmp_path / "tree/service"
    group.mkdir(parents=True)
    (group / "cgroup.controllers").write_text("cpu io memory pids\n")
    (group / "cgroup.subtree_control").write_text("cpu memory pids\n")
    (tmp_path / "mounts").write_text(f"proc /proc proc rw 0 0\ncgroup2 {tmp_path}/tree cgroup2 rw 0 0\n")
    (tmp_path / "own").write_text("1:cpu:/elsewhere\n0::/service\n")
    return tmp_path


def here(tree: Path) -> Cgroups:
    return Cgroups.here(str(tree / "mounts"), str(tree / "own"))


def test_a_group_has_its_limits_and_its_process(tree: Path) -> None:
    group = here(tree).make(memory_bytes=1 << 30, processes=100, processors=2)
    group.add(4711)
    (directory,) = (tree / "tree/service").glob("graders-*")
    found = {file.name: file.read_text() for file in directory.iterdir()}
    assert found == {
        "memory.max": "1073741824",
        "memory.oom.group": "0",
        "pids.max": "100",
        "cpu.max": "200000 100000",
        "cgroup.procs": "4711",
    }


def test_what_a_killed_service_left_is_ended_and_what_a_living_one_has_is_not(tree: Path) -> None:
    dead, alive = (tree / f"tree/service/graders-{pid}-0" for pid in (2**22 + 1, os.getpid()))
    dead.mkdir()
    alive.mkdir()
    here(tree)
    assert (
        dead / "cgroup.kill"
    ).read_text() == "1"  # the kernel's own files do not keep a group: it is gone then
    assert list(alive.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("mounts", "proc /proc proc rw 0 0\n", "no cgroup v2"),
        ("own", "1:cpu:/elsewhere\n", "no cgroup v2"),
        ("tree/service/cgroup.controllers", "hugetlb\n", "no controller for cpu, memory, pids"),
        ("tree/service/cgroup.controllers", "cpu pids\n", "no controller for memory"),
    ],
)
def test_what_is_missing_is_said(tree: Path, name: str, text: str, told: str) -> None:
    (tree / name).write_text(text)
    with pytest.raises(OSError, match=told):
        here(tree)


def test_controllers_are_handed_down_where_that_is_allowed(tree: Path) -> None:
    control = tree / "tree/service/cgroup.subtree_control"
    control.write_text("")
    here(tree)
    assert control.read_text() == "+cpu +memory +pids"


def test_a_group_that_may_not_be_divided_is_left_alone(tree: Path) -> None:
    control = tree / "tree/service/cgroup.subtree_control"
    control.unlink()
    # writing fails, as the kernel lets it for a group with processes in it
    control.symlink_to("/nowhere/file")
    with pytest.raises(OSError, match="not its own to divide"):
        here(tree)

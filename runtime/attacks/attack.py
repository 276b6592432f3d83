"""What an attack is, and how one is written: a Python function whose text is taken away and run elsewhere."""

import inspect
import re
import textwrap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypedDict, get_args

from runtime.attacks import prelude

Layer = Literal[
    "user",
    "mount",
    "pid",
    "net",
    "ipc",
    "uts",
    "cgroup",
    "capabilities",
    "no_new_privs",
    "identity",
    "not_dumpable",
    "landlock",
    "seccomp",
    "rlimits",
    "environment",
    "descriptors",
    "fork",
]
"""A layer of the sandbox; `fork` stands for one process for each grading."""

Group = Literal["reading", "writing", "network", "processes", "resources", "kernel", "secrecy", "state"]
AttackOutcome = Literal[
    "graded", "error", "timeout", "memory_limit", "output_limit", "exit", "signal", "protocol"
]
"""How a grading may end: with a result, with an exception of the grader's own, or with the end of its process."""

Verify = Literal["file-unchanged", "listener-untouched", "victim-alive"]
"""What is looked at from outside afterwards: the writable file (that it is there, its content, mode, times, attributes),
the four listeners (that they heard nothing), the victim (that it lives, with the limits and priority that it had)."""


class Target(TypedDict):
    """What an attack is told about the host: facts about things that were made for it to attack.

    Everything is owned by the user who starts the sandbox; that user and the sandboxed one can both walk to the paths.
    """

    secret_file: str
    """A file that everybody may read (0644, in a directory that everybody may list) and that holds the secret."""
    private_file: str
    """The same for its owner only (0600)."""
    home_dir: str
    """What stands for a home directory: `.netrc`, `.aws/credentials`, `.config/pip/pip.conf` and `.ssh/id_ed25519`."""
    harness_file: str
    """A source file of the supervisor's, not of the part of it that is shown inside."""
    writable_dir: str
    """A directory that everybody may write (0777, not sticky)."""
    writable_file: str
    """A file in it that everybody may write (0666) and that is not empty."""
    tcp_port: int
    """A listener on 127.0.0.1."""
    udp_port: int
    """A bound socket on 127.0.0.1."""
    unix_path: str
    """A listening unix stream socket (mode 0777)."""
    abstract_name: str
    """A listening abstract stream socket, without the NUL before its name."""
    victim_pid: int
    """A process of the same user, started for this; the id that the host knows it by."""
    supervisor_pid: int
    """The process that starts the sandbox."""
    env_name: str
    """A variable in the environment of the supervisor, set before it began: `OPENAI_API_KEY`."""
    host_name: str
    """The host's name."""
    marker: str
    """A text that is in no other run."""
    bytes: int
    """How much a bomb asks for: far above the limits in earnest, a little in a positive control."""
    count: int
    """How many a bomb asks for, in the same way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """One thing that foreign code must not be able to do.

    Attributes:
        name: Unique, in kebab-case.
        group: The heading that it stands under.
        claim: What it tries, in a sentence.
        source: The Python text of its function.
        entry: The name of that function.
        stopped_by: The layers that stop it, most of them each alone: when all are taken away together, it succeeds.
        leaks_at: Levels at which it is documented to succeed: harmless facts about the host at level 2.
        needs: The facts of the target that it uses.
        as_root: Whether only a sandbox that root starts can show the control: the kernel refuses it to others.
        control: Why its success cannot be shown on a usual machine; None when it can.
        arch: The only machine that it is written for; None for every one.
        verify: What to look at from outside afterwards; None when what it reports is all there is.
        expect: Of a bomb: how the grading may end. None for an attack that reports its own success.
    """

    name: str
    group: Group
    claim: str
    source: str
    entry: str
    stopped_by: frozenset[Layer]
    leaks_at: frozenset[int] = frozenset()
    needs: frozenset[str] = frozenset()
    as_root: bool = False
    control: str | None = None
    arch: str | None = None
    verify: Verify | None = None
    expect: frozenset[AttackOutcome] | None = None

    @property
    def program(self) -> str:
        """A complete Python text that defines `attack(target)`; of group `state` `leave(target)` and `find(target)`.

        `attack` and `find` return what they got as a text when they succeeded; they return None or raise when not.
        """
        if self.group == "state":
            call = f"def leave(target):\n    {self.entry}(target)[0]()\n\n\ndef find(target):\n    return {self.entry}(target)[1]()\n"
        else:
            call = f"attack = {self.entry}\n"
        return f"{PRELUDE}\n\n{self.source}\n\n{call}"


Function = Callable[[Target], str | None]
Pair = tuple[Callable[[], object], Callable[[], str | None]]

PRELUDE = inspect.getsource(prelude)
"""The text that stands before that of every attack."""

_FACT = re.compile(r"target\[\"(\w+)\"\]")


def attack(
    *,
    stopped_by: Iterable[Layer],
    leaks_at: Iterable[int] = (),
    as_root: bool = False,
    control: str | None = None,
    arch: str | None = None,
    verify: Verify | None = None,
    expect: Iterable[AttackOutcome] | None = None,
) -> Callable[[Function], Attack]:
    """Make an attack of a function: its name, its docstring and its text; the module or package it stands in is its group."""

    def decorate(function: Function) -> Attack:
        return Attack(
            **_described(function),
            stopped_by=frozenset(stopped_by),
            leaks_at=frozenset(leaks_at),
            as_root=as_root,
            control=control,
            arch=arch,
            verify=verify,
            expect=None if expect is None else frozenset(expect),
        )

    return decorate


def residue(*more: Layer, control: str | None = None) -> Callable[[Callable[[Target], Pair]], Attack]:
    """Make an attack of a function that returns two: one leaves something behind, one finds it in the next grading.

    Args:
        more: Layers that stop it besides the fork.
        control: Why its success cannot be shown.
    """

    def decorate(function: Callable[[Target], Pair]) -> Attack:
        return Attack(**_described(function), stopped_by=frozenset({"fork", *more}), control=control)

    return decorate


class _Described(TypedDict):
    name: str
    group: Group
    claim: str
    source: str
    entry: str
    needs: frozenset[str]


def _described(function: Callable[[Target], object]) -> _Described:
    lines = textwrap.dedent(inspect.getsource(function)).splitlines(keepends=True)
    start = next(number for number, line in enumerate(lines) if line.startswith("def "))
    source = "".join(lines[start:])
    return describe(function.__name__, function.__module__, function.__doc__ or "", source)


def describe(entry: str, module: str, claim: str, source: str) -> _Described:
    """The fields that follow from an attack's text and place.

    Raises:
        ValueError: If the module is not one of the groups, or the text uses an unknown fact.
    """
    groups: Mapping[str, Group] = {name: name for name in get_args(Group)}
    group = next((groups[name] for name in module.split(".") if name in groups), None)
    needs = frozenset(_FACT.findall(source))
    if group is None or not needs <= Target.__annotations__.keys():
        raise ValueError(f"{module}.{entry} is in no group, or uses unknown facts: {sorted(needs)}")
    return {
        "name": entry.replace("_", "-"),
        "group": group,
        "claim": claim.strip().partition("\n")[0],
        "source": source,
        "entry": entry,
        "needs": needs,
    }

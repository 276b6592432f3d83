"""Canaries: for each layer of the sandbox one forbidden act that shows whether the layer is there.

A canary is carried out twice, in two throw-away processes. Both go without the other layers that would stop it. It has to
fail in the first, which has the layer, and to succeed in the second, which has not: that shows that it is able to.
"""

# what a canary does, it imports itself: its text travels alone, and calls the system rather than wrappers
# ruff: noqa: PLC0415, PTH123, SIM115

import asyncio
import ctypes
import inspect
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from pydantic_core import to_json

from runtime.attacks import by_name
from runtime.attacks.arena import Arena
from runtime.attacks.attack import PRELUDE, Layer, Target, Verify
from runtime.attacks.prelude import syscall
from runtime.attacks.run import CALL, EVIDENCE, how_it_ended
from runtime.sandbox.doctor import why_degraded, why_missing
from runtime.sandbox.host import Reached, trial_shape
from runtime.sandbox.layers import NAMESPACES, Level
from runtime.sandbox.processes.session import Session
from runtime.sandbox.processes.worker_group import Answer, SandboxJob, ask
from runtime.sandbox.processes.zygote import Zygote, ZygoteFailed, environment
from runtime.sandbox.programs import Programs

TIMEOUT_S = 10.0
PROGRAM_BYTES = 16 << 20
OUTPUT_BYTES = 1 << 20
NOBODY = (
    "code of others never runs on this system, so there is nobody to try it with; workers are tried below"
)

CanaryOutcome = Literal["got", "refused", "broken"]
"""Of an act: it succeeded, it failed as what is forbidden fails, or it was not carried out at all."""
REFUSALS = frozenset({"OSError", "PermissionError", "FileNotFoundError", "ProcessLookupError"})
"""How what is forbidden fails, if it does not just find nothing. Any other exception is not the layer's doing."""

State = Literal["active", "degraded", "missing", "unshown"]
"""`unshown`: the layer is in force, but there is no act on this machine that only it forbids."""


@dataclass(frozen=True, slots=True)
class Canary:
    """One forbidden act.

    Attributes:
        tried: What it does, in the infinitive.
        program: A text that defines `attack(target)`, as attacks have it.
        without: The other layers that would stop it.
        verify: What to look at from outside afterwards.
    """

    tried: str
    program: str
    without: frozenset[str] = frozenset()
    verify: Verify | None = None


@dataclass(frozen=True, slots=True)
class LayerTrial:
    """The outcome of one layer's canary.

    Attributes:
        layer: The layer.
        state: The state of the layer.
        tried: The forbidden act; empty if nothing was tried.
        with_it: The outcome of the act in a process that has the layer.
        without_it: Its outcome in a process without the layer.
        cause: Why the layer is missing, what it leaves open, or why it cannot be shown.
        remedy: What to do about it.
    """

    layer: str
    state: State
    tried: str = ""
    with_it: str = ""
    without_it: str = ""
    cause: str = ""
    remedy: str = ""


NO_NUMBER = 65_534
"""The number that the kernel shows for users whom a user namespace does not know."""


def learn_its_real_user(target: Target) -> str | None:
    """Learns the host's number of the user who started it; inside it is 65534, as for every user who has no number there."""
    return f"it is user {os.getuid()}" if os.getuid() != NO_NUMBER else None


def see_a_message_queue(target: Target) -> str | None:
    """Asks for the number of message queues, of which the host has at least the one made for this."""
    import ctypes

    counts = (ctypes.c_int * 16)()
    msg_info = 12
    syscall("msgctl", 0, msg_info, ctypes.byref(counts))
    return f"it saw {counts[0]}" if counts[0] else None


def learn_its_control_group(target: Target) -> str | None:
    """Reads where the host has put it among its control groups."""
    places = {line.rpartition(":")[2].strip() for line in open("/proc/self/cgroup")}
    return "it learnt it" if places - {"/"} else None


def use_a_right_of_root(target: Target) -> str | None:
    """Makes its root directory its root directory, which takes CAP_SYS_CHROOT and changes nothing."""
    os.chroot("/")
    return "chroot did not refuse"


def be_refused_a_filter(target: Target) -> str | None:
    """Asks for a filter of its own, which the kernel refuses to those who might still gain rights."""
    import ctypes
    import struct

    allow_all = ctypes.create_string_buffer(struct.pack("=HBBI", 0x06, 0, 0, 0x7FFF0000))
    try:
        syscall("seccomp", 1, 0, struct.pack("@HP", 1, ctypes.addressof(allow_all)))
    except PermissionError:
        return "the kernel says so"
    return None


def read_the_memory_map_of_its_parent(target: Target) -> str | None:
    """Opens its parent's memory map, as one who traces it would."""
    return f"it read {len(open(f'/proc/{os.getppid()}/maps').read())} characters"


def find_an_open_descriptor(target: Target) -> str | None:
    """Looks for descriptors besides its own streams and channel."""
    for descriptor in range(5, 256):
        try:
            os.fstat(descriptor)
        except OSError:
            continue
        return f"descriptor {descriptor} was open"
    return None


def find_a_variable(target: Target) -> str | None:
    """Looks for variables that were not made for it."""
    own = ()  # filled in below: what a sandboxed process is given
    found = {name for name in os.environ if name not in own and name != "LC_CTYPE"}
    return f"it found {len(found)}" if found else None


def canaries(level: Level, *, is_root: bool) -> Mapping[str, Canary | str]:
    """The canary of each layer of a level, or the reason why the layer has no canary.

    Args:
        level: The rest of the sandbox around a canary.
        is_root: Whether root starts it.
    """
    every: dict[str, Canary | str] = {
        "user": _of("swap-off", "use the rights of real root", "capabilities", "identity", "seccomp")
        if is_root
        else _own(learn_its_real_user, "learn who started it", *NAMESPACES),
        "mount": _of("stat-a-host-file", "look at a file of the host", *_private(is_root)),
        "pid": _of("kill-a-process", "kill a process of the host", "seccomp", "landlock", "identity"),
        "net": _of("connect-to-loopback", "reach a port of the host", "landlock", "seccomp"),
        "ipc": _own(see_a_message_queue, "see the host's message queue", "seccomp"),
        "uts": _of("learn-the-host-name", "learn the host's name"),
        "cgroup": _own(
            learn_its_control_group, "learn its control group", "mount", "landlock", *_private(is_root)
        ),
        "capabilities": _own(use_a_right_of_root, "use a right of root", "seccomp", "identity"),
        "no_new_privs": _own(be_refused_a_filter, "count as able to gain rights", "landlock", "seccomp"),
        "identity": _of("kill-a-process", "kill its starter's process", "pid", "seccomp", "landlock"),
        "not_dumpable": _own(
            read_the_memory_map_of_its_parent,
            "read its parent's memory map",
            "landlock",
            "identity",
            *NAMESPACES,
        ),
        "landlock": _of(
            "read-a-file-that-everybody-may-read", "read a file of the host", "identity", *NAMESPACES
        ),
        "seccomp": _of("hold-a-program-in-memory", "hide a program in memory"),
        "rlimits": _of("reserve-without-touching", "reserve 1 TiB of memory"),
        "environment": _own(find_a_variable, "find a variable of yours"),
        "descriptors": _own(find_an_open_descriptor, "use a file its parent opened"),
    }
    if not is_root:
        every["identity"] = (
            "you are an ordinary user, and code runs as you: there is no other identity to take"
        )
        if level < Level.FULL:
            every["capabilities"] = "you are an ordinary user: there is no right of root to give up"
    return {layer: canary for layer, canary in every.items() if layer in level.layers}


def _private(is_root: bool) -> tuple[Layer, ...]:  # noqa: FBT001  # one question, asked in one place
    """Without the mounts, another user than root may not even reach an interpreter in root's home."""
    return ("user", "identity") if is_root else ()


def _of(name: str, tried: str, *without: str) -> Canary:
    attack = by_name[name]
    return Canary(tried, attack.program, frozenset(without), attack.verify)


def _own(function: Callable[[Target], str | None], tried: str, *without: str) -> Canary:
    source = inspect.getsource(function).replace("own = ()", f"own = {tuple(environment())}")
    return Canary(tried, f"{PRELUDE}\n\n{source}\n\nattack = {function.__name__}\n", frozenset(without))


async def try_layers(reached: Reached, chosen: Mapping[str, Canary | str] | None = None) -> list[LayerTrial]:
    """Try every layer that the sandbox knows, on this machine.

    Args:
        reached: The level whose layers are to hold; those above it are only tried by themselves, to say why they do not.
        chosen: The canaries of that level; None for the usual ones.
    """
    if chosen is None:
        chosen = canaries(reached.level, is_root=os.geteuid() == 0)
    above = [_missing(layer, reached) for layer in Level.FULL.layers - reached.level.layers]
    if not reached.held:
        return [
            *await asyncio.gather(*above),
            *(LayerTrial(layer, "unshown", cause=NOBODY) for layer in chosen),
        ]
    zygote = await Zygote.start(trial_shape(reached.level.layers))
    try:
        place = _CanarySite(reached.level, zygote)
        with _message_queue():
            return await asyncio.gather(
                *above, *(place.trial(layer, chosen[layer], reached) for layer in chosen)
            )
    finally:
        await zygote.aclose()


async def _missing(layer: str, reached: Reached) -> LayerTrial:
    cause, remedy = await why_missing(layer)
    if not cause:
        refused = reached.refused.get(Level(reached.level + 1))
        cause = f"it would hold by itself, but not with its whole level: {refused}"
    return LayerTrial(layer, "missing", cause=cause, remedy=remedy)


class _CanarySite:
    """Where canaries are carried out."""

    def __init__(self, level: Level, compiling: Zygote) -> None:
        async def start(image: str | None) -> Session:
            del image  # there is but one
            return compiling.fork(OUTPUT_BYTES)

        self._level, self._programs = level, Programs(start, PROGRAM_BYTES)
        self._room = asyncio.Semaphore(2 * (os.cpu_count() or 1))

    async def trial(self, layer: str, canary: Canary | str, reached: Reached) -> LayerTrial:
        """Try one layer."""
        cause, remedy = why_degraded(layer, reached)
        if isinstance(canary, str):
            return LayerTrial(layer, "unshown", cause=canary)
        if layer not in reached.held:
            return LayerTrial(
                layer, "degraded" if cause else "missing", canary.tried, cause=cause, remedy=remedy
            )
        layers = self._level.layers - (canary.without - {layer})
        async with self._room:
            with Arena() as arena:
                outcome, with_it = await self._attempt(canary, layers, arena)
                control, without_it = await self._attempt(canary, layers - {layer}, arena)
        state: State = "degraded" if cause else "active"
        if outcome == "got":
            state, cause = "missing", f"the forbidden act succeeded: {with_it}"
        elif outcome == "broken":
            state, cause = "missing", f"it could not be tried: {with_it}"
        elif control != "got":
            state, cause = (
                "unshown",
                "without it the act fails as well: something outside the sandbox forbids it",
            )
        return LayerTrial(layer, state, canary.tried, with_it, without_it, cause, remedy)

    async def _attempt(
        self, canary: Canary, layers: frozenset[str], arena: Arena
    ) -> tuple[CanaryOutcome, str]:
        """What came of the act in a process with these layers, also in words."""
        try:
            answer = await self._answer(canary, layers, arena)
        except ZygoteFailed as error:
            return "broken", str(error)
        ended, said = how_it_ended(answer)
        said = said.removeprefix("python: ").removeprefix(f"{EVIDENCE}: ")
        harm = arena.harm(canary.verify)
        if ended == EVIDENCE or harm is not None:
            return "got", harm or said
        if isinstance(answer, float):
            return "refused", "it got nothing"
        return "refused" if answer.failure.details.get("type") in REFUSALS else "broken", said

    async def _answer(self, canary: Canary, layers: frozenset[str], arena: Arena) -> Answer:
        """How the grading that is the act ended.

        Raises:
            ZygoteFailed: When there is no process with these layers.
        """
        job = SandboxJob(await self._programs.get(canary.program + CALL, None), TIMEOUT_S, None)
        zygote = await Zygote.start(trial_shape(layers))
        try:
            session = zygote.fork(OUTPUT_BYTES)
            session.send(*job.begin())
            answers, end = await ask(session, job, [to_json(["attack", arena.target(control=False)])])
            session.release()
        finally:
            await zygote.aclose()
        return end or answers[0]


@contextmanager
def _message_queue() -> Iterator[None]:
    """A queue of the host's for as long as the context lasts."""
    libc, private, remove = ctypes.CDLL(None), 0, 0
    queue = libc.msgget(private, 0o600)
    try:
        yield
    finally:
        libc.msgctl(queue, remove, None)

"""Attacks that start processes or programs."""

import os

from runtime.attacks.attack import Layer, Target, attack
from runtime.attacks.prelude import found, machine_code, new_path, reached, syscall

_BORN: frozenset[Layer] = frozenset({"seccomp", "rlimits"})


@attack(stopped_by=_BORN)
def fork(target: Target) -> str | None:
    """Forks a child."""
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return f"forked {child}"


@attack(stopped_by=_BORN, arch="x86_64")
def fork_by_the_old_call(target: Target) -> str | None:
    """Forks with the system call fork, which C libraries do not use any more."""
    child = syscall("fork")
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return f"forked {child}"


@attack(stopped_by=_BORN)
def fork_by_clone(target: Target) -> str | None:
    """Forks with a bare clone and no flags."""
    child = syscall("clone", 17, 0, 0, 0, 0)
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return f"forked {child}"


@attack(stopped_by=_BORN)
def fork_by_clone_into_namespaces(target: Target) -> str | None:
    """Forks with clone into a user namespace of its own."""
    child = syscall("clone", 17 | 0x10000000, 0, 0, 0, 0)
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return f"forked {child}"


@attack(stopped_by=_BORN)
def make_zombies_by_clone3(target: Target) -> str | None:
    """Forks with clone3 and without a signal for the parent, whose wait does not see the dead."""
    import struct

    arguments = struct.pack("=11Q", *[0] * 11)
    children = []
    for _ in range(3):
        child = syscall("clone3", arguments, len(arguments))
        if child == 0:
            os._exit(0)
        children.append(child)
    return f"forked {children}"


@attack(stopped_by=_BORN, arch="x86_64")
def fork_by_vfork(target: Target) -> str | None:
    """Forks with vfork from machine code; the child shares all memory and ends at once."""
    code = "b83a000000 0f05 85c0 7509 31ff b83c000000 0f05 c3"  # vfork; in the child exit(0)
    child = machine_code(bytes.fromhex(code.replace(" ", "")))
    if child < 0:
        return None
    os.waitpid(child, 0)
    return f"forked {child}"


@attack(stopped_by=_BORN)
def spawn_a_process(target: Target) -> str | None:
    """Starts a program by posix_spawn, which forks in its own way: the answer about the program comes from the child."""
    try:
        os.posix_spawn("/nonexistent", ["x"], {})
    except FileNotFoundError:
        return "forked, and found no program"
    return None


@attack(stopped_by={*_BORN, "mount", "landlock"})
def run_a_shell(target: Target) -> str | None:
    """Runs a shell."""
    import subprocess

    return found(subprocess.run(["/bin/sh", "-c", "echo was here"], capture_output=True, check=True).stdout)


@attack(stopped_by={*_BORN, "mount", "landlock", "identity", "user"})  # it may lie in a home of root's
def run_an_interpreter(target: Target) -> str | None:
    """Runs the interpreter anew, without what the first one was told."""
    import subprocess
    import sys

    return found(subprocess.run([sys.executable, "-c", "print(1)"], capture_output=True, check=True).stdout)


@attack(stopped_by={"seccomp"})
def replace_its_own_program(target: Target) -> str | None:
    """Calls execve itself, with a program that does not exist: the error says whether the call was allowed."""
    return reached("execve", b"/nonexistent", None, None)


@attack(stopped_by={"seccomp"})
def replace_its_own_program_by_execveat(target: Target) -> str | None:
    """Calls execveat, the newer call."""
    return reached("execveat", -1, b"nonexistent", None, None, 0)


@attack(stopped_by={"seccomp"})
def hold_a_program_in_memory(target: Target) -> str | None:
    """Makes a file in memory, which may be executed whatever the mounts say."""
    return f"made {os.memfd_create('payload')}"


@attack(stopped_by={"seccomp", "mount", "landlock", "rlimits"})
def run_a_program_from_memory(target: Target) -> str | None:
    """Copies a program into memory and runs it from there."""
    program = os.memfd_create("payload", 0)
    with open("/bin/true", "rb") as true:
        os.write(program, true.read())
    child = os.posix_spawn(f"/proc/self/fd/{program}", ["true"], {})
    return "it ran" if os.waitpid(child, 0)[1] == 0 else None


@attack(stopped_by={"mount", "landlock"})
def load_a_library_of_its_own(target: Target) -> str | None:
    """Writes a library into its scratch and loads it: machine code that no file system vouches for."""
    import ctypes
    import sys

    places = (f"/usr/lib/{getattr(sys.implementation, '_multiarch', '')}", "/usr/lib64", "/usr/lib")
    library = next(name for place in places if os.path.exists(name := f"{place}/libm.so.6"))
    path = new_path(target)
    with open(library, "rb") as original, open(path, "wb") as copy:
        copy.write(original.read())
    try:
        return f"loaded {ctypes.CDLL(path)!r}"[:10]
    finally:
        os.unlink(path)


@attack(stopped_by=_BORN)
def leave_a_daemon_behind(target: Target) -> str | None:
    """Forks twice and leaves a process of another session behind, which outlives the grading."""
    import time

    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.setsid()
        if os.fork() == 0:
            os.write(write, b"x")
            time.sleep(20)
        os._exit(0)
    os.waitpid(child, 0)
    return found(os.read(read, 1))


@attack(
    stopped_by={*_BORN, "mount", "landlock", "no_new_privs", "user"}, control="root is what it would become"
)
def run_a_setuid_program(target: Target) -> str | None:
    """Runs a program that becomes root, and sees whether it does."""
    import subprocess
    import time

    if os.geteuid() == 0:
        return None
    with subprocess.Popen(
        ["/usr/bin/su", "-c", "true"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as child:
        for _ in range(200):
            with open(f"/proc/{child.pid}/status") as status:
                if "\nUid:\t" in (text := status.read()) and text.partition("\nUid:\t")[2].split()[1] == "0":
                    child.kill()
                    return "it became root"
            time.sleep(0.001)
        child.kill()
    return None

"""Attacks that start processes, signal or read others, or change what a process may do."""

import os

from runtime.attacks.attack import Layer, Target, attack
from runtime.attacks.prelude import found, libc, machine_code, new_path, reached, syscall

_ANOTHER: frozenset[Layer] = frozenset({"pid", "seccomp", "landlock", "identity"})
"""What stands between a process and another of the host's: it has no number for it, no call, no leave."""
_SPIED: frozenset[Layer] = frozenset({*_ANOTHER, "user", "capabilities"})
_GOVERNED: frozenset[Layer] = frozenset({"pid", "seccomp", "identity"})
"""The same for what Landlock does not look at: limits, priorities, processors."""
_SLOWED: frozenset[Layer] = frozenset({*_GOVERNED, "user", "capabilities"})
"""For priorities and processors the kernel asks, besides, for all the capabilities that the other process has."""
_FILED: frozenset[Layer] = frozenset({"mount", "landlock", "identity", "user", "capabilities"})
"""What stands between a process and another's files in /proc."""
_BORN: frozenset[Layer] = frozenset({"seccomp", "rlimits"})
_ADMIN: frozenset[Layer] = frozenset({"seccomp", "identity", "user", "capabilities"})


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
    """Calls execve for itself; a program that there is not shows whether it might."""
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
    import sysconfig

    places = (f"/usr/lib/{sysconfig.get_config_var('MULTIARCH')}", "/usr/lib64", "/usr/lib")
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


@attack(stopped_by={"seccomp", "landlock", "identity", "user"})
def signal_its_parent(target: Target) -> str | None:
    """Asks whether it may signal its parent, which is what forks every grading."""
    os.kill(os.getppid(), 0)
    return "it may"


@attack(stopped_by={"seccomp"})
def signal_everybody(target: Target) -> str | None:
    """Signals all processes (-1) with the signal that does nothing; "no such process" is an answer too."""
    return reached("kill", -1, 0)


@attack(stopped_by=_ANOTHER, verify="victim-alive")
def kill_a_process(target: Target) -> str | None:
    """Kills a process of the same user by its number."""
    os.kill(target["victim_pid"], 9)
    return "killed it"


@attack(stopped_by=_ANOTHER, verify="victim-alive")
def kill_a_thread(target: Target) -> str | None:
    """Kills a process with tkill, the call for threads."""
    return f"returned {syscall('tkill', target['victim_pid'], 9)}"


@attack(stopped_by=_ANOTHER, verify="victim-alive")
def kill_with_a_queued_signal(target: Target) -> str | None:
    """Kills a process with rt_sigqueueinfo, which forges the sender besides."""
    import struct

    return (
        f"returned {syscall('rt_sigqueueinfo', target['victim_pid'], 9, struct.pack('=iii116x', 9, 0, -1))}"
    )


@attack(stopped_by=_ANOTHER, verify="victim-alive")
def kill_by_a_process_descriptor(target: Target) -> str | None:
    """Kills a process through a descriptor of it."""
    import signal

    signal.pidfd_send_signal(os.pidfd_open(target["victim_pid"]), signal.SIGKILL)
    return "killed it"


@attack(stopped_by=_ANOTHER, verify="victim-alive")
def kill_by_owning_a_pipe(target: Target) -> str | None:
    """Makes a process the owner of a pipe whose news are told by a signal, and has news."""
    import fcntl

    read, write = os.pipe()
    fcntl.fcntl(read, fcntl.F_SETOWN, target["victim_pid"])
    fcntl.fcntl(read, 10, 9)
    fcntl.fcntl(read, fcntl.F_SETFL, fcntl.fcntl(read, fcntl.F_GETFL) | os.O_ASYNC)
    os.write(write, b"x")
    return "told it"


@attack(stopped_by=_SPIED, control="Yama's ptrace_scope, where it is on, forbids it to all but root")
def trace_a_process(target: Target) -> str | None:
    """Seizes a process of the same user with ptrace."""
    return f"returned {syscall('ptrace', 0x4206, target['victim_pid'], None, None)}"


@attack(
    stopped_by={*_SPIED, "not_dumpable"},
    control="Yama's ptrace_scope, where it is on, forbids it to all but root",
)
def trace_its_parent(target: Target) -> str | None:
    """Seizes its parent with ptrace, and with it every grading to come."""
    return f"returned {syscall('ptrace', 0x4206, os.getppid(), None, None)}"


@attack(stopped_by={"seccomp"})
def be_traced_by_its_parent(target: Target) -> str | None:
    """Has its parent trace it (PTRACE_TRACEME), whose wait then reports things that it does not expect."""
    return f"returned {syscall('ptrace', 0, 0, None, None)}"


@attack(stopped_by=_FILED)
def read_the_environment_of_the_supervisor(target: Target) -> str | None:
    """Reads /proc/PID/environ of the supervisor."""
    with open(f"/proc/{target['supervisor_pid']}/environ", "rb") as file:
        return found(file.read())


@attack(stopped_by=_FILED, control="Yama's ptrace_scope, where it is on, forbids it to all but root")
def open_the_memory_of_the_supervisor(target: Target) -> str | None:
    """Opens /proc/PID/mem of the supervisor for writing."""
    os.close(os.open(f"/proc/{target['supervisor_pid']}/mem", os.O_RDWR))
    return "opened it"


@attack(
    stopped_by={*_FILED, "pid", "not_dumpable"},
    control="Yama's ptrace_scope, where it is on, forbids it to all but root",
)
def open_the_memory_of_its_parent(target: Target) -> str | None:
    """Opens /proc/PID/mem of its parent."""
    os.close(os.open(f"/proc/{os.getppid()}/mem", os.O_RDONLY))
    return "opened it"


@attack(stopped_by=_FILED)
def list_the_descriptors_of_the_supervisor(target: Target) -> str | None:
    """Lists the supervisor's open files."""
    return found(os.listdir(f"/proc/{target['supervisor_pid']}/fd"))


@attack(stopped_by={"mount", "landlock"})
def read_the_command_lines_of_others(target: Target) -> str | None:
    """Reads the command line of a process, where careless programs have their passwords."""
    with open(f"/proc/{target['victim_pid']}/cmdline", "rb") as file:
        return found(file.read())


@attack(stopped_by=_SPIED, control="Yama's ptrace_scope, where it is on, forbids it to all but root")
def read_the_memory_of_a_process(target: Target) -> str | None:
    """Reads another process's memory with process_vm_readv; that the address is wrong shows that it might."""
    import ctypes
    import errno
    import struct

    buffer = ctypes.create_string_buffer(8)
    ours, theirs = struct.pack("=QQ", ctypes.addressof(buffer), 8), struct.pack("=QQ", 4096, 8)
    return reached("process_vm_readv", target["victim_pid"], ours, 1, theirs, 1, 0, refused=(errno.ESRCH,))


@attack(stopped_by=_SPIED, control="Yama's ptrace_scope, where it is on, forbids it to all but root")
def write_the_memory_of_a_process(target: Target) -> str | None:
    """Writes another process's memory with process_vm_writev; that the address is wrong shows that it might."""
    import ctypes
    import errno
    import struct

    buffer = ctypes.create_string_buffer(8)
    ours, theirs = struct.pack("=QQ", ctypes.addressof(buffer), 8), struct.pack("=QQ", 4096, 8)
    return reached("process_vm_writev", target["victim_pid"], ours, 1, theirs, 1, 0, refused=(errno.ESRCH,))


@attack(stopped_by=_SPIED, control="Yama's ptrace_scope, where it is on, forbids it to all but root")
def take_a_descriptor_of_a_process(target: Target) -> str | None:
    """Takes an open file out of another process with pidfd_getfd."""
    return f"took {syscall('pidfd_getfd', os.pidfd_open(target['victim_pid']), 0, 0)}"


@attack(stopped_by=_SPIED)
def compare_with_a_process(target: Target) -> str | None:
    """Compares its own objects in the kernel with another process's (kcmp), which tells their addresses' order."""
    return f"returned {syscall('kcmp', os.getpid(), target['victim_pid'], 1, 0, 0)}"


@attack(stopped_by=_GOVERNED, verify="victim-alive")
def limit_a_process(target: Target) -> str | None:
    """Lowers another process's limits."""
    import resource

    _, hard = resource.prlimit(target["victim_pid"], resource.RLIMIT_NOFILE)
    resource.prlimit(target["victim_pid"], resource.RLIMIT_NOFILE, (16, hard))
    return "lowered them"


@attack(stopped_by={"seccomp"})
def read_the_limits_of_its_parent(target: Target) -> str | None:
    """Asks for its parent's limits."""
    return reached("prlimit64", os.getppid(), 7, None, None)


@attack(stopped_by=_SLOWED, verify="victim-alive")
def slow_a_process_down(target: Target) -> str | None:
    """Gives another process the lowest priority."""
    os.setpriority(os.PRIO_PROCESS, target["victim_pid"], 19)
    return "slowed it"


@attack(stopped_by=_SLOWED)
def bind_a_process_to_a_processor(target: Target) -> str | None:
    """Sets another process's processors."""
    os.sched_setaffinity(target["victim_pid"], os.sched_getaffinity(0))
    return "bound it"


@attack(stopped_by={"seccomp"})
def choose_its_own_processor(target: Target) -> str | None:
    """Binds itself to one processor, to get between a neighbour and its work."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    return "bound itself"


@attack(stopped_by={*_ADMIN, "rlimits"}, as_root=True)
def raise_its_own_priority(target: Target) -> str | None:
    """Gives itself a better priority than others have."""
    return f"nice {os.nice(-5)}"


@attack(stopped_by={*_ADMIN, "rlimits"}, as_root=True)
def become_a_real_time_process(target: Target) -> str | None:
    """Asks for real-time scheduling, which takes a processor from everybody else."""
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    return "was one"


@attack(stopped_by={"seccomp"})
def ask_for_better_service_of_the_disk(target: Target) -> str | None:
    """Sets its own priority at the disk."""
    return reached("ioprio_set", 1, 0, 2 << 13 | 7)


@attack(stopped_by={"pid", "seccomp"})
def see_that_a_process_exists(target: Target) -> str | None:
    """Asks for the process group of a number that the host knows."""
    return f"its group is {os.getpgid(target['victim_pid'])}"


@attack(stopped_by={"pid"}, leaks_at={2})
def learn_real_process_ids(target: Target) -> str | None:
    """Learns the host's numbers of its parent and itself, and so how busy the host is."""
    return f"its parent is {os.getppid()}" if os.getppid() > 1 else None


@attack(stopped_by=_ADMIN, as_root=True)
def become_root(target: Target) -> str | None:
    """Sets its user to root."""
    os.setuid(0)
    return "it is root" if os.getuid() == 0 else None


@attack(stopped_by=_ADMIN, as_root=True)
def join_the_group_of_root(target: Target) -> str | None:
    """Sets its group and its further groups to root's."""
    os.setgroups([0])
    os.setgid(0)
    return "it is a member"


@attack(stopped_by=_ADMIN, as_root=True)
def take_back_its_capabilities(target: Target) -> str | None:
    """Gives itself the capability to administer the system."""
    import struct

    header, all_of_them = (
        struct.pack("=Ii", 0x20080522, 0),
        struct.pack("=6I", *[1 << 21, 1 << 21, 0, 0, 0, 0]),
    )
    return f"returned {syscall('capset', header, all_of_them)}"


@attack(stopped_by={"seccomp"})
def become_dumpable(target: Target) -> str | None:
    """Makes itself dumpable, so that others of its user may read its memory."""
    libc.prctl(4, 1, 0, 0, 0)
    return "it is" if libc.prctl(3, 0, 0, 0, 0) == 1 and libc.prctl(4, 0, 0, 0, 0) == 0 else None


@attack(stopped_by={"seccomp"})
def outlive_its_parent(target: Target) -> str | None:
    """Takes back the signal that ends it with its parent."""
    return "took it back" if libc.prctl(1, 0, 0, 0, 0) == 0 else None


@attack(stopped_by={"seccomp"})
def adopt_orphans(target: Target) -> str | None:
    """Becomes the parent of orphaned processes below it."""
    return "it is" if libc.prctl(36, 1, 0, 0, 0) == 0 else None


@attack(stopped_by={"seccomp"})
def change_its_own_limits(target: Target) -> str | None:
    """Lowers its own limit of open files and raises it again."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft - 1, hard))
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return "raised it"

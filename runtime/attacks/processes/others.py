"""Attacks that signal or read other processes, or change what their own may do."""

import os

from runtime.attacks.attack import Layer, Target, attack
from runtime.attacks.prelude import found, libc, reached, syscall

_ANOTHER: frozenset[Layer] = frozenset({"pid", "seccomp", "landlock", "identity"})
"""What stands between a process and another of the host's: it has no number for it, no call, no leave."""
_SPIED: frozenset[Layer] = frozenset({*_ANOTHER, "user", "capabilities"})
_GOVERNED: frozenset[Layer] = frozenset({"pid", "seccomp", "identity"})
"""The same for what Landlock does not look at: limits, priorities, processors."""
_SLOWED: frozenset[Layer] = frozenset({*_GOVERNED, "user", "capabilities"})
"""For priorities and processors the kernel asks, besides, for all the capabilities that the other process has."""
_FILED: frozenset[Layer] = frozenset({"mount", "landlock", "identity", "user", "capabilities"})
"""What stands between a process and another's files in /proc."""
_ADMIN: frozenset[Layer] = frozenset({"seccomp", "identity", "user", "capabilities"})


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

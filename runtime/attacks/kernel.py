"""Attacks on the kernel's surface: system calls that no grader needs, made so that nothing comes of it.

A call was reached when it succeeds or fails over its arguments; it is refused with EPERM, EACCES or ENOSYS, or by the end of
the process. Each is made in the way that the kernel looks at first, before it asks for any capability, so that reaching it
can be shown as an ordinary user. Where the capability comes first, the attack first becomes root of namespaces of its own.
"""

from typing import Literal, NamedTuple

from runtime.attacks.attack import Attack, Layer, Target, attack, describe
from runtime.attacks.prelude import libc, machine_code, reached, syscall

_ADMIN: frozenset[Layer] = frozenset({"seccomp", "identity", "user", "capabilities"})
_As = Literal["anybody", "own root", "root"]


class _Call(NamedTuple):
    """A system call as an attack.

    Attributes:
        name: What the attack is called, with underscores.
        claim: What it tries.
        call: Its name and arguments as Python text.
        who: For whom the kernel gets beyond its first question: anybody, root of namespaces of its own, or the host's root.
        arch: The only machine that has it.
        control: Why reaching it cannot be shown.
    """

    name: str
    claim: str
    call: str
    who: _As = "anybody"
    arch: str | None = None
    control: str | None = None


_OPTIONAL = "needs a kernel that was built with it; others answer ENOSYS to everybody"

_CALLS = (
    _Call("unshare_a_user_namespace", "Makes itself root of a user namespace.", '"unshare", CLONE_NEWUSER'),
    _Call("unshare_mounts_and_network", "Leaves its namespaces for new ones.", '"unshare", CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET'),
    _Call("join_a_namespace", "Joins another process's namespaces.", '"setns", -1, 0'),
    _Call("mount", "Mounts a file system.", '"mount", b"none", NO_SUCH_PATH, b"tmpfs", 0, None'),
    _Call("unmount", "Takes a mount away.", '"umount2", NO_SUCH_PATH, 0'),
    _Call("pivot_root", "Exchanges its root.", '"pivot_root", NO_SUCH_PATH, NO_SUCH_PATH', "own root"),
    _Call("chroot", "Changes its root directory.", '"chroot", NO_SUCH_PATH'),
    _Call("open_tree", "Copies a tree of mounts.", '"open_tree", -100, NO_SUCH_PATH, 0x40000000'),
    _Call("open_tree_with_attributes", "Copies a tree of mounts by the newest call.", '"open_tree_attr", -100, NO_SUCH_PATH, 0x40000000, None, 0', control="needs Linux 6.15"),
    _Call("move_mount", "Moves a mount.", '"move_mount", -100, NO_SUCH_PATH, -100, NO_SUCH_PATH, 0', "own root"),
    _Call("begin_a_file_system", "Begins to configure a file system (fsopen).", '"fsopen", b"tmpfs", 0', "own root"),
    _Call("configure_a_file_system", "Configures a file system (fsconfig).", '"fsconfig", -1, 0, None, None, 0'),
    _Call("make_a_mount", "Makes a mount of a file system (fsmount).", '"fsmount", -1, 0, 0', "own root"),
    _Call("pick_a_file_system", "Picks a mounted file system to configure it (fspick).", '"fspick", -100, NO_SUCH_PATH, 0', "own root"),
    _Call("set_attributes_of_a_mount", "Changes a mount's attributes.", '"mount_setattr", -100, NO_SUCH_PATH, 0x40000000, None, 0'),
    _Call("describe_a_mount", "Asks what is mounted where (statmount).", '"statmount", None, None, 0, 0', control="needs Linux 6.8"),
    _Call("list_the_mounts", "Lists the mounts (listmount).", '"listmount", None, None, 0, 0', control="needs Linux 6.8"),
    _Call("make_a_file_handle", "Makes a handle of a file.", '"name_to_handle_at", -100, NO_SUCH_PATH, bytes(8), bytes(4), 0'),
    _Call("use_a_file_handle", "Opens a file by a handle.", '"open_by_handle_at", -1, None, 0'),
    _Call("load_bpf", "Loads a program into the kernel.", '"bpf", 5, None, 1 << 20'),
    _Call("set_up_io_uring", "Sets up an io_uring.", '"io_uring_setup", 0, None', control="kernel.io_uring_disabled, where it is set, forbids it"),
    _Call("enter_io_uring", "Submits requests to an io_uring.", '"io_uring_enter", -1, 0, 0, 0, None, 0'),
    _Call("register_with_io_uring", "Registers buffers with an io_uring.", '"io_uring_register", -1, 0, None, 0'),
    _Call("set_up_asynchronous_io", "Sets up the older asynchronous I/O.", '"io_setup", 0, None'),
    _Call("submit_asynchronous_io", "Submits asynchronous I/O.", '"io_submit", 0, 1, None'),
    _Call("end_asynchronous_io", "Ends asynchronous I/O.", '"io_destroy", 0'),
    _Call("read_a_keyring", "Reads and searches keyrings, which are shared by all of a user's processes.", '"keyctl", 9999, 0, 0, 0, 0'),
    _Call("find_the_session_keyring", "Finds the session's keyring.", '"keyctl", 0, -3, 0, 0, 0'),
    _Call("add_a_key", "Adds a key.", '"add_key", None, None, None, 0, 0'),
    _Call("request_a_key", "Requests a key, for which the kernel starts a program.", '"request_key", None, None, None, 0'),
    _Call("count_events_of_the_processor", "Counts events of the processor.", '"perf_event_open", None, 0, -1, -1, 0'),
    _Call("handle_page_faults", "Handles its own page faults, which makes races in the kernel easy to win.", '"userfaultfd", 1'),
    _Call("add_a_seccomp_filter", "Adds a filter of its own, whose answers it chooses.", '"seccomp", 1, 0, None'),
    _Call("ask_for_seccomp_sizes", "Asks for the sizes of seccomp's notifications.", '"seccomp", 3, 0, None'),
    _Call("set_seccomp_by_prctl", "Sets a filter by the older call.", '"prctl", 22, 99, None, 0, 0'),
    _Call("make_a_landlock_ruleset", "Makes a Landlock ruleset.", '"landlock_create_ruleset", None, 0, 1'),
    _Call("extend_a_landlock_ruleset", "Adds to a Landlock ruleset.", '"landlock_add_rule", -1, 1, None, 99'),
    _Call("list_security_modules", "Lists the kernel's security modules.", '"lsm_list_modules", None, None, 0', control="needs Linux 6.8"),
    _Call("set_a_security_attribute", "Sets an attribute of a security module.", '"lsm_set_self_attr", 100, None, 0, 0', control="needs Linux 6.8"),
    _Call("load_a_module", "Loads a kernel module.", '"init_module", None, 0, None', "root", control=_OPTIONAL),
    _Call("load_a_module_from_a_file", "Loads a kernel module from a descriptor.", '"finit_module", -1, None, 0', "root", control=_OPTIONAL),
    _Call("remove_a_module", "Removes a kernel module.", '"delete_module", b"no-such-module", 0', "root", control=_OPTIONAL),
    _Call("load_another_kernel", "Loads another kernel to start.", '"kexec_load", 0, 1 << 20, None, 0', "root", control=_OPTIONAL),
    _Call("load_another_kernel_from_a_file", "Loads another kernel from a descriptor.", '"kexec_file_load", -1, -1, 0, None, 1 << 20', "root", control=_OPTIONAL),
    _Call("restart_the_machine", "Restarts the machine; with the wrong magic numbers.", '"reboot", 0, 0, 0, None', "root"),
    _Call("swap_on", "Begins to swap.", '"swapon", NO_SUCH_PATH, 0x40000000'),
    _Call("swap_off", "Ends swapping.", '"swapoff", NO_SUCH_PATH', "root"),
    _Call("account_for_processes", "Has the kernel write down every process.", '"acct", NO_SUCH_PATH', "root", control=_OPTIONAL),
    _Call("read_the_log_of_the_kernel", "Asks for the kernel's log.", '"syslog", 10, None, 0', "root"),
    _Call("change_its_personality", "Switches address randomisation off.", '"personality", 0x0040000'),
    _Call("change_its_segments", "Reads its table of segments.", '"modify_ldt", 0, None, 0', arch="x86_64"),
    _Call("raise_its_io_level", "Asks for the machine's ports.", '"iopl", 9', arch="x86_64", control=_OPTIONAL),
    _Call("ask_for_io_ports", "Asks for some of the machine's ports.", '"ioperm", 1 << 20, 1, 1', arch="x86_64", control=_OPTIONAL),
    _Call("watch_all_files", "Watches what all processes open.", '"fanotify_init", 0x200, 0', control=_OPTIONAL),
    _Call("mark_files_to_watch", "Marks files to watch.", '"fanotify_mark", -1, 0, 0, -1, None', control=_OPTIONAL),
    _Call("watch_files", "Watches files (inotify).", '"inotify_init1", 0x40000000'),
    _Call("hide_memory", "Makes memory that even the kernel does not map.", '"memfd_secret", 0x40000000', control="many machines switch it off"),
    _Call("migrate_pages", "Moves its memory between nodes.", '"migrate_pages", 0, 0, None, None', control=_OPTIONAL),
    _Call("move_pages", "Moves pages between nodes.", '"move_pages", 0, 0, None, None, None, 0', control=_OPTIONAL),
    _Call("bind_memory", "Binds memory to nodes.", '"mbind", 0, 0, 99, None, 0, 0', control=_OPTIONAL),
    _Call("set_a_memory_policy", "Sets its policy for memory.", '"set_mempolicy", 99, None, 0', control=_OPTIONAL),
    _Call("lock_all_memory", "Locks all its memory.", '"mlockall", 0'),
    _Call("remap_a_file", "Remaps pages of a file, by a call that is kept for old programs only.", '"remap_file_pages", 1, 1, 1, 1, 0'),
    _Call("splice", "Moves data between descriptors in the kernel.", '"splice", -1, None, -1, None, 1, 0'),
    _Call("tee", "Copies data between pipes in the kernel.", '"tee", -1, -1, 1, 0'),
    _Call("splice_memory", "Moves its memory into a pipe.", '"vmsplice", -1, None, 1, 0'),
    _Call("set_the_clock", "Sets the clock, from an invalid address.", '"clock_settime", 0, 1'),
    _Call("set_the_time_of_day", "Sets the clock by the older call.", '"settimeofday", 1, None'),
    _Call("adjust_the_clock", "Adjusts the clock.", '"adjtimex", 1'),
    _Call("adjust_a_clock", "Adjusts one of the clocks.", '"clock_adjtime", 0, 1'),
    _Call("set_the_host_name", "Sets the host's name.", '"sethostname", None, 65', "own root"),
    _Call("set_the_domain_name", "Sets the host's domain.", '"setdomainname", None, 65', "own root"),
    _Call("set_quotas", "Sets quotas of a disk.", '"quotactl", 0x7fffff, None, 0, None', control=_OPTIONAL),
    _Call("set_quotas_by_a_descriptor", "Sets quotas through a descriptor.", '"quotactl_fd", -1, 0x7fffff, 0, None', control=_OPTIONAL),
    _Call("list_file_systems", "Asks which file systems the kernel knows.", '"sysfs", 3, 0, 0', arch="x86_64", control=_OPTIONAL),
    _Call("ask_for_a_process_descriptor", "Opens a descriptor of itself as a process.", '"pidfd_open", os.getpid(), 0'),
    _Call("give_another_process_advice", "Advises the kernel about another process's memory.", '"process_madvise", -1, None, 0, 0, 0'),
    _Call("release_the_memory_of_a_process", "Has a dying process's memory released.", '"process_mrelease", -1, 0'),
    _Call("make_a_timer", "Makes a timer, which queues signals without limit.", '"timer_create", 0, 1, None'),
    _Call("take_signals_by_a_descriptor", "Takes its signals from a descriptor.", '"signalfd4", -1, None, 0, 0'),
    _Call("shared_memory_segment", "Asks for a shared memory segment that others find by a number.", '"shmget", 1, 0, 0'),
    _Call("semaphore_set", "Asks for a set of semaphores that others find by a number.", '"semget", 1, 0, 0'),
    _Call("message_queue", "Asks for a message queue that others find by a number.", '"msgget", 1, 0'),
    _Call("named_message_queue", "Opens a named message queue.", '"mq_open", None, 0, 0, None'),
    _Call("call_that_does_not_exist", "Makes a system call beyond the last one, as the next kernel may have it.", '"no_such_call"', control="the kernel itself answers ENOSYS"),
)  # fmt: skip
_FIRST = {"anybody": "", "own root": "    become_root_of_namespaces()\n", "root": ""}


def _made(call: _Call) -> Attack:
    entry = call.name
    source = f'def {entry}(target: Target) -> str | None:\n    """{call.claim}"""\n{_FIRST[call.who]}    return reached({call.call})\n'
    return Attack(
        **describe(entry, __name__, call.claim, source),
        stopped_by=_ADMIN if call.who == "root" else frozenset({"seccomp"}),
        as_root=call.who == "root",
        control=call.control,
        arch=call.arch,
    )


CALLS: tuple[Attack, ...] = tuple(_made(call) for call in _CALLS)


@attack(
    stopped_by={"seccomp"}, arch="x86_64", control="kernels may be built or started without 32-bit programs"
)
def use_the_32_bit_system_calls(target: Target) -> str | None:
    """Makes a system call by int 0x80, whose table has other numbers: getpid there is 20."""
    process = machine_code(bytes.fromhex("b814000000cd80c3"))
    return f"it is process {process}" if process > 0 else None


@attack(
    stopped_by={"seccomp"}, arch="x86_64", control="kernels may be built or started without 32-bit programs"
)
def open_by_a_32_bit_system_call(target: Target) -> str | None:
    """Makes the 32-bit call 5, open, which is fstat to a filter that looks at the number only."""
    code = machine_code(bytes.fromhex("b80500000031db31c9cd80c3"))
    return f"it returned {code}" if code != -38 else None


@attack(
    stopped_by={"seccomp"}, arch="x86_64", control="few kernels have the x32 table; the others answer ENOSYS"
)
def use_the_x32_system_calls(target: Target) -> str | None:
    """Makes a system call with the bit of the x32 table set: getpid there is 0x40000027."""
    process = machine_code(bytes.fromhex("b8270000400f05c3"))
    return f"it is process {process}" if process > 0 else None


@attack(stopped_by={"seccomp"}, arch="x86_64")
def set_upper_bits_of_a_number(target: Target) -> str | None:
    """Makes a forbidden call (unshare with a wrong flag) with upper bits of its number set, which the kernel ignores."""
    code = machine_code(bytes.fromhex("48b81001000001000000bf010000000f05c3"))
    return f"unshare returned {code}" if code not in {-1, -13, -38} else None


@attack(stopped_by={"seccomp"})
def set_upper_bits_of_an_argument(target: Target) -> str | None:
    """Asks clone for a thread in the lower half of its flags, and hides a namespace in the upper half."""
    import errno

    try:
        syscall("clone", 1 << 62 | 0x00010000, 0, 0, 0, 0)
    except OSError as error:
        return "clone looked at it" if error.errno == errno.EINVAL else None
    return "it has a thread"


@attack(stopped_by={"seccomp"})
def restrict_itself_by_landlock(target: Target) -> str | None:
    """Enters a Landlock ruleset."""
    libc.prctl(38, 1, 0, 0, 0)  # no_new_privs, for which the kernel asks first
    return reached("landlock_restrict_self", -1, 0x40000000)

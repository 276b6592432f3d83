"""What attacks share: raw system calls, machine code, places to write. Its text stands before that of every attack."""

from __future__ import annotations

import ctypes
import errno
import itertools
import mmap
import os
import platform
from collections.abc import Mapping
from typing import Any

# name, number on x86_64, number on aarch64 ("-": that machine does not have it)
CALLS = """
no_such_call 4095 4095,  _sysctl 156 -,  acct 163 89,  add_key 248 217,  adjtimex 159 171,  arch_prctl 158 -,  bpf 321 280
cachestat 451 451,  capset 126 91,  chroot 161 51,  clock_adjtime 305 266,  clock_settime 227 112
clone 56 220,  clone3 435 435,  close_range 436 436,  copy_file_range 326 285,  create_module 174 -
delete_module 176 106,  epoll_create1 291 20,  eventfd2 290 19,  execve 59 221,  execveat 322 281
exit 60 93,  exit_group 231 94,  fanotify_init 300 262,  fanotify_mark 301 263,  fchmodat2 452 452
finit_module 313 273,  fork 57 -,  fsconfig 431 431,  fsmount 432 432,  fsopen 430 430,  fspick 433 433
get_mempolicy 239 236,  getpgid 121 155,  getpid 39 172,  getpriority 140 141,  init_module 175 105
inotify_add_watch 254 27,  inotify_init1 294 26,  io_cancel 210 3,  io_destroy 207 1,  io_getevents 208 4
io_setup 206 0,  io_submit 209 2,  io_uring_enter 426 426,  io_uring_register 427 427
io_uring_setup 425 425,  ioperm 173 -,  iopl 172 -,  ioprio_set 251 30,  kcmp 312 272
kexec_file_load 320 294,  kexec_load 246 104,  keyctl 250 219,  kill 62 129,  landlock_add_rule 445 445
landlock_create_ruleset 444 444,  landlock_restrict_self 446 446,  listmount 458 458
lookup_dcookie 212 18,  lsm_get_self_attr 459 459,  lsm_list_modules 461 461,  lsm_set_self_attr 460 460
mbind 237 235,  memfd_create 319 279,  memfd_secret 447 447,  migrate_pages 256 238,  mknodat 259 33
mlock 149 228,  mlockall 151 230,  modify_ldt 154 -,  mount 165 40,  mount_setattr 442 442
move_mount 429 429,  move_pages 279 239,  mq_open 240 180,  mq_unlink 241 181,  msgctl 71 187
msgget 68 186,  name_to_handle_at 303 264,  nfsservctl 180 42,  open_by_handle_at 304 265
open_tree 428 428,  open_tree_attr 467 467,  openat2 437 437,  perf_event_open 298 241
personality 135 92,  pidfd_getfd 438 438,  pidfd_open 434 434,  pidfd_send_signal 424 424,  pipe2 293 59
pivot_root 155 41,  prctl 157 167,  prlimit64 302 261,  process_madvise 440 440
process_mrelease 448 448,  process_vm_readv 310 270,  process_vm_writev 311 271,  ptrace 101 117
quotactl 179 60,  quotactl_fd 443 443,  reboot 169 142,  remap_file_pages 216 234,  request_key 249 218
restart_syscall 219 128,  rt_sigqueueinfo 129 138,  sched_setaffinity 203 122,  sched_setattr 314 274
sched_setscheduler 144 119,  seccomp 317 277,  semctl 66 191,  semget 64 190,  sendfile 40 71
set_mempolicy 238 237,  set_thread_area 205 -,  setdomainname 171 162,  setgid 106 144
setgroups 116 159,  sethostname 170 161,  setns 308 268,  setpriority 141 140,  setrlimit 160 164
settimeofday 164 170,  setuid 105 146,  setxattrat 463 463,  shmat 30 196,  shmctl 31 195,  shmget 29 194
signalfd4 289 74,  socket 41 198,  socketpair 53 199,  splice 275 76,  statfs 137 43,  statmount 457 457
swapoff 168 225,  swapon 167 224,  sysfs 139 -,  syslog 103 116,  tee 276 77,  tgkill 234 131
timer_create 222 107,  timerfd_create 283 85,  tkill 200 130,  umount2 166 39,  unshare 272 97
uselib 134 -,  userfaultfd 323 282,  ustat 136 -,  vfork 58 -,  vhangup 153 58,  vmsplice 278 75
waitid 247 95
"""
HERE = {"x86_64": 1, "aarch64": 2}.get(platform.machine(), 0)
ROWS = [row.split() for row in CALLS.replace("\n", ",").split(",") if HERE and row.strip()]
NUMBERS = {row[0]: row[HERE] for row in ROWS}
"""Empty on any other machine, where the texts can be read and do nothing."""

REFUSED = {errno.EPERM, errno.EACCES, errno.ENOSYS}
"""How a system call that is not to be reached may fail."""

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWNET = (
    0x20000, 0x4000000, 0x8000000, 0x10000000, 0x40000000
)  # fmt: skip
NO_SUCH_PATH = b"/nonexistent/path"

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
serial = itertools.count()


def syscall(name: str, *arguments: Any) -> int:
    """Make a system call; bytes and ctypes objects go by address, None as NULL, integers as 64 bits.

    Raises:
        OSError: When it fails.
    """
    if NUMBERS.get(name, "-") == "-":
        raise OSError(errno.ENOSYS, f"{name}: this machine has no such call")
    words = [ctypes.c_long(0 if value is None else value) if value is None or isinstance(value, int) else value
             for value in arguments]  # fmt: skip
    result = int(libc.syscall(ctypes.c_long(int(NUMBERS[name])), *words))
    if result == -1:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")
    return result


def reached(name: str, *arguments: Any, refused: tuple[int, ...] = ()) -> str:
    """Evidence that a system call got as far as the kernel's own code: it succeeds, or fails over its arguments.

    Raises:
        OSError: When it was refused.
    """
    try:
        return f"{name} returned {syscall(name, *arguments)}"
    except OSError as error:
        if error.errno in REFUSED or error.errno in refused:
            raise
        return f"{name} was reached: {error.strerror}"


def become_root_of_namespaces() -> None:
    """Get every capability over namespaces of one's own, as any user may where nothing forbids it; go on if not."""
    try:
        syscall("unshare", CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET)
    except OSError:
        pass


def new_path(target: Mapping[str, Any], directory: str | None = None) -> str:
    """A path that does not exist yet, in a directory where a file can be made.

    Raises:
        PermissionError: If no such directory exists.
    """
    places = [
        os.environ.get("TMPDIR"),
        os.getcwd(),
        "/tmp",
        "/var/tmp",
        "/dev/shm",
        target.get("writable_dir"),
    ]
    for place in [directory] if directory else places:
        path = f"{place}/{target['marker']}-{os.getpid()}-{next(serial)}"
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            os.unlink(path)
        except OSError:
            continue
        return path
    raise PermissionError(errno.EACCES, "no directory can be written")


def machine_code(code: bytes) -> int:
    """Run a function in machine code that takes nothing and returns an integer."""
    memory = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    memory.write(code)
    return int(ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(memory)))())


def memory(address: int, size: int) -> bytes:
    """Memory of this process; what is not mapped is left out rather than fatal, because a pipe reads it for us."""
    read, write = os.pipe()
    found = []
    for start in range(address & ~4095, address + size, 4096):
        if libc.write(write, ctypes.c_void_p(start), ctypes.c_size_t(4096)) == 4096:
            found.append(os.read(read, 4096))
    os.close(read)
    os.close(write)
    return b"".join(found)


def found(what: object) -> str | None:
    """Evidence about data: how much there was of it, and none of it; None when there was nothing."""
    if not what:
        return None
    return (
        f"got {len(what)} of {type(what).__name__}"
        if isinstance(what, (str, bytes, bytearray, list, dict, set))
        else repr(what)
    )

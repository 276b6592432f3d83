"""Attacks that change something on the host: contents, names, owners, times, mounts."""

import os

from runtime.attacks.attack import Layer, Target, attack
from runtime.attacks.prelude import CLONE_NEWNS, CLONE_NEWUSER, new_path, syscall

_ROOT_ONLY: frozenset[Layer] = frozenset({"mount", "landlock", "identity", "user", "capabilities"})


@attack(stopped_by={"mount", "landlock"})
def make_a_file_in_a_world_writable_directory(target: Target) -> str | None:
    """Makes a file in a host directory that everybody may write."""
    path = f"{target['writable_dir']}/{target['marker']}"
    with open(path, "x") as file:
        file.write("was here")
    os.unlink(path)
    return "made a file"


@attack(stopped_by={"mount", "landlock"})
def make_a_nameless_file(target: Target) -> str | None:
    """Makes a file without a name in a host directory: it fills the disk unseen."""
    return f"wrote {os.write(os.open(target['writable_dir'], os.O_TMPFILE | os.O_RDWR, 0o600), b'x')} byte"


@attack(stopped_by={"mount", "landlock"})
def make_a_directory(target: Target) -> str | None:
    """Makes a directory in a host directory."""
    path = f"{target['writable_dir']}/{target['marker']}"
    os.mkdir(path)
    os.rmdir(path)
    return "made a directory"


@attack(stopped_by={"mount", "landlock", "seccomp"})
def plant_a_symbolic_link(target: Target) -> str | None:
    """Plants a symbolic link in a host directory, for a careless program to follow."""
    path = f"{target['writable_dir']}/{target['marker']}"
    os.symlink("/etc/passwd", path)
    os.unlink(path)
    return "made a link"


@attack(stopped_by={"mount", "landlock", "seccomp"})
def plant_a_fifo(target: Target) -> str | None:
    """Plants a named pipe in a host directory, on which a reader hangs."""
    path = f"{target['writable_dir']}/{target['marker']}"
    os.mkfifo(path)
    os.unlink(path)
    return "made a fifo"


@attack(stopped_by={"mount", "landlock", "seccomp"})
def plant_a_socket(target: Target) -> str | None:
    """Plants a unix socket in a host directory, and listens on it."""
    import socket

    path = f"{target['writable_dir']}/{target['marker'][:20]}.socket"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
    os.unlink(path)
    return "made a socket"


@attack(stopped_by={"mount", "landlock"}, verify="file-unchanged")
def overwrite_a_host_file(target: Target) -> str | None:
    """Writes into a host file that everybody may write."""
    return f"wrote {os.write(os.open(target['writable_file'], os.O_WRONLY), b'was here')} bytes"


@attack(stopped_by={"mount", "landlock"}, verify="file-unchanged")
def append_to_a_host_file(target: Target) -> str | None:
    """Appends to a host file."""
    return f"wrote {os.write(os.open(target['writable_file'], os.O_WRONLY | os.O_APPEND), b'was here')} bytes"


@attack(stopped_by={"mount", "landlock"}, verify="file-unchanged")
def write_through_a_shared_mapping(target: Target) -> str | None:
    """Changes a host file through a shared mapping, without a call to write."""
    import mmap

    with mmap.mmap(os.open(target["writable_file"], os.O_RDWR), 0) as mapping:
        mapping[0] ^= 1
    return "changed a byte"


@attack(
    stopped_by={"mount", "landlock"},
    control="the kernel gives nobody a shared writable mapping of a descriptor that was opened for reading",
)
def map_a_file_opened_for_reading(target: Target) -> str | None:
    """Maps a file that was opened for reading, shared and writable."""
    import mmap

    descriptor = os.open(target["secret_file"], os.O_RDONLY)
    with mmap.mmap(descriptor, 0, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE) as mapping:
        mapping[0] ^= 1
    return "changed a byte"


@attack(
    stopped_by={"mount", "landlock"},
    control="the kernel lets no mapping of a descriptor that was opened for reading become writable if it is shared",
)
def make_a_mapping_writable_later(target: Target) -> str | None:
    """Maps a file for reading, shared, and asks for the right to write afterwards."""
    import ctypes
    import mmap

    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    descriptor = os.open(target["secret_file"], os.O_RDONLY)
    address = libc.mmap(
        None, ctypes.c_size_t(4096), mmap.PROT_READ, mmap.MAP_SHARED, descriptor, ctypes.c_long(0)
    )
    if libc.mprotect(ctypes.c_void_p(address), ctypes.c_size_t(4096), mmap.PROT_READ | mmap.PROT_WRITE):
        raise OSError(ctypes.get_errno(), "mprotect")
    return "it may write"


@attack(stopped_by={"mount", "landlock"}, verify="file-unchanged")
def reopen_for_writing(target: Target) -> str | None:
    """Opens a host file for reading, and the same for writing through /proc/self/fd."""
    reading = os.open(target["writable_file"], os.O_RDONLY)
    return f"wrote {os.write(os.open(f'/proc/self/fd/{reading}', os.O_WRONLY), b'x')} byte"


@attack(stopped_by={"mount", "landlock", "seccomp"}, verify="file-unchanged")
def truncate_a_host_file(target: Target) -> str | None:
    """Cuts a host file off by its path."""
    os.truncate(target["writable_file"], 0)
    return "cut it off"


@attack(stopped_by={"mount", "landlock"}, verify="file-unchanged")
def truncate_a_host_file_by_opening(target: Target) -> str | None:
    """Cuts a host file off by opening it with O_TRUNC, for reading only."""
    os.close(os.open(target["writable_file"], os.O_RDONLY | os.O_TRUNC))
    return "cut it off" if os.path.getsize(target["writable_file"]) == 0 else None


@attack(stopped_by={"mount", "landlock", "seccomp"}, verify="file-unchanged")
def copy_within_the_kernel(target: Target) -> str | None:
    """Has the kernel copy into a host file with copy_file_range."""
    source, file = (
        os.open(target["writable_file"], os.O_RDONLY),
        os.open(target["writable_file"], os.O_WRONLY),
    )
    return f"copied {os.copy_file_range(source, file, 1, 0, 4096)} byte"


@attack(stopped_by={"mount", "seccomp", "identity"}, verify="file-unchanged")
def change_the_mode_of_a_host_file(target: Target) -> str | None:
    """Changes the mode of a host file."""
    os.chmod(target["writable_file"], 0o644)
    return "changed it"


@attack(stopped_by={"mount", "seccomp", "identity"}, verify="file-unchanged")
def change_the_mode_by_the_newest_call(target: Target) -> str | None:
    """Changes the mode with fchmodat2, which older filters do not know."""
    return f"returned {syscall('fchmodat2', -100, os.fsencode(target['writable_file']), 0o640, 0)}"


@attack(stopped_by={"mount", "seccomp", "identity"})
def change_the_owner_of_a_host_file(target: Target) -> str | None:
    """Gives a host file to its own group, which its owner may."""
    os.chown(target["writable_file"], -1, os.stat(target["writable_file"]).st_gid)
    return "gave it away"


@attack(stopped_by={"mount", "seccomp"}, verify="file-unchanged")
def touch_a_host_file(target: Target) -> str | None:
    """Sets the times of a host file to now: a build or a cache takes it for new."""
    os.utime(target["writable_file"])
    return "touched it"


@attack(stopped_by={"mount", "seccomp", "identity"}, verify="file-unchanged")
def backdate_a_host_file(target: Target) -> str | None:
    """Sets the times of a host file to long ago."""
    os.utime(target["writable_file"], (0, 0))
    return "backdated it"


@attack(stopped_by={"mount", "seccomp"}, verify="file-unchanged")
def label_a_host_file(target: Target) -> str | None:
    """Sets an extended attribute on a host file."""
    os.setxattr(target["writable_file"], "user.note", b"was here")
    return "labelled it"


@attack(stopped_by={"mount", "landlock"}, verify="file-unchanged")
def rename_a_host_file(target: Target) -> str | None:
    """Renames a host file."""
    os.rename(target["writable_file"], f"{target['writable_file']}.renamed")
    return "renamed it"


@attack(stopped_by={"mount", "landlock"}, verify="file-unchanged")
def replace_a_host_file(target: Target) -> str | None:
    """Puts another file under a host file's name, in one step."""
    path = new_path(target, target["writable_dir"])
    open(path, "w").close()
    os.replace(path, target["writable_file"])
    return "replaced it"


@attack(stopped_by={"mount", "landlock"}, verify="file-unchanged")
def unlink_a_host_file(target: Target) -> str | None:
    """Deletes a host file."""
    os.unlink(target["writable_file"])
    return "deleted it"


@attack(stopped_by={"mount", "landlock", "seccomp"})
def lock_a_host_file(target: Target) -> str | None:
    """Locks a file that it may only read, for which the host's programs then wait."""
    import fcntl

    fcntl.flock(os.open(target["secret_file"], os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)
    return "locked it"


@attack(stopped_by={"mount", "landlock"})
def use_shared_memory(target: Target) -> str | None:
    """Makes a shared memory object in /dev/shm, where other processes find it."""
    path = f"/dev/shm/{target['marker']}"
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    os.unlink(path)
    return "made one"


@attack(stopped_by={"mount", "landlock"})
def write_to_temporary_directories(target: Target) -> str | None:
    """Leaves a file in /var/tmp, which outlives even a restart."""
    path = f"/var/tmp/{target['marker']}"
    open(path, "x").close()
    os.unlink(path)
    return "made a file"


@attack(stopped_by=_ROOT_ONLY, as_root=True)
def plant_a_pth_file(target: Target) -> str | None:
    """Plants a .pth file in site-packages, which every later interpreter would execute."""
    import sysconfig

    path = f"{sysconfig.get_path('purelib')}/{target['marker']}.pth"
    with open(path, "x") as file:
        file.write("# an empty one\n")
    os.unlink(path)
    return "planted it"


@attack(stopped_by=_ROOT_ONLY, as_root=True)
def replace_a_program(target: Target) -> str | None:
    """Opens a program in /usr/bin for writing."""
    os.close(os.open("/usr/bin/env", os.O_WRONLY))
    return "it may write"


@attack(stopped_by=_ROOT_ONLY, as_root=True)
def poison_compiled_modules(target: Target) -> str | None:
    """Opens the standard library's __pycache__ for writing: the next interpreter runs what it finds there."""
    path = f"{os.path.dirname(os.__file__)}/__pycache__/{target['marker']}.pyc"
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    os.unlink(path)
    return "planted it"


@attack(stopped_by=_ROOT_ONLY, as_root=True)
def change_the_standard_library(target: Target) -> str | None:
    """Opens a module of the standard library for writing."""
    os.close(os.open(os.__file__, os.O_WRONLY))
    return "it may write"


@attack(stopped_by=_ROOT_ONLY, as_root=True)
def change_a_setting_of_the_kernel(target: Target) -> str | None:
    """Opens core_pattern for writing, through which the host's root would run a program."""
    os.close(os.open("/proc/sys/kernel/core_pattern", os.O_WRONLY))
    return "it may write"


@attack(stopped_by=_ROOT_ONLY, as_root=True, control="many containers mount /sys/fs/cgroup read-only")
def leave_its_control_group(target: Target) -> str | None:
    """Opens a list of processes in /sys/fs/cgroup for writing, to move itself to where nothing is limited."""
    for folder, _, files in os.walk("/sys/fs/cgroup"):
        if "cgroup.procs" in files:
            os.close(os.open(f"{folder}/cgroup.procs", os.O_WRONLY))
            return "it may write"
    return None


@attack(stopped_by={"mount", "landlock", "not_dumpable", "user"})
def become_the_last_to_be_killed(target: Target) -> str | None:
    """Writes its own oom_score_adj: when memory runs out, the kernel kills another process first."""
    with open("/proc/self/oom_score_adj", "r+") as file:
        value = file.read()
        file.write(value)
    return "it may write"


@attack(stopped_by={"mount", "landlock", "seccomp"})
def remount_the_root_writable(target: Target) -> str | None:
    """Becomes root of its own mounts and remounts / for writing."""
    syscall("unshare", CLONE_NEWUSER | CLONE_NEWNS)
    syscall("mount", None, b"/", None, 0x20 | 0x1000, None)
    return "remounted it"


@attack(stopped_by={"mount", "landlock", "seccomp"})
def bind_over_a_host_directory(target: Target) -> str | None:
    """Becomes root of its own mounts and binds a host directory elsewhere."""
    syscall("unshare", CLONE_NEWUSER | CLONE_NEWNS)
    syscall("mount", os.fsencode(target["writable_dir"]), b"/usr", None, 0x1000, None)
    return "bound it" if os.path.exists(f"/usr/{os.path.basename(target['writable_file'])}") else None


@attack(stopped_by={"seccomp"})
def type_into_a_terminal(target: Target) -> str | None:
    """Pushes a character into its standard input's terminal (TIOCSTI), for the operator's shell to read."""
    import errno
    import fcntl

    try:
        fcntl.ioctl(0, 0x5412, b"\n")
    except OSError as error:
        return "the call was reached" if error.errno not in {errno.EPERM, errno.EACCES} else None
    return "typed it"

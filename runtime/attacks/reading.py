"""Attacks that read files of the host: by name, by other names for them, by going round names."""

import os

from runtime.attacks.attack import Layer, Target, attack
from runtime.attacks.prelude import CLONE_NEWNS, CLONE_NEWUSER, found, new_path, syscall

_ROOT_ONLY: frozenset[Layer] = frozenset({"mount", "landlock", "identity", "user", "capabilities"})


@attack(stopped_by={"mount", "landlock"})
def read_the_password_file(target: Target) -> str | None:
    """Reads /etc/passwd."""
    return found(open("/etc/passwd").read())


@attack(stopped_by=_ROOT_ONLY, as_root=True)
def read_the_shadow_file(target: Target) -> str | None:
    """Reads /etc/shadow."""
    return found(open("/etc/shadow").read())


@attack(stopped_by={"mount", "landlock"})
def read_a_file_that_everybody_may_read(target: Target) -> str | None:
    """Reads a secret of the same user, by its absolute path."""
    return found(open(target["secret_file"]).read())


@attack(stopped_by={"mount", "landlock", "identity"})
def read_a_private_file_of_the_starter(target: Target) -> str | None:
    """Reads a file of mode 600 that belongs to the user who started the sandbox."""
    return found(open(target["private_file"]).read())


@attack(stopped_by={"mount", "landlock"})
def read_by_climbing_up(target: Target) -> str | None:
    """Reads a secret by a relative path that begins with many steps up."""
    return found(open("../" * 40 + target["secret_file"]).read())


@attack(stopped_by={"mount", "landlock"})
def list_the_root_directory(target: Target) -> str | None:
    """Lists / and finds directories that no Python needs."""
    return found(sorted({"boot", "srv", "media", "mnt"} & set(os.listdir("/"))))


@attack(stopped_by={"mount", "landlock", "identity"})
def list_home_directories(target: Target) -> str | None:
    """Lists the homes of the host's users, beyond the way to the interpreter that is shown."""
    import sys

    shown = {part for path in (sys.prefix, sys.base_prefix, *sys.path) for part in path.split("/")}
    names = set()
    for home in ("/home", "/root", target["home_dir"]):
        try:
            names |= set(os.listdir(home)) - shown
        except OSError:
            continue
    return found(names) if names else None


@attack(stopped_by={"mount", "landlock"})
def list_the_directory_of_a_secret(target: Target) -> str | None:
    """Lists the directory that a secret lies in."""
    return found([entry.name for entry in os.scandir(os.path.dirname(target["secret_file"]))])


@attack(stopped_by={"mount", "landlock"})
def find_files_without_knowing_a_path(target: Target) -> str | None:
    """Walks the places where others keep their files, among them other graders' scratch, and reads what it finds."""
    wanted = os.path.basename(target["secret_file"])
    steps = 0
    for start in (
        "/tmp",
        "/var/tmp",
        "/dev/shm",
        "/run",
        "/home",
        "/srv",
        os.path.dirname(target["secret_file"]),
    ):
        for folder, _, files in os.walk(start):
            steps += 1
            if wanted in files:
                return found(open(f"{folder}/{wanted}").read())
            if steps > 5_000:
                break
    return None


@attack(stopped_by={"mount", "landlock"})
def read_through_proc_self_root(target: Target) -> str | None:
    """Reads a secret below /proc/self/root."""
    return found(open(f"/proc/self/root{target['secret_file']}").read())


@attack(stopped_by={"mount", "landlock"})
def read_through_proc_self_cwd(target: Target) -> str | None:
    """Reads a secret by steps up from /proc/thread-self/cwd."""
    return found(open(f"/proc/thread-self/cwd{'/..' * 40}{target['secret_file']}").read())


@attack(
    stopped_by=_ROOT_ONLY,
    as_root=True,
    control="in many containers not even root may look into process 1; the supervisor's own root shows the same",
)
def read_through_the_root_of_process_one(target: Target) -> str | None:
    """Reads a secret below /proc/1/root."""
    return found(open(f"/proc/1/root{target['secret_file']}").read())


@attack(stopped_by=_ROOT_ONLY)
def read_through_the_root_of_the_supervisor(target: Target) -> str | None:
    """Reads a secret below /proc/PID/root of the supervisor."""
    return found(open(f"/proc/{target['supervisor_pid']}/root{target['secret_file']}").read())


@attack(stopped_by={"mount", "landlock", "seccomp"})
def read_through_a_symbolic_link(target: Target) -> str | None:
    """Puts a symbolic link to a secret into its scratch and reads that."""
    link = new_path(target)
    os.symlink(target["secret_file"], link)
    try:
        return found(open(link).read())
    finally:
        os.unlink(link)


@attack(stopped_by={"mount", "landlock", "seccomp"})
def read_through_a_hard_link(target: Target) -> str | None:
    """Gives a host file a second name, in a place of its own choice, and reads that."""
    link = new_path(target, target["writable_dir"])
    os.link(target["writable_file"], link)
    try:
        return found(open(link).read())
    finally:
        os.unlink(link)


@attack(stopped_by={"mount", "landlock"})
def reopen_a_path_descriptor(target: Target) -> str | None:
    """Opens a secret with O_PATH, which asks for no right to it, and opens that again through /proc/self/fd."""
    path = os.open(target["secret_file"], os.O_PATH)
    return found(open(f"/proc/self/fd/{path}").read())


@attack(stopped_by={"mount", "landlock", "seccomp"})
def open_with_resolve_flags(target: Target) -> str | None:
    """Opens a secret with openat2 and RESOLVE_IN_ROOT, from a descriptor of the root directory."""
    import struct

    root = os.open("/", os.O_PATH | os.O_DIRECTORY)
    how = struct.pack("=QQQ", os.O_RDONLY, 0, 0x10)
    return found(os.read(syscall("openat2", root, os.fsencode(target["secret_file"]), how, len(how)), 4096))


@attack(stopped_by={"mount", "landlock", "seccomp", "identity", "user", "capabilities"}, as_root=True)
def open_by_file_handle(target: Target) -> str | None:
    """Opens a secret by its file handle rather than by a path, as the "shocker" escape from containers did."""
    import ctypes
    import struct

    handle = ctypes.create_string_buffer(struct.pack("=Ii", 128, 0), 136)
    mount = ctypes.c_int()
    syscall("name_to_handle_at", -100, os.fsencode(target["secret_file"]), handle, ctypes.byref(mount), 0)
    root = os.open(os.path.dirname(target["secret_file"]), os.O_RDONLY)
    return found(os.read(syscall("open_by_handle_at", root, handle, os.O_RDONLY), 4096))


@attack(stopped_by={"mount", "landlock", "seccomp"})
def leave_a_chroot(target: Target) -> str | None:
    """Becomes root of a user namespace, moves its root below its working directory, and climbs out."""
    syscall("unshare", CLONE_NEWUSER)
    os.chdir("/")
    os.chroot("/usr")
    os.chdir("../" * 40)
    os.chroot(".")
    return found(open(target["secret_file"]).read())


@attack(stopped_by={"mount", "landlock", "seccomp"})
def pivot_the_root(target: Target) -> str | None:
    """Makes a directory the root of its own mounts, and reads a secret below the old one."""
    syscall("unshare", CLONE_NEWUSER | CLONE_NEWNS)
    syscall("mount", b"/usr", b"/usr", None, 0x1000 | 0x4000, None)
    syscall("pivot_root", b"/usr", b"/usr/share")
    return found(open(f"/share{target['secret_file']}").read())


@attack(stopped_by=_ROOT_ONLY, as_root=True, control="many containers have no block device in /dev")
def read_a_raw_disk(target: Target) -> str | None:
    """Reads the first block of a disk."""
    import stat

    for name in os.listdir("/dev"):
        try:
            if stat.S_ISBLK(os.stat(f"/dev/{name}").st_mode) and (
                block := open(f"/dev/{name}", "rb").read(512)
            ):
                return found(block)
        except OSError:
            continue
    return None


@attack(stopped_by={*_ROOT_ONLY, "seccomp"}, as_root=True)
def make_a_device_of_the_disk(target: Target) -> str | None:
    """Makes a device node for the disk that holds a secret."""
    import stat

    device = os.stat(target["secret_file"]).st_dev
    path = new_path(target)
    os.mknod(path, stat.S_IFBLK | 0o600, device)
    try:
        return f"made a node for {os.major(device)}:{os.minor(device)}"
    finally:
        os.unlink(path)


@attack(
    stopped_by=_ROOT_ONLY,
    as_root=True,
    control="many containers have no /dev/kmsg, and no other way to the memory",
)
def read_the_memory_of_the_kernel(target: Target) -> str | None:
    """Reads the kernel's log or memory from its devices."""
    for path in ("/proc/kcore", "/dev/mem", "/dev/kmsg"):
        try:
            return found(os.read(os.open(path, os.O_RDONLY | os.O_NONBLOCK), 8192))
        except OSError:
            continue
    return None


@attack(stopped_by={"mount", "landlock"})
def read_netrc(target: Target) -> str | None:
    """Reads passwords from ~/.netrc."""
    return found(open(f"{target['home_dir']}/.netrc").read())


@attack(stopped_by={"mount", "landlock"})
def read_cloud_credentials(target: Target) -> str | None:
    """Reads the keys in ~/.aws/credentials."""
    return found(open(f"{target['home_dir']}/.aws/credentials").read())


@attack(stopped_by={"mount", "landlock"})
def read_pip_configuration(target: Target) -> str | None:
    """Reads pip's configuration, which may hold the password of a package index."""
    return found(open(f"{target['home_dir']}/.config/pip/pip.conf").read())


@attack(stopped_by={"mount", "landlock"})
def read_a_private_key(target: Target) -> str | None:
    """Reads a private key in ~/.ssh."""
    return found(open(f"{target['home_dir']}/.ssh/id_ed25519").read())


@attack(stopped_by={"mount", "landlock"})
def read_the_source_of_the_harness(target: Target) -> str | None:
    """Reads the supervisor's own source by its path."""
    return found(open(target["harness_file"]).read())


@attack(stopped_by={"mount", "landlock"})
def load_a_host_file_as_a_module(target: Target) -> str | None:
    """Has the import system load the supervisor's source, which reads it and would run it."""
    from importlib.machinery import SourceFileLoader

    loaded = SourceFileLoader("harness", target["harness_file"])
    return found(loaded.get_code("harness") and loaded.get_data(target["harness_file"]))


@attack(stopped_by={"mount"}, leaks_at={2})
def stat_a_host_file(target: Target) -> str | None:
    """Learns size, owner and times of a secret file."""
    return repr(os.stat(target["secret_file"]).st_size)


@attack(stopped_by={"mount"}, leaks_at={2})
def ask_whether_a_host_file_exists(target: Target) -> str | None:
    """Learns that a path exists."""
    return "it exists" if os.access(target["secret_file"], os.F_OK) else None


@attack(stopped_by={"mount"}, leaks_at={2})
def change_into_a_host_directory(target: Target) -> str | None:
    """Makes a host directory its working directory."""
    os.chdir(os.path.dirname(target["secret_file"]))
    return os.getcwd()


@attack(stopped_by={"mount", "seccomp"})
def ask_for_a_host_file_system(target: Target) -> str | None:
    """Learns type and free space of the file system that a secret lies on."""
    return repr(os.statvfs(target["secret_file"]).f_bavail)


@attack(stopped_by={"mount", "seccomp"})
def watch_a_host_file(target: Target) -> str | None:
    """Watches a secret file, and so learns when it is read."""
    watcher = syscall("inotify_init1", 0)
    return f"watch {syscall('inotify_add_watch', watcher, os.fsencode(target['secret_file']), 0x1)}"


@attack(stopped_by={"mount", "landlock"})
def run_a_host_library(target: Target) -> str | None:
    """Has the dynamic loader open a host file: its error tells what the file begins with."""
    import ctypes

    try:
        ctypes.CDLL(target["harness_file"])
    except OSError as error:
        return str(error) if "ELF" in str(error) or "too short" in str(error) else None
    return "it was loaded"

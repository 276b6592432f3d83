"""Layer `mount`: a root file system with nothing in it but what Python needs, read-only, and a private scratch.

The paths are the host's own, so that modules are found where they were; everything else is not there. `/proc` and `/sys`
are not there either.
"""

import functools
import importlib.util
import os
import stat
import sys
from collections.abc import Callable, Collection, Iterable
from importlib.machinery import all_suffixes

from . import kernel

BOX = "/box"
SCRATCH = "/box/tmp"
"""Where each child mounts its own scratch. `/tmp` leads here: Landlock needs a directory above the mount to allow."""
DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")

_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib")
_FILES = ("/etc/ld.so.cache", "/usr/share/zoneinfo", "/etc/localtime")
_STAGING = ("/tmp", "/mnt", "/run", "/var")  # any directory will do: a mount hides it, for us alone


def needed_paths(more: list[str]) -> list[str]:
    """What this interpreter needs to see: its standard library, packages and shared libraries.

    Args:
        more: Paths to show besides, where they exist.
    """
    wanted = {os.path.abspath(path) for path in (*_python_paths(), *_library_paths(), *_FILES, *more)}
    wanted |= {os.path.realpath(path) for path in wanted}  # what a link leads to is shown under both names
    paths = sorted(path for path in wanted if os.path.exists(path))
    return [path for path in paths if not any(_is_inside(path, other) for other in paths)]


def hidden_in(paths: list[str], hidden: Iterable[str]) -> list[str]:
    """Where hidden paths stand inside shown ones, under each name that they are shown by.

    Args:
        paths: What is shown.
        hidden: Files and directories; those that are not shown, or not there, are left out.
    """
    found = set()
    for each in map(os.path.realpath, hidden):
        for path in paths:
            real = os.path.realpath(path)
            if _is_inside(each, real) and os.path.lexists(each):
                found.add(path.rstrip("/") + each[len(real.rstrip("/")) :])
    return sorted(found)


def around(paths: Iterable[str], hidden: Collection[str]) -> tuple[list[str], list[str]]:
    """Paths that have no hidden one inside, and the directories between them, of which no more than names is shown.

    Links beside a hidden path are left out: what they lead to is among the paths, or is not to be shown.

    Args:
        paths: What is shown.
        hidden: As `hidden_in` gives them.
    """
    whole: list[str] = []
    between: list[str] = []
    for path in paths:
        if path in hidden:
            continue
        if not any(_is_inside(each, path) for each in hidden):
            whole.append(path)
            continue
        between.append(path)
        inner, more = around((e.path for e in os.scandir(path) if not e.is_symlink()), hidden)
        whole += inner
        between += more
    return whole, between


def source_trees() -> list[str]:
    """The entries of `sys.path` that are not this interpreter's own: source trees of editable installs."""
    return [path for path in sys.path if not _is_own(path) and os.access(path, os.R_OK)]


def sources(packages: Iterable[str]) -> list[str]:
    """What can be imported here without having been copied into this interpreter: editable installs.

    Of a source tree this is what an import can find, and not what else lies there: settings, `.env`, `.git`.

    Args:
        packages: Names to look up besides, which a finder of their own may have anywhere.
    """
    found: list[str] = []
    for tree in source_trees():
        if os.path.isdir(tree):
            found += [entry.path for entry in os.scandir(tree) if _is_importable(entry)]
        else:
            found.append(tree)  # a zip file
    for finder in sys.meta_path:
        # how setuptools maps the packages of editable installs; they may import each other
        module = sys.modules.get(getattr(finder, "__module__", ""))
        for path in getattr(module, "MAPPING", {}).values():
            found += [path, f"{path}.py"]
    for name in packages:
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError):  # `__main__`: it is not a module here, and importing it will say so
            continue
        if spec is not None and spec.has_location and spec.origin is not None:
            found += spec.submodule_search_locations or [spec.origin]
    return found


def _is_importable(entry: "os.DirEntry[str]") -> bool:
    # `.libs` is where wheels keep the shared libraries of a package that lies beside it
    endings = (".dist-info", ".egg-info", ".libs", *all_suffixes())
    return entry.name.endswith(endings) or (entry.name.isidentifier() and entry.is_dir())


def _python_paths() -> list[str]:
    # sysconfig knows these too; since Python 3.13 it imports `threading`, which every fork would pay for
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    stdlib = [os.path.dirname(os.__file__), os.path.join(sys.prefix, sys.platlibdir, version)]
    return [*filter(_is_own, sys.path), *stdlib]


def _is_own(path: str) -> bool:
    """Whether an entry of `sys.path` belongs to this interpreter."""
    prefixes = (os.path.realpath(prefix) for prefix in (sys.prefix, sys.base_prefix))
    real = os.path.realpath(path)
    return path.endswith("dist-packages") or any(_is_inside(real, prefix) for prefix in prefixes)


def _library_paths() -> list[str]:
    """Directories of shared libraries: of those that are loaded, and the system's."""
    multiarch = getattr(sys.implementation, "_multiarch", "") or "none"  # what sysconfig calls MULTIARCH
    system = [f"{directory}/{multiarch}" for directory in _LIBRARIES]
    found = [directory for directory in system if os.path.isdir(directory)]
    with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:
        mapped = {line.split(maxsplit=5)[5].strip() for line in maps if ".so" in line and "/" in line}
    return [*found, *({os.path.dirname(path) for path in mapped} - {"/lib", "/usr/lib"}), *_loader_paths()]


def _loader_paths() -> list[str]:
    return [path for path in ("/lib64", "/usr/lib64") if os.path.isdir(path)]


def enter(paths: list[str], hidden: Iterable[str] = ()) -> None:
    """Make the new root and move into it; nothing of the old one can be reached afterwards.

    Args:
        paths: What to show, read-only.
        hidden: Inside of them, what is to be empty: as `hidden_in` gives it.

    Raises:
        OSError: When a step fails; the process is half locked and must not go on.
    """
    kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    shown = [
        (path, os.open(path, os.O_PATH | os.O_CLOEXEC)) for path in [*paths, *DEVICES] if os.path.exists(path)
    ]
    staging = next(directory for directory in _STAGING if os.path.isdir(directory))
    kernel.mount(
        "sandbox", staging, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "size=1m,nr_inodes=4096,mode=755"
    )
    for path, descriptor in shown:
        _show(staging, path, descriptor)
    for path in hidden:
        _empty(staging + path)
    for directory in (BOX, SCRATCH):
        os.mkdir(staging + directory, 0o755)
    if not os.path.lexists(staging + "/tmp"):
        os.symlink(SCRATCH, staging + "/tmp")
    os.mkdir(staging + "/old")
    kernel.pivot_root(staging, staging + "/old")
    os.chdir("/")
    kernel.umount2("/old", kernel.MNT_DETACH)
    os.rmdir("/old")
    kernel.set_read_only("/", recursive=False)


def scratch(size: int, files: int) -> list[Callable[[], object]]:
    """Steps that give a process a scratch of its own, which goes with it.

    Args:
        size: Bytes that fit into it.
        files: Files and directories that fit into it.
    """
    flags = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
    return [
        kernel.prepared("unshare", kernel.CLONE_NEWNS),
        kernel.mounting("scratch", SCRATCH, "tmpfs", flags, f"size={size},nr_inodes={files},mode=700"),
        functools.partial(os.chdir, SCRATCH),
    ]


def _show(root: str, path: str, descriptor: int) -> None:
    target = root + path
    if stat.S_ISDIR(
        os.fstat(descriptor).st_mode
    ):  # the path itself may lie below the staging mount, and be hidden
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))
    kernel.mount(f"/proc/self/fd/{descriptor}", target, None, kernel.MS_BIND | kernel.MS_REC)
    os.close(descriptor)
    if path not in DEVICES:
        kernel.set_read_only(target, recursive=True)


def _empty(target: str) -> None:
    """Have nothing in a directory, or a file."""
    if os.path.isdir(target):
        flags = kernel.MS_RDONLY | kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
        kernel.mount("hidden", target, "tmpfs", flags, "size=4k,nr_inodes=1,mode=555")
    else:
        kernel.mount("/dev/null", target, None, kernel.MS_BIND)


def _is_inside(path: str, directory: str) -> bool:
    return path != directory and path.startswith(directory.rstrip("/") + "/")

"""`python ordinary.py MODULE ARGUMENT…`: runs a module as an ordinary user, for tests that root starts.

The interpreter, its packages and this project may lie in a home that only root may enter: a mount namespace of our own shows
them to everybody there.
"""

import os
import runpy
import sys
from pathlib import Path

from runtime.sandbox.inside.layers import kernel

USER = 12_345


def main() -> None:
    """Become the user, then run the module."""
    kernel.unshare(kernel.CLONE_NEWNS)
    kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    project = Path(__file__).parents[2]
    for path in {Path(sys.prefix), Path(sys.base_prefix), project}:
        _open_way(path.resolve())
    os.chdir(project)
    os.environ |= {"HOME": "/nonexistent", "USER": "ordinary"}
    kernel.set_identity(USER, USER)
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)  # changing users has hidden our own /proc from us
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


def _open_way(path: Path) -> None:
    """Let everybody walk to a path: show it again below a fresh directory in place of the first that is closed."""
    closed = next(
        (parent for parent in (*reversed(path.parents), path) if not parent.stat().st_mode & 0o001), None
    )
    if closed is None:
        return
    descriptor = os.open(path, os.O_PATH)
    kernel.mount("way", str(closed), "tmpfs", kernel.MS_NOSUID, "mode=755,size=1m")
    path.mkdir(parents=True, exist_ok=True)
    kernel.mount(f"/proc/self/fd/{descriptor}", str(path), None, kernel.MS_BIND | kernel.MS_REC)
    os.close(descriptor)


if __name__ == "__main__":
    main()

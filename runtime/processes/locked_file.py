"""A file that one process at a time appends to."""

import errno
import fcntl
import os
import stat
from pathlib import Path
from typing import BinaryIO


def open_locked(path: Path) -> BinaryIO:
    """A file to append to, which nobody else writes.

    Raises:
        BlockingIOError: When somebody else does.
        OSError: When it cannot be written, or is a link or no regular file: others may have put that there.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    while True:
        file = os.fdopen(os.open(path, flags, 0o666), "ab+", 0)
        try:
            found = _own(os.fstat(file.fileno()))
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # another run may have removed it in between, at its end
            if path.exists() and os.path.samestat(found, path.stat()):
                return file
        except BaseException:
            file.close()
            raise
        file.close()


def _own(found: os.stat_result) -> os.stat_result:
    if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
        raise OSError(errno.EINVAL, "it is no regular file, or one with other names; remove it")
    return found


def holder(path: Path) -> str:
    """Which process holds the lock of a file, for a message; empty where the system does not say."""
    try:
        inode = path.stat().st_ino
        locks = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    except OSError:
        return ""
    # 1: FLOCK  ADVISORY  WRITE 12345 00:2f:67890 0 EOF
    found = [lock[4] for lock in locks if "->" not in lock and lock[5].endswith(f":{inode}")]
    return f" (process {found[0]})" if found else ""

"""Files that a user names to be written: whole or not at all, and only regular files are ever replaced.

A regular file is written beside its place and then put there, in one step. What has another nature is written through: a
device, a pipe, a socket, a descriptor such as `/dev/stdout`; a symbolic link stays and the file behind it is written; a file
with several names keeps them.
"""

import errno
import fcntl
import os
import re
import secrets
import shutil
import socket
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import IO, BinaryIO

from graders import ConfigurationError

STDOUT = Path("-")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_LINKS = 40
"""Symbolic links that are followed at most, as the system itself does."""
_DESCRIPTOR = re.compile(r"/proc/(\d+)(?:/task/\d+)?/fd/(\d+)")
_NO_DIRECTORY = {errno.EACCES, errno.EPERM, errno.EROFS}
_KEEPS_PLACE = {errno.EBUSY, errno.EXDEV}
"""Another file cannot take the place of one that is a mount point."""


def cannot_write(path: Path, error: OSError) -> ConfigurationError:
    """That a file cannot be written, with the system's reason."""
    hint = f" ({errno.errorcode[error.errno]}); free some space" if error.errno in _FULL else ""
    return ConfigurationError(f"cannot write {path}: {error.strerror or error}{hint}")


def regular_place(path: Path) -> Path | None:
    """Where the regular file is, or is to be, that a name leads to; None where the name leads to something else.

    Raises:
        ConfigurationError: When it is a directory, is read-only, or its links lead nowhere.
    """
    try:
        place = _followed(path)
        mode = _mode(path if path == STDOUT else place)
        if path == STDOUT or _DESCRIPTOR.fullmatch(str(place)):
            return None
        if mode is None:
            return place if path.is_symlink() else path
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(mode):
            return None
        # otherwise one that its owner has made read-only would be replaced
        os.close(os.open(place, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW))
    except OSError as error:
        raise cannot_write(path, error) from None
    return place if path.is_symlink() else path


def same_file(one: Path, other: Path) -> bool:
    """Whether two names lead to one file; False where one is not there."""
    try:
        return one.samefile(other)
    except OSError:
        return False


def is_standard_output(path: Path) -> bool:
    """Whether what is written to a file and what is printed come to the same place."""
    if path == STDOUT:
        return True
    try:
        return os.path.samestat(path.stat(), os.fstat(1))
    except OSError:
        return False


@contextmanager
def writing(path: Path, *, replace: bool = True, follow: bool = True) -> Iterator[BinaryIO]:
    """A file to write, which is there as a whole at the end, and not at all after an error.

    Args:
        path: Its name; `-` is the standard output.
        replace: Write over a file that is there.
        follow: Write through symbolic links; without, they are an error: for names that are made up, not given.

    Raises:
        ConfigurationError: When it cannot be written, here or at the end, or is there and is not to be replaced.
    """
    if not follow and (path.is_symlink() or (path.exists() and not path.is_file())):
        raise ConfigurationError(f"cannot write {path}: it is a link, or no regular file; remove it first")
    try:
        if regular_place(path) is None:
            with open_through(path) as file:
                yield file
            return
        with writing_by_name(path, replace=replace) as temporary, temporary.open("r+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise cannot_write(path, error) from None


@contextmanager
def writing_by_name(path: Path, *, replace: bool = True) -> Iterator[Path]:
    """The same for what writes files by their names: gives that of an empty file, which becomes the other at the end.

    Args:
        path: The file's name; `-` is the standard output.
        replace: Write over a file that is there.

    Raises:
        ConfigurationError: When it cannot be written, here or at the end, or is there and is not to be replaced.
    """
    place = regular_place(path)
    if place is not None and not replace and place.exists():
        raise already_there(path)
    try:
        temporary, is_beside = _empty_file(place)
        try:
            yield temporary
            _put(temporary, path, place if is_beside else None, replace=replace)
        finally:
            temporary.unlink(missing_ok=True)
    except FileExistsError:
        raise already_there(path) from None
    except OSError as error:
        raise cannot_write(path, error) from None


def already_there(path: Path) -> ConfigurationError:
    """That a file is there and is not to be replaced."""
    return ConfigurationError(f"{path} is there already; --force writes over it, or choose another name")


def write_file(path: Path, content: bytes, *, replace: bool = True, follow: bool = True) -> None:
    """Write a file as a whole; see `writing`.

    Raises:
        ConfigurationError: When it cannot be written.
    """
    with writing(path, replace=replace, follow=follow) as file:
        file.write(content)


def open_through(path: Path) -> BinaryIO:
    """Open what is no regular file, to write to it as it is; a named pipe waits for its reader.

    Raises:
        OSError: When it cannot be opened.
    """
    place = _followed(path)
    if path == STDOUT:
        return os.fdopen(os.dup(1), "wb")
    if (found := _DESCRIPTOR.fullmatch(str(place))) is not None:
        if int(found[1]) == os.getpid():
            # not opened anew, which would begin at the start of a file that a shell has opened
            return os.fdopen(os.dup(_writable(int(found[2]))), "wb")
        return os.fdopen(os.open(place, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC), "wb")
    if stat.S_ISSOCK(place.stat().st_mode):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(place))
            return os.fdopen(connection.detach(), "wb")
    return os.fdopen(os.open(place, os.O_WRONLY | os.O_NOCTTY | os.O_CLOEXEC), "wb")


def _followed(path: Path) -> Path:
    """The last name of a chain of symbolic links; those of the kernel to descriptors lead to no name and are not followed."""
    here = path.absolute()
    for _ in range(_LINKS):
        here = here.parent.resolve() / here.name
        if _DESCRIPTOR.fullmatch(str(here)) or not here.is_symlink():
            return here
        here = here.parent / here.readlink()
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))


def _mode(path: Path) -> int | None:
    """The mode of a file; None if it does not exist."""
    try:
        return os.fstat(1).st_mode if path == STDOUT else path.stat().st_mode
    except FileNotFoundError:
        return None


def _writable(descriptor: int) -> int:
    if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
        raise OSError(errno.EBADF, "it is open for reading only")
    return descriptor


def _empty_file(place: Path | None) -> tuple[Path, bool]:
    """A new file, and whether it can take the place of another by its name: it is beside it."""
    if place is not None:
        beside = place.parent / f".{secrets.token_hex(8)}.part"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            os.close(os.open(beside, flags, 0o666))
        except OSError as error:
            if error.errno not in _NO_DIRECTORY or not place.exists():
                raise
        else:
            return beside, True
    # the file may be written, and its directory not
    descriptor, name = tempfile.mkstemp(prefix="graders-")
    os.close(descriptor)
    return Path(name), False


def _put(temporary: Path, path: Path, place: Path | None, *, replace: bool) -> None:
    """Put a whole file into its place, by its name where it can take the place of another, otherwise by its content."""
    known = place.stat() if place is not None and place.exists() else None
    if place is None or (known is not None and known.st_nlink > 1):
        _copy(temporary, path)
        return
    if known is not None:
        with suppress(PermissionError):
            os.chown(temporary, known.st_uid, known.st_gid)
        temporary.chmod(stat.S_IMODE(known.st_mode))
    try:
        if replace:
            temporary.replace(place)
        else:
            place.hardlink_to(temporary)  # fails where another has appeared meanwhile
    except OSError as error:
        if error.errno not in _KEEPS_PLACE:
            raise
        _copy(temporary, path)


def _copy(temporary: Path, path: Path) -> None:
    """Write what is in a file to another, which keeps its names and its nature."""
    regular = regular_place(path) is not None
    with temporary.open("rb") as file, path.open("r+b") if regular else open_through(path) as target:
        shutil.copyfileobj(file, target, 1 << 20)
        target.flush()
        if regular:
            target.truncate()
            os.fsync(target.fileno())


def append_whole(file: IO[bytes] | FileIO, line: bytes, end: int) -> int:
    """Write a line at the end of an unbuffered file, or nothing of it; gives the new length.

    Args:
        file: Opened for appending.
        line: What to write.
        end: How long the file is.

    Raises:
        OSError: When the disk does not take it; the file is as long as it was.
    """
    left = memoryview(line)
    try:
        while left:
            left = left[file.write(left) :]
    except OSError:
        file.truncate(end)
        raise
    return end + len(line)

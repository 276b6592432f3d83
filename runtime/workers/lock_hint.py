"""What an author of a plugin may not know when a file or the network is refused: the lock of its worker, and `needs`."""

import errno
import socket
from collections.abc import Iterator

from graders.grader_type import Need

_NETWORK = frozenset(
    {
        *(errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.ECONNREFUSED, errno.ENETDOWN),
        *(errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT, errno.ESOCKTNOSUPPORT),
    }
)
_FILES = frozenset({errno.ENOENT, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EXDEV})
_REACHES: dict[Need, str] = {"files": "no files but those of its packages", "network": "no network"}


def lock_hint(error: BaseException | None, type_name: str, needs: frozenset[Need]) -> str:
    """What to put behind the message of an exception that the lock of a worker may have caused; often nothing.

    Args:
        error: The exception; those that it was raised from, or while handling, are looked at too.
        type_name: The grader type.
        needs: What the type says that it needs.
    """
    need = next((found for each in _chain(error) if (found := _refused(each)) is not None), None)
    if need is None or need in needs:
        return ""
    return (
        f"; plugins are locked, and this one reaches {_REACHES[need]}: if it has to, declare "
        f'@grader("{type_name}", needs={{"{need}"}}) and allow that in the setting plugin_needs'
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An exception, and those that it came from; each once."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _refused(error: BaseException) -> Need | None:
    """What was refused: a file or the network; None where it is another exception."""
    if isinstance(error, socket.gaierror):
        return "network"
    if not isinstance(error, OSError):
        return None
    if error.errno in _NETWORK or (error.errno in {errno.EPERM, errno.EACCES} and error.filename is None):
        return "network"
    return "files" if error.errno in _FILES else None

"""Run a function in a forked child that may lock itself for good, and learn what came of it."""

import errno
import json
import os
import signal
import warnings
from collections.abc import Callable
from typing import Any


def in_child(attempt: Callable[[], object]) -> Any:
    """What the function returned in a child, as JSON gives it back.

    The name of the error number when it raised an `OSError`, the error's type when it raised another, and the name of
    the signal when the child died of one; "ended" when it became another program, or ended, before it could tell.
    """
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        # pytest-xdist has a thread; the child never needs it
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        try:
            os.write(writer, json.dumps(outcome(attempt)).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as told:
        answer = told.read()
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code < 0:
        return signal.Signals(-code).name
    return json.loads(answer) if answer else "ended"


def outcome(attempt: Callable[[], object]) -> object:
    """What the function returned; the name of the error number, or the error's type, when it raised."""
    try:
        return attempt()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, repr(error))
    except BaseException as error:  # noqa: BLE001  # the test compares it
        return type(error).__name__

"""SIGINT and SIGTERM end a command in order, whatever dispositions it inherited.

A shell starts what a script runs in the background (`graders serve &`) with SIGINT ignored, and a supervisor may ignore
SIGTERM; both are inherited, and Python then installs no handler of its own. This module imports almost nothing: the
handlers are there before the rest of the command is imported.
"""

import os
import signal
import sys
from contextlib import suppress
from types import FrameType
from typing import NoReturn

INTERRUPTED = 130
"""The exit code after SIGINT, as shells have it."""

_received: list[int] = []


def install_handlers() -> None:
    """Have SIGINT raise `KeyboardInterrupt` in the main thread, and SIGTERM do what SIGINT does at that moment.

    Both are unblocked. An event loop or a server that installs handlers of its own later replaces these while it runs.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _interrupt)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM))


def end(code: int | str) -> NoReturn:
    """Exit with a code; after SIGTERM, end by that signal, as the parent process expects."""
    if not _received:
        sys.exit(code)
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):  # closed, or nobody reads it
            stream.flush()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTERM)
    sys.exit(128 + signal.SIGTERM)  # in case the signal is delivered to another thread, a moment later


def _interrupt(number: int, _: FrameType | None) -> None:
    _received.append(number)
    signal.raise_signal(signal.SIGINT)

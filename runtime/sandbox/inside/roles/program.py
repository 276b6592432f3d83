"""A program run as `python solution.py` would run it, in this process, which ends with it."""

import atexit
import binascii
import os
import sys
import types
from collections.abc import Mapping
from typing import NoReturn

from ..layers.kernel import seal_whole
from ..source_code import compiled, traceback_of


def run_program(source: str, file: str, stdin: str, files: Mapping[str, str] | None = None) -> NoReturn:
    """Run a program and end with its exit status.

    `files` are written before, in base64 by their paths, which are relative to the working directory.

    Its input is a file: it can be read by `input()`, through `sys.stdin`, by `open(0)` or by `os.read`. As after a real
    program, threads are waited for, exit functions run, and what was printed is written out before the process ends.
    """
    status = 1
    try:
        _write_stdin(stdin.encode("utf-8", "surrogatepass"))
        _open_streams()
        sys.argv = [file]
        for path, content in (files or {}).items():
            _write_file(path, content)
        status = _status_of(source, file)
        if (threading := sys.modules.get("threading")) is not None:
            threading._shutdown()  # noqa: SLF001  # what the interpreter does at its end
        atexit._run_exitfuncs()  # noqa: SLF001  # likewise
        for stream in (
            sys.stdout,
            sys.stderr,
            sys.__stdout__,
            sys.__stderr__,
        ):  # the program may have its own
            stream.flush()  # type: ignore[union-attr]  # opened above
    except BaseException:  # noqa: BLE001  # output that cannot be written, or a stranger's streams
        status = status or 1
    finally:
        os._exit(status)


def _status_of(source: str, file: str) -> int:
    main = types.ModuleType("__main__")
    main.__file__ = file
    sys.modules["__main__"] = main
    try:
        exec(compiled(source, file), main.__dict__)  # noqa: S102  # what this process is for
    except SystemExit as error:
        return _exit_status(error.code)
    except BaseException as error:  # noqa: BLE001  # a stranger's program may raise anything
        sys.stderr.write(traceback_of(error, file))
        return 1
    return 0


def _exit_status(code: object) -> int:
    """The status of `sys.exit(code)`."""
    if code is None:
        return 0
    if isinstance(code, int):
        return int.__int__(code) & 0xFF
    sys.stderr.write(f"{code}\n")
    return 1


def _write_stdin(data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(0, rest) :]
    os.lseek(0, 0, os.SEEK_SET)
    seal_whole(0)  # what the program itself wrote to it would be held in memory, and counted nowhere


def _write_file(path: str, content: str) -> None:
    if folder := os.path.dirname(path):
        os.makedirs(folder, exist_ok=True)
    with open(path, "wb") as opened:
        opened.write(binascii.a2b_base64(content))


def _open_streams() -> None:
    """Make the standard streams anew: those of the zygote have buffers and positions of their own."""
    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", errors="surrogateescape", closefd=False)  # type: ignore[misc]  # noqa: SIM115
    sys.stdout = sys.__stdout__ = open(1, "w", encoding="utf-8", closefd=False)  # type: ignore[misc]  # noqa: SIM115
    sys.stderr = sys.__stderr__ = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # type: ignore[misc]  # noqa: SIM115

"""How a command ends: which exit code, and what it says when it fails or is interrupted."""

import os
import sys
import traceback

import typer

from service import stopping
from service.cli import terminal


class Interrupted(Exception):
    """A command was interrupted that has something to say: what is kept, and how to go on."""


def run_to_the_end(app: typer.Typer) -> None:
    """Run a command line and exit: errors that a user can mend are a line each, and exit with 2."""
    said = False
    try:
        code = app(standalone_mode=False) or 0
        # here, not at the end of the interpreter, where a full disk would be a traceback
        sys.stdout.flush()
    except KeyboardInterrupt:
        code = stopping.INTERRUPTED
    except Interrupted as interrupted:
        code, said = stopping.INTERRUPTED, True
        terminal.err(f"{interrupted}\n")
    except typer.Abort:
        code = 1
    except BrokenPipeError:  # the reader has what it wants
        _write_no_more()
        code = 1
    except Exception as error:  # noqa: BLE001  # the last place where one can be shown
        code = _failed(error)
    if code == stopping.INTERRUPTED and not said:
        terminal.err("interrupted\n")
    stopping.end(code)


def _write_no_more() -> None:
    """Let what is still to be written go nowhere: the end of the interpreter would try once more, and fail with a traceback."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


def _show_as_finding(message: str) -> None:
    """Print wrong usage as `graders validate --json` prints what it finds."""
    found = {
        "level": "error",
        "path": "",
        "message": message,
        "hint": "mend the command",
        "rows": [],
        "where": "command",
    }
    terminal.out_json({"errors": 1, "warnings": 0, "findings": [found]})


def _failed(error: Exception) -> int:
    """Say what has failed; gives the exit code."""
    from graders import GraderError  # noqa: PLC0415  # 0.3 s that `--help` need not wait for

    if "--debug" in sys.argv:
        terminal.err("".join(traceback.format_exception(error)))
        return 2
    wrong_usage = getattr(error, "format_message", None)  # Typer's errors, whose class is not public
    if wrong_usage is not None:
        context = getattr(error, "ctx", None)
        if message := wrong_usage():
            if "--json" in sys.argv and getattr(context, "info_name", None) == "validate":
                _show_as_finding(message)
            terminal.err(f"{context.get_usage()}\n" if context is not None else "")
            terminal.errors(message)
    elif isinstance(error, GraderError):
        terminal.errors(str(error))
    elif isinstance(error, OSError) and error.filename is None and error.errno is not None:
        _write_no_more()
        terminal.errors(f"cannot write: {error.strerror}")
    else:
        terminal.err("".join(traceback.format_exception(error)))
        return 1
    return 2

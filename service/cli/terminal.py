"""Everything that commands print goes through here: nothing that a sample, a plugin or a file name says drives a terminal.

Control characters, those that change the order of what is read, and invisible ones are shown as escapes. What is needed for
that is imported when something is printed: `graders --help` is quick.
"""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

WIDTH = 80
"""Columns of a line of text."""


def console(*, stderr: bool = False) -> "Console":
    """A console for tables and colours, on the standard output or the standard error."""
    from service.cli.console import SafeConsole  # noqa: PLC0415

    return SafeConsole(stderr=stderr)


def out(text: str) -> None:
    """Print a text on the standard output, at once."""
    sys.stdout.write(_lines(text))
    sys.stdout.flush()


def err(text: str) -> None:
    """Print a text on the standard error."""
    sys.stderr.write(_lines(text))
    sys.stderr.flush()


def errors(text: str) -> None:
    """Print what is wrong, each line of it as an error of its own."""
    err("".join(f"error: {line}\n" for line in text.split("\n") if line))


def out_json(data: object, *, stderr: bool = False) -> None:
    """Print plain data as JSON for programs."""
    from runtime.data.printable import printable_json  # noqa: PLC0415

    stream = sys.stderr if stderr else sys.stdout
    stream.write(printable_json(data, indent=2) + "\n")
    stream.flush()


def out_json_text(text: str) -> None:
    """Print what is JSON already."""
    from runtime.data.printable import printable_json_text  # noqa: PLC0415

    sys.stdout.write(printable_json_text(text))
    sys.stdout.flush()


def wrapped(text: str, *, first: str = "", others: str = "  ") -> list[str]:
    """A text as lines of at most `WIDTH` columns.

    Args:
        text: The text.
        first: What the first line begins with.
        others: What the other lines begin with.
    """
    import textwrap  # noqa: PLC0415

    return textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=others, break_on_hyphens=False)


def _lines(text: str) -> str:
    from runtime.data.printable import printable  # noqa: PLC0415

    return printable(text, keep="\n")

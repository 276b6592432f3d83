"""Starts an interpreter that talks to this process over a socket pair."""

import asyncio
import socket
import sys
from collections.abc import Mapping


async def start_interpreter(
    code: str,
    *arguments: str,
    environment: Mapping[str, str],
    python: str = sys.executable,
    keeps_output: bool = False,
) -> tuple[asyncio.subprocess.Process, socket.socket]:
    """Start `python -I -c CODE ARGUMENTS… DESCRIPTOR` in a session of its own, without standard input.

    Args:
        code: What it runs.
        arguments: Its arguments, before the number of the descriptor of its end of the socket pair.
        environment: All that it sees of the environment.
        python: The interpreter.
        keeps_output: Whether its standard output and error go into a pipe; otherwise nowhere.

    Returns:
        The process and this side's end of the socket pair.

    Raises:
        Exception: What the system says when there is no such interpreter, or no room for one more process.
    """
    nowhere = asyncio.subprocess.DEVNULL
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            process = await asyncio.create_subprocess_exec(
                *(python, "-I", "-c", code, *arguments, str(theirs.fileno())),
                pass_fds=[theirs.fileno()],
                stdin=nowhere,
                stdout=asyncio.subprocess.PIPE if keeps_output else nowhere,
                stderr=asyncio.subprocess.STDOUT if keeps_output else nowhere,
                env=environment,
                start_new_session=True,
            )
        except BaseException:
            ours.close()
            raise
    return process, ours
